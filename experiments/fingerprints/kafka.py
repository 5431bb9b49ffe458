"""The fingerprint of a Kafka cluster: its identity, topics, offsets and consumers' positions, read only.

Contents are compared where the selection asks for them: the last `content_records` offsets of each partition are read
by `assign`, by a consumer that commits nothing, and each run of `CHUNK` offsets gets one SHA-256. To compare, the same
offsets are read again (`like`), as far as they are still there.
"""

import hashlib
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Protocol

import confluent_kafka
from confluent_kafka import OFFSET_INVALID, Consumer, ConsumerGroupTopicPartitions, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient, ConfigResource, ConfigSource, OffsetSpec, ResourceType

from drill import clock, kafka
from drill.fingerprints import CHUNK, Chunk, KafkaFingerprint, KafkaSelection, Topic, TopicPartition
from drill.kafka import KafkaUnreachableError
from drill.settings import KafkaTarget
from experiments.fingerprints import all_there

PATIENCE = 600.0
"""Seconds without a record after which a partition is given up."""
_ANSWER = 60.0
"""Seconds for one answer of a broker: one that has just been restored is slow, and a fingerprint is in no hurry."""
_BATCH = 5000

Bounds = Mapping[tuple[str, int], tuple[int, int] | str]
"""First offset and the one after the last by topic and partition, or why they are not known."""
Ranges = Mapping[tuple[str, int], tuple[int, int]]


class Record(Protocol):
    """What a digest takes of a record."""

    def offset(self) -> int | None: ...  # noqa: D102 - confluent_kafka.Message's
    def timestamp(self) -> tuple[int, int]: ...  # noqa: D102
    def key(self) -> Any: ...  # noqa: D102
    def value(self) -> Any: ...  # noqa: D102
    def headers(self) -> Any: ...  # noqa: D102


def capture(
    target: KafkaTarget,
    selection: KafkaSelection | None = None,
    *,
    like: KafkaFingerprint | None = None,
    context: str | None = None,
    patience: float = PATIENCE,
    named: bool = False,
) -> KafkaFingerprint:
    """Read the cluster as it is now.

    Args:
        target: Which cluster.
        selection: What to look at; by default everything that is not internal, without contents.
        like: To compare with this one: its selection, and the contents of the same offsets.
        context: Of the settings, for the reader.
        patience: Seconds without a record after which a partition is given up.
        named: Whether all that the selection names must be there; when a restore is held to another fingerprint, what
            is missing is a finding.

    Raises:
        KafkaUnreachableError: no broker answered in time.
        UsageError: no such topic, or no such consumer group (`named`).
    """
    chosen = like.selection if like else selection or KafkaSelection()
    started = clock.now()
    try:
        return _capture(target, chosen, like, context=context, patience=patience, named=named, started=started)
    except KafkaException as error:
        raise KafkaUnreachableError(f"{target.bootstrap}: {error.args[0].str()}") from error


def _capture(
    target: KafkaTarget,
    chosen: KafkaSelection,
    like: KafkaFingerprint | None,
    *,
    context: str | None,
    patience: float,
    named: bool,
    started: float,
) -> KafkaFingerprint:
    admin = AdminClient({**kafka.client_config(target), "log_level": 2})
    cluster = admin.describe_cluster(request_timeout=_ANSWER).result()
    found = admin.list_topics(timeout=_ANSWER).topics
    described = (
        admin.describe_topics(TopicCollection(list(found)), request_timeout=_ANSWER) if found else {}
    )  # which of them are internal is only in this answer
    topics = {name: future.result() for name, future in described.items()}
    if named:
        all_there("topic", chosen.topics, topics)
    names = sorted(
        name
        for name, topic in topics.items()
        if (name in chosen.topics if chosen.topics is not None else not topic.is_internal)
    )
    groups = _groups(admin, chosen, named=named)  # before the ends, so that no position can be beyond them
    settings = _settings(admin, names)
    partitions = {name: [each.id for each in topics[name].partitions] for name in names}
    bounds = _bounds(admin, ((name, each) for name in names for each in partitions[name]))
    ranges = _ranges(bounds, chosen.content_records, like)
    chunks = _contents(target, ranges, patience)
    return KafkaFingerprint(
        context=context,
        started=started,
        finished=clock.now(),
        selection=chosen,
        cluster_id=cluster.cluster_id,
        brokers=tuple(sorted(node.id for node in cluster.nodes)),
        topics={
            name: Topic(
                id=str(topics[name].topic_id),
                replication_factor=min(len(each.replicas) for each in topics[name].partitions),
                config=settings[name][0],
                overridden=settings[name][1],
                partitions={each: _partition((name, each), bounds, chunks) for each in partitions[name]},
            )
            for name in names
        },
        groups=groups,
    )


