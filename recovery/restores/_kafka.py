"""Kafka's data after a restore: identity, topics, consumers' positions, every record of before, and what it cost.

The brokers' volumes are copied one after the other, while records are written. What was acknowledged before the
backup's start must be there; of what came until its end, any first part may be; and nothing that came after it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from drill.fingerprints import KafkaFingerprint
from drill.markers import payload, payload_digest
from drill.verdicts import Outcome, Verdict
from recovery._check import Finding, check, counted, failed, passed, unsure
from recovery._run import Run
from recovery.fingerprints import judge_kafka
from recovery.restores._evidence import fingerprint, held, of, piece, told
from recovery.restores._times import disaster

_HELD = "evidence/restore-kafka-reference.json", "evidence/restore-kafka-found.json"
_RECORDS = (*_HELD, "evidence/restore-backup.json")
_TICK = 1.0
"""Velero writes instants down in whole seconds, cut off: what it calls its end may be so much later."""


@dataclass(frozen=True)
class Record:
    """A record of the drill's own that was acknowledged."""

    partition: int
    offset: int
    sequence: int
    acked: float
    """When, epoch seconds."""

    def __str__(self) -> str:
        return f"Record {self.sequence} (offset {self.offset} of partition {self.partition})"


@check(*_HELD, target=lambda o: "the same cluster id and brokers" if held(o) else None, applies=of("kafka"))
def kafka_cluster_kept(run: Run) -> Finding:
    """It is the same cluster with the same brokers: their volumes were restored, and none was formatted anew."""
    before, _, found = _fingerprints(run)
    if before.brokers != found.brokers:
        return failed(f"Brokers {list(found.brokers)} are there, and {list(before.brokers)} were.", str(found.brokers))
    return _finding(_verdicts(before, found)["kafka-cluster-id"])


@check(*_HELD, target=lambda o: "topics and settings as backed up" if held(o) else None, applies=of("kafka"))
def kafka_topics_kept(run: Run) -> Finding:
    """Each topic has its partitions, replicas and settings, and what was changed after the backup is as it was."""
    before, after, found = _fingerprints(run)
    if later := sorted(found.topics.keys() - before.topics.keys() - after.topics.keys()):
        return failed(f"Topic {later[0]} was made after the backup, and is there.", f"{len(later)} topics more")
    judged = _finding(_verdicts(before, found)["kafka-topics"])
    if judged.outcome is not Outcome.PASS:
        meanwhile = _finding(_verdicts(before, after)["kafka-topics"])
        if meanwhile.outcome is Outcome.FAIL:
            return unsure(f"Topics were changed while the backup was made: {meanwhile.reason}", judged.actual)
        return judged
    if not told(piece(run, "kafka-reference"), "mutated", "kafka-reference"):
        return unsure("Nothing was changed after the backup, so that its absence shows nothing.", judged.actual)
    return judged


@check(*_HELD, target=lambda o: "committed offsets as backed up" if held(o) else None, applies=of("kafka"))
def kafka_positions_kept(run: Run) -> Finding:
    """Each consumer group is at the position that it had when its backup was made, and none is beyond a log's end.

    One that moved while the backup was made must be between what it had before and after it.
    """
    before, after, found = _fingerprints(run)
    compared = moved = 0
    for group, label, was in _positions(before):
        now, then = found.groups.get(group, {}).get(label), after.groups.get(group, {}).get(label, was)
        if now is None:
            return failed(f"Group {group} has no position in {label}, and was at {was:,}.")
        if not min(was, then) <= now <= max(was, then):
            asked = f"{was:,}" if was == then else f"between {was:,} and {then:,}"
            return failed(f"Group {group} is at {now:,} in {label}, and was at {asked}.")
        end = _end(found, label)
        if end is not None and now > end:
            return failed(f"Group {group} is at {now:,} in {label}, which ends at {end:,}: it would skip records.")
        compared, moved = compared + 1, moved + (was != then)
    if not compared:
        return unsure("No consumer group had committed a position.", "0 positions")
    aside = f"; {moved} of them moved while the backup was made" if moved else ""
    return passed(f"Each committed offset is as it was backed up{aside}.", counted(compared, "position"))


