"""A cluster that was lost is another one afterwards, and all that it held came back: each system, in its time."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from drill.fingerprints import BucketFingerprint, Fingerprint, KafkaFingerprint
from drill.iceberg import IcebergFingerprint
from drill.verdicts import WORST_FIRST, Outcome, Verdict
from recovery._check import Finding, check, combined, counted, failed, passed, unsure
from recovery._run import Run
from recovery.fingerprints import judge_bucket, judge_iceberg, judge_kafka
from recovery.restores._evidence import fingerprint, held, piece, told

F = TypeVar("F", bound=Fingerprint)


def _whole_cluster(run: Run) -> bool:
    return bool((run.record.scenario.get("target") or {}).get("whole_cluster"))


@check(
    "evidence/restore-cluster.json",
    target=lambda o: "another cluster, empty before the restore" if held(o) else None,
    applies=_whole_cluster,
)
def cluster_replaced(run: Run) -> Finding:
    """The cluster that was restored into is another one, which had none of the namespaces before the restore."""
    seen = piece(run, "cluster")
    before, after = told(seen, "before", "cluster"), told(seen, "after", "cluster")
    there, restored = told(seen, "namespaces", "cluster"), told(seen, "restored", "cluster")
    actual = f"{after}, was {before}"
    if before == after:
        return failed("The cluster is the one of before: nothing was lost.", actual)
    if early := sorted(set(there) & set(restored)):
        reason = f"Namespace {early[0]} was there before anything was restored: it did not come from the backup."
        return failed(reason, actual, early=early)
    if not restored:
        return unsure("No namespace was to be restored.", actual)
    number = counted(len(restored), "namespace")
    return passed(f"Another cluster answers, which had none of the {number} before the restore.", actual)


@check(
    "evidence/restore-systems.json",
    target=lambda o: "each system as at the backup" if held(o) else None,
    applies=_whole_cluster,
)
def systems_as_backed_up(run: Run) -> Finding:
    """What was held besides PostgreSQL's rows is as it was at the backup: records, objects, tables of the lakehouse.

    Records that were written to Kafka after the backup must not be there: they are what the backup costs. A system
    that the settings declare and the cluster lacked was not looked into, and nothing is known of it.
    """
    kept = piece(run, "systems")
    judges: dict[str, Callable[[dict[str, Any]], Finding]] = {
        "kafka": _kafka,
        "lakehouse": partial(_same, kind=BucketFingerprint, judge=judge_bucket),
        "iceberg": partial(_same, kind=IcebergFingerprint, judge=judge_iceberg),
    }
    parts = {name: partial(judge, kept[name]) for name, judge in judges.items() if name in kept}
    parts |= {name: partial(_missing, name, reason) for name, reason in (kept.get("missing") or {}).items()}
    left_out = kept.get("left_out") or {}
    if not parts:
        return unsure("No system but PostgreSQL was looked into.", left_out=left_out)
    found = combined(parts, run)
    return Finding(found.outcome, found.reason, found.actual, {**found.details, "left_out": left_out})


def _missing(name: str, reason: str) -> Finding:
    return unsure(f"The settings declare {name}, and it was not looked into before the backup: {reason}.")


def _kafka(kept: dict[str, Any]) -> Finding:
    before, after, found = (_kept(kept, when, KafkaFingerprint) for when in ("before", "after", "found"))
    written = told(kept, "mutations", "systems")
    still = _ends(before) == _ends(after)
    ends = _ends(found)
    if late := [name for name, end in _ends(after).items() if end is not None and (ends.get(name) or 0) > end]:
        return failed(f"Records of {late[0]} that were written after the backup are there.", late=late)
    # What came while it was being backed up may be in the backup.
    finding = _worst(judge_kafka(before, found, allow_growth=not still))
    if finding.outcome is not Outcome.PASS:
        return finding
    if not written:
        return unsure("Nothing was written to Kafka after the backup, so that its absence shows nothing.")
    lost = f"{counted(written, 'record')} of after the backup {'are' if written > 1 else 'is'} gone"
    return passed(f"{finding.reason} {lost}: that is what the backup costs.", finding.actual, lost=written)


def _same(kept: dict[str, Any], *, kind: type[F], judge: Callable[[F, F], Sequence[Verdict]]) -> Finding:
    return _worst(judge(_kept(kept, "before", kind), _kept(kept, "found", kind)))


def _worst(verdicts: Sequence[Verdict]) -> Finding:
    """The finding of several verdicts: the worst of them, or all that they say."""
    outcome = next(each for each in WORST_FIRST if any(verdict.outcome is each for verdict in verdicts))
    decisive = [each for each in verdicts if each.outcome is outcome]
    actual = ", ".join(each.actual for each in verdicts if each.actual is not None)
    return Finding(
        outcome,
        " ".join(each.reason for each in decisive),
        actual or None,
        {"verdicts": [each.model_dump(mode="json") for each in verdicts]},
    )


def _ends(found: KafkaFingerprint) -> dict[str, int | None]:
    return {
        f"{name}-{number}": partition.end
        for name, topic in found.topics.items()
        for number, partition in topic.partitions.items()
    }


def _kept(kept: dict[str, Any], when: str, kind: type[F]) -> F:
    return fingerprint(told(kept, when, "systems"), kind, when)
