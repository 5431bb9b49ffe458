"""`drill abort`, `rollback`, `freeze`, `unfreeze`: what they ask, what they wait for, and what their exit codes say."""

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from typer.testing import CliRunner

from drill import lease, rollback
from drill.cli import _brakes, app
from drill.cluster import Cluster
from drill.errors import RefusedError, UsageError
from drill.exits import ExitCode
from drill.lease import Halted, Notice
from drill.rollback import UndoResult

ME = "ana@laptop broker-kill 01"
runner = CliRunner()


class Played:
    """A Lease as it is at each look, the last one for good; and what was written on it."""

    def __init__(self) -> None:
        self.looks: list[Notice] = []
        self.written: list[Any] = []

    def will_be(self, *looks: Notice) -> None:
        """What the next looks see."""
        self.looks = list(looks)

    def look(self, *_: Any) -> Notice:
        """As `lease.look`."""
        return self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]


def held(seconds: float = 20, **more: Any) -> Notice:
    """A Lease that lapses in so many seconds."""
    return Notice(holder=ME, expires=datetime.now(UTC) + timedelta(seconds=seconds), **more)


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Played]:
    """A cluster whose Lease is played."""
    before = dict(os.environ)
    made = Played()
    (tmp_path / "drill.toml").write_text("[contexts.here]\n")
    monkeypatch.setenv("DRILL_SETTINGS", str(tmp_path / "drill.toml"))
    monkeypatch.setattr(Cluster, "connect", lambda _settings: None)
    monkeypatch.setattr(lease, "look", made.look)
    monkeypatch.setattr(lease, "ask_to_abort", lambda *said: made.written.append(said[2:]))
    monkeypatch.setattr(lease, "freeze", lambda *said: made.written.append(said[2:]))
    monkeypatch.setattr(_brakes, "_EACH", 0.001)
    yield made
    os.environ.clear()
    os.environ.update(before)
    structlog.reset_defaults()


def _call(*arguments: str) -> Any:
    return runner.invoke(app, [*arguments, "--context", "here"])


def test_an_abort_waits_until_the_fault_is_off(played: Played) -> None:
    """And says so; the word of another run does not count."""
    played.will_be(held(), held(halted=Halted("another", ())), held(), held(halted=Halted(ME, ())))
    result = _call("abort", "--reason", "wrong cluster")
    assert result.exit_code == ExitCode.PASS, result.output
    assert "has let go of its fault" in result.output
    ((holder, _by, reason),) = played.written
    assert (holder, reason) == (ME, "wrong cluster")


def test_an_abort_tells_what_could_not_be_undone(played: Played) -> None:
    """By its own exit code."""
    played.will_be(held(), held(halted=Halted(ME, ("experiments.x.undo: no route to host",))))
    result = _call("abort")
    assert result.exit_code == ExitCode.ROLLBACK_FAILED
    assert "NOT UNDONE experiments.x.undo" in result.output


def test_a_drill_that_has_ended_needs_no_answer(played: Played) -> None:
    """It released the Lease."""
    played.will_be(held(), Notice())
    result = _call("abort")
    assert result.exit_code == ExitCode.PASS
    assert "has ended" in result.output


def test_an_abort_that_is_not_answered_is_told(played: Played) -> None:
    """Nobody knows whether the fault is off."""
    played.will_be(held())
    result = _call("abort", "--wait", "0.01")
    assert isinstance(result.exception, RefusedError)
    assert "has not let go of its fault" in str(result.exception)
    assert _call("abort", "--no-wait").exit_code == ExitCode.PASS


@pytest.mark.parametrize(("seen", "says"), [(Notice(), "no drill is running"), (held(-1), "`drill rollback` undoes")])
def test_with_no_drill_there_is_nothing_to_abort(played: Played, seen: Notice, says: str) -> None:
    """A dead drill's Lease is named as one."""
    played.will_be(seen)
    result = _call("abort")
    assert isinstance(result.exception, UsageError)
    assert says in str(result.exception)
    assert played.written == []


def test_a_running_drill_is_not_undone_under_its_feet(played: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    """It renews its Lease; by force it is."""
    done: list[UndoResult] = [UndoResult("1", "experiments.x.undo", ok=True, arguments={"target": {"name": "a"}})]
    monkeypatch.setattr(rollback, "undo_pending_in_cluster", lambda: done)
    first = held()
    played.will_be(first, first, replace(first, expires=datetime.now(UTC) + timedelta(seconds=30)))
    result = _call("rollback")
    assert isinstance(result.exception, RefusedError)
    assert "drill abort" in str(result.exception)
    result = _call("rollback", "--force")
    assert result.exit_code == ExitCode.PASS
    assert "undone experiments.x.undo" in result.output


def test_a_dead_drill_is_undone_when_its_lease_has_lapsed(played: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails has its own exit code."""
    failed = UndoResult("1", "experiments.x.undo", ok=False, error="no route", holder=ME)
    monkeypatch.setattr(rollback, "undo_pending_in_cluster", lambda: [failed])
    dead = held(0.05)
    played.will_be(dead)
    result = _call("rollback")
    assert result.exit_code == ExitCode.ROLLBACK_FAILED
    assert f"NOT UNDONE experiments.x.undo {{}} ({ME}): no route" in result.output


def test_freeze_and_unfreeze(played: Played) -> None:
    """Each says what it did, and an unfreeze of what is not frozen writes nothing."""
    played.will_be(Notice())
    assert _call("freeze", "--reason", "release week").exit_code == ExitCode.PASS
    ((reason,),) = played.written
    assert reason.startswith("release week (")
    assert "not frozen" in _call("unfreeze").output
    played.will_be(Notice(freeze="release week"))
    assert "no longer frozen" in _call("unfreeze").output
    assert played.written[1:] == [(None,)]
