"""A fault: all pods of a workload that share a node go at once, as they do when that node does."""

from collections import Counter

from experiments.authoring import (
    Injection,
    NotSeenError,
    Proof,
    RefusedError,
    drillable_site,
    ensure_pods_within,
    fault,
    see_replaced,
)


@fault
def example_name(
    workload: str,
    namespace: str,
    *,
    grace_period: int = 1,
    max_pods: int | str = 1,
    effect_timeout: float = 60,
    recovery_timeout: float = 180,
) -> Injection:
    """Fault: delete the pods of a workload that run on the node that has the most of them. Durations in seconds.

    Building it resolves the targets and touches nothing, so that `drill plan` can show them.

    Args:
        workload: `deployment/name` or `statefulset/name`.
        namespace: Its namespace.
        grace_period: What the containers get between SIGTERM and SIGKILL.
        max_pods: Blast radius, a count or a share ("50%"); the scenario's `blast_radius` sets it.
        effect_timeout: How long the effect is awaited.
        recovery_timeout: How long it is awaited that all pods are Ready again.

    Returns:
        `{targets, proof, since}`; the proof is that the pods' uids are gone.
    """
    here = drillable_site(namespace, workload)  # refuses what drill.toml does not declare drillable
    pods = [pod for pod in here.pods() if pod.node and not pod.terminating]
    if not pods:
        raise RefusedError(f"no pod of {workload} runs on any node")
    ((node, _),) = Counter(str(pod.node) for pod in sorted(pods, key=lambda pod: pod.name)).most_common(1)
    hit = [pod for pod in pods if pod.node == node]
    ensure_pods_within(here, len(hit), max_pods)

    def inject() -> None:
        for pod in hit:
            here.cluster.delete_pod(pod, grace_period)

    def effect() -> Proof:
        there = {pod.uid for pod in here.pods()}
        if left := [pod.name for pod in hit if pod.uid in there]:
            raise NotSeenError(f"{left[0]} is still there")
        return {"node": node, "gone": [pod.name for pod in hit]}

    return Injection(
        fault="example_name",
        method=f"delete, grace period {grace_period} s",
        targets=tuple({"kind": "Pod", "namespace": namespace, "name": pod.name, "node": node} for pod in hit),
        permissions=here.permissions(delete=True),
        inject=inject,
        effect=effect,
        undo=see_replaced,  # Kubernetes makes new ones; that they are there is seen
        undo_arguments=here.arguments,
        recovered=here.recovered,
        effect_timeout=effect_timeout + grace_period,
        recovery_timeout=recovery_timeout,
    )
