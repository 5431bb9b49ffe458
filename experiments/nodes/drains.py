"""Faults that keep pods off a node, and send those away that are there; and their undo."""

from dataclasses import dataclass, field
from typing import Any

from drill import clock, nodes
from drill.cluster import Permission, PodState
from drill.errors import RefusedError
from drill.rollback import NotRestoredError
from experiments._fault import Injection, Proof, fault
from experiments._watch import GivenUpError, NotSeenError, await_seen
from experiments.nodes._site import Site, drillable_node, look

_TAINT = "node.kubernetes.io/unschedulable"


@fault
def cordon_node(
    node: str, *, hold: float = 30, max_nodes: int = 1, effect_timeout: float = 30, recovery_timeout: float = 60
) -> Injection:
    """Fault: cordon a node: what runs there stays, and nothing new comes. Durations in seconds.

    Args:
        node: Its name, or `pod:NAMESPACE/NAME`: the one on which this pod runs.
        hold: How long it stays so.
        max_nodes: Blast radius: nodes that are unavailable at a time, those that are so already included.
        effect_timeout: How long the effect is awaited.
        recovery_timeout: How long it is awaited that the node is available and all pods are Ready.

    Returns:
        `{targets, proof, since}`; the proof is the taint by which the scheduler keeps off.
    """
    here = drillable_node(node, max_nodes)
    return Injection(
        fault="cordon_node",
        method="cordon",
        targets=(here.as_target(),),
        permissions=here.permissions("patch"),
        inject=lambda: nodes.set_unschedulable(here.cluster, here.node.name, unschedulable=True),
        effect=lambda: _cordoned(here),
        undo=uncordon,
        undo_arguments=here.arguments,
        recovered=here.recovered,
        hold=hold,
        effect_timeout=effect_timeout,
        recovery_timeout=recovery_timeout,
    )


@fault
def drain_node(
    node: str,
    *,
    grace_period: int | None = None,
    patience: float = 60,
    hold: float = 30,
    max_nodes: int = 1,
    effect_timeout: float = 120,
    recovery_timeout: float = 300,
) -> Injection:
    """Fault: cordon a node and evict its pods of the drillable namespaces, as `kubectl drain` does.

    PodDisruptionBudgets are respected. An eviction that one refuses is tried again for as long as `patience` lasts;
    what is refused even then stays, and is the outcome: `drained`, `refused in part` or `refused`. Pods of DaemonSets
    and of namespaces that are not drillable are left alone, and named.

    Args:
        node: As of `cordon_node`.
        grace_period: What containers get between SIGTERM and SIGKILL; None: as their pods say.
        patience: How long refused evictions are tried again.
        hold: As of `cordon_node`.
        max_nodes: As of `cordon_node`.
        effect_timeout: How long it is awaited that the evicted pods are gone, after `patience`.
        recovery_timeout: How long it is awaited that as many pods are Ready as before.

    Returns:
        `{targets, proof, since}`; the proof is `{outcome, evicted, refused, left_alone}`.
    """
    here = drillable_node(node, max_nodes)
    drain = _Drain(here, grace_period, patience)
    return Injection(
        fault="drain_node",
        method="eviction",
        targets=(here.as_target(), *here.pod_targets(drain.meant)),
        permissions=(
            *here.permissions("patch"),
            # Of every drillable namespace: which of them has a pod on the node may be another one in the next run.
            *(
                Permission("create", "pods", namespace, subresource="eviction")
                for namespace in sorted(here.settings.target.namespaces)
            ),
        ),
        inject=drain.begin,
        effect=drain.look,
        undo=uncordon,
        undo_arguments=here.arguments,
        recovered=here.recovered,
        hold=hold,
        effect_timeout=patience + effect_timeout,
        recovery_timeout=recovery_timeout,
    )


def uncordon(context: str, node: str, timeout: float = 30) -> dict[str, Any]:
    """Undo of a cordon and of a drain: new pods may come again.

    Raises:
        NotRestoredError: the node is still cordoned.
    """

    def seen() -> dict[str, Any]:
        _, cluster, now = look(context, node)
        if now.unschedulable or _TAINT in now.taints:
            nodes.set_unschedulable(cluster, node, unschedulable=False)
            raise NotSeenError(f"{node} is cordoned")
        return {"node": node, "unschedulable": False, "taints": list(now.taints)}

    try:
        return await_seen(seen, timeout)
    except GivenUpError as given_up:
        raise NotRestoredError(f"after {timeout:g} s {given_up}") from given_up


@dataclass
class _Drain:
    """One drain on its way."""

    here: Site
    grace_period: int | None
    patience: float
    refused: dict[str, str] = field(default_factory=dict)
    """By pod: what the last refusal said."""
    _going: set[str] = field(default_factory=set)
    _began: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what a drain could not bring back, or what it would do nothing to."""
        if bare := [_name(pod) for pod in self.meant if pod.owner is None]:
            raise RefusedError(f"{bare[0]} has no controller, so nobody would make it anew")
        if not self.meant:
            raise RefusedError(f"{self.here.node.name} runs no pod of a drillable namespace that can be evicted")

    @property
    def meant(self) -> list[PodState]:
        """The pods to evict; those of DaemonSets and of the kubelet itself (mirror pods) would come back at once."""
        return [pod for pod in self.here.drillable if pod.owner_kind not in {"DaemonSet", "Node"}]

    def begin(self) -> None:
        """Cordon, and ask for each eviction once."""
        self._began = clock.now()
        nodes.set_unschedulable(self.here.cluster, self.here.node.name, unschedulable=True)
        self._evict()

    def look(self) -> Proof:
        """Ask again for what was refused, and see what is gone."""
        _cordoned(self.here)
        self._evict()
        there = {pod.uid for pod in nodes.pods_on(self.here.cluster, self.here.node.name)}
        if self.refused and clock.now() - self._began < self.patience:
            name, reason = next(iter(self.refused.items()))
            raise NotSeenError(f"the eviction of {name} is refused: {reason}")
        if left := [_name(pod) for pod in self.meant if pod.uid in self._going & there]:
            raise NotSeenError(f"{left[0]} is still on {self.here.node.name}")
        meant = {pod.uid for pod in self.meant}
        return {
            "outcome": "drained" if not self.refused else "refused in part" if self._going else "refused",
            "evicted": [_name(pod) for pod in self.meant if pod.uid in self._going],
            "refused": dict(self.refused),
            "left_alone": [_name(pod) for pod in self.here.hosted if pod.uid not in meant],
        }

    def _evict(self) -> None:
        for pod in self.meant:
            if pod.uid in self._going:
                continue
            reason = nodes.evict(self.here.cluster, pod, self.grace_period)
            if reason is None:
                self._going.add(pod.uid)
                self.refused.pop(_name(pod), None)
            else:
                self.refused[_name(pod)] = reason


def _cordoned(here: Site) -> Proof:
    now = here.now()
    if not now.unschedulable or _TAINT not in now.taints:
        raise NotSeenError(f"{now.name} is not cordoned")
    return {"unschedulable": True, "taint": _TAINT}


def _name(pod: PodState) -> str:
    return f"{pod.namespace}/{pod.name}"
