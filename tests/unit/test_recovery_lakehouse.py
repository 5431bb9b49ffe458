"""A lost object is found in two ways and comes back as it was: checks pass, fail, and say what they can't tell."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from drill.record import RunRecord
from drill.verdicts import Outcome, Verdict
from recovery import judge
from recovery._run import Run
from recovery.lakehouse import CHECKS
from tests.unit import lakehouses
from tests.unit.lakehouses import ANSWER, HIT, KEYS, Evidence, evidence, record_of

PASS, FAIL, INCONCLUSIVE = Outcome.PASS, Outcome.FAIL, Outcome.INCONCLUSIVE
Spoil = Callable[[Evidence], object]


def verdicts(record: RunRecord) -> dict[str, Verdict]:
    """Those of the checks of a lakehouse, by name."""
    run = Run(record)
    found = (each(run) for each in CHECKS)
    return {each.check: each for each in found if each is not None}


def test_an_object_that_came_back_passes(tmp_path: Path) -> None:
    """Every check, and in a judgement of the whole run too; none of a restore by Velero is asked."""
    record = record_of(tmp_path, evidence())
    found = verdicts(record)
    assert {name: each.outcome for name, each in found.items()} == {each.name: PASS for each in CHECKS}
    assert found["lakehouse-restored"].actual == "60.0 s"
    assert found["answer-the-same"].actual == "2 of 2 rows"
    asked = {each.check for each in judge(record)}
    assert asked >= found.keys()
    assert not asked & {"rpo", "backup-whole", "no-acked-record-lost"}


def test_a_run_that_damages_no_bucket_is_not_held_to_it(tmp_path: Path) -> None:
    """No verdict at all."""
    record = record_of(tmp_path, {})
    record.write_text("scenario.yaml", yaml.safe_dump({**record.scenario, "target": {"namespaces": ["kong"]}}))
    assert verdicts(RunRecord.open(record.path)) == {}


def test_a_run_that_came_to_nothing_is_inconclusive_in_everything(tmp_path: Path) -> None:
    """Nothing was seen, so nothing passes."""
    found = verdicts(record_of(tmp_path, {}, proven=False))
    assert {each.outcome for each in found.values()} == {INCONCLUSIVE}
    assert not [each.reason for each in found.values() if "itself broke" in each.reason]


def test_a_corrupted_object_is_found_by_its_rows(tmp_path: Path) -> None:
    """The metadata has nothing against an object of the same size; Trino, which reads it, has."""
    pieces = evidence()
    pieces["damage"] = {"objects": {HIT: lakehouses.kept(version="v2", etag="f", sha256="22")}}
    pieces["metadata"] |= {"iceberg": lakehouses.iceberg(), "files": lakehouses.files(checksum="other")}
    pieces["manifest"]["bucket"] = lakehouses.bucket(etag="f")
    found = verdicts(record_of(tmp_path, pieces))
    assert {each.outcome for each in found.values()} == {PASS}
    assert "it gives other rows" in found["loss-found-by-metadata"].reason
    assert "another ETag" in found["loss-found-by-manifest"].reason


def _set(piece: str, key: str, value: Any) -> Spoil:
    return lambda pieces: pieces[piece].update({key: value})


def _drop(piece: str) -> Spoil:
    return lambda pieces: pieces.pop(piece)


def _unseen_by_trino(pieces: Evidence) -> None:
    pieces["metadata"] |= {"iceberg": lakehouses.iceberg(), "files": lakehouses.files()}


def _false_alarm(pieces: Evidence) -> None:
    pieces["metadata"]["iceberg"] = lakehouses.iceberg(*KEYS)


def _edited(pieces: Evidence) -> None:
    pieces["manifest"]["bucket"]["fingerprint"]["objects"][KEYS[1]]["size"] = 9


def _never_damaged(pieces: Evidence) -> None:
    pieces["damage"]["objects"] = {HIT: lakehouses.kept()}


def _came_back_otherwise(pieces: Evidence) -> None:
    pieces["found"]["objects"] = {HIT: lakehouses.kept(version="v3", etag="g", sha256="33")}


@pytest.mark.parametrize(
    ("check", "outcome", "spoil", "says"),
    [
        ("loss-found-by-metadata", FAIL, _unseen_by_trino, "Trino did not find that 22.parquet is lost"),
        ("loss-found-by-metadata", FAIL, _false_alarm, "Trino calls 23.parquet lost"),
        ("loss-found-by-metadata", INCONCLUSIVE, _set("damage", "objects", {}), "No object was damaged"),
        ("loss-found-by-metadata", INCONCLUSIVE, _drop("metadata"), "lakehouse-metadata.json"),
        ("loss-found-by-manifest", FAIL, _set("manifest", "bucket", lakehouses.bucket()), "did not find"),
        ("loss-found-by-manifest", FAIL, _set("manifest", "bucket", lakehouses.bucket(*KEYS)), "calls 23.parquet lost"),
        ("loss-found-by-manifest", INCONCLUSIVE, _edited, "can't be used"),
        ("objects-as-before", FAIL, _set("found", "objects", {HIT: None}), "22.parquet is not there"),
        ("objects-as-before", FAIL, _came_back_otherwise, "other content"),
        ("objects-as-before", INCONCLUSIVE, _never_damaged, "never another"),
        ("answer-the-same", FAIL, _set("found", "answer", ANSWER[:1]), "another answer than before"),
        ("answer-the-same", FAIL, _set("found", "answer", None), "no answer"),
        ("answer-the-same", INCONCLUSIVE, _set("metadata", "answer", ANSWER), "does not need them"),
        ("answer-the-same", INCONCLUSIVE, _set("metadata", "problem", None), "not in the record"),
        ("answer-the-same", INCONCLUSIVE, _set("reference", "answer", []), "answer"),
        ("lakehouse-whole", FAIL, _set("found", "iceberg", lakehouses.iceberg(KEYS[1])), "23.parquet"),
        ("lakehouse-whole", FAIL, _set("found", "bucket", lakehouses.bucket(KEYS[1])), "23.parquet"),
        ("lakehouse-whole", INCONCLUSIVE, _set("found", "iceberg", lakehouses.iceberg(current="3")), "written to"),
        ("nothing-newer-lost", FAIL, _came_back_otherwise, "not what was there at the loss"),
        ("nothing-newer-lost", FAIL, _set("found", "objects", {HIT: None}), "Nothing came back"),
    ],
)
def test_each_check_finds_what_it_is_there_for(
    tmp_path: Path, check: str, outcome: Outcome, spoil: Spoil, says: str
) -> None:
    """One thing is wrong with the evidence, and the check says which."""
    pieces = evidence()
    spoil(pieces)
    found = verdicts(record_of(tmp_path, pieces))[check]
    assert found.outcome is outcome, found.reason
    assert says in found.reason


def test_objects_that_have_come_since_are_no_loss(tmp_path: Path) -> None:
    """The daily flow goes on meanwhile."""
    pieces = evidence()
    more = f"{lakehouses.FOLDER}/data/price_date=2026-11-24/24.parquet"
    pieces["manifest"]["bucket"] = lakehouses.bucket(HIT, more=more)
    pieces["found"]["bucket"] = lakehouses.bucket(more=more)
    assert {each.outcome for each in verdicts(record_of(tmp_path, pieces)).values()} == {PASS}


def test_too_late_is_a_failure(tmp_path: Path) -> None:
    """And what was never proven has no time."""
    assert verdicts(record_of(tmp_path / "late", evidence(), rto=59))["lakehouse-restored"].outcome is FAIL
    unproven = verdicts(record_of(tmp_path / "never", evidence(), proven=False))["lakehouse-restored"]
    assert (unproven.outcome, "not proven again" in unproven.reason) == (INCONCLUSIVE, True)
