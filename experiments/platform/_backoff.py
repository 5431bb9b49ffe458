"""A crash loop with no lasting cause: containers crash until the kubelet keeps them down, and then nothing ails them.

What made them crash is gone, and they stay down all the same, for 10 s at first, then 20, 40, 80 and so on to 300 s
(https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#restart-policy), or to what the kubelet's
`crashLoopBackOff.maxContainerRestartPeriod` says: 10 s in the lab. A new pod knows no back-off: a rollout restart is
worth as much as is left of it.
"""

import contextlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from drill.cluster import ClusterError, PodState
from experiments._fault import Injection, Proof
from experiments._watch import NotSeenError, ticks
from experiments.platform import _together
from experiments.pods._site import Container, Site, see_replaced, shell

# Every process but PID 1, which an init follows into its end; then PID 1 itself, by what it has a handler for: the
# kernel drops all other signals that come to it from inside (pid_namespaces(7)).
_CRASH = "kill -KILL -1 2>/dev/null; kill -INT 1 2>/dev/null; kill -TERM 1 2>/dev/null; exit 0"


def backed_off(hit: Sequence[tuple[Site, Sequence[Container]]], crashes: int, within: float) -> Injection:
    """Crash containers as often as they come back, at least `crashes` times, until all are kept down at once.

    Args:
        hit: The containers of each workload.
        crashes: How often: with Kubernetes' defaults the back-off is 10 s, doubled for each crash after the second.
        within: Seconds in which all must be kept down.
    """
    before = {each.pod.uid: each.pod.restarts for _, containers in hit for each in containers}

    def inject() -> None:
        with ThreadPoolExecutor(len(before)) as pool:
            for _ in ticks(within, 0.5):
                now = _now(hit)
                # One that dies under the shell may be seen running once more, and be struck in vain: no harm is done.
                running = [(here, pod) for here, pod in now if here.container in pod.running]
                list(pool.map(lambda each: _crash(*each), running))
                down = [pod for here, pod in now if here.container not in pod.running]
                if len(down) == len(before) and all(pod.restarts - before[pod.uid] >= crashes - 1 for pod in down):
                    return

    def effect() -> Proof:
        now = _now(hit)
        pods = {pod.uid: pod for _, pod in now}
        if len(pods) < len(before):
            raise NotSeenError(f"{len(before) - len(pods)} of {len(before)} pods are gone as a whole")
        if up := [pod for here, pod in now if here.container in pod.running]:
            raise NotSeenError(f"{up[0].name} is not kept down: {', '.join(up[0].waiting) or up[0].phase}")
        # The kubelet shows the end of the last run first, and that it waits only when it looks again, seconds later.
        return {
            pods[uid].name: {
                "state": next(iter(pods[uid].waiting), "terminated"),
                "restarts": {"before": restarts, "after": pods[uid].restarts},
            }
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


def _crash(here: Site, pod: PodState) -> None:
    """Crash a container; what came of it is seen by its pod, since it takes the shell along that was to answer."""
    with contextlib.suppress(ClusterError):
        shell(here.cluster, Container(pod, here.container), _CRASH, timeout=5)
