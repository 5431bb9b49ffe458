"""A crash loop with no lasting cause: containers crash until the kubelet keeps them down, and then nothing ails them.

What made them crash is gone, and they stay down all the same, for 10 s after the first restarts, then 20, 40, 80 and so
on to 300 s (https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#restart-policy). A new pod knows no
back-off: this is what a rollout restart cures.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from drill.cluster import ClusterError, PodState
from experiments._fault import Injection, Proof
from experiments._watch import NotSeenError, ticks
from experiments.pods._site import Container, Site, see_replaced, shell

# Every process but PID 1, which an init follows into its end; then PID 1 itself, by what it has a handler for: the
# kernel drops all other signals that come to it from inside (pid_namespaces(7)).
_CRASH = "kill -KILL -1 2>/dev/null; kill -INT 1 2>/dev/null; kill -TERM 1 2>/dev/null; exit 0"
_KEPT_DOWN = "CrashLoopBackOff"


def backed_off(here: Site, hit: Sequence[Container], crashes: int, within: float) -> Injection:
    """Crash each container as often as it comes back, `crashes` times; the last back-off is what stays.

    Args:
        here: The workload.
        hit: The containers.
        crashes: How often: the back-off that is left is 10 s, doubled for each crash after the second.
        within: Seconds in which all must have crashed that often.
    """
    before = {each.pod.uid: each.pod.restarts for each in hit}

    def inject() -> None:
        struck: dict[str, set[str]] = {uid: set() for uid in before}
        with ThreadPoolExecutor(len(hit)) as pool:
            for _ in ticks(within, 0.5):
                pods = {pod.uid: pod for pod in here.pods() if pod.uid in before}
                alive = [
                    pod
                    for pod in pods.values()
                    if here.container in pod.running
                    and len(struck[pod.uid]) < crashes
                    and pod.container_ids[here.container] not in struck[pod.uid]
                ]
                for pod, fell in zip(alive, pool.map(lambda pod: _crash(here, pod), alive), strict=True):
                    if fell:
                        struck[pod.uid].add(pod.container_ids[here.container])
                if all(len(each) >= crashes for each in struck.values()):
                    return

    def effect() -> Proof:
        pods = {pod.uid: pod for pod in here.pods()}
        for each in hit:
            pod = pods.get(each.pod.uid)
            if pod is None:
                raise NotSeenError(f"{each.pod.name} is gone as a whole")
            if _KEPT_DOWN not in pod.waiting:
                raise NotSeenError(f"{pod.name} is not kept down: {', '.join(pod.waiting) or pod.phase}")
        return {
            pods[uid].name: {"waiting": _KEPT_DOWN, "restarts": {"before": restarts, "after": pods[uid].restarts}}
            for uid, restarts in before.items()
        }

    return Injection(
        fault="crash_loop",
        method=f"{crashes} crashes on end",
        targets=tuple(each.as_target() for each in hit),
        permissions=here.permissions(execute=True),
        inject=inject,
        effect=effect,
        undo=see_replaced,
        undo_arguments=here.arguments,
        recovered=here.recovered,
    )


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
