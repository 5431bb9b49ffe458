"""The screen of a game day: what clients get now, as a panel or as one line a change."""

import os
import threading
from pathlib import Path

import numpy as np
import pytest

from drill import clock
from drill.ledger import Ledger, LedgerHeader
from drill.record import RunRecord
from scenarios import reader
from scenarios.gameday import _screen
from scenarios.gameday import reader as days
from scenarios.gameday._live import Clients, Live, Status
from scenarios.gameday._screen import Screen

DAY = Path(__file__).parents[2] / "docs" / "gameday" / "kafka-quarterly.yaml"
NOW = 1_750_000_100.0
POD = {"kind": "Pod", "namespace": "kafka", "name": "pool-0"}


@pytest.fixture(autouse=True)
def _now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: NOW)


def _live(tmp_path: Path, scenario: str = "platform-down") -> tuple[Live, RunRecord]:
    record = RunRecord.create(tmp_path, scenario)
    escalation = days.read(DAY).day.escalation
    return Live(record, reader.read(reader.find(scenario)).scenario, escalation), record


def _load(record: RunRecord, acked: float) -> Ledger:
    """100 records/s for 100 s, of the last ten seconds only a share acknowledged."""
    header = LedgerHeader(run_id="1", producer_id=1, topic="commodities", partitions=3)
    ledger = Ledger.create(record.path / "load" / "1", header, capacity=10_000)
    ledger.begin_stage(NOW - 100, 100)
    ledger.attempt(10_000)
    ledger.acked.set(np.arange(9_000))
    ledger.acked.set(np.arange(9_000, 9_000 + int(1_000 * acked)))
    return ledger


def test_before_the_load_nothing_is_said_of_clients(tmp_path: Path) -> None:
    """Nor of a time that is left."""
    live, record = _live(tmp_path)
    record.emit("runner", "run.phase", phase="preflight")
    status = live.look()
    assert (status.clients, status.left, status.fault) == ((), None, "off")
    assert "30 min to restore all: not begun" in status.line


@pytest.mark.parametrize(("acked", "state"), [(1.0, "served"), (0.0, "OUT"), (0.65, "DEGRADED")])
def test_what_clients_get_is_what_was_due_and_acknowledged(tmp_path: Path, acked: float, state: str) -> None:
    """In words, and what waits for an answer is counted."""
    live, record = _live(tmp_path)
    _load(record, acked)
    (clients,) = live.look().clients
    assert clients.state == state
    assert clients.waiting == pytest.approx(1_000 * (1 - acked), abs=1)


def test_throughput_is_what_was_acknowledged_since(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whenever it was due: a backlog that is drained is throughput."""
    live, record = _live(tmp_path)
    ledger = _load(record, 0.0)
    assert live.look().clients[0].per_second is None
    ledger.acked.set(np.arange(9_000, 9_500))
    monkeypatch.setattr(clock, "now", lambda: NOW + 2)
    assert live.look().clients[0].per_second == pytest.approx(250)


def test_the_time_left_counts_from_the_fault_and_says_when_it_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And who is to be called by then, while clients are not served."""
    live, record = _live(tmp_path)
    ledger = _load(record, 0.0)
    record.emit("experiment", "fault.effective", fault="kill", target=POD, proof={}, since=NOW - 60)
    status = live.look()
    assert status.left == 29 * 60
    assert status.on
    assert status.call.startswith("L1")
    record.emit("experiment", "fault.undone", fault="kill", target=POD, proof={})
    monkeypatch.setattr(clock, "now", lambda: NOW + 31 * 60)
    ledger.attempt(31 * 60 * 100)
    later = live.look()
    assert later.fault == "undone"
    assert "OVER" in later.time_left
    assert later.call.startswith("L3")


def test_the_clock_stands_still_while_all_is_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And goes on from where it would be when clients are out again."""
    live, record = _live(tmp_path)
    ledger = _load(record, 1.0)
    record.emit("experiment", "fault.effective", fault="kill", target=POD, proof={}, since=NOW - 60)
    record.emit("experiment", "fault.undone", fault="kill", target=POD, proof={})
    assert live.look().left == 29 * 60
    monkeypatch.setattr(clock, "now", lambda: NOW + 1)
    assert live.look().left == 29 * 60
    ledger.attempt(2_000)
    monkeypatch.setattr(clock, "now", lambda: NOW + 20)
    status = live.look()
    assert status.clients[0].state == "OUT"
    assert status.left == 29 * 60 - 20


def test_the_clock_stands_still_when_the_run_is_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The drain is no outage."""
    live, record = _live(tmp_path)
    record.emit("experiment", "fault.effective", fault="kill", target=POD, proof={}, since=NOW - 60)
    record.emit("runner", "run.phase", phase="drain", at=NOW)
    live.look()
    monkeypatch.setattr(clock, "now", lambda: NOW + 500)
    assert live.look().left == 29 * 60
    assert live.look().call == ""


def test_a_fault_that_did_not_take_is_not_on(tmp_path: Path) -> None:
    """Its undo, which runs all the same, does not make it one that was."""
    live, record = _live(tmp_path)
    record.emit("experiment", "fault.ineffective", fault="kill", target=POD, reason="no effect", waited=3)
    record.emit("experiment", "fault.undone", fault="kill", target=POD, proof={})
    assert live.look().fault == "NOT on: no effect"


def _status(**changed: object) -> Status:
    usual = {"phase": "experiment", "fault": "off", "on": False, "limit": "30 min to restore all", "call": ""}
    clients = (Clients("commodities", 1.0, 7_000.0, 3),)
    return Status(**{**usual, "clients": clients, "left": 1_700.0, **changed})  # type: ignore[arg-type]


def test_without_a_terminal_a_change_is_one_line_and_a_number_alone_none(tmp_path: Path) -> None:
    """A log and a screen reader get what is worth a line; the record's log gets the same."""
    said: list[str] = []
    screen = Screen(tmp_path / "screen.log", said.append, plain=False)
    assert screen.plain, "a test has no terminal"
    with screen.live(panel=True):
        screen.show("day", _status())
        screen.show("day", _status(clients=(Clients("commodities", 0.995, 6_900.0, 9),), left=1_699.0))
        screen.show("day", _status(fault="ON: kill on pool-0", on=True))
        screen.show("day", _status(fault="ON: kill on pool-0", on=True, left=800.0))
    assert len(said) == 3
    assert "commodities served 100%, 7,000/s, 3 waiting" in said[0]
    assert "\x1b" not in "".join(said)
    assert len((tmp_path / "screen.log").read_text().splitlines()) == 3


def test_what_is_typed_beside_the_panel_is_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Key by key, on a real terminal's other end: mistakes are rubbed out, and the panel shows it as it grows."""
    master, slave = os.openpty()
    with os.fdopen(slave) as terminal:
        monkeypatch.setattr("sys.stdin", terminal)
        shown: list[str] = []
        with _screen.keys():
            os.write(master, b"note al\x7fll here\r")
            assert _screen.typed_line(threading.Event(), shown.append) == "note all here"
            over = threading.Event()
            over.set()
            assert _screen.typed_line(over, shown.append) is None
        assert shown[-1] == "", "what was said is no longer being typed"
    os.close(master)