def _groups(admin: AdminClient, chosen: KafkaSelection, *, named: bool) -> dict[str, dict[str, int]]:
    listed = admin.list_consumer_groups(request_timeout=_ANSWER).result()
    if listed.errors:
        raise listed.errors[0]
    there = {each.group_id for each in listed.valid}
    if named:
        all_there("consumer group", chosen.groups, there)
    names = sorted(there if chosen.groups is None else there.intersection(chosen.groups))
    found = {}
    for name in names:
        asked = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(name)], request_timeout=_ANSWER)
        positions = asked[name].result().topic_partitions or []
        found[name] = {
            f"{each.topic}-{each.partition}": each.offset
            for each in positions
            if each.offset >= 0 and (chosen.topics is None or each.topic in chosen.topics)
        }
    return found


def _settings(admin: AdminClient, topics: Sequence[str]) -> dict[str, tuple[dict[str, str], tuple[str, ...]]]:
    """By topic: every setting in force, and the names of those that the topic sets itself."""
    if not topics:
        return {}
    resources = [ConfigResource(ResourceType.TOPIC, name) for name in topics]
    found = {}
    for resource, future in admin.describe_configs(resources, request_timeout=_ANSWER).items():
        entries = future.result()
        own = ConfigSource.DYNAMIC_TOPIC_CONFIG.value
        found[resource.name] = (
            {name: entry.value for name, entry in sorted(entries.items()) if entry.value is not None},
            tuple(sorted(name for name, entry in entries.items() if entry.source == own)),
        )
    return found


def _bounds(admin: AdminClient, partitions: Iterable[tuple[str, int]]) -> dict[tuple[str, int], tuple[int, int] | str]:
    wanted = list(partitions)
    if not wanted:
        return {}
    ends: list[dict[tuple[str, int], int | str]] = []
    for spec in (OffsetSpec.earliest(), OffsetSpec.latest()):
        asked = admin.list_offsets(
            {confluent_kafka.TopicPartition(*each): spec for each in wanted}, request_timeout=_ANSWER
        )
        answers: dict[tuple[str, int], int | str] = {}
        for each, future in asked.items():
            try:
                answers[each.topic, each.partition] = future.result().offset
            except KafkaException as error:  # of this partition alone: it has no leader, say
                answers[each.topic, each.partition] = error.args[0].str()
        ends.append(answers)
    found: dict[tuple[str, int], tuple[int, int] | str] = {}
    for each in wanted:
        first, last = ends[0][each], ends[1][each]
        found[each] = (first, last) if isinstance(first, int) and isinstance(last, int) else f"{first}; {last}"
    return found


def _ranges(bounds: Bounds, newest: int, like: KafkaFingerprint | None) -> dict[tuple[str, int], tuple[int, int]]:
    """Which offsets of each partition to read: the newest, or what was read before and is still there."""
    ranges = {}
    for (topic, partition), found in bounds.items():
        if isinstance(found, str):
            continue
        begin, end = found
        first, last = max(begin, end - newest), end
        if like is not None:
            known = like.topics.get(topic)
            chunks = known.partitions[partition].chunks if known and partition in known.partitions else ()
            first, last = (max(begin, chunks[0].start), min(end, chunks[-1].end)) if chunks else (0, 0)
        if first < last:
            ranges[topic, partition] = (first, last)
    return ranges


