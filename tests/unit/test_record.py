"""The run record survives its writer and notices what was changed after it was sealed."""

from pathlib import Path

import numpy as np
import pytest

from drill.errors import RecordIncompleteError, UsageError
from drill.gameday import GameDayRecord
from drill.record import RunRecord


@pytest.fixture
def record(tmp_path: Path) -> RunRecord:
    """A new record with a scenario."""
    made = RunRecord.create(tmp_path, "broker-kill")
    made.write_text("scenario.yaml", "name: broker-kill\nobjectives: {rto: 30}\n")
    return made


def test_two_runs_in_one_second_do_not_share_a_folder(tmp_path: Path) -> None:
    """The second gets a suffix."""
    assert RunRecord.create(tmp_path, "x").path != RunRecord.create(tmp_path, "x").path


def test_events_come_back_in_the_order_of_time(record: RunRecord) -> None:
    """Also when one was written later than it happened."""
    record.emit("runner", "second", at=20.0)
    record.emit("experiment", "first", at=10.0, broker=1)
    assert [event.kind for event in record.events] == ["first", "second"]
    assert record.first("first").data == {"broker": 1}


def test_a_half_written_last_line_is_left_out(record: RunRecord) -> None:
    """A writer that was killed in the middle of a line costs that line only."""
    record.emit("runner", "whole")
    with (record.path / "events.jsonl").open("a") as timeline:
        timeline.write('{"t": 12.0, "ut')
    assert [event.kind for event in record.events] == ["whole"]


def test_what_is_missing_is_named(record: RunRecord) -> None:
    """A reader never takes an absent file for an empty one."""
    with pytest.raises(RecordIncompleteError, match=r"journal\.json"):
        _ = record.journal
    with pytest.raises(RecordIncompleteError, match=r"fault\.effective"):
        record.emit("runner", "other")
        record.first("fault.effective")


def test_a_folder_without_a_scenario_is_no_record(tmp_path: Path) -> None:
    """`drill judge` of a wrong folder, of a file in a record and of nothing says so, and where records are."""
    (tmp_path / "file").touch()
    for path, problem in (
        (tmp_path, "not a run record"),
        (tmp_path / "file", "is a file"),
        (tmp_path / "none", "no such run record"),
    ):
        with pytest.raises(UsageError, match=f"{problem}.*runs/<scenario>/<UTC>"):
            RunRecord.open(path)
    with pytest.raises(UsageError, match=r"not a record of a game day.*runs/game-days/<name>/<UTC>"):
        GameDayRecord.open(tmp_path)


def test_seal_notices_changed_added_and_removed_files(record: RunRecord) -> None:
    """And derived files may be written anew."""
    record.write_evidence("a", 1)
    record.write_evidence("b", 1)
    record.seal({"run_id": "r"})
    record.write_json("verdicts.json", {"verdicts": []})
    assert record.altered_files() == ()
    record.write_evidence("a", 2)
    record.write_evidence("c", 1)
    (record.path / "evidence" / "b.json").unlink()
    assert record.altered_files() == ("evidence/a.json", "evidence/b.json", "evidence/c.json")


def test_a_late_rollback_keeps_a_sealed_record_intact(record: RunRecord) -> None:
    """And does not hide an alteration that came before it."""
    record.seal({"run_id": "r"})
    record.amend(lambda: record.emit("rollback", "rollback.done"))
    assert RunRecord(record.path).altered_files() == ()
    record.write_evidence("a", 1)
    record.amend(lambda: record.emit("rollback", "rollback.done"))
    assert "evidence/a.json" in RunRecord(record.path).altered_files()


@pytest.mark.parametrize("value", [float("nan"), object()])
def test_what_is_not_json_is_not_written(record: RunRecord, value: object) -> None:
    """A number that is none, or a thing turned into text, would lie to the reader."""
    with pytest.raises((ValueError, TypeError)):
        record.write_evidence("a", {"x": value})


def test_numpys_numbers_are_numbers(record: RunRecord) -> None:
    """Not text."""
    record.write_evidence("a", {"x": np.float32(0.5), "n": np.int64(7)})
    assert record.evidence("a") == {"x": 0.5, "n": 7}


def test_a_line_that_is_no_event_is_told(record: RunRecord) -> None:
    """As what the record lacks, so that a check reads it as inconclusive."""
    (record.path / "events.jsonl").write_text("nonsense\n")
    with pytest.raises(RecordIncompleteError, match=r"events\.jsonl"):
        _ = record.events


def test_a_bad_line_of_the_time_line_is_told_by_its_number(record: RunRecord) -> None:
    """In one line of words for a person."""
    record.emit("runner", "other")
    with (record.path / "events.jsonl").open("a") as timeline:
        timeline.write('{"t": "soon"}\n')
    with pytest.raises(RecordIncompleteError) as told:
        _ = record.events
    assert str(told.value).startswith(f"{record.path}/events.jsonl:2: the line is no event: t: ")
    assert "\n" not in str(told.value)
    assert "pydantic" not in str(told.value)


@pytest.mark.parametrize(
    ("content", "place"), [(b"name: x\nfoo: [\n", ":3: "), (b"a: 2026-02-30\n", ": "), (b"\xff", ": ")]
)
def test_a_broken_scenario_is_what_the_record_lacks(record: RunRecord, content: bytes, place: str) -> None:
    """Named with its file, and with its line where that is known."""
    (record.path / "scenario.yaml").write_bytes(content)
    with pytest.raises(RecordIncompleteError, match=rf"scenario\.yaml{place}not "):
        _ = record.scenario


def test_a_wrong_objective_is_told_in_one_line(record: RunRecord) -> None:
    """With its field."""
    (record.path / "scenario.yaml").write_text("objectives: {nonsense: 1}\n")
    with pytest.raises(RecordIncompleteError, match=r"scenario\.yaml: objectives\.nonsense: [^\n]*$"):
        _ = record.objectives
