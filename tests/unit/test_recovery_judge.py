"""Judging a run: all checks, none of which can break the others."""

import json
from pathlib import Path

import pytest
import structlog
import yaml

from drill.record import RunRecord
from drill.verdicts import Outcome, overall
from recovery import judge
from recovery._check import Finding, check
from recovery._judge import CHECKS, OF_CLIENTS, OF_LOAD
from recovery._run import Run
from recovery.lakehouse import CHECKS as LAKEHOUSE
from recovery.restores import CHECKS as RESTORES
from tests.unit.records import build_record


def test_good_run_passes_over_all(tmp_path: Path) -> None:
    """In the order of CHECKS, without the checks for which it has no objective."""
    verdicts = judge(build_record(tmp_path))
    assert overall(verdicts) is Outcome.PASS
    without = {
        "latency-p99",
        "phases-within-budget",
        "platform-restored",
        *(each.name for each in (*RESTORES, *LAKEHOUSE)),
    }
    assert [verdict.check for verdict in verdicts] == [each.name for each in CHECKS if each.name not in without]


def test_lost_records_fail_the_run_though_other_things_are_not_known(tmp_path: Path) -> None:
    """Fail beats inconclusive: the durability control must fail."""
    assert overall(judge(build_record(tmp_path, lost=[4], interrupted=True))) is Outcome.FAIL


def test_killed_run_is_inconclusive(tmp_path: Path) -> None:
    """A harness killed half-way leaves a readable record that proves nothing."""
    verdicts = judge(build_record(tmp_path, killed=30))
    assert overall(verdicts) is Outcome.INCONCLUSIVE
    assert not [verdict.reason for verdict in verdicts if "check itself broke" in verdict.reason]


def test_objective_that_is_not_set_is_not_judged(tmp_path: Path) -> None:
    """No duplicates or RTO objective: no verdict on them. An outage must end in any case."""
    verdicts = judge(build_record(tmp_path, objectives={"rto": None, "duplicates": None, "client_outage": None}))
    names = {verdict.check: verdict for verdict in verdicts}
    assert not {"rto", "duplicates"} & names.keys()
    assert names["client-outage"].target == "it ends"


def test_verdicts_are_json_and_judging_writes_nothing(tmp_path: Path) -> None:
    """What is judged twice is judged the same, from the record alone."""
    record = build_record(tmp_path, lost=[4], objectives={"latency_p99": 1.0})
    before = {path: path.stat().st_mtime_ns for path in record.path.rglob("*")}
    verdicts = judge(record)
    assert json.loads(json.dumps([verdict.model_dump(mode="json") for verdict in verdicts]))
    assert judge(RunRecord.open(record.path)) == verdicts
    assert {path: path.stat().st_mtime_ns for path in record.path.rglob("*")} == before


def test_check_that_breaks_is_inconclusive(tmp_path: Path) -> None:
    """An exception inside a check is its verdict, and in the log."""

    @check("events.jsonl", target="nothing breaks")
    def careless_check(run: Run) -> Finding:
        raise ZeroDivisionError(f"of {len(run.ledgers)}")

    with structlog.testing.capture_logs() as logs:
        verdict = careless_check(Run(build_record(tmp_path)))
    assert verdict is not None
    assert (verdict.check, verdict.outcome) == ("careless-check", Outcome.INCONCLUSIVE)
    assert verdict.reason == "The check itself broke: ZeroDivisionError: of 1."
    assert verdict.evidence == ("events.jsonl",)
    assert [line["event"] for line in logs] == ["check.broke"]


@pytest.mark.parametrize("damage", ["", "not json\n", '{"t": 1}\n'])
def test_damaged_time_line_is_inconclusive_throughout(tmp_path: Path, damage: str) -> None:
    """Neither a pass nor a failure rests on a time line that can't be read."""
    record = build_record(tmp_path)
    (record.path / "events.jsonl").write_text(damage)
    with structlog.testing.capture_logs():
        outcomes = {verdict.check: verdict.outcome for verdict in judge(RunRecord.open(record.path))}
    assert Outcome.FAIL not in outcomes.values()
    passes = [name for name, outcome in outcomes.items() if outcome is Outcome.PASS]
    assert passes == ["achieved-over-offered", "accounting-adds-up"]  # these rest on the ledgers alone


def test_a_run_without_load_is_not_held_to_what_clients_saw(tmp_path: Path) -> None:
    """Nobody was there to see it; one with a load whose ledger is gone is inconclusive all the same."""
    record = build_record(tmp_path)
    scenario = yaml.safe_load((record.path / "scenario.yaml").read_text()) | {"load": []}
    record.write_text("scenario.yaml", yaml.safe_dump(scenario))
    names = {verdict.check for verdict in judge(RunRecord.open(record.path))}
    assert not names & {each.name for each in (*OF_CLIENTS, *OF_LOAD)}
    assert {"run-complete", "fault-effective", "cluster-healthy-after"} <= names