@check(
    *_RECORDS, target=lambda o: "every record acknowledged before the backup" if held(o) else None, applies=of("kafka")
)
def kafka_records_kept(run: Run) -> Finding:
    """What was acknowledged before the backup's start is there: at its offset, as it was written, and with no gap.

    Of all other topics: as many records as before the backup at the least, no more than right after it, and the content
    that was read before. Their logs may begin where they began right after the backup, and no later: what is gone
    beyond that is lost, or, where the restored brokers may have taken it by retention, nobody knows.
    """
    started = float(told(piece(run, "backup"), "started", "backup"))
    reference = piece(run, "kafka-reference")
    acked, found, name = _acked(reference), _found(run), str(told(reference, "run", "kafka-reference"))
    must = [each for each in acked if each.acked < started]
    there = sum(each.offset in found.get(each.partition, {}) for each in must)
    actual = f"{there:,} of {counted(len(must), 'record')}"
    before, after, now = _fingerprints(run)
    judged = [each for each in _verdicts(before, now).values() if each.check in {"kafka-records", "kafka-content"}]
    front_lost, front_gone = _begins_later(before, after, now)
    if trouble := (
        _lost(must, found, started)
        or _torn(acked, found)
        or _altered(found, name)
        or _beyond(after, now)
        or next(iter(front_lost), None)
    ):
        return failed(trouble, actual)
    if wrong := [each.reason for each in judged if each.outcome is Outcome.FAIL]:
        return failed(f"Of all topics: {wrong[0]}", actual)
    if not must:
        return unsure("No record was acknowledged before the backup.", actual)
    if trouble := _unsettled(reference):
        return unsure(f"The copies of the brokers need not fit together: {trouble}.", actual)
    if doubtful := [*front_gone, *(each.reason for each in judged if each.outcome is not Outcome.PASS)]:
        return unsure(f"Of all topics: {doubtful[0]}", actual)
    content, gone = (sum(each.details.get(key, 0) for each in judged) for key in ("compared", "gone"))
    aside = f", and {gone:,} at the front were gone right after the backup already" if gone else ""
    return passed(
        f"Every record of the drill's own from before the backup is there; of all topics, {content:,} were compared by "
        f"content{aside}.",
        actual,
        compared=content,
        gone=gone,
    )


@check(
    "events.jsonl",
    *_RECORDS,
    target=lambda o: "nothing from after the backup; what is lost is counted" if held(o) else None,
    applies=of("kafka"),
)
def kafka_records_lost(run: Run) -> Finding:
    """What the disaster cost, measured: records that were acknowledged since the backup began, and are not there.

    Nothing that was acknowledged after the backup's end may be there: what is there came from the backup.
    """
    backup = piece(run, "backup")
    started, ended = float(told(backup, "started", "backup")), float(told(backup, "completed", "backup")) + _TICK
    acked, found, t0 = _acked(piece(run, "kafka-reference")), _found(run), disaster(run)
    since = [each for each in acked if each.acked >= started]
    later = [each for each in acked if each.acked >= ended]
    stayed = [each for each in later if each.offset in found.get(each.partition, {})]
    lost = [each for each in since if each.offset not in found.get(each.partition, {})]
    actual = f"{len(lost):,} of {counted(len(since), 'record')} lost"
    if stayed:
        reason = f"{stayed[0]} was acknowledged {stayed[0].acked - ended:.1f} s after the backup, and is there."
        return failed(reason, actual)
    if not later:
        return unsure("No record was acknowledged after the backup, so that nothing shows where the others are from.")
    oldest = min(each.acked for each in lost)
    intervals = [
        {"partition": partition, "first": min(offsets), "last": max(offsets), "records": len(offsets)}
        for partition, offsets in sorted(_by_partition(lost).items())
    ]
    return passed(
        f"{counted(len(lost), 'acknowledged record')} since the backup began are lost, the oldest acknowledged "
        f"{t0 - oldest:.1f} s before the disaster.",
        f"{actual}, {t0 - oldest:.1f} s",
        lost=len(lost),
        acknowledged_since=len(since),
        oldest_before_disaster=t0 - oldest,
        intervals=intervals,
    )


def _verdicts(before: KafkaFingerprint, found: KafkaFingerprint) -> dict[str, Verdict]:
    """Records may have come since the fingerprint, and retention may have taken its part; nothing else.

    How far it may have is `_begins_later`'s to say.
    """
    return {each.check: each for each in judge_kafka(before, found, allow_growth=True, allow_retention=True)}


def _finding(verdict: Verdict) -> Finding:
    return Finding(verdict.outcome, verdict.reason, verdict.actual, dict(verdict.details))


def _fingerprints(run: Run) -> tuple[KafkaFingerprint, KafkaFingerprint, KafkaFingerprint]:
    """Right before the backup, right after it, and of what was restored."""
    reference, found = piece(run, "kafka-reference"), piece(run, "kafka-found")
    return (
        fingerprint(told(reference, "before", "kafka-reference"), KafkaFingerprint, "before"),
        fingerprint(told(reference, "after", "kafka-reference"), KafkaFingerprint, "after"),
        fingerprint(told(found, "fingerprint", "kafka-found"), KafkaFingerprint, "found"),
    )


