"""The fault that does not let a broker come to rest."""

import time
from typing import Any

from chaoslib.exceptions import ActivityFailed

from drill.errors import UsageError
from experiments._plan import Plan
from experiments._values import AtLeastOne
from experiments._watch import GivenUpError, NotSeenError, await_seen
from experiments.kafka import _kill
from experiments.kafka._brokers import (
    Broker,
    Select,
    Site,
    drillable_site,
    ensure_permitted,
    permissions,
    select_brokers,
)
from experiments.kafka._proof import Expected


def flap_broker(
    select: Select | list[int],
    *,
    times: AtLeastOne = 3,
    interval: float = 5,
    topic: str | None = None,
    partition: int = 0,
    max_brokers_down: int = 1,
    effect_timeout: float = 60,
    recovery_timeout: float = 120,
    seed: int | None = None,
) -> list[dict[str, Any]]:
    """Fault: kill the same broker again and again, each time just after it has come back. Durations in seconds.

    It is back when its pod is Ready and Kafka's metadata have it: it has begun to catch up then, and leads nothing yet.

    Args:
        select: As of `kill_broker`; one broker, the same each time.
        times: How often.
        interval: How long it is left alone each time that it is back.
        topic: As of `kill_broker`.
        partition: As of `kill_broker`.
        max_brokers_down: As of `kill_broker`.
        effect_timeout: As of `kill_broker`.
        recovery_timeout: How long it is awaited each time that it is back.
        seed: As of `kill_broker`.

    Returns:
        For each kill `{target, proof, since}`; the proof is that the container was replaced.

    Raises:
        ActivityFailed: a kill took no effect, or the broker did not come back to be killed again.
        RefusedError: not drillable, beyond the blast radius, or the cluster is not whole already.
        UsageError: arguments that cannot be meant.
    """
    here, broker = _one(select, times, topic, partition, seed)
    ensure_permitted(here, [broker], max_brokers_down)
    killed: list[dict[str, Any]] = []
    for round_ in range(times):
        if round_:
            before = broker.container_id
            broker = _back(here, broker.id, before, recovery_timeout)
            time.sleep(interval)
            ensure_permitted(here, [broker], max_brokers_down, whole=False)
        # Back sooner than its session ends, it never leaves the metadata, and from the second time on it leads nothing.
        expected = Expected(membership=not round_)
        killed += _kill.kill(here, "flap_broker", [broker], "sigkill", expected, within=effect_timeout)
    return killed


def plan_flap_broker(
    select: Select | list[int],
    *,
    times: AtLeastOne = 3,
    interval: float = 5,  # noqa: ARG001 - siblings have the same parameters
    topic: str | None = None,
    partition: int = 0,
    max_brokers_down: int = 1,
    effect_timeout: float = 60,  # noqa: ARG001
    recovery_timeout: float = 120,  # noqa: ARG001
    seed: int | None = None,
) -> Plan:
    """The broker that `flap_broker` would kill, and what it needs."""
    here, broker = _one(select, times, topic, partition, seed)
    ensure_permitted(here, [broker], max_brokers_down)
    return Plan((broker.as_target(),), permissions(here, execute=True))


def _one(
    select: Select | list[int], times: int, topic: str | None, partition: int, seed: int | None
) -> tuple[Site, Broker]:
    if times < 1:
        raise UsageError(f"times is {times}: give 1 or more")
    here = drillable_site()
    hit = select_brokers(here, select, topic=topic, partition=partition, seed=seed)
    if len(hit) != 1:
        raise UsageError(f"{len(hit)} brokers are meant, and it is one that flaps")
    return here, hit[0]


def _back(here: Site, broker: int, before: str | None, within: float) -> Broker:
    """The broker, in another container than `before`."""

    def look() -> Broker:
        now = here.brokers().get(broker)
        if now is None or not now.pod.ready or not now.running or now.container_id == before:
            raise NotSeenError(f"broker {broker} is not Ready again")
        if broker not in here.state().brokers:
            raise NotSeenError(f"broker {broker} is not in the cluster's metadata")
        return now

    try:
        return await_seen(look, within)
    except GivenUpError as given_up:
        raise ActivityFailed(f"broker {broker} did not come back in {within:g} s: {given_up}") from given_up