def _contents(target: KafkaTarget, ranges: Ranges, patience: float) -> dict[tuple[str, int], tuple[Chunk, ...] | str]:
    """The chunks of each range, or why they could not be read."""
    if not ranges:
        return {}
    options = {
        "group.id": "drill-fingerprint",
        "enable.auto.commit": False,
        "auto.offset.reset": "error",
        "isolation.level": "read_uncommitted",  # what is stored, as the end offset counts it
        "check.crcs": True,
    }
    consumer = Consumer({**kafka.client_config(target), **options})
    try:
        found: dict[tuple[str, int], tuple[Chunk, ...] | str] = {}
        for each, (start, end) in ranges.items():
            try:
                found[each] = chunked(_records(consumer, each, start, end, patience), start, end)
            except KafkaException as error:
                found[each] = f"it can't be read: {error.args[0].str()}"
            except TimeoutError as error:
                found[each] = str(error)
        return found
    finally:
        consumer.close()


def _records(consumer: Consumer, partition: tuple[str, int], start: int, end: int, patience: float) -> Iterator[Record]:
    """The records in [start, end).

    Raises:
        TimeoutError: nothing came for `patience` seconds.
        KafkaException: the client itself gave up.
    """
    consumer.assign([confluent_kafka.TopicPartition(*partition, start)])
    reached, last = start, clock.now()
    while reached < end:
        for message in consumer.consume(_BATCH, 0.5):
            if error := message.error():
                if error.fatal() or not error.retriable():
                    raise KafkaException(error)
                continue  # a broker that is away for a moment: the client goes on by itself, with `patience`
            if (message.offset() or 0) < end:
                yield message
        # The position also passes what is no record, such as the markers of transactions.
        (position,) = consumer.position([confluent_kafka.TopicPartition(*partition)])
        if position.offset != OFFSET_INVALID and position.offset > reached:
            reached, last = position.offset, clock.now()
        elif clock.now() - last > patience:
            raise TimeoutError(f"nothing came for {patience:g} s at offset {reached} of {end}")


def chunked(records: Iterable[Record], start: int, end: int) -> tuple[Chunk, ...]:
    """Digest records in the order of their offsets, by chunks that together are [start, end)."""
    bounds = [start, *range((start // CHUNK + 1) * CHUNK, end, CHUNK), end]
    sums = {first // CHUNK: hashlib.sha256() for first in bounds[:-1]}
    counts = dict.fromkeys(sums, 0)
    for record in records:
        offset = record.offset() or 0
        sums[offset // CHUNK].update(_as_bytes(offset, record))
        counts[offset // CHUNK] += 1
    return tuple(
        Chunk(start=first, end=after, records=counts[first // CHUNK], sha256=sums[first // CHUNK].hexdigest())
        for first, after in pairwise(bounds)
    )


def _as_bytes(offset: int, record: Record) -> bytes:
    """All of a record, so that no two different ones are the same bytes: a missing part is not an empty one."""
    headers = record.headers() or []
    kind, at = record.timestamp()
    parts = [record.key(), record.value()]
    for name, value in headers:
        parts += [name.encode(), value]
    framed = [struct.pack(">qiqi", offset, kind, at, len(headers))]
    for part in parts:
        framed.append(struct.pack(">i", -1 if part is None else len(part)))
        framed.append(part or b"")
    return b"".join(framed)


def _partition(
    name: tuple[str, int], bounds: Bounds, chunks: Mapping[tuple[str, int], tuple[Chunk, ...] | str]
) -> TopicPartition:
    found, read = bounds[name], chunks.get(name, ())
    if isinstance(found, str):
        return TopicPartition(begin=None, end=None, problem=found)
    if isinstance(read, str):
        return TopicPartition(begin=found[0], end=found[1], problem=read)
    return TopicPartition(begin=found[0], end=found[1], chunks=read)
