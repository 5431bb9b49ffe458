"""Faults that kill brokers."""

import time
from typing import Any

from experiments._plan import Plan
from experiments._values import AtLeastOne, Grace
from experiments.kafka import _kill
from experiments.kafka._brokers import Select, drillable_site, ensure_permitted, permissions, select_brokers
from experiments.kafka._proof import Expected
from experiments.kafka.probes import await_recovery


def kill_broker(
    select: Select | list[int],
    *,
    method: _kill.Method = "sigkill",
    topic: str | None = None,
    partition: int = 0,
    count: AtLeastOne = 1,
    times: AtLeastOne = 1,
    interval: float = 0,
    recover_between: bool = True,
    hold: float = 0,
    grace_period: Grace = 1,
    max_brokers_down: int = 1,
    effect_timeout: float = 60,
    recovery_timeout: float = 180,
    settle: float = 5,
    seed: int | None = None,
) -> list[dict[str, Any]]:
    """Fault: kill one or more brokers at once, once or repeatedly. Durations in seconds.

    Args:
        select: `any` (random), `all`, `leader` of `topic`-`partition`, the active `controller`, or broker ids.
        method: `sigkill`: kill -9 of the JVM inside its container, the crash. `delete`: delete the pod, which gives
            Kafka a SIGTERM and `grace_period` for its controlled shutdown (the kubelet grants 2 s at the least).
        topic: For `leader`.
        partition: For `leader`.
        count: How many brokers at once, for `any`.
        times: How often. The target is selected anew each time.
        interval: Pause between two kills, after recovery.
        recover_between: Await recovery before the next kill.
        hold: Keep them down this long, by deleting the pods whenever their containers run again.
        grace_period: Of `delete`; at least 1 (0 frees the pod's name before its process is dead: two brokers on one
            disk). 1 is the sharp cut, 30 the polite one.
        max_brokers_down: Blast radius; brokers that are down already count.
        effect_timeout: How long the effect is awaited. After a SIGKILL, Kafka itself needs its broker session
            timeout, 9 s by default.
        recovery_timeout: How long recovery between two kills is awaited.
        settle: How long the cluster has to be whole on end to count as recovered between two kills.
        seed: Of the random choice; None: another choice each time.

    Returns:
        For each kill `{target, proof, since}`.

    Raises:
        ActivityFailed: a signal could not reach the process, or its effect was not seen.
        RefusedError: not drillable, beyond the blast radius, or the cluster is not whole already.
        UsageError: arguments that cannot be meant.
    """
    _kill.check_method(method, grace_period)
    killed: list[dict[str, Any]] = []
    here = drillable_site()
    for round_ in range(times):
        if round_:
            if recover_between:
                await_recovery(recovery_timeout, settle)
            time.sleep(interval)
        hit = select_brokers(
            here, select, topic=topic, partition=partition, count=count, seed=None if seed is None else seed + round_
        )
        ensure_permitted(here, hit, max_brokers_down, whole=recover_between or not round_)
        expected = Expected(
            # Without a majority of the voters nobody is left to take a dead broker out of the metadata.
            membership=2 * len(hit) < len(here.brokers()),
            partition=(topic, partition) if select == "leader" and topic else None,
            controller=here.quorum() if select == "controller" else None,
        )
        killed += _kill.kill(
            here,
            "kill_broker",
            hit,
            method,
            expected,
            grace_period=grace_period,
            hold=hold,
            within=effect_timeout,
        )
    return killed


def plan_kill_broker(
    select: Select | list[int],
    *,
    method: _kill.Method = "sigkill",
    topic: str | None = None,
    partition: int = 0,
    count: AtLeastOne = 1,
    times: AtLeastOne = 1,  # noqa: ARG001 - siblings have the same parameters
    interval: float = 0,  # noqa: ARG001
    recover_between: bool = True,  # noqa: ARG001
    hold: float = 0,
    grace_period: Grace = 1,
    max_brokers_down: int = 1,
    effect_timeout: float = 60,  # noqa: ARG001
    recovery_timeout: float = 180,  # noqa: ARG001
    settle: float = 5,  # noqa: ARG001
    seed: int | None = None,
) -> Plan:
    """What `kill_broker` would hit first, and what it needs."""
    _kill.check_method(method, grace_period)
    here = drillable_site()
    hit = select_brokers(here, select, topic=topic, partition=partition, count=count, seed=seed)
    ensure_permitted(here, hit, max_brokers_down)
    return Plan(
        targets=tuple(broker.as_target() for broker in hit),
        permissions=permissions(
            here, delete=method == "delete" or hold > 0, execute=method == "sigkill" or select == "controller"
        ),
    )


def kill_each_broker(
    *,
    method: _kill.Method = "sigkill",
    grace_period: Grace = 1,
    max_brokers_down: int = 1,
    effect_timeout: float = 60,
    recovery_timeout: float = 180,
    settle: float = 5,
) -> list[dict[str, Any]]:
    """Fault: kill every broker in turn, each when the ISR is full again after the one before (a rolling kill).

    Args: as of `kill_broker`.

    Returns:
        For each kill `{target, proof, since}`.
    """
    killed: list[dict[str, Any]] = []
    for turn, broker in enumerate(sorted(drillable_site().brokers())):
        if turn:
            await_recovery(recovery_timeout, settle)
        killed += kill_broker(
            [broker],
            method=method,
            grace_period=grace_period,
            max_brokers_down=max_brokers_down,
            effect_timeout=effect_timeout,
        )
    return killed


def plan_kill_each_broker(
    *,
    method: _kill.Method = "sigkill",
    grace_period: Grace = 1,
    max_brokers_down: int = 1,
    effect_timeout: float = 60,  # noqa: ARG001 - siblings have the same parameters
    recovery_timeout: float = 180,  # noqa: ARG001
    settle: float = 5,  # noqa: ARG001
) -> Plan:
    """What `kill_each_broker` would hit, in this order, and what it needs."""
    _kill.check_method(method, grace_period)
    here = drillable_site()
    brokers = here.brokers()
    ensure_permitted(here, [brokers[first] for first in sorted(brokers)[:1]], max_brokers_down)
    return Plan(
        targets=tuple(brokers[each].as_target() for each in sorted(brokers)),
        permissions=permissions(here, delete=method == "delete", execute=method == "sigkill"),
    )
