"""The write-ahead rollback log survives its writer and undoes what it left."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import stamina

from drill import record, rollback
from drill.errors import RecordIncompleteError

calls: list[tuple[str, dict[str, Any]]] = []


def undo_well(**arguments: Any) -> None:
    """An undo that works."""
    calls.append(("well", arguments))


def undo_badly(**arguments: Any) -> None:
    """An undo that meets the same trouble each time."""
    calls.append(("badly", arguments))
    raise OSError("no route to host")


def undo_in_vain() -> None:
    """An undo that saw that nothing can be done."""
    calls.append(("in vain", {}))
    raise rollback.NotRestoredError("still down after 60 s")


@pytest.fixture(autouse=True)
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A log of its own for each test, outside of a run."""
    calls.clear()
    monkeypatch.delenv(record.RECORD_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with stamina.set_testing(True, attempts=3):
        yield tmp_path / "drill" / "rollback.jsonl"


def test_registered_is_on_disk_before_anything_happens(log: Path) -> None:
    """What is registered can be read back by another process at once."""
    identity = rollback.register(f"{__name__}.undo_well", {"pod": "a"})
    assert rollback.pending(log) == [rollback.Undo(identity, f"{__name__}.undo_well", {"pod": "a"})]


def test_done_is_no_longer_pending() -> None:
    """An undo that was seen done is not done again."""
    rollback.done(rollback.register(f"{__name__}.undo_well", {}))
    assert rollback.pending() == []
    assert rollback.undo_pending() == []


def test_undone_newest_first_and_only_once() -> None:
    """Faults are undone in the reverse order of their injection."""
    for pod in ("a", "b"):
        rollback.register(f"{__name__}.undo_well", {"pod": pod})
    assert [result.ok for result in rollback.undo_pending()] == [True, True]
    assert calls == [("well", {"pod": "b"}), ("well", {"pod": "a"})]
    assert rollback.undo_pending() == []


def test_one_that_fails_stops_no_other_and_stays_pending() -> None:
    """A failed undo is told with its error, is tried again, and remains for the next rollback."""
    rollback.register(f"{__name__}.undo_well", {})
    rollback.register(f"{__name__}.undo_badly", {})
    failed, well = rollback.undo_pending()
    assert (failed.ok, well.ok) == (False, True)
    assert failed.error == "OSError: no route to host"
    assert [name for name, _ in calls] == ["badly"] * 3 + ["well"]
    assert [each.undo for each in rollback.pending()] == [f"{__name__}.undo_badly"]


def test_a_finding_is_not_tried_again() -> None:
    """An undo that says that nothing more can be done is believed at once."""
    rollback.register(f"{__name__}.undo_in_vain", {})
    assert [result.ok for result in rollback.undo_pending()] == [False]
    assert len(calls) == 1


@pytest.mark.parametrize("undo", ["no.such.module.undo", "drill.rollback.no_such_function"])
def test_an_undo_that_cannot_be_found_has_failed(undo: str) -> None:
    """A function that is gone is a failed rollback, not a finished one."""
    rollback.register(undo, {})
    assert [result.ok for result in rollback.undo_pending()] == [False]


def test_a_half_written_last_line_was_never_acted_on(log: Path) -> None:
    """A writer killed in the middle of a line had not injected anything yet."""
    identity = rollback.register(f"{__name__}.undo_well", {})
    with log.open("a") as file:
        file.write('{"op": "regis')
    assert [each.id for each in rollback.pending()] == [identity]


def test_a_damaged_log_is_not_an_empty_one(log: Path) -> None:
    """A line that cannot be read may be a fault that is still on."""
    rollback.register(f"{__name__}.undo_well", {})
    with log.open("a") as file:
        file.write("garbage\n")
    with pytest.raises(RecordIncompleteError, match=r"rollback\.jsonl:2"):
        rollback.pending()


def test_in_a_run_the_log_is_in_its_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run's rollback log and its events are in the run's folder."""
    run = record.RunRecord.create(tmp_path, "some-scenario")
    monkeypatch.setenv(record.RECORD_VARIABLE, str(run.path))
    rollback.done(rollback.register(f"{__name__}.undo_well", {}))
    assert rollback.log_path() == run.path / "rollback.jsonl"
    assert [event.kind for event in run.events] == ["rollback.registered", "rollback.done"]
