"""The record of a game day that was led, around runs that are there, by the events that the leader writes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from drill.gameday import FILE, GameDayRecord, digest
from drill.record import RunRecord
from scenarios.gameday import reader

DAY = Path(__file__).parents[2] / "docs" / "gameday" / "kafka-quarterly.yaml"


def game_day_record(runs: Path, done: Sequence[tuple[RunRecord, str]]) -> GameDayRecord:
    """A day whose first scenarios are these runs with these outcomes; the next is skipped, the rest never reached."""
    agenda = reader.read(DAY)
    record = GameDayRecord.begin(runs, agenda.day.name)
    record.write_text(FILE, agenda.text())

    def say(kind: str, **data: Any) -> None:
        record.emit("gameday", kind, **data)

    say("gameday.started", name=agenda.day.name, context="lab", attended=False, file_sha256="")
    say("said.deviation", prompt="leader", text="planned for another day")
    for item, word in zip(agenda.day.checklist, ("ok", "no"), strict=False):
        say("prompt.answered", prompt=f"checklist.{item.name}", word=word, reason="a release", good=word == "ok")
    say("prompt.answered", prompt="go", word="go", reason="", good=True)
    steps = iter(agenda.day.scenarios)
    for run, outcome in done:
        step = next(steps)
        say("scenario.begun", step=step.name, scenario=step.scenario)
        place = record.relative(run)
        say("inject.ended", step=step.name, name="false-alarm", delivered=True, text="for observer: is it down?")
        say(
            "scenario.ended",
            step=step.name,
            outcome=outcome,
            reason=None if outcome == "pass" else f"rto: {outcome}",
            run=place,
            manifest_sha256=digest(run),
        )
        say("said.note", prompt=f"{step.name}.after", text="the graph has a gap")
        finding = {"title": "No alert", "severity": "high", "owner": "Ana", "due": "2026-12-17", "run": place}
        say("said.finding", prompt=f"{step.name}.after", **finding)
    say("scenario.skipped", step=next(steps).name, reason="no time")
    say("said.escalation", prompt="end", level="L2", text="L2: called")
    say("gameday.aborted", reason="abort criterion: a customer called")
    return record