def _acked(reference: dict[str, Any]) -> list[Record]:
    return [
        Record(int(partition), *one)
        for partition, written in told(reference, "acked", "kafka-reference").items()
        for one in zip(written["offsets"], written["sequences"], written["times"], strict=True)
    ]


def _found(run: Run) -> dict[int, dict[int, tuple[int | None, str]]]:
    """Sequence and digest of the content by partition and offset; nothing, where the topic is not there."""
    found = piece(run, "kafka-found")
    told(found, "fingerprint", "kafka-found")
    return {
        int(partition): {
            offset: (sequence, digest)
            for offset, sequence, digest in zip(read["offsets"], read["sequences"], read["digests"], strict=True)
        }
        for partition, read in (found.get("records") or {}).items()
    }


def _positions(before: KafkaFingerprint) -> Iterator[tuple[str, str, int]]:
    for group, positions in before.groups.items():
        for label, offset in positions.items():
            yield group, label, offset


def _end(found: KafkaFingerprint, label: str) -> int | None:
    topic, _, partition = label.rpartition("-")
    known = found.topics.get(topic)
    its = None if known is None else known.partitions.get(int(partition))
    return None if its is None else its.end


def _lost(must: Sequence[Record], found: Mapping[int, Mapping[int, Any]], started: float) -> str | None:
    """What of before the backup is gone."""
    gone = [each for each in must if each.offset not in found.get(each.partition, {})]
    if not gone:
        return None
    more = f", and so are {len(gone) - 1:,} more" if gone[1:] else ""
    return f"{gone[0]} was acknowledged {started - gone[0].acked:.1f} s before the backup and is gone{more}."


def _torn(acked: Sequence[Record], found: Mapping[int, Mapping[int, tuple[int | None, str]]]) -> str | None:
    """What is no first part of what was written: another record in a place, or a gap."""
    ends = {partition: max(records, default=-1) for partition, records in found.items()}
    for each in acked:
        there = found.get(each.partition, {}).get(each.offset)
        if there is not None and there[0] != each.sequence:
            return f"{each} has another in its place."
        if there is None and each.offset < ends.get(each.partition, -1):
            return f"{each} is gone, and later ones of its partition are there."
    return None


def _altered(found: Mapping[int, Mapping[int, tuple[int | None, str]]], run: str) -> str | None:
    """What is not as the drill wrote it."""
    for partition, records in found.items():
        for offset, (sequence, digest) in records.items():
            if sequence is None or digest != payload_digest(payload(run, sequence)):
                return f"The record at offset {offset} of partition {partition} is not what was written."
    return None


def _beyond(after: KafkaFingerprint, found: KafkaFingerprint) -> str | None:
    """What ends later than it did right after the backup."""
    for name, topic in found.topics.items():
        for number, partition in topic.partitions.items():
            limit = _end(after, f"{name}-{number}")
            if limit is not None and (partition.end or 0) > limit:
                return f"{name}-{number} holds more than right after the backup: its records are not the backup's."
    return None


def _begins_later(
    before: KafkaFingerprint, after: KafkaFingerprint, found: KafkaFingerprint
) -> tuple[list[str], list[str]]:
    """What is gone at the front beyond what was right after the backup: of topics that keep all, and of the others."""
    lost, gone = [], []
    for name, topic in before.topics.items():
        keeps = all(topic.config.get(each) == "-1" for each in ("retention.ms", "retention.bytes"))
        for number, was in topic.partitions.items():
            then, now = (_begin(each, name, number) for each in (after, found))
            limit = was.begin if then is None else then
            if limit is not None and now is not None and now > limit:
                said = f"{name}-{number} begins at {now:,}, and at {limit:,} right after the backup"
                if keeps:
                    lost.append(f"{said}; its topic keeps all, so that they are lost.")
                else:
                    gone.append(f"{said}: by retention since, or lost; nobody can tell.")
    return lost, gone


def _begin(found: KafkaFingerprint, topic: str, number: int) -> int | None:
    known = found.topics.get(topic)
    its = None if known is None else known.partitions.get(number)
    return None if its is None else its.begin


def _unsettled(reference: dict[str, Any]) -> str | None:
    """What changed among the replicas while the backup was made; None: nothing."""
    led: Mapping[str, Mapping[str, Any]] = told(reference, "led", "kafka-reference")
    if led.keys() < {"before", "after"}:
        return "who led was not seen before and after the backup"
    for name, was in led["before"].items():
        now = led["after"].get(name)
        if now is None or now["leader"] != was["leader"]:
            return f"another broker came to lead {name}"
        if any(sorted(each["isr"]) != sorted(each["replicas"]) for each in (was, now)):
            return f"a replica of {name} was out of sync"
    return None


def _by_partition(records: Sequence[Record]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for each in records:
        found.setdefault(each.partition, []).append(each.offset)
    return found
