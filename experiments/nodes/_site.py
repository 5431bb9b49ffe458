"""Which node a fault means, what runs there, and whether it may be touched."""

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from drill import nodes, settings
from drill.cluster import Cluster, Permission, PodState
from drill.errors import RefusedError, UsageError
from drill.nodes import NodeState
from drill.settings import Settings
from experiments._guard import drillable, ensure_within
from experiments._watch import NotSeenError


@dataclass(frozen=True)
class Site:
    """A node as it was when the fault was built, and the cluster that it is of."""

    settings: Settings
    cluster: Cluster
    node: NodeState
    hosted: tuple[PodState, ...]
    """All pods on it."""
    ready: dict[str, int]
    """How many pods were Ready of each controller in the drillable namespaces."""

    @property
    def arguments(self) -> dict[str, Any]:
        """What an undo needs to find it again."""
        return {"context": self.cluster.context, "node": self.node.name}

    @property
    def drillable(self) -> tuple[PodState, ...]:
        """The pods on it that are in drillable namespaces."""
        return tuple(pod for pod in self.hosted if pod.namespace in self.settings.target.namespaces)

    def as_target(self, **more: Any) -> dict[str, Any]:
        """As plans and events name it, with all that runs on it."""
        return {
            "kind": "Node",
            "namespace": None,
            "name": self.node.name,
            "uid": self.node.uid,
            "pods": [f"{pod.namespace}/{pod.name}" for pod in self.hosted],
            **more,
        }

    def pod_targets(self, pods: Sequence[PodState]) -> tuple[dict[str, Any], ...]:
        """The pods on it that a fault hits, as plans and events name them."""
        return tuple(
            {
                "kind": "Pod",
                "namespace": pod.namespace,
                "name": pod.name,
                "uid": pod.uid,
                "node": self.node.name,
            }
            for pod in pods
        )

    def now(self) -> NodeState:
        """The node as it is now."""
        found = nodes.nodes(self.cluster)
        if self.node.name not in found:
            raise NotSeenError(f"there is no node {self.node.name}")
        return found[self.node.name]

    def permissions(self, *verbs: str) -> tuple[Permission, ...]:
        """To read nodes and pods, and `verbs` on this node."""
        return (
            Permission("list", "nodes"),
            Permission("list", "pods"),
            Permission("get", "pods"),
            *(Permission(verb, "nodes", name=self.node.name) for verb in verbs),
        )

    def recovered(self) -> dict[str, Any]:
        """Look whether the node takes pods, and as many pods are Ready of each controller as before."""
        now = self.now()
        if not now.available:
            raise NotSeenError(f"{now.name} is {'cordoned' if now.ready else 'not Ready'}")
        ready = nodes.ready_by_owner(self.cluster, self.settings.target.namespaces)
        for owner, wanted in self.ready.items():
            if ready.get(owner, 0) < wanted:
                raise NotSeenError(f"{ready.get(owner, 0)} pods of {owner} are Ready, and were {wanted}")
        return {"node": "Ready", "pods_ready": sum(ready.values())}


def look(context: str, node: str) -> tuple[Settings, Cluster, NodeState]:
    """A node, for an undo.

    Raises:
        NotSeenError: there is none of that name.
    """
    loaded = settings.load(context=context)
    cluster = Cluster.connect(loaded)
    found = nodes.nodes(cluster)
    if node not in found:
        raise NotSeenError(f"there is no node {node}")
    return loaded, cluster, found[node]


def drillable_node(node: str, max_nodes: int) -> Site:
    """A node to inject faults into.

    Args:
        node: Its name, or `pod:NAMESPACE/NAME`: the one on which this pod runs.
        max_nodes: Blast radius; nodes that are cordoned or not Ready already count.

    Raises:
        RefusedError: not drillable, of the control plane, without a pod of a drillable namespace, with one of a
            protected namespace, not available already, or beyond the blast radius.
    """
    loaded, cluster = drillable(None)
    known, name = nodes.nodes(cluster), _resolve(cluster, node)
    if name not in known:
        raise RefusedError(f"there is no node {name}, but: {', '.join(sorted(known))}")
    if known[name].control_plane:
        raise RefusedError(f"{name} is of the control plane: that is never drilled")
    if not known[name].available:
        raise RefusedError(f"{name} is {'cordoned' if known[name].ready else 'not Ready'} already")
    unavailable = {each.name for each in known.values() if not each.available} | {name}
    ensure_within(len(unavailable), len(known), max_nodes, "nodes")
    hosted = nodes.pods_on(cluster, name)
    for pod in hosted:
        for pattern in loaded.target.protected_namespaces:
            if fnmatch.fnmatchcase(pod.namespace, pattern):
                raise RefusedError(f"{name} runs {pod.namespace}/{pod.name}, whose namespace is protected")
    here = Site(loaded, cluster, known[name], tuple(hosted), nodes.ready_by_owner(cluster, loaded.target.namespaces))
    if not here.drillable:
        raise RefusedError(f"{name} runs no pod of a drillable namespace: what would be learned from it?")
    return here


def _resolve(cluster: Cluster, node: str) -> str:
    if not node.startswith("pod:"):
        return node
    namespace, _, pod = node.removeprefix("pod:").partition("/")
    if not namespace or not pod:
        raise UsageError(f"node is {node!r}: give its name, or pod:NAMESPACE/NAME")
    found = nodes.node_of(cluster, namespace, pod)
    if found is None:
        raise RefusedError(f"pod {namespace}/{pod} is on no node yet")
    return found
