"""Nodes as the API server has them, and what faults change in them."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from kubernetes import client

from drill.cluster import TIMEOUT, Cluster, ClusterError, PodState, answering, pod_state

_CONTROL_PLANE = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")
_REFUSED = 429


@dataclass(frozen=True)
class NodeState:
    """One node."""

    name: str
    uid: str
    ready: bool
    unschedulable: bool
    control_plane: bool
    taints: tuple[str, ...]
    """Keys of its taints."""

    @property
    def available(self) -> bool:
        """Whether pods run there and new ones may come."""
        return self.ready and not self.unschedulable

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON types, for events and evidence."""
        return {**asdict(self), "taints": list(self.taints)}


def nodes(cluster: Cluster) -> dict[str, NodeState]:
    """All nodes by name.

    Raises:
        ClusterError: the API server refused or did not answer.
    """
    with answering("nodes"):
        listed = cluster.core.list_node(_request_timeout=TIMEOUT)
    return {each.metadata.name: _state(each) for each in listed.items}


def pods_on(cluster: Cluster, node: str) -> list[PodState]:
    """The pods on a node, of all namespaces, without those that have ended.

    Raises:
        ClusterError: the API server refused or did not answer.
    """
    with answering(f"pods on {node}"):
        listed = cluster.core.list_pod_for_all_namespaces(
            field_selector=f"spec.nodeName={node}", _request_timeout=TIMEOUT
        )
    found = [pod_state(pod) for pod in listed.items]
    return sorted(
        (pod for pod in found if pod.phase not in {"Succeeded", "Failed"}), key=lambda pod: (pod.namespace, pod.name)
    )


def node_of(cluster: Cluster, namespace: str, pod: str) -> str | None:
    """The node that a pod runs on; None: none yet.

    Raises:
        ClusterError: there is no such pod, or the API server refused or did not answer.
    """
    with answering(f"pod {namespace}/{pod}"):
        found = cluster.core.read_namespaced_pod(pod, namespace, _request_timeout=TIMEOUT)
    return pod_state(found).node


def ready_by_owner(cluster: Cluster, namespaces: Iterable[str]) -> dict[str, int]:
    """How many pods are Ready of each controller in these namespaces: by `namespace/kind/name`.

    Raises:
        ClusterError: the API server refused or did not answer.
    """
    ready: Counter[str] = Counter()
    for namespace in namespaces:
        with answering(f"pods in {namespace}"):
            listed = cluster.core.list_namespaced_pod(namespace, _request_timeout=TIMEOUT)
        for pod in map(pod_state, listed.items):
            ready[f"{namespace}/{pod.owner_kind}/{pod.owner}"] += pod.ready and not pod.terminating
    return dict(ready)


def set_unschedulable(cluster: Cluster, node: str, *, unschedulable: bool) -> None:
    """Cordon a node, or let new pods come again.

    Raises:
        ClusterError: the API server refused or did not answer.
    """
    body = {"spec": {"unschedulable": True if unschedulable else None}}
    with answering(f"{'cordon' if unschedulable else 'uncordon'} {node}"):
        cluster.core.patch_node(
            node, body, _content_type="application/strategic-merge-patch+json", _request_timeout=TIMEOUT
        )


def evict(cluster: Cluster, pod: PodState, grace_period: int | None = None) -> str | None:
    """Ask for the eviction of exactly this pod; returns why a PodDisruptionBudget refuses it, None: it goes.

    A pod that is gone already is one that went.

    Raises:
        ClusterError: the API server refused for another reason, or did not answer.
    """
    options = client.V1DeleteOptions(
        grace_period_seconds=grace_period, preconditions=client.V1Preconditions(uid=pod.uid)
    )
    body = client.V1Eviction(
        metadata=client.V1ObjectMeta(name=pod.name, namespace=pod.namespace), delete_options=options
    )
    try:
        with answering(f"evict {pod.namespace}/{pod.name}"):
            cluster.core.create_namespaced_pod_eviction(pod.name, pod.namespace, body, _request_timeout=TIMEOUT)
    except ClusterError as error:
        status = getattr(error.__cause__, "status", None)
        if status == _REFUSED:
            return str(error)
        if status in {404, 409}:  # gone, or another pod has its name by now
            return None
        raise
    return None


def _state(node: Any) -> NodeState:
    conditions, taints = node.status.conditions or [], node.spec.taints or []
    return NodeState(
        name=node.metadata.name,
        uid=node.metadata.uid,
        ready=any(each.type == "Ready" and each.status == "True" for each in conditions),
        unschedulable=bool(node.spec.unschedulable),
        control_plane=any(label in (node.metadata.labels or {}) for label in _CONTROL_PLANE),
        taints=tuple(each.key for each in taints),
    )
