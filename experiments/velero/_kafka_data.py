"""Kafka's data of a restore: what it is held to, and what is found of it, both kept as evidence."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewTopic, ResourceType

from drill import clock, kafka
from drill.errors import DrillError
from drill.fingerprints import KafkaFingerprint, KafkaSelection, document
from drill.kafka import KafkaState
from drill.rollback import NotRestoredError
from drill.settings import KafkaTarget
from experiments._watch import GivenUpError, NotSeenError, await_seen
from experiments.fingerprints.kafka import capture
from experiments.runbooks._phases import Evidence, StepFailedError
from experiments.velero._site import keep
from experiments.velero._stream import Found, Stream, read

_PARTITIONS = 3
_RETENTION, _MUTATED = "86400000", "43200000"
"""retention.ms of the drill's topic, before and after the backup."""
_ANSWER = 30.0
"""Seconds for one answer of a broker."""


def topic(run: str) -> str:
    """The drill's own topic."""
    return f"drill-restore-{run}"


def later_topic(run: str) -> str:
    """A topic that is made after the backup, and must not come back."""
    return f"{topic(run)}-after"


class Reference:
    """What a restore is held to.

    The fingerprints from right before and right after the backup; records that are written all the time, each with the
    instant of its acknowledgement; the position of a consumer group; and what is changed after the backup.
    """

    def __init__(self, target: KafkaTarget, run: str, rate: float, content_records: int) -> None:
        self._target, self._run = target, run
        self._selection = KafkaSelection(content_records=content_records)
        self._stream = Stream(target, topic(run), _PARTITIONS, run, rate)
        self._before: KafkaFingerprint | None = None
        self._after: KafkaFingerprint | None = None
        self._led: dict[str, dict[str, Any]] = {}
        self._committed: dict[str, dict[str, int]] = {}
        self._mutated: list[str] = []

    def mark(self, records: int, within: float) -> Evidence:
        """Make the topic, write the first records and go on, commit a position, and take the fingerprint."""
        await_in_sync(self._target)
        _make(self._target, topic(self._run), _RETENTION)
        await_in_sync(self._target)
        self._stream.begin()
        self._stream.await_acked(records, within)
        self._commit("before")
        self._led["before"] = _led(kafka.describe(self._target))
        self._before = capture(self._target, self._selection)
        self._keep()
        return {**summary(self._before), "acked": self._stream.number}

    def take_again(self) -> Evidence:
        """The fingerprint after the backup: what is the same in both stood still while it was made."""
        self._after = capture(self._target, self._selection)
        self._led["after"] = _led(kafka.describe(self._target))
        self._keep()
        return {**summary(self._after), "acked": self._stream.number}

    def mutate(self, records: int, within: float) -> Evidence:
        """After the backup: more records, a position further on, another setting, one more topic."""
        self._stream.await_acked(self._stream.number + records, within)
        self._commit("mutated")
        _set(self._target, topic(self._run), "retention.ms", _MUTATED)
        _make(self._target, later_topic(self._run), _RETENTION)
        self._mutated = [f"retention.ms of {topic(self._run)}", f"topic {later_topic(self._run)}"]
        self._keep()
        return {"acked": self._stream.number, "mutated": self._mutated, "committed": self._committed["mutated"]}

    def end(self) -> Evidence:
        """Write no more; all that was ever acknowledged is known then."""
        self._stream.end()
        self._keep()
        return {"acked": self._stream.number, "failed": self._stream.failed}

    def prove(self) -> Evidence:
        """Read what was restored and hold the least against it: the cluster's id, and the drill's records of before.

        The judgement of it, record by record, is made of the evidence.

        Raises:
            StepFailedError: nothing was captured before, it is another cluster, or the drill's topic lacks records that
                had been acknowledged before the backup.
        """
        if self._before is None:
            raise StepFailedError("nothing was captured that the restore could be held to", {})
        own = topic(self._run)
        seen = capture(self._target, like=self._before)
        found: dict[int, Found] = {}
        evidence: dict[str, Any] = {"fingerprint": document(seen), "records": None}
        if own in seen.topics:
            partitions = seen.topics[own].partitions.items()
            ends = {number: (each.begin or 0, each.end or 0) for number, each in partitions}
            found = read(self._target, own, ends)
            evidence["records"] = {str(number): asdict(each) for number, each in found.items()}
        keep("kafka-found", evidence)
        there = sum(len(each.offsets) for each in found.values())
        said = {**summary(seen), "found": there}
        if seen.cluster_id != self._before.cluster_id:
            raise StepFailedError(f"it is cluster {seen.cluster_id}, and was {self._before.cluster_id}", said)
        if (least := _records(self._before, own)) > there:
            raise StepFailedError(f"{there} records are there, and {least} were before the backup", said)
        return said

    def _commit(self, when: str) -> None:
        """A consumer group's position: just behind what is acknowledged so far.

        It is committed until it is there: the very first commit of a cluster, which has its topic of offsets made, was
        seen to be answered well, and the group to be unknown.
        """
        group = topic(self._run)
        positions = [
            TopicPartition(group, number, acked[-1].offset + 1) for number, acked in self._stream.acked.items() if acked
        ]
        request = ConsumerGroupTopicPartitions(group, positions)

        def commit() -> None:
            _ask(
                self._target,
                "committed offsets",
                lambda admin: admin.alter_consumer_group_offsets([request], request_timeout=_ANSWER),
            )
            if group not in _groups(self._target):
                raise NotSeenError(f"consumer group {group} is not there, though its offsets were committed")

        await_seen(commit, _ANSWER, 1)
        self._committed[when] = {f"{each.topic}-{each.partition}": each.offset for each in positions}

    def _keep(self) -> None:
        keep(
            "kafka-reference",
            {
                "run": self._run,
                "topic": topic(self._run),
                "later_topic": later_topic(self._run),
                "before": None if self._before is None else document(self._before),
                "after": None if self._after is None else document(self._after),
                "led": self._led,
                "acked": self._stream.columns(),
                "failed": dict(self._stream.failed),
                "committed": self._committed,
                "mutated": self._mutated,
                "t": clock.now(),
            },
        )


