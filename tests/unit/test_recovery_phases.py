"""A runbook's budgets and a platform's restoration: each check passes, fails, and says when it can't tell."""

import math
import re
from pathlib import Path
from typing import Any

import pytest

from drill.record import RunRecord
from drill.verdicts import Outcome, Verdict
from recovery import judge, timeline
from tests.unit.records import FAULT, RECOVERED, START, build_record

PHASES = (("assess", 300.0), ("logs", 300.0), ("restart", 600.0), ("verify", 600.0))


def with_runbook(record: RunRecord, *, seconds: float = 1.0, ended: int = 4, **wrong: Any) -> RunRecord:
    """The record with a runbook on its time line, from the fault on; `wrong` is what the last phase's end says."""
    planned = [{"phase": name, "budget": budget} for name, budget in PHASES]
    at = START + FAULT + 1
    record.emit("experiment", "runbook.started", at=at, runbook="platform-down", mode="runbook", phases=planned)
    for number, (name, budget) in enumerate(PHASES[:ended]):
        said = {"runbook": "platform-down", "mode": "runbook", "phase": name, "budget": budget}
        outcome: dict[str, Any] = {"seconds": seconds, "ok": True, "reason": None}
        record.emit("experiment", "phase.started", at=at, **said)
        if name == "restart":
            record.emit("experiment", "operator.acted", at=at, runbook="platform-down", phase=name, by="runbook")
        at += seconds
        outcome |= wrong if number == ended - 1 else {}
        record.emit("experiment", "phase.ended", at=at, **said, **outcome)
    return RunRecord.open(record.path)


def verdict(record: RunRecord, check: str) -> Verdict:
    """What one check says of it."""
    (found,) = (each for each in judge(record) if each.check == check)
    return found


def platform(tmp_path: Path, within: float = 1800, **run: Any) -> RunRecord:
    """A run that is held to a restoration."""
    return build_record(
        tmp_path, **{"objectives": {"restored_within": within, "client_outage": None, "rto": None}, **run}
    )


def test_every_phase_in_its_budget_passes(tmp_path: Path) -> None:
    """And says which one came closest."""
    found = verdict(with_runbook(platform(tmp_path)), "phases-within-budget")
    assert (found.outcome, found.actual) == (Outcome.PASS, "4 of 4 phases, 4 s")
    assert found.reason == "Every phase was done; assess came closest to its budget, with 0% of it."


@pytest.mark.parametrize(
    ("wrong", "outcome", "reason"),
    [
        (
            {"ok": False, "reason": "kong-postgres-0 is Pending"},
            Outcome.FAIL,
            "Phase verify .* kong-postgres-0 is Pending",
        ),
        ({"seconds": 601.0}, Outcome.FAIL, "Phase assess .* took 601 s of 300 s"),
        ({"ended": 3}, Outcome.INCONCLUSIVE, "Not seen to end: verify"),
    ],
)
def test_a_phase_that_fails_is_late_or_does_not_end(
    tmp_path: Path, wrong: dict[str, Any], outcome: Outcome, reason: str
) -> None:
    """What failed beats what is not known."""
    found = verdict(with_runbook(platform(tmp_path), **wrong), "phases-within-budget")
    assert found.outcome is outcome
    assert re.search(reason, found.reason)


def test_without_a_runbook_its_phases_are_not_known(tmp_path: Path) -> None:
    """An objective, and nothing to hold against it."""
    found = verdict(platform(tmp_path), "phases-within-budget")
    assert (found.outcome, found.reason) == (Outcome.INCONCLUSIVE, "No runbook was begun.")


def test_the_platform_is_restored_when_its_clients_are(tmp_path: Path) -> None:
    """Measured from t0 on the slowest path."""
    found = verdict(with_runbook(platform(tmp_path)), "platform-restored")
    assert found.outcome is Outcome.PASS
    assert found.reason.startswith("commodities-0 was the slowest to come back")
    assert float(str(found.actual).removesuffix(" s")) == pytest.approx(RECOVERED - FAULT, abs=0.3)


@pytest.mark.parametrize(
    ("within", "outages", "outcome", "reason"),
    [
        (5, ((0, FAULT, RECOVERED),), Outcome.FAIL, "commodities-0 came back later"),
        (1800, ((0, FAULT, math.inf),), Outcome.INCONCLUSIVE, "Not all of the platform was seen to come back"),
        (5, ((0, FAULT, math.inf),), Outcome.FAIL, "came back later"),
        (1800, (), Outcome.INCONCLUSIVE, "No mandatory path was out"),
    ],
)
def test_a_platform_that_is_late_or_was_not_seen_back(
    tmp_path: Path, within: float, outages: Any, outcome: Outcome, reason: str
) -> None:
    """A runbook that says that all is well restores nothing."""
    found = verdict(with_runbook(platform(tmp_path, within, outages=outages)), "platform-restored")
    assert found.outcome is outcome
    assert reason in found.reason


def test_when_an_alert_fired_and_when_somebody_acted_are_measured(tmp_path: Path) -> None:
    """By the first of each; and said why not, where there is none."""
    record = with_runbook(platform(tmp_path))
    record.emit("observer", "alert.fired", at=START + FAULT + 7, alert="KafkaDown")
    record.emit("observer", "alert.fired", at=START + FAULT + 5, alert="PostgresDown")
    line = timeline(RunRecord.open(record.path))
    assert line.t2 == pytest.approx(START + FAULT + 5)
    assert line.t3 == pytest.approx(START + FAULT + 3)
    assert not {"t2", "t3"} & line.unmeasured.keys()


@pytest.mark.parametrize(
    ("kind", "data", "reason"),
    [
        ("alerts.looked", {"fired": 0}, "no alert began to fire"),
        ("alerts.unreachable", {"error": "refused"}, "Prometheus could not be asked which alerts fired: refused"),
    ],
)
def test_an_alert_that_did_not_fire_has_its_reason(
    tmp_path: Path, kind: str, data: dict[str, Any], reason: str
) -> None:
    """No data is never an alert."""
    record = platform(tmp_path)
    record.emit("observer", kind, **data)
    assert timeline(RunRecord.open(record.path)).unmeasured["t2"] == reason
