"""Platform down: everything critical at once, and the runbook that has 30 minutes."""

from typing import Any, Literal

from drill.errors import RefusedError, UsageError
from experiments._fault import Injection
from experiments._guard import Limit, drillable
from experiments._values import AtLeastOne
from experiments.platform._backoff import backed_off
from experiments.platform._critical import platform
from experiments.platform._together import together
from experiments.pods._site import drillable_site
from experiments.pods._site import select as select_pods
from experiments.pods.deaths import delete_pods
from experiments.pods.rollouts import scale_to_zero
from experiments.runbooks._phases import Mode, Phase, Runbook, self_heal
from experiments.runbooks._rehearsal import Rehearsal, rehearsal
from experiments.runbooks._services import System
from experiments.runbooks._steps import Order, Platform, Service

Method = Literal["delete", "scale-to-zero", "crash-loop"]
_FAULT = "platform_down"


@rehearsal
def platform_down(
    select: list[System],
    *,
    mode: Mode = "runbook",
    method: Method = "delete",
    order: Order = "dependency",
    crashes: AtLeastOne = 4,
    topic: str | None = None,
    assess_budget: float = 300,
    logs_budget: float = 300,
    restart_budget: float = 600,
    verify_budget: float = 600,
    max_pods: int | str = 1,
    max_brokers_down: int = 1,
    effect_timeout: float = 120,
    recovery_timeout: float = 600,
) -> Rehearsal:
    """Fault: take all critical workloads down at the same moment, and do about it what the mode says.

    Args:
        select: The critical systems: postgres, kafka, dolphinscheduler (its API), by the settings' names for them.
        mode: `self-heal` waits; `runbook` has the harness follow the runbook; `operator` prompts a person.
        method: `delete` ends all pods (grace 1 s), which Kubernetes replaces by itself. `scale-to-zero` takes them
            away for good: a rollout restart, as the runbook has it, does not bring them back. `crash-loop` crashes
            their containers until Kubernetes keeps them down, with nothing wrong with them any more.
        order: In which the runbook restarts: `dependency`, one after the other, or `written`, all at once.
        crashes: For `crash-loop`: how often each container crashes at least. By Kubernetes' defaults it is then kept
            down for 40 s after 4, for 80 s after 5; a kubelet with a lower limit (the lab's: 10 s) lets it go sooner.
        topic: Topic to which the runbook's verification writes one record; None: it asks Kafka for metadata only.
        assess_budget: Seconds for: nodes and pods, what fails.
        logs_budget: Seconds for: logs of what fails.
        restart_budget: Seconds for: rollout restart of the critical services.
        verify_budget: Seconds for: nothing in CrashLoopBackOff or Pending, and every service answers.
        max_pods: Blast radius of each workload; everything goes, so it must say "100%".
        max_brokers_down: Blast radius; all brokers go.
        effect_timeout: How long it is awaited that all is down.
        recovery_timeout: How long it is awaited, after all that was done, that everything is whole.

    Returns:
        `{targets, proof, since, phases}`; the proof is that of each workload's own fault.

    Raises:
        ActivityFailed: the effect was not seen, or the platform was not whole in time.
        RefusedError: not drillable, beyond the blast radius, or not whole already.
        UsageError: arguments that can't be meant, or a system that the context does not declare.
    """
    if crashes < 1:
        raise UsageError(f"crashes is {crashes}: give 1 or more")
    namespaces = [each.namespace for each in platform(drillable(None)[0], select).services]
    for namespace in namespaces:
        drillable(namespace)
    here = platform(drillable(None)[0], select, topic)
    _ensure_brokers_within(here, max_brokers_down)
    if method == "crash-loop":
        injections = {"crash_loop": _crash_loop(here, crashes, max_pods, effect_timeout)}
    else:
        injections = {each.workload: _injection(each, method, max_pods) for each in here.services}
    fault = together(
        _FAULT,
        here.cluster.context,
        injections,
        [_target(each) for each in here.services],
        here.whole,
        effect_timeout=effect_timeout,
        recovery_timeout=recovery_timeout,
    )
    budgets = (assess_budget, logs_budget, restart_budget, verify_budget)
    return Rehearsal(fault, _runbook(here, mode, order, budgets))


def _runbook(here: Platform, mode: Mode, order: Order, budgets: tuple[float, ...]) -> Runbook:
    """PLATFORM.md's `Emergency: platform down`, step by step."""
    assess, logs, restart, verify = budgets
    names = ", ".join(f"{each.workload} in {each.namespace}" for each in here.services)
    phases: tuple[Phase, ...] = (
        Phase(
            "assess",
            assess,
            "Assess: which nodes and pods are not well? (kubectl get nodes, pods, events)",
            here.assess,
        ),
        Phase("logs", logs, "Read the logs of what fails (kubectl logs, kubectl logs --previous).", here.logs),
        Phase(
            "restart",
            restart,
            f"Restart the critical services (kubectl rollout restart): {names}. Wait for each rollout.",
            lambda within: here.restart(within, order),
            acts=True,
        ),
        Phase(
            "verify", verify, "Verify: nothing in CrashLoopBackOff or Pending, and every service answers.", here.verify
        ),
    )
    if mode == "self-heal":
        phases = self_heal(here.whole, here.answering, (assess + logs + restart, verify))
    return Runbook(_FAULT.replace("_", "-"), mode, phases, here.permissions)


def _injection(each: Service, method: Method, max_pods: Limit) -> Injection:
    if method == "delete":
        return delete_pods.injection(each.workload, each.namespace, count="100%", max_pods=max_pods)
    if method == "scale-to-zero":
        return scale_to_zero.injection(each.workload, each.namespace, max_pods=max_pods)
    raise UsageError(f"method is {method!r}: give delete, scale-to-zero or crash-loop")


def _crash_loop(here: Platform, crashes: int, max_pods: Limit, within: float) -> Injection:
    sites = [drillable_site(each.namespace, each.workload) for each in here.services]
    return backed_off([(site, select_pods(site, "100%", max_pods, None)) for site in sites], crashes, within)


def _ensure_brokers_within(here: Platform, limit: int) -> None:
    for each in here.services:
        brokers = drillable_site(each.namespace, each.workload).workload.replicas if each.system == "kafka" else 0
        if brokers > limit:
            raise RefusedError(f"all {brokers} brokers would be down at once, and max_brokers_down is {limit}")


def _target(each: Service) -> dict[str, Any]:
    return drillable_site(each.namespace, each.workload).workload.as_target()
