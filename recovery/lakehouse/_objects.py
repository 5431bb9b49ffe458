"""The objects and the table afterwards: byte for byte, file for file."""

from functools import partial
from typing import Any

from drill.fingerprints import BucketFingerprint
from drill.iceberg import IcebergFingerprint
from drill.verdicts import Outcome, Verdict, overall
from recovery._check import Finding, check, counted, failed, passed, unsure
from recovery._run import Run
from recovery.fingerprints import judge_bucket, judge_iceberg
from recovery.lakehouse._evidence import damaged, fingerprint, of_buckets, piece, short, told


@check(
    "evidence/lakehouse-reference.json",
    "evidence/lakehouse-damage.json",
    "evidence/lakehouse-found.json",
    target="every byte of before",
    applies=of_buckets,
)
def objects_as_before(run: Run) -> Finding:
    """Each object that was damaged has the content of before, by SHA-256; and it had not while it was damaged."""
    was = {each["key"]: each for each in told(piece(run, "reference"), "objects", "reference")}
    now = told(piece(run, "found"), "objects", "found")
    total = 0
    for name, spoilt in damaged(run).items():
        if name not in was:
            return unsure(f"What {short(name)} was before is not in the record.")
        if spoilt is not None and _same(spoilt, was[name]):
            return unsure(f"{short(name)} was never another, so that its content shows nothing.")
        there = now.get(name)
        if there is None:
            return failed(f"{short(name)} is not there.")
        if not _same(there, was[name]):
            return failed(f"{short(name)} has other content, {there['size']:,} bytes of {was[name]['size']:,}.")
        total += there["size"]
    versions = sum(now[name]["version"] == was[name]["version"] for name in damaged(run))
    number = len(damaged(run))
    reason = "Each object has the content of before"
    same = " and is the very version that was there" if versions == number else ""
    return passed(f"{reason}{same}.", f"{counted(number, 'object')}, {total:,} bytes")


@check(
    "evidence/lakehouse-reference.json",
    "evidence/lakehouse-found.json",
    target="table and bucket as before",
    applies=of_buckets,
)
def lakehouse_whole(run: Run) -> Finding:
    """The table's columns, snapshots, files and rows are those of before, and so is each object of its folder.

    A table that somebody wrote to meanwhile can't be told from one that lost something: that is inconclusive.
    """
    before, after = piece(run, "reference"), piece(run, "found")
    read = partial(fingerprint, kind=IcebergFingerprint)
    was, now = read(before, name="reference"), read(after, name="found")
    listed = partial(fingerprint, kind=BucketFingerprint)
    verdicts = (
        *judge_iceberg(was, now),
        *judge_bucket(listed(before, name="reference"), listed(after, name="found"), allow_extra=True),
    )
    actual = f"{sum(each.outcome is Outcome.PASS for each in verdicts)} of {len(verdicts)} comparisons"
    details: dict[str, Any] = {"comparisons": {each.check: f"{each.outcome}: {each.reason}" for each in verdicts}}
    outcome = overall(verdicts)
    if outcome is Outcome.PASS:
        return passed("All that the table is made of is as before.", actual, **details)
    worst = next(each for each in verdicts if each.outcome is outcome)
    if outcome is Outcome.FAIL and _written(was, now) and all(map(_harmless, verdicts)):
        return unsure("The table was written to during the drill, so that it can't be held to what it was.", actual)
    return (failed if outcome is Outcome.FAIL else unsure)(worst.reason, actual, **details)


def _same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return (one["size"], one["sha256"]) == (other["size"], other["sha256"])


def _written(was: IcebergFingerprint, now: IcebergFingerprint) -> bool:
    """Whether each table still has all of its snapshots, and one has more."""
    pairs = [(was.tables[name], now.tables[name]) for name in was.tables.keys() & now.tables.keys()]
    kept = all(one.snapshots.keys() <= other.snapshots.keys() for one, other in pairs)
    return kept and any(one.snapshots.keys() < other.snapshots.keys() for one, other in pairs)


def _harmless(verdict: Verdict) -> bool:
    """Whether a write explains it."""
    return verdict.outcome is not Outcome.FAIL or verdict.check in {"iceberg-snapshots", "iceberg-partitions"}
