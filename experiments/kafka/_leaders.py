"""Who leads what: the order of a partition's replicas, changed and put back.

A preferred leader is the first of its partition's replicas. To write the same replicas in another order moves no data,
and a preferred leader election then moves the leadership, as an operator would do it before a broker's maintenance.
"""

import json
from collections.abc import Sequence
from typing import Any, TypedDict

from confluent_kafka import ElectionType, KafkaException, TopicPartition

from drill import kafka
from drill.cluster import ClusterError
from drill.kafka import KafkaUnreachableError, Partition
from drill.rollback import NotRestoredError
from experiments._watch import GivenUpError, NotSeenError, await_seen
from experiments.kafka._brokers import Site, site

_WITHIN = 60.0
"""Seconds that the old order and leaders are awaited."""
_AT_ONCE = 200
"""Partitions in one call of the tool: an argument of a command has its limits."""

# $1: the assignment. AdminClient of librdkafka can't do it (confluent-kafka 2.16 has no alter_partition_reassignments).
_REASSIGN = """
file=$(mktemp) && trap 'rm -f "$file"' EXIT && printf %s "$1" >"$file" &&
kafka-reassign-partitions.sh --bootstrap-server localhost:9092 --reassignment-json-file "$file" --execute
"""


class Led(TypedDict):
    """One partition as it was, in JSON types."""

    topic: str
    partition: int
    replicas: list[int]
    leader: int


def as_led(each: Partition) -> Led:
    """What has to be known of a partition to put it back."""
    return Led(topic=each.topic, partition=each.partition, replicas=list(each.replicas), leader=each.leader)


def reorder(here: Site, assignment: Sequence[Led]) -> None:
    """Give partitions these replicas in this order, and have their preferred leaders elected.

    Raises:
        ClusterError: Kafka's tool, or the election, failed.
        KafkaUnreachableError: no broker answered.
    """
    for start in range(0, len(assignment), _AT_ONCE):
        listed = [
            {"topic": each["topic"], "partition": each["partition"], "replicas": each["replicas"]}
            for each in assignment[start : start + _AT_ONCE]
        ]
        answer = here.tool(_REASSIGN, json.dumps({"version": 1, "partitions": listed}), timeout=60)
        if answer.exit_code != 0:
            raise ClusterError(f"kafka-reassign-partitions.sh: {answer.stderr.strip() or answer.stdout.strip()}")
    elect_preferred(here, assignment)


def elect_preferred(here: Site, assignment: Sequence[Led]) -> None:
    """Have the preferred leaders of partitions elected; those that lead already stay.

    Raises:
        ClusterError: an election failed.
        KafkaUnreachableError: no broker answered.
    """
    partitions = [TopicPartition(each["topic"], each["partition"]) for each in assignment]
    try:
        # Without its timeouts: confluent-kafka 2.16 fails on either with a SystemError of its argument parser.
        elected = kafka.admin(here.target).elect_leaders(ElectionType.PREFERRED, partitions).result()
    except KafkaException as error:
        raise KafkaUnreachableError(f"{here.target.bootstrap}: {error.args[0].str()}") from error
    for partition, failure in elected.items():
        if failure is not None and failure.name() != "ELECTION_NOT_NEEDED":
            raise ClusterError(f"election of {partition.topic}-{partition.partition}: {failure.str()}")


def restore_leaders(context: str, broker: int, partitions: list[Led]) -> dict[str, Any]:
    """Undo of a move: the replicas in their old order, and the leaders that were preferred before lead again.

    Topics that were deleted meanwhile have nothing left to put back.

    Raises:
        NotRestoredError: not within a minute.
    """
    here = site(context)

    def look() -> dict[str, Any]:
        now = {(each.topic, each.partition): each for each in here.state().partitions}
        there = [each for each in partitions if (each["topic"], each["partition"]) in now]
        moved = [each for each in there if list(now[each["topic"], each["partition"]].replicas) != each["replicas"]]
        if moved:
            reorder(here, moved)
            raise NotSeenError(f"{len(moved)} partitions have their replicas in another order")
        preferred = [each for each in there if each["replicas"][0] == each["leader"]]
        missing = [each for each in preferred if now[each["topic"], each["partition"]].leader != each["leader"]]
        if missing:
            elect_preferred(here, missing)
            raise NotSeenError(f"{len(missing)} partitions have not their old leader, {missing[0]['topic']} for one")
        leads = sum(each.leader == broker for each in now.values())
        return {"replicas_in_order": len(there), "leaders_back": len(preferred), "broker": broker, "leads": leads}

    try:
        return await_seen(look, _WITHIN, each=1)
    except GivenUpError as given_up:
        raise NotRestoredError(f"leaders of broker {broker}: {given_up}") from given_up
