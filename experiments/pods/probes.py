"""Probes of a workload: they only read."""

from chaoslib.exceptions import ActivityFailed

from drill import settings
from experiments._watch import GivenUpError, NotSeenError, await_seen
from experiments.pods._site import Site, site


def workload_ready(workload: str, namespace: str) -> bool:
    """Probe: whether all pods that are wanted of a workload are Ready, of one template, and at least one is wanted.

    Args:
        workload: `deployment/name` or `statefulset/name`.
        namespace: Its namespace.
    """
    here = _here(workload, namespace)
    try:
        here.recovered()
    except NotSeenError:
        return False
    return here.workload.replicas > 0


def ready_pods(workload: str, namespace: str) -> int:
    """Probe: how many pods of a workload are Ready.

    Args:
        workload: As of `workload_ready`.
        namespace: As of `workload_ready`.
    """
    return sum(pod.ready and not pod.terminating for pod in _here(workload, namespace).pods())


def await_ready(workload: str, namespace: str, timeout: float = 180) -> bool:
    """Probe: wait until all pods of a workload are Ready.

    Args:
        workload: As of `workload_ready`.
        namespace: As of `workload_ready`.
        timeout: Seconds to wait.

    Raises:
        ActivityFailed: not in time.
    """
    try:
        await_seen(_here(workload, namespace).recovered, timeout)
    except GivenUpError as given_up:
        raise ActivityFailed(f"{workload} is not Ready after {timeout:g} s: {given_up}") from given_up
    return True


def _here(workload: str, namespace: str) -> Site:
    return site(str(settings.load().context), namespace, workload)
