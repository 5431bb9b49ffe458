"""Runbook: a workload is in CrashLoopBackOff."""

from typing import Any

from drill import workloads
from drill.cluster import TIMEOUT, Permission, answering
from experiments._watch import NotSeenError, await_seen
from experiments.pods._site import Site, drillable_site
from experiments.pods.rollouts import crash_loop
from experiments.runbooks._phases import Evidence, Mode, Phase, Runbook, StepFailedError, self_heal
from experiments.runbooks._rehearsal import Rehearsal, rehearsal
from experiments.runbooks._steps import described, is_failing, read_log, warnings

_REVISION = "deployment.kubernetes.io/revision"


@rehearsal
def rehearse_crashloop(
    workload: str,
    namespace: str,
    *,
    mode: Mode = "runbook",
    recreate: bool = False,
    describe_budget: float = 300,
    logs_budget: float = 300,
    undo_budget: float = 300,
    verify_budget: float = 300,
    max_pods: int | str = 1,
    effect_timeout: float = 120,
    recovery_timeout: float = 300,
) -> Rehearsal:
    """Fault: a bad release crashes; follow the runbook: describe, previous logs, rollout undo, verify.

    Args:
        workload: The Deployment, `deployment/name`.
        namespace: Its namespace.
        mode: As of `rehearse_pool_exhausted`.
        recreate: All its pods at once, so that clients see it; else Kubernetes keeps most of the old ones.
        describe_budget: Seconds for: the pods, their state, their resources, warnings.
        logs_budget: Seconds for: the logs of the runs that crashed.
        undo_budget: Seconds for: rollout undo, awaited.
        verify_budget: Seconds for: all pods Ready, none in CrashLoopBackOff or Pending.
        max_pods: Blast radius: pods that the release may take away, a count or a share.
        effect_timeout: How long it is awaited that a pod crashes.
        recovery_timeout: How long it is awaited, after all that was done, that all pods are Ready.

    Returns:
        `{targets, proof, since, phases}`.

    Raises:
        ActivityFailed: the effect was not seen, or the workload was not whole in time.
        RefusedError: not drillable, or beyond the blast radius.
    """
    here = drillable_site(namespace, workload)
    fault = crash_loop.injection(
        workload,
        namespace,
        recreate=recreate,
        max_pods=max_pods,
        effect_timeout=effect_timeout,
        recovery_timeout=recovery_timeout,
    )
    phases: tuple[Phase, ...] = (
        Phase(
            "describe", describe_budget, f"Describe the pods of {workload}: state, resources, events.", _describe(here)
        ),
        Phase("logs", logs_budget, "Read the previous logs of what crashes (kubectl logs --previous).", _logs(here)),
        Phase("undo", undo_budget, f"Undo the release (kubectl rollout undo {workload}).", _undo(here), acts=True),
        Phase("verify", verify_budget, "Verify: every pod Ready, none in CrashLoopBackOff or Pending.", _verify(here)),
    )
    if mode == "self-heal":
        phases = self_heal(here.recovered, here.recovered, (describe_budget + logs_budget + undo_budget, verify_budget))
    return Rehearsal(fault, Runbook("crashloop", mode, phases, _permissions(here)))


def _permissions(here: Site) -> tuple[Permission, ...]:
    namespace = here.workload.namespace
    return (
        *here.permissions("patch"),
        Permission("get", "pods", namespace, subresource="log"),
        Permission("list", "events", namespace),
        Permission("list", "replicasets", namespace, group="apps"),
    )


def _describe(here: Site) -> Any:
    def perform(_: float) -> Evidence:
        pods, (_place, container) = here.pods(), here.now().container(here.container)
        failing = [pod for pod in pods if is_failing(pod)]
        evidence: Evidence = {
            "pods": described(pods),
            "resources": container.get("resources", {}),
            "command": container.get("command"),
            "image": container["image"],
            "warnings": warnings(here.cluster, [here.workload.namespace]),
        }
        if not failing:
            raise StepFailedError(f"no pod of {here.workload.ref} fails", evidence)
        return evidence

    return perform


def _logs(here: Site) -> Any:
    def perform(within: float) -> Evidence:
        def look() -> Evidence:
            for pod in (pod for pod in here.pods() if is_failing(pod)):
                if (text := read_log(here.cluster, pod, here.container, previous=True)) is not None:
                    return {"pod": pod.name, "previous": text, "ended": pod.ended.get(here.container)}
            raise NotSeenError("no failing container has a log of its run before")

        return await_seen(look, within, 1)

    return perform


def _undo(here: Site) -> Any:
    """`kubectl rollout undo` of a Deployment: the template of the ReplicaSet of the revision before becomes its own."""

    def perform(within: float) -> Evidence:
        now = here.now()
        with answering(f"revisions of {now.ref}"):
            listed = here.cluster.objects.list_namespaced_custom_object(
                "apps", "v1", now.namespace, "replicasets", label_selector=now.selector, _request_timeout=TIMEOUT
            )
        revisions = sorted(
            (each for each in listed["items"] if _owned(each, now.uid)),
            key=lambda each: int(each["metadata"]["annotations"][_REVISION]),
        )
        if len(revisions) < 2:  # noqa: PLR2004 - the one before the last
            raise StepFailedError(f"{now.ref} has no revision before this one", {"revisions": len(revisions)})
        before = revisions[-2]
        template = before["spec"]["template"]
        template["metadata"]["labels"].pop("pod-template-hash", None)
        workloads.patch(here.cluster, now, [{"op": "replace", "path": "/spec/template", "value": template}])
        revision = before["metadata"]["annotations"][_REVISION]
        return {"to_revision": revision, "whole": await_seen(here.recovered, within, 0.5)}

    return perform


def _owned(replica_set: dict[str, Any], uid: str) -> bool:
    return any(owner["uid"] == uid for owner in replica_set["metadata"].get("ownerReferences", []))


def _verify(here: Site) -> Any:
    return lambda within: {"whole": await_seen(here.recovered, within, 0.5), "pods": described(here.pods())}
