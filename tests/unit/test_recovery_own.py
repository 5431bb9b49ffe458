"""Checks that a scenario brings along: judged beside drill's, and never left out for want of their module."""

from pathlib import Path

import pytest
import yaml

from drill.errors import InputError
from drill.record import RunRecord
from drill.verdicts import Outcome
from recovery import judge
from scenarios import reader, scaffold
from tests.unit.records import build_record

CHECK = """
from recovery import check, failed, passed

@check("events.jsonl", target="few events")
def few_events(run):
    '''Not many things happened.'''
    number = len(run.record.events)
    return (passed if number < {limit} else failed)("Counted.", str(number))

not_a_check = few_events.function
"""


def _judged(tmp_path: Path, name: str) -> dict[str, Outcome]:
    """The verdicts on a good record whose scenario names a check of its own."""
    record = build_record(tmp_path)
    scenario = record.path / "scenario.yaml"
    scenario.write_text(yaml.safe_dump({**yaml.safe_load(scenario.read_text()), "checks": [name]}))
    record = RunRecord.open(record.path)
    record.seal({key: value for key, value in record.manifest.items() if key != "files"})
    return {each.check: each.outcome for each in judge(RunRecord.open(record.path))}


@pytest.mark.parametrize(("limit", "outcome"), [(10_000, Outcome.PASS), (1, Outcome.FAIL)])
def test_it_is_judged_beside_drills(
    limit: int, outcome: Outcome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It passes and fails as its function says; the others are as they were."""
    (tmp_path / f"own_{limit}.py").write_text(CHECK.format(limit=limit))
    monkeypatch.syspath_prepend(str(tmp_path))
    verdicts = _judged(tmp_path, f"own_{limit}.few_events")
    assert verdicts["few-events"] is outcome
    assert verdicts["rto"] is Outcome.PASS


def test_one_that_cannot_be_had_is_inconclusive(tmp_path: Path) -> None:
    """On a machine without its module, say: the verdict is not better for that."""
    assert _judged(tmp_path, "nowhere.few_events")["few-events"] is Outcome.INCONCLUSIVE


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("nowhere.few_events", "No module named 'nowhere'"),
        ("own_bad.not_a_check", "is no check"),
        ("own_bad.nothing", "is no check"),
        ("recovery._checks_outage.rto", "drill has a check 'rto' of its own"),
    ],
)
def test_a_scenario_that_brings_no_check_is_a_mistake(
    name: str, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Told with its line, before anything is touched."""
    (tmp_path / "own_bad.py").write_text(CHECK.format(limit=1))
    monkeypatch.syspath_prepend(str(tmp_path))
    scaffold.copy("scenario", "mine", tmp_path)
    path = tmp_path / "mine.yaml"
    path.write_text(f"{path.read_text()}checks: [{name}]\n")
    with pytest.raises(InputError, match=problem) as told:
        reader.read(path)
    (mistake,) = told.value.mistakes
    assert mistake.field.startswith("checks")
    assert mistake.line == len(path.read_text().splitlines())