def await_in_sync(target: KafkaTarget, within: float = 60) -> None:
    """Wait until each partition has a leader and its replicas in sync; raises GivenUpError where that is not so."""

    def look() -> None:
        state = kafka.describe(target)
        if short := state.under_replicated or state.offline:
            raise NotSeenError(f"{len(short)} partitions are not in sync, {short[0].name} for one")

    await_seen(look, within)


def topics(target: KafkaTarget) -> list[str]:
    """The topics that are there, without Kafka's own.

    Raises:
        KafkaUnreachableError: no broker answered.
    """
    state = kafka.describe(target, timeout=_ANSWER)
    return sorted({each.topic for each in state.partitions if not each.topic.startswith("__")})


def has_data(target: KafkaTarget, expected: Sequence[str]) -> bool:
    """Whether the cluster has these topics; False: it has none at all, so that it began anew on empty volumes.

    Raises:
        NotRestoredError: it has some, and not all: what is there may be worth something to somebody.
        KafkaUnreachableError: no broker answered, so that nobody knows.
    """

    def look() -> None:
        if lacking := sorted(set(expected) - set(topics(target))):
            raise NotSeenError(f"topic {lacking[0]} is not there")

    try:
        await_seen(look, _ANSWER, 1)
    except GivenUpError as error:
        if there := topics(target):
            raise NotRestoredError(
                f"Kafka is there with {len(there)} topics, and {error}: nothing is deleted"
            ) from error
        return False
    return True


def forget(target: KafkaTarget, run: str) -> dict[str, Any]:
    """Delete the drill's topics and its consumer group, whichever of them are there.

    Raises:
        DrillError: Kafka refused, or did not answer.
    """
    there = topics(target)
    if group := [each for each in _groups(target) if each == topic(run)]:
        _ask(target, "delete group", lambda admin: admin.delete_consumer_groups(group, request_timeout=_ANSWER))
    if own := [each for each in (topic(run), later_topic(run)) if each in there]:
        _ask(target, "delete topics", lambda admin: admin.delete_topics(own, request_timeout=_ANSWER))
    return {"topics": own, "groups": group}


def summary(found: KafkaFingerprint) -> dict[str, Any]:
    """A fingerprint in a few numbers."""
    return {
        "cluster_id": found.cluster_id,
        "topics": sorted(found.topics),
        "records": sum(_records(found, each) for each in found.topics),
        "groups": sorted(found.groups),
    }


def _records(found: KafkaFingerprint, name: str) -> int:
    return sum((each.end or 0) - (each.begin or 0) for each in found.topics[name].partitions.values())


def _led(state: KafkaState) -> dict[str, Any]:
    """Who leads each partition, and who is in sync: a copy of a cluster in which that changes fits together less."""
    return {
        each.name: {"leader": each.leader, "replicas": sorted(each.replicas), "isr": sorted(each.isr)}
        for each in state.partitions
    }


def _make(target: KafkaTarget, name: str, retention: str) -> None:
    made = NewTopic(name, _PARTITIONS, config={"retention.ms": retention})
    _ask(target, f"create topic {name}", lambda admin: admin.create_topics([made], request_timeout=_ANSWER))


def _set(target: KafkaTarget, name: str, setting: str, value: str) -> None:
    entry = ConfigEntry(setting, value, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, name, incremental_configs=[entry])
    _ask(
        target,
        f"{setting} of {name}",
        lambda admin: admin.incremental_alter_configs([resource], request_timeout=_ANSWER),
    )


def _groups(target: KafkaTarget) -> set[str]:
    admin = _admin(target)
    try:
        return {each.group_id for each in admin.list_consumer_groups(request_timeout=_ANSWER).result().valid}
    except KafkaException as error:
        raise DrillError(f"list consumer groups: {error.args[0].str()}") from error


def _ask(target: KafkaTarget, what: str, request: Callable[[AdminClient], dict[Any, Any]]) -> None:
    """Have something done, and see that it was; raises DrillError where it was not."""
    admin = _admin(target)  # it has to live until the last answer is there
    for future in request(admin).values():
        try:
            future.result()
        except KafkaException as error:
            raise DrillError(f"{what}: {error.args[0].str()}") from error


def _admin(target: KafkaTarget) -> AdminClient:
    """A client of its own for each request, since one that has lived through the loss is not to be trusted.

    It was seen to wait in vain for a group's coordinator, and librdkafka 2.16 to end the process at the next request:
    `rd_kafka_enq_once_del_source_return: Assertion eonce->refcnt > 0 failed`.
    """
    return AdminClient({**kafka.client_config(target), "log_level": 2})
