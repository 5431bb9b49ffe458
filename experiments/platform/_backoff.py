"""A crash loop with no lasting cause: containers crash until the kubelet keeps them down, and then nothing ails them.

What made them crash is gone, and they stay down all the same, for 10 s after the first restarts, then 20, 40, 80 and so
on to 300 s (https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#restart-policy). A new pod knows no
back-off: this is what a rollout restart cures.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from drill.cluster import ClusterError, PodState
from experiments._fault import Injection, Proof
from experiments._watch import NotSeenError, ticks
from experiments.platform import _together
from experiments.pods._site import Container, Site, see_replaced, shell

# Every process but PID 1, which an init follows into its end; then PID 1 itself, by what it has a handler for: the
# kernel drops all other signals that come to it from inside (pid_namespaces(7)).
_CRASH = "kill -KILL -1 2>/dev/null; kill -INT 1 2>/dev/null; kill -TERM 1 2>/dev/null; exit 0"
_KEPT_DOWN = "CrashLoopBackOff"


def backed_off(hit: Sequence[tuple[Site, Sequence[Container]]], crashes: int, within: float) -> Injection:
    """Crash containers as often as they come back, at least `crashes` times, until all are kept down at once.

    Args:
        hit: The containers of each workload.
        crashes: How often: the back-off that is left is 10 s, doubled for each crash after the second.
        within: Seconds in which all must be kept down.
    """
    before = {each.pod.uid: each.pod.restarts for _, containers in hit for each in containers}
    struck: dict[str, set[str]] = {uid: set() for uid in before}

    def inject() -> None:
        with ThreadPoolExecutor(len(before)) as pool:
            for _ in ticks(within, 0.5):
                now = _now(hit)
                alive = [(here, pod) for here, pod in now if _alive(here, pod, struck)]
                for (here, pod), fell in zip(alive, pool.map(lambda each: _crash(*each), alive), strict=True):
                    if fell:
                        struck[pod.uid].add(pod.container_ids[here.container])
                down = sum(_KEPT_DOWN in pod.waiting for _, pod in now)
                if down == len(before) and all(len(lives) >= crashes for lives in struck.values()):
                    return

    def effect() -> Proof:
        pods = {pod.uid: pod for _, pod in _now(hit)}
        if len(pods) < len(before):
            raise NotSeenError(f"{len(before) - len(pods)} of {len(before)} pods are gone as a whole")
        if up := [pod for pod in pods.values() if _KEPT_DOWN not in pod.waiting]:
            raise NotSeenError(f"{up[0].name} is not kept down: {', '.join(up[0].waiting) or up[0].phase}")
        return {
            pods[uid].name: {"waiting": _KEPT_DOWN, "restarts": {"before": restarts, "after": pods[uid].restarts}}
            for uid, restarts in before.items()
        }

    return Injection(
        fault="crash_loop",
        method=f"{crashes} crashes or more on end",
        targets=tuple(here.workload.as_target() for here, _ in hit),
        permissions=tuple(dict.fromkeys(one for here, _ in hit for one in here.permissions(execute=True))),
        inject=inject,
        effect=effect,
        undo=_together.undo_each,
        undo_arguments=_together.undos(hit[0][0].cluster.context, [(see_replaced, here.arguments) for here, _ in hit]),
        recovered=lambda: {here.workload.ref: here.recovered() for here, _ in hit},
    )


def _now(hit: Sequence[tuple[Site, Sequence[Container]]]) -> list[tuple[Site, PodState]]:
    """Those of the pods that are still there, as they are now."""
    return [
        (here, pod)
        for here, containers in hit
        for pod in here.pods()
        if pod.uid in {each.pod.uid for each in containers}
    ]


def _alive(here: Site, pod: PodState, struck: Mapping[str, set[str]]) -> bool:
    """Whether its container runs and was not struck in this life."""
    return here.container in pod.running and pod.container_ids[here.container] not in struck[pod.uid]


def _crash(here: Site, pod: PodState) -> bool:
    """Whether the container was reached; one that dies under the shell was, too."""
    try:
        shell(here.cluster, Container(pod, here.container), _CRASH, timeout=5)
    except ClusterError:
        return _gone(here, pod)
    return True


def _gone(here: Site, pod: PodState) -> bool:
    now = next((each for each in here.pods() if each.uid == pod.uid), None)
    return (
        now is None
        or now.container_ids.get(here.container) != pod.container_ids[here.container]
        or (here.container not in now.running)
    )
