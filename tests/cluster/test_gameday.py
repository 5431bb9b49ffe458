"""A game day of three scenarios, led from a file without a person, on the real lab."""

import json
from pathlib import Path

import pytest

from drill.gameday import GameDayRecord
from drill.record import RunRecord
from drill.settings import Settings
from tests.cluster import drills

DAY = drills.ROOT / "docs" / "gameday" / "kafka-quarterly.yaml"
ANSWERS = DAY.with_suffix(".answers.yaml")


@pytest.mark.slow
def test_a_day_of_three_scenarios_is_led_without_a_person(
    lab_kafka: Settings,  # noqa: ARG001 - the lab is up
    tmp_path: Path,
) -> None:
    """Each is run and judged, the inject comes while the fault is on, and everything that was said is kept."""
    code, out, err = drills.run(tmp_path, "gameday", "run", str(DAY), "--answers", str(ANSWERS), "-o", "json")
    told = json.loads(out)
    record = GameDayRecord.open(Path(told["record"]))
    assert [each["scenario"] for each in told["scenarios"]] == [
        *("kafka-leadership-moved", "broker-kill-leader", "controller-kill"),
    ], err
    outcomes = [each["outcome"] for each in told["scenarios"]]
    assert code == {"pass": 0, "fail": 1, "inconclusive": 3}[told["outcome"]]
    assert "fail" not in outcomes, err  # what a busy machine could not measure is another test's business
    for each in told["scenarios"]:
        run = RunRecord.open(record.path / each["run"])
        assert run.altered_files() == ()
        assert (run.path / "report.html").is_file()
    (inject,) = told["injects"]
    run = RunRecord.open(record.path / told["scenarios"][1]["run"])
    assert inject["delivered"]
    assert run.first("fault.effective").data["since"] + 5 <= inject["t"]
    screen = (record.path / "screen.log").read_text()
    assert "fault ON" in screen
    assert "served" in screen
    assert record.altered_files() == record.changed_runs() == ()
    assert (record.path / "report.html").is_file()
