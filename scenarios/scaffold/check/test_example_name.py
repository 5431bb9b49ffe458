"""The check passes a good record, fails a spoiled one, and is inconclusive where the record can't tell."""

from pathlib import Path

import pytest
from example_name import example_name

from drill.record import RunRecord
from drill.verdicts import Outcome, Verdict
from recovery import Run
from scenarios import reader


def verdict_on(folder: Path, *events: tuple[float, str]) -> Outcome:
    """What the check concludes from a record with these events, at seconds since the epoch."""
    record = RunRecord.create(folder, "example-name")
    record.write_text("scenario.yaml", "name: example-name\n")
    for at, kind in events:
        record.emit("experiment", kind, at=at)
    verdict: Verdict | None = example_name(Run(record))
    assert verdict is not None
    return verdict.outcome


@pytest.mark.parametrize(
    ("events", "outcome"),
    [
        ([(0, "run.started"), (10, "fault.undoing"), (12, "fault.undone")], Outcome.PASS),
        ([(0, "run.started"), (10, "fault.undoing"), (60, "fault.undone")], Outcome.FAIL),
        ([(0, "run.started"), (10, "fault.undoing")], Outcome.INCONCLUSIVE),
        ([(0, "run.started")], Outcome.INCONCLUSIVE),
        ([], Outcome.INCONCLUSIVE),
    ],
    ids=["good", "too slow", "not seen to end", "no fault", "no record to speak of"],
)
def test_it_tells(tmp_path: Path, events: list[tuple[float, str]], outcome: Outcome) -> None:
    """Each outcome has its record: a check that can't fail is none."""
    assert verdict_on(tmp_path, *events) is outcome


def test_its_scenario_is_valid() -> None:
    """The check is found by the name that the scenario gives."""
    drill = reader.read(Path(__file__).with_name("example-name.yaml"))
    assert drill.scenario.checks == ("example_name.example_name",)
