"""Faults that end pods, or a process inside them; Kubernetes makes them good."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

from drill.errors import UsageError
from experiments import _signals
from experiments._fault import Injection, Proof, fault
from experiments._values import Grace
from experiments._watch import NotSeenError
from experiments.pods._site import Container, Site, drillable_site, see_replaced, select


@fault
def delete_pods(
    workload: str,
    namespace: str,
    *,
    count: int | str = 1,
    grace_period: Grace = 1,
    max_pods: int | str = 1,
    seed: int | None = None,
    effect_timeout: float = 60,
    recovery_timeout: float = 180,
) -> Injection:
    """Fault: delete pods of a workload at the same moment; its controller makes new ones. Durations in seconds.

    Args:
        workload: `deployment/name` or `statefulset/name`.
        namespace: Its namespace.
        count: How many pods: a count, or a share of those that are wanted ("50%").
        grace_period: What the containers get between SIGTERM and SIGKILL; at least 1 (0 frees the pod's name before
            its processes are dead).
        max_pods: Blast radius, a count or a share; pods that are not Ready already count.
        seed: Of the random choice; None: another choice each time.
        effect_timeout: How long the effect is awaited.
        recovery_timeout: How long it is awaited that all pods are Ready again.

    Returns:
        `{targets, proof, since}`; the proof is that the pods' uids are gone.
    """
    if grace_period < 1:
        raise UsageError("grace_period must be 1 s or more: 0 frees the pod's name before its processes are dead")
    here = drillable_site(namespace, workload)
    hit = select(here, count, max_pods, seed)

    def inject() -> None:
        for each in hit:
            here.cluster.delete_pod(each.pod, grace_period)

    def effect() -> Proof:
        there = {pod.uid for pod in here.pods()}
        if left := [each.pod.name for each in hit if each.pod.uid in there]:
            raise NotSeenError(f"{left[0]} is still there")
        return {"gone": {each.pod.name: each.pod.uid for each in hit}}

    return Injection(
        fault="delete_pods",
        method=f"delete, grace period {grace_period} s",
        targets=tuple(each.as_target() for each in hit),
        permissions=here.permissions(delete=True),
        inject=inject,
        effect=effect,
        undo=see_replaced,
        undo_arguments=here.arguments,
        recovered=here.recovered,
        effect_timeout=effect_timeout + grace_period,
        recovery_timeout=recovery_timeout,
    )


@fault
def kill_process(
    workload: str,
    namespace: str,
    process: str,
    *,
    container: str | None = None,
    count: int | str = 1,
    max_pods: int | str = 1,
    seed: int | None = None,
    effect_timeout: float = 60,
    recovery_timeout: float = 180,
) -> Injection:
    """Fault: kill -9 of a process inside a container of a workload's pods; the kubelet restarts it.

    Needs a shell in the image. The kernel drops a SIGKILL that comes from inside to PID 1 (pid_namespaces(7)): an
    application that runs without an init is out of its reach, and the fault says so.

    Args:
        workload: As of `delete_pods`.
        namespace: As of `delete_pods`.
        process: Text in the command line of the process; exactly one process of the container must have it.
        container: Its container; None: the first one.
        count: As of `delete_pods`.
        max_pods: As of `delete_pods`.
        seed: As of `delete_pods`.
        effect_timeout: As of `delete_pods`.
        recovery_timeout: As of `delete_pods`.

    Returns:
        `{targets, proof, since}`; the proof is that each container was restarted, or does not run.
    """
    here = drillable_site(namespace, workload, container)
    hit = select(here, count, max_pods, seed)

    def inject() -> None:
        with ExitStack() as stack:
            armed = [stack.enter_context(_signals.armed(here.cluster, each, process, _signals.KILL)) for each in hit]
            for each in armed:
                each.fire()

    return Injection(
        fault="kill_process",
        method="sigkill",
        targets=tuple(each.as_target() for each in hit),
        permissions=here.permissions(execute=True),
        inject=inject,
        effect=ended(here, hit),
        undo=see_replaced,
        undo_arguments=here.arguments,
        recovered=here.recovered,
        effect_timeout=effect_timeout,
        recovery_timeout=recovery_timeout,
    )


def ended(here: Site, hit: Sequence[Container], reason: str | None = None) -> Callable[[], Proof]:
    """A look at whether each container has ended since, and for this `reason` where one is given.

    A pod that is gone as a whole proves nothing of its container.
    """

    def look() -> Proof:
        now = {pod.uid: pod for pod in here.pods()}
        proof: dict[str, Any] = {}
        for each in hit:
            pod = now.get(each.pod.uid)
            if pod is None:
                raise NotSeenError(f"{each.pod.name} is gone as a whole")
            after, before = pod.container_ids.get(each.container), each.pod.container_ids.get(each.container)
            if after == before and pod.restarts == each.pod.restarts and each.container in pod.running:
                raise NotSeenError(f"container {each.container} of {pod.name} runs on")
            why = pod.ended.get(each.container)
            if reason is not None and why != reason:
                raise NotSeenError(f"container {each.container} of {pod.name} ended as {why}, not {reason}")
            proof[pod.name] = {
                "ended": why,
                "runs_again": each.container in pod.running,
                "container_id": {"before": before, "after": after},
                "restarts": {"before": each.pod.restarts, "after": pod.restarts},
            }
        return {"containers": proof}

    return look
