"""The fault that takes a whole node away, by the hooks of the settings, and its undo."""

from typing import Any

from drill import nodes
from drill.errors import RefusedError
from drill.rollback import NotRestoredError
from experiments import _hooks as hooks
from experiments._fault import Injection, Proof, fault
from experiments._watch import GivenUpError, NotSeenError, await_seen
from experiments.nodes._site import Site, drillable_node, look

DEAD_MAN = 60.0
"""Seconds after the planned end when the node is to come back by itself, where its hook knows `{seconds}`."""
_HOOK_TIMEOUT = 120.0


@fault
def lose_node(
    node: str, *, hold: float = 60, max_nodes: int = 1, effect_timeout: float = 120, recovery_timeout: float = 300
) -> Injection:
    """Fault: stop a node, its kubelet and its containers, by the hook `node_down`; `node_up` starts it again.

    Kubernetes calls a node NotReady when it has not heard of it for some time (node-monitor-grace-period, 50 s by
    default from 1.32 on), and its pods with it. Durations in seconds.

    The hooks' `{node}` is the node's name, and `{seconds}` is when it should come back whatever becomes of the harness:
    a hook that can see to that (`drill lab node stop {node} --for {seconds}`) is the dead man.

    Args:
        node: Its name, or `pod:NAMESPACE/NAME`: the one on which this pod runs.
        hold: How long it stays away, from when Kubernetes has noticed.
        max_nodes: Blast radius: nodes that are unavailable at a time, those that are so already included.
        effect_timeout: How long the effect is awaited.
        recovery_timeout: How long it is awaited that the node is Ready and all pods are.

    Returns:
        `{targets, proof, since}`; the proof is that the node is NotReady, and that none of its pods is Ready.
    """
    here = drillable_node(node, max_nodes)
    declared = here.settings.target.hooks
    if not declared.node_down or not declared.node_up:
        raise RefusedError(
            f"context {here.settings.context!r} declares no hooks node_down and node_up: Kubernetes itself can stop no "
            f"node (add [contexts.{here.settings.context}.hooks])"
        )
    down = _filled(declared.node_down, here.node.name, effect_timeout + hold + DEAD_MAN)
    return Injection(
        fault="lose_node",
        method="hook",
        targets=(here.as_target(hook=" ".join(down)), *here.pod_targets(here.drillable)),
        permissions=here.permissions(),
        inject=lambda: _run(down),
        effect=lambda: _lost(here),
        undo=bring_back,
        undo_arguments=here.arguments,
        recovered=here.recovered,
        hold=hold,
        effect_timeout=effect_timeout,
        recovery_timeout=recovery_timeout,
    )


def bring_back(context: str, node: str, timeout: float = 180) -> dict[str, Any]:
    """Undo of a node loss: the hook `node_up`, which does nothing where the node runs; then the node is Ready again.

    Raises:
        ClusterError: the hook failed.
        NotRestoredError: the node is not Ready in time.
    """
    loaded, _, _ = look(context, node)
    _run(_filled(loaded.target.hooks.node_up, node, 0))

    def seen() -> dict[str, Any]:
        _, _, now = look(context, node)
        if not now.ready:
            raise NotSeenError(f"{node} is not Ready")
        return {"node": node, "ready": True, "taints": list(now.taints)}

    try:
        return await_seen(seen, timeout)
    except GivenUpError as given_up:
        raise NotRestoredError(f"after {timeout:g} s {given_up}") from given_up


def _lost(here: Site) -> Proof:
    now = here.now()
    if now.ready:
        raise NotSeenError(f"{now.name} is Ready")
    pods = nodes.pods_on(here.cluster, now.name)
    if serving := [f"{pod.namespace}/{pod.name}" for pod in pods if pod.ready]:
        raise NotSeenError(f"{now.name} is NotReady, and its pod {serving[0]} still counts as Ready")
    return {"node": "NotReady", "taints": list(now.taints), "pods_not_ready": len(pods)}


def _filled(hook: tuple[str, ...], node: str, seconds: float) -> list[str]:
    return [part.replace("{node}", node).replace("{seconds}", f"{seconds:.0f}") for part in hook]


def _run(argv: list[str]) -> None:
    hooks.run(argv, _HOOK_TIMEOUT)
