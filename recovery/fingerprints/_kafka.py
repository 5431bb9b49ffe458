"""Whether a Kafka cluster is what it was: identity, topics, records, consumers' positions, and contents where read."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from drill.fingerprints import KafkaFingerprint, Topic, TopicPartition
from drill.verdicts import Outcome, Verdict
from recovery.fingerprints._differences import Comparison, incomparable, names


@dataclass(frozen=True)
class _Allowed:
    """What may be otherwise."""

    growth: bool
    retention: bool
    older: bool
    """The backup is older than what it is held to."""
    lost: int
    """So many records, then."""


@dataclass
class _Tally:
    """Records counted by offsets, by partition."""

    held: dict[str, int] = field(default_factory=dict)
    lost: dict[str, int] = field(default_factory=dict)
    """At the ends."""
    gone: dict[str, int] = field(default_factory=dict)
    """At the front."""
    grown: dict[str, int] = field(default_factory=dict)


def judge_kafka(
    before: KafkaFingerprint,
    after: KafkaFingerprint,
    *,
    allow_growth: bool = False,
    allow_retention: bool = False,
    rpo_records: int | None = None,
    evidence: Sequence[str] = (),
) -> tuple[Verdict, ...]:
    """Hold a cluster to what it was.

    Offsets alone can't tell a record that was lost from another one that was written in its place afterwards: where
    records may have been written since the restore (`allow_growth`), contents tell, if they were read.

    Args:
        before: What it is held to: at the disaster, or at the backup.
        after: What was found.
        allow_growth: Records, consumers' progress and topics may have come since.
        allow_retention: Records at the front may have been deleted since, as retention does. They are counted, and
            never called there: that it was retention is not seen.
        rpo_records: So many records at the ends may be missing, and so far may a consumer group be back, since the
            backup is older than `before`. None: not one. The measured RPO is `lost` of the verdict `kafka-records`.
        evidence: Files of the record.
    """
    if before.selection != after.selection:
        return incomparable("kafka-topics", "The two fingerprints do not look at the same topics.", evidence)
    allowed = _Allowed(allow_growth, allow_retention, rpo_records is not None, rpo_records or 0)
    verdicts = [
        _identity(before, after, evidence),
        _topics(before, after, evidence, allowed),
        _records(before, after, evidence, allowed),
    ]
    if any(before.groups.values()) or any(after.groups.values()):
        verdicts.append(_consumers(before, after, evidence, allowed))
    if before.selection.content_records:
        verdicts.append(_content(before, after, evidence))
    return tuple(verdicts)


def _identity(before: KafkaFingerprint, after: KafkaFingerprint, evidence: Sequence[str]) -> Verdict:
    found = Comparison()
    if before.cluster_id != after.cluster_id:
        found.differs("cluster id", f"{after.cluster_id}, was {before.cluster_id}")
    return found.verdict(
        "kafka-cluster-id",
        target=before.cluster_id,
        well="It is the same cluster.",
        nothing=None if before.cluster_id else "No cluster id was seen.",
        actual=after.cluster_id,
        evidence=evidence,
    )


def _topics(before: KafkaFingerprint, after: KafkaFingerprint, evidence: Sequence[str], allowed: _Allowed) -> Verdict:
    found = Comparison()
    both = names(before.topics, after.topics, found, "topic", extra=not allowed.growth)
    for name in set(before.selection.topics or ()) - before.topics.keys() - after.topics.keys():
        found.doubtful(name, "asked for, and on neither side")
    for name in both:
        _compare_topic(name, before.topics[name], after.topics[name], found)
    return found.verdict(
        "kafka-topics",
        target="the same topics, partitions, replicas and settings",
        well=f"All {len(both):,} topics are there with their partitions, replicas and settings.",
        nothing=None if both else "There is no topic on both sides.",
        actual=f"{len(both)} of {len(before.topics)} topics",
        evidence=evidence,
    )


def _compare_topic(name: str, was: Topic, now: Topic, found: Comparison) -> None:
    if len(was.partitions) != len(now.partitions):
        found.differs(name, f"{len(now.partitions)} partitions, was {len(was.partitions)}")
    if was.replication_factor != now.replication_factor:
        found.differs(name, f"replication factor {now.replication_factor}, was {was.replication_factor}")
    for setting, value in was.config.items():
        if now.config.get(setting) != value:
            found.differs(name, f"{setting} is {now.config.get(setting, 'not set')}, was {value}")
    for setting in sorted(set(now.overridden) - was.config.keys()):  # what is only a new version's default is no news
        found.differs(name, f"{setting} is {now.config.get(setting)}, was not set")
    if was.id != now.id:
        found.notes.append(f"{name} has another topic id: it was created anew.")


def _records(before: KafkaFingerprint, after: KafkaFingerprint, evidence: Sequence[str], allowed: _Allowed) -> Verdict:
    found, tally = Comparison(), _Tally()
    for label, was, now in _partitions(before, after):
        _compare_log(label, was, now, found, tally, allowed)
    held, lost, gone, grown = (sum(each.values()) for each in (tally.held, tally.lost, tally.gone, tally.grown))
    if lost > allowed.lost:
        for label, count in tally.lost.items():
            found.differs(label, f"{count:,} records at the end are missing")
    elif lost:
        found.notes.append(f"{lost:,} records since the backup are missing, as allowed.")
    if gone:
        _compare_fronts(tally, found)
    if grown and not allowed.growth:
        for label, count in tally.grown.items():
            found.differs(label, f"{count:,} records more than before")
    elif grown:
        found.notes.append(f"{grown:,} records have come since.")
    return found.verdict(
        "kafka-records",
        target=f"<= {allowed.lost:,} records lost{'' if allowed.growth else ', and none more'}",
        well=f"{held - lost - gone:,} of {held:,} records are there.",
        nothing=None if held else "No partition held a record.",
        actual=f"{lost:,} of {held:,} records lost{f', {gone:,} gone at the front' if gone else ''}",
        evidence=evidence,
        lost=lost,
        held=held,
        grown=grown,
        lost_by_partition=tally.lost,
        gone=gone,
        gone_by_partition=tally.gone,
    )


def _compare_fronts(tally: _Tally, found: Comparison) -> None:
    """Retention may take the front of a topic; of one that it left nothing of, nothing was seen."""
    held, lost, gone = map(_by_topic, (tally.held, tally.lost, tally.gone))
    for topic, number in gone.items():
        if number + lost.get(topic, 0) == held[topic]:
            found.doubtful(topic, f"all of its {held[topic]:,} records are gone at the front, by retention or lost")
    found.notes.append(f"{sum(gone.values()):,} records at the front are gone, as retention takes them.")


def _compare_log(
    label: str,
    was: TopicPartition,
    now: TopicPartition | None,
    found: Comparison,
    tally: _Tally,
    allowed: _Allowed,
) -> None:
    if was.begin is None or was.end is None:
        found.doubtful(label, f"its offsets were not known when the fingerprint was made: {was.problem}")
        return
    tally.held[label] = was.end - was.begin
    begin, end = (was.begin, was.begin) if now is None else (now.begin, now.end)  # no partition: all of it is lost
    if begin is None or end is None:
        found.doubtful(label, f"its offsets are not known now: {now.problem if now else ''}")
        return
    if end < was.end:
        tally.lost[label] = was.end - max(end, was.begin)
    elif end > was.end:
        tally.grown[label] = end - was.end
    gone = min(begin, end, was.end) - was.begin
    if gone > 0:
        tally.gone[label] = gone
        if not allowed.retention:
            found.differs(label, f"begins at {begin:,}, was {was.begin:,}: the first {gone:,} records are gone")
    elif gone < 0 and end > begin and not allowed.growth and not allowed.older:
        found.differs(label, f"begins at {begin:,}, was {was.begin:,}: deleted records are back")


def _consumers(
    before: KafkaFingerprint, after: KafkaFingerprint, evidence: Sequence[str], allowed: _Allowed
) -> Verdict:
    found, compared, back_of = Comparison(), 0, {}
    ends = {label: now.end for label, _, now in _partitions(before, after) if now is not None}
    for group in names(before.groups, after.groups, found, "consumer group", extra=not allowed.growth):
        positions = before.groups[group]
        compared += len(positions)
        back = _compare_positions(group, positions, after.groups[group], ends, found, allowed)
        if back:
            back_of[group] = back
        if allowed.older and back > allowed.lost:
            found.differs(group, f"{back:,} records are read again, over the {allowed.lost:,} allowed")
    return found.verdict(
        "kafka-consumers",
        target="the same committed offsets",
        well=f"All {compared:,} committed offsets are there.",
        nothing=None if compared else "No consumer group had committed an offset.",
        actual=f"{compared:,} offsets of {len(before.groups):,} groups",
        evidence=evidence,
        read_again=back_of,
    )


def _compare_positions(
    group: str,
    before: Mapping[str, int],
    after: Mapping[str, int],
    ends: Mapping[str, int | None],
    found: Comparison,
    allowed: _Allowed,
) -> int:
    """How many records the group reads again."""
    back = 0
    for label, was in sorted(before.items()):
        now, end = after.get(label), ends.get(label)
        if now is None:
            found.differs(group, f"no position in {label}, was {was:,}")
        elif end is not None and now > end:
            found.differs(group, f"position {now:,} in {label} is beyond its end {end:,}")
        elif now < was:
            back += was - now
            if not allowed.older:
                found.differs(group, f"position {now:,} in {label}, was {was:,}: {was - now:,} are read again")
        elif now > was and not allowed.growth:
            found.differs(group, f"position {now:,} in {label}, was {was:,}: {now - was:,} are skipped")
    return back


def _content(before: KafkaFingerprint, after: KafkaFingerprint, evidence: Sequence[str]) -> Verdict:
    found, compared, left = Comparison(), 0, 0
    same_of: dict[str, int] = {}  # of the partitions that must still hold a record that was read
    for label, was, now in _partitions(before, after):
        if was.problem:
            found.doubtful(label, was.problem)
        elif was.chunks and now is None:
            found.doubtful(label, "the partition is missing")
        elif now is not None and now.problem:
            found.doubtful(label, now.problem)
        elif now is not None:
            same, cut = _compare_chunks(label, was, now, found, compacted=_compacted(before, label))
            compared, left = compared + same, left + cut
            if any(chunk.records for chunk in was.chunks if chunk.start < (now.end or 0)):
                same_of[label] = same
    for topic, number in _by_topic(same_of).items():
        if not number:  # what is compared of other topics says nothing of it
            found.doubtful(topic, "it held records, and none of them could be compared")
    if left:
        found.notes.append(f"{left:,} records could not be compared: they, or a part of their chunk, are gone.")
    return found.verdict(
        "kafka-content",
        target="the same records, in every chunk that is there whole",
        well=f"{compared:,} records that were read are as they were.",
        nothing=None if compared else "No record was read on both sides.",
        actual=f"{compared:,} of {compared + left:,} records",
        evidence=evidence,
        compared=compared,
        not_compared=left,
    )


def _compare_chunks(
    label: str, was: TopicPartition, now: TopicPartition, found: Comparison, *, compacted: bool
) -> tuple[int, int]:
    """How many records were compared, and how many could not be."""
    compared = left = 0
    others = {(chunk.start, chunk.end): chunk for chunk in now.chunks}
    for chunk in was.chunks:
        other = others.get((chunk.start, chunk.end))
        if other is None:
            left += chunk.records
            continue
        compared += chunk.records
        if chunk.sha256 == other.sha256:
            continue
        where = f"offsets {chunk.start:,} to {chunk.end - 1:,}"
        if compacted and other.records < chunk.records:
            found.doubtful(label, f"{where}: {other.records} of {chunk.records} records, and the topic is compacted")
        else:
            found.differs(label, f"{where}: other contents ({other.records} of {chunk.records} records)")
    return compared, left


def _partitions(
    before: KafkaFingerprint, after: KafkaFingerprint
) -> Iterator[tuple[str, TopicPartition, TopicPartition | None]]:
    for name, topic in sorted(before.topics.items()):
        now = after.topics.get(name)
        for number, partition in sorted(topic.partitions.items()):
            yield f"{name}-{number}", partition, now.partitions.get(number) if now else None


def _by_topic(numbers: Mapping[str, int]) -> dict[str, int]:
    """Numbers by partition, summed by topic."""
    summed: dict[str, int] = {}
    for label, number in numbers.items():
        topic = label.rpartition("-")[0]
        summed[topic] = summed.get(topic, 0) + number
    return summed


def _compacted(before: KafkaFingerprint, label: str) -> bool:
    return "compact" in before.topics[label.rpartition("-")[0]].config.get("cleanup.policy", "")


def measured_rpo(verdicts: Sequence[Verdict]) -> int | None:
    """The records lost, as the verdicts of `judge_kafka` measured them; None when that is not known."""
    for verdict in verdicts:
        if verdict.check == "kafka-records" and verdict.outcome is not Outcome.INCONCLUSIVE:
            return int(verdict.details["lost"])
    return None
