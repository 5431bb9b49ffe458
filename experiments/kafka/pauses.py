"""The fault that stops brokers for a while."""

import time
from contextlib import ExitStack
from typing import Any

from drill import clock
from experiments import _signals
from experiments._plan import Plan
from experiments._values import AtLeastOne
from experiments.kafka import _kill, _pause, _recovery
from experiments.kafka._brokers import Select, drillable_site, ensure_permitted, permissions, select_brokers

_LOOK = 0.3
"""How long before the end of a pause it is looked whether it lasted, s."""


def pause_brokers(
    select: Select | list[int],
    *,
    seconds: float = 5,
    topic: str | None = None,
    partition: int = 0,
    count: AtLeastOne = 1,
    max_brokers_down: int = 1,
    seed: int | None = None,
) -> list[dict[str, Any]]:
    """Fault: stop brokers (SIGSTOP) at the same moment, and let them continue at the same moment (SIGCONT).

    The pause is bounded three times: by this function, by the rollback log, and by a process inside the container that
    outlives the harness.

    Args:
        select: As of `kill_broker`.
        seconds: How long.
        topic: As of `kill_broker`.
        partition: As of `kill_broker`.
        count: As of `kill_broker`.
        max_brokers_down: Blast radius; a stopped broker is a broker that is down.
        seed: As of `kill_broker`.

    Returns:
        For each broker `{target, proof, since}`; the proof is the process state `T` (proc(5)).

    Raises:
        ActivityFailed: the signal could not reach the process, it did not stop, or it did not stay so.
        RefusedError: not drillable, beyond the blast radius, or the cluster is not whole already.
        UsageError: arguments that cannot be meant.
    """
    here = drillable_site()
    hit = select_brokers(here, select, topic=topic, partition=partition, count=count, seed=seed)
    ensure_permitted(here, hit, max_brokers_down)
    with ExitStack() as stack:
        stops, resumes = _pause.arm(here, "pause_brokers", hit, seconds, stack)
        looks = [_kill.arm(here, "pause_brokers", broker, _signals.LOOK, stack) for broker in hit]
        for broker in hit:
            _recovery.register(here, "pause_brokers", broker)
        undos = [_pause.register(here, "pause_brokers", broker) for broker in hit]
        try:
            since, proofs = _pause.stop("pause_brokers", hit, stops)
            for broker, proof in zip(hit, proofs, strict=True):
                _kill.emit_injected("pause_brokers", broker, "sigstop", since)
                _kill.emit_effective("pause_brokers", broker, proof, since)
            time.sleep(max(0.0, since + seconds - _LOOK - clock.now()))
            _pause.ensure_stopped("pause_brokers", hit, looks, since)
            time.sleep(max(0.0, since + seconds - clock.now()))
        finally:
            _pause.resume("pause_brokers", hit, resumes, undos)
    return [
        {"target": broker.as_target(), "proof": proof, "since": since}
        for broker, proof in zip(hit, proofs, strict=True)
    ]


def plan_pause_brokers(
    select: Select | list[int],
    *,
    seconds: float = 5,  # noqa: ARG001 - siblings have the same parameters
    topic: str | None = None,
    partition: int = 0,
    count: AtLeastOne = 1,
    max_brokers_down: int = 1,
    seed: int | None = None,
) -> Plan:
    """What `pause_brokers` would hit, and what it needs."""
    here = drillable_site()
    hit = select_brokers(here, select, topic=topic, partition=partition, count=count, seed=seed)
    ensure_permitted(here, hit, max_brokers_down)
    return Plan(tuple(broker.as_target() for broker in hit), permissions(here, execute=True))
