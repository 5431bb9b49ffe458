"""The fault that really loses acknowledged records: an unclean leader election on a topic made for it.

With acks=1 the leader acknowledges what no follower has. The follower is stopped, writes go on, the leader is killed
and kept down, and the follower continues: with unclean.leader.election.enable it becomes the leader without the records
that it missed, and the old leader, once back, truncates its log to the new one's.
"""

import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from chaoslib.exceptions import ActivityFailed

from drill import kafka, record
from drill.errors import RefusedError
from experiments._plan import Plan
from experiments._watch import GivenUpError, NotSeenError, await_seen
from experiments.kafka import _kill, _pause
from experiments.kafka._brokers import Broker, Site, drillable_site, ensure_permitted, permissions
from experiments.kafka._proof import Death, Expected

FAULT = "force_unclean_election"
REQUIRED = {"replication_factor": "2", "min.insync.replicas": "1", "unclean.leader.election.enable": "true"}
"""What a topic must have for it."""


def force_unclean_election(
    topic: str,
    *,
    partition: int = 0,
    writes: float = 5,
    max_brokers_down: int = 1,
    effect_timeout: float = 120,
) -> list[dict[str, Any]]:
    """Fault: make a stale follower the leader of a partition of two replicas. Durations in seconds.

    Args:
        topic: A topic of its own with replication factor 2, min.insync.replicas 1 and unclean leader election.
        partition: Which partition's leader and follower are meant.
        writes: How long writes go on after the follower has left the ISR.
        max_brokers_down: Blast radius; must be 2, since the follower is stopped while the leader is down.
        effect_timeout: How long each step is awaited.

    Returns:
        For the leader `{target, proof, since}`.

    Raises:
        ActivityFailed: a step was not seen.
        RefusedError: not drillable, beyond the blast radius, the cluster is not whole already, the topic is not made
            for it, or another topic could lose records too.
    """
    here = drillable_site()
    leader, follower = _pair(here, topic, partition)
    ensure_permitted(here, [leader, follower], max_brokers_down)
    with ExitStack() as stack:
        stops, resumes = _pause.arm(here, FAULT, [follower], 3 * effect_timeout + writes, stack)
        undos = [_pause.register(here, FAULT, follower)]
        try:
            since, (proof,) = _pause.stop(FAULT, [follower], stops)
            target = follower.as_target()
            record.emit("experiment", "fault.prepared", at=since, fault=FAULT, target=target, proof=proof)
            _await(FAULT, leader, lambda: _alone(here, topic, partition, leader), effect_timeout)
            time.sleep(writes)
            (death,) = _kill.strike(here, FAULT, [leader], "sigkill", grace_period=1)
            _await(FAULT, leader, lambda: _dead(here, death), effect_timeout)
        finally:
            _pause.resume(FAULT, [follower], resumes, undos)
    _await(FAULT, leader, lambda: _replaced(here, death, topic, partition), effect_timeout)
    _kill.emit_effective(FAULT, leader, death.proof, death.since)
    record.emit("experiment", "fault.undone", fault=FAULT, target=leader.as_target())
    return [{"target": leader.as_target(), "proof": death.proof, "since": death.since}]


def plan_force_unclean_election(
    topic: str,
    *,
    partition: int = 0,
    writes: float = 5,  # noqa: ARG001 - siblings have the same parameters
    max_brokers_down: int = 1,
    effect_timeout: float = 120,  # noqa: ARG001
) -> Plan:
    """The leader that would be killed and the follower that would be stopped, and what it needs.

    While the topic is not there, those that `ensure_topic` would make its replicas.
    """
    here = drillable_site()
    try:
        here.state().partition(topic, partition)
        pair = _pair(here, topic, partition)
    except kafka.UnknownTopicError:
        brokers = here.brokers()
        first, second = sorted(brokers)[:2]
        pair = brokers[first], brokers[second]
    ensure_permitted(here, pair, max_brokers_down)
    return Plan(tuple(broker.as_target() for broker in pair), permissions(here, delete=True, execute=True))


def _pair(here: Site, topic: str, partition: int) -> tuple[Broker, Broker]:
    """The leader and the follower."""
    try:
        found = kafka.topic_settings(here.target, topic)
        meant = here.state().partition(topic, partition)
    except kafka.UnknownTopicError as error:
        raise RefusedError(f"{error}: ensure_topic makes it") from error
    for name, value in REQUIRED.items():
        if found.get(name) != value:
            raise RefusedError(f"topic {topic!r} has {name}={found.get(name)}, and an unclean election needs {value}")
    state, brokers = here.state(), here.brokers()
    pair = set(meant.replicas)
    exposed = {each.topic for each in state.partitions if set(each.replicas) <= pair} - {topic}
    for other in sorted(exposed):
        if kafka.topic_settings(here.target, other)["unclean.leader.election.enable"] == "true":
            raise RefusedError(f"topic {other!r} would lose records too: its replicas are on the same two brokers")
    (follower,) = pair - {meant.leader}
    return brokers[meant.leader], brokers[follower]


def _await(fault: str, broker: Broker, look: Callable[[], None], within: float) -> None:
    try:
        await_seen(look, within)
    except GivenUpError as given_up:
        raise ActivityFailed(_kill.emit_ineffective(fault, broker, str(given_up), within)) from given_up


def _alone(here: Site, topic: str, partition: int, leader: Broker) -> None:
    meant = here.state().partition(topic, partition)
    if (meant.leader, meant.isr) != (leader.id, (leader.id,)):
        raise NotSeenError(f"{meant.name} is led by {meant.leader} with the ISR {list(meant.isr)}")


def _dead(here: Site, death: Death) -> None:
    death.see_pod(here.brokers().get(death.broker.id))
    if not death.died:
        raise NotSeenError("the pod is the same and its container runs on")


def _replaced(here: Site, death: Death, topic: str, partition: int) -> None:
    """The old leader is kept down meanwhile: back in time, it would still be the clean choice."""
    now, expected = here.brokers(), Expected(membership=False, partition=(topic, partition))
    death.see_pod(now.get(death.broker.id))
    try:
        death.see_kafka(here.state())
    finally:
        if missing := death.missing(expected):
            _kill.keep_down(here, FAULT, [death.broker], now)
    if missing:
        raise NotSeenError(missing)
