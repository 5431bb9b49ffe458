"""Runbook: Kafka's latency is high.

What the runbook has as its cure, a fourth broker, takes over no partition by itself: Kafka moves none unless it is told
to (https://kafka.apache.org/documentation/#basic_ops_cluster_expansion). For a broker that hangs it would cure nothing,
so what is rehearsed is to find it and to restart it.
"""

from contextlib import ExitStack
from typing import Any

from drill.cluster import ClusterError
from experiments._fault import Injection, Proof
from experiments._watch import NotSeenError, await_seen
from experiments.kafka import _pause
from experiments.kafka._brokers import (
    Broker,
    Select,
    Site,
    drillable_site,
    ensure_permitted,
    permissions,
    select_brokers,
    site,
)
from experiments.runbooks._phases import Evidence, Mode, Phase, Runbook, StepFailedError, self_heal
from experiments.runbooks._rehearsal import Rehearsal, rehearsal

_FAULT = "hung_broker"


@rehearsal
def rehearse_kafka_latency(
    select: Select | list[int],
    *,
    topic: str | None = None,
    partition: int = 0,
    mode: Mode = "runbook",
    health_budget: float = 300,
    replicas_budget: float = 300,
    restart_budget: float = 300,
    verify_budget: float = 300,
    max_brokers_down: int = 1,
    effect_timeout: float = 60,
    recovery_timeout: float = 180,
) -> Rehearsal:
    """Fault: a broker hangs (SIGSTOP) and Kubernetes calls it Ready; find it by the runbook, restart it, verify.

    Args:
        select: Which broker: as of `kill_broker`.
        topic: For `select: leader`.
        partition: For `select: leader`.
        mode: As of `rehearse_pool_exhausted`.
        health_budget: Seconds for: which brokers answer.
        replicas_budget: Seconds for: which partitions are under-replicated, and who is missing.
        restart_budget: Seconds for: restart the broker that hangs.
        verify_budget: Seconds for: every broker answers, and every replica is in sync.
        max_brokers_down: Blast radius; a broker that hangs is down.
        effect_timeout: How long it is awaited that Kafka has noticed.
        recovery_timeout: How long it is awaited, after all that was done, that all replicas are in sync.

    Returns:
        `{targets, proof, since, phases}`.

    Raises:
        ActivityFailed: the effect was not seen, or Kafka was not whole in time.
        RefusedError: not drillable, beyond the blast radius, or not whole already.
    """
    here = drillable_site()
    (broker,) = select_brokers(here, select, topic=topic, partition=partition)
    ensure_permitted(here, [broker], max_brokers_down)
    longest = 2 * (health_budget + replicas_budget + restart_budget + verify_budget)
    fault = _hung(here, broker, longest, effect_timeout, recovery_timeout)
    phases: tuple[Phase, ...] = (
        Phase("health", health_budget, "Which brokers answer? (kafka-broker-api-versions.sh)", lambda _: _health(here)),
        Phase(
            "replicas",
            replicas_budget,
            "Which partitions are under-replicated, and which broker is missing from them?",
            lambda within: await_seen(lambda: _short(here), within, 0.5),
        ),
        Phase(
            "restart",
            restart_budget,
            "Restart the broker that does not answer: delete its pod. (A fourth broker would take over nothing.)",
            lambda within: _restart(here, within),
            acts=True,
        ),
        Phase(
            "verify",
            verify_budget,
            "Verify: every broker answers, and every replica is in sync.",
            lambda within: await_seen(lambda: _whole(here), within, 0.5),
        ),
    )
    if mode == "self-heal":
        spans = (health_budget + replicas_budget + restart_budget, verify_budget)
        phases = self_heal(lambda: _whole(here), lambda: _whole(here), spans)
    return Rehearsal(fault, Runbook("kafka-latency", mode, phases, permissions(here, delete=True)))


def _hung(here: Site, broker: Broker, seconds: float, effect_timeout: float, recovery_timeout: float) -> Injection:
    def inject() -> None:
        with ExitStack() as stack:
            (stop,), _ = _pause.arm(here, _FAULT, [broker], seconds, stack)
            stop.fire()
            if (state := stop.state()) != "T":
                raise ClusterError(f"{broker.pod.name}: the process is in state {state} after SIGSTOP")

    def effect() -> Proof:
        if broker.id in here.state().brokers:
            raise NotSeenError(f"broker {broker.id} is still in the cluster's metadata")
        pod = here.brokers()[broker.id].pod
        return {"broker_left": True, "pod_ready_all_the_same": pod.ready, "process_state": "T"}

    return Injection(
        fault=_FAULT,
        method="sigstop",
        targets=(broker.as_target(),),
        permissions=permissions(here, execute=True),
        inject=inject,
        effect=effect,
        undo=resume,
        undo_arguments={
            "context": here.context,
            "fault": _FAULT,
            "target": broker.as_target(),
            "container_id": broker.container_id,
        },
        recovered=lambda: _whole(here),
        effect_timeout=effect_timeout,
        recovery_timeout=recovery_timeout,
    )


def resume(context: str, fault: str, target: dict[str, Any], container_id: str) -> Proof:
    """Undo: let the broker continue, where it is still the one that was stopped.

    Raises:
        NotRestoredError: it is still stopped.
        ClusterError: its container could not be entered.
    """
    _pause.resume_broker(context, fault, target, container_id)
    now = site(context).brokers().get(target["broker"])
    return {"replaced": now is not None and now.container_id != container_id}


def _health(here: Site) -> Evidence:
    """Who is in the metadata, and who, of the pods that Kubernetes calls Ready, is not."""
    brokers, state = here.brokers(), here.state()
    silent = sorted(set(brokers) - set(state.brokers))
    return {
        "brokers": {
            str(each): {"pod": broker.pod.name, "ready": broker.pod.ready, "answers": each in state.brokers}
            for each, broker in brokers.items()
        },
        "silent": silent,
    }


def _short(here: Site) -> Evidence:
    state = here.state()
    if not state.under_replicated:
        raise NotSeenError("no partition is under-replicated: that is not the cause")
    missing = sorted({replica for each in state.under_replicated for replica in set(each.replicas) - set(each.isr)})
    leaders = {each.name: each.leader for each in state.partitions}
    return {"under_replicated": len(state.under_replicated), "missing": missing, "leaders": leaders}


def _restart(here: Site, within: float) -> Evidence:
    silent = _health(here)["silent"]
    if not silent:
        raise StepFailedError("every broker answers: there is none to restart", {})
    brokers = here.brokers()
    for each in silent:
        here.cluster.delete_pod(brokers[each].pod, grace_period=1)

    def look() -> Evidence:
        now = here.brokers()
        for each in silent:
            if each not in now or now[each].pod.uid == brokers[each].pod.uid or not now[each].pod.ready:
                raise NotSeenError(f"broker {each} is not back yet")
        return {"restarted": silent, "uids": {str(each): now[each].pod.uid for each in silent}}

    return {**await_seen(look, within, 0.5), "not_scaled": "a fourth broker takes over no partition by itself"}


def _whole(here: Site) -> Proof:
    brokers, state = here.brokers(), here.state()
    if silent := sorted(set(brokers) - set(state.brokers)):
        raise NotSeenError(f"broker {silent[0]} is not in the cluster's metadata")
    if unready := [each.pod.name for each in brokers.values() if not each.pod.ready]:
        raise NotSeenError(f"{unready[0]} is not Ready")
    if state.offline or state.under_replicated:
        raise NotSeenError(f"{len(state.offline)} partitions offline, {len(state.under_replicated)} under-replicated")
    return {"brokers": sorted(state.brokers), "isr_full": True}
