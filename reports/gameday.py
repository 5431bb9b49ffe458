"""The page of a game day: what was planned, asked, run, seen and decided, from its record alone."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined

from drill.errors import RecordIncompleteError
from drill.gameday import GameDayRecord, Piece, summary
from drill.record import RunRecord
from drill.verdicts import Outcome
from recovery import timeline
from reports import _format
from reports._format import duration
from reports._measured import Missing, measured, or_missing
from reports._rejudged import believed

PAGE = "report.html"
_TOLD: dict[str, Callable[[dict[str, Any]], str]] = {
    "gameday.started": lambda data: f"Begun on {data['context']}",
    "gameday.resumed": lambda _: "Gone on with after an interruption",
    "gameday.interrupted": lambda data: f"Interrupted: {data['reason']}",
    "gameday.aborted": lambda data: f"Ended before its time: {data['reason']}",
    "gameday.ended": lambda data: f"Ended: {data['outcome']}",
    "prompt.answered": lambda data: f"{data['prompt']}: {data['word']} {data['reason']}".strip(),
    "scenario.begun": lambda data: f"{data['step']} begun",
    "scenario.ended": lambda data: f"{data['step']}: {data['outcome']}",
    "scenario.skipped": lambda data: f"{data['step']} skipped: {data['reason']}",
    "inject.ended": lambda data: (
        f"Inject {data['name']} {'brought in' if data['delivered'] else 'NOT brought in'} {data['text']}"
    ),
    "said.note": lambda data: f"Note: {data['text']}",
    "said.decision": lambda data: f"Decision: {data['text']}",
    "said.deviation": lambda data: f"Deviation: {data['text']}",
    "said.escalation": lambda data: f"Escalation: {data['text']}",
    "said.finding": lambda data: f"Finding ({data['severity']}): {data['title']}",
}


@dataclass(frozen=True)
class Row:
    """One scenario of the day with its figures."""

    piece: Piece
    description: str | Missing
    outage: str | Missing
    rto: str | Missing
    lost: str | Missing
    link: str | None
    """Of the run's own report, from the page."""


def write(record: GameDayRecord) -> Path:
    """Draw the game day's page, which needs no network; returns its path.

    Raises:
        RecordIncompleteError: the record has no time line.
    """
    return record.path / record.write_text(PAGE, render(record))


def render(record: GameDayRecord) -> str:
    """The page as HTML."""
    templates = Environment(
        loader=PackageLoader("reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= _format.FILTERS
    templates.filters["href"] = quote
    templates.tests["missing"] = lambda value: isinstance(value, Missing)
    return templates.get_template("gameday.html.j2").render(_view(record))


def _view(record: GameDayRecord) -> dict[str, Any]:
    day = summary(record)
    return {
        "day": day,
        "outcome": day.outcome,
        "sentence": _sentence(day.scenarios),
        "counts": {each: sum(piece.outcome is each for piece in day.scenarios) for each in Outcome},
        "rows": [_row(record, each) for each in day.scenarios],
        "criteria": record.file["abort_criteria"],
        "levels": record.file["escalation"],
        "log": [(each, _TOLD[each.kind](each.data)) for each in record.events if each.kind in _TOLD],
        "changed": measured(record, record.changed_runs),
        "altered": measured(record, record.altered_files),
        "sealed": record.sealed,
    }


def _sentence(pieces: tuple[Piece, ...]) -> str:
    run = [each for each in pieces if each.run is not None]
    passed = sum(each.outcome is Outcome.PASS for each in pieces)
    return f"{len(run)} of {len(pieces)} scenarios were run, and {passed} of {len(pieces)} passed."


def _row(day: GameDayRecord, piece: Piece) -> Row:
    if piece.run is None:
        missing = Missing(piece.reason or "it was not run")
        return Row(piece, missing, missing, missing, missing, None)
    run = RunRecord(day.path / piece.run)
    line = measured(run, lambda: timeline(run))
    report = run.path / "report.html"
    outage, rto = (
        line if isinstance(line, Missing) else or_missing(getattr(line, name), line.unmeasured.get(name, "not told"))
        for name in ("outage", "rto")
    )
    return Row(
        piece,
        description=measured(run, lambda: str(run.scenario["description"])),
        outage=outage if isinstance(outage, Missing) else duration(outage),
        rto=rto if isinstance(rto, Missing) else duration(rto),
        lost=measured(run, lambda: _lost(run)),
        link=f"{quote(piece.run)}/report.html" if report.is_file() else None,
    )


def _lost(run: RunRecord) -> str:
    """What the check of losses found, in its own words."""
    if not believed(run):
        raise RecordIncompleteError("the record or its verdicts were changed")
    for verdict in run.verdicts:
        if verdict.check == "no-acked-record-lost":
            return verdict.actual or f"not counted: {verdict.reason}"
    raise RecordIncompleteError("no check looked for losses")
