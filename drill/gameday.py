"""The record of a game day: one folder that holds all that was asked, said, decided and run, written as the day goes.

`runs/game-days/<name>/<UTC>/`: gameday.yaml (the file as it was led, every default filled in), events.jsonl (the time
line), screen.log (what the screen showed, as lines), gameday.json (the summary that reports use) and manifest.json,
which seals all of them and the manifests of the runs, by SHA-256. The runs themselves are run records like any other.
"""

import hashlib
import os
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict

from drill.errors import RecordIncompleteError
from drill.record import Event, RunRecord
from drill.verdicts import WORST_FIRST, Outcome

FOLDER = "game-days"
"""Below the folder of run records; nothing in it is a run."""
FILE, SUMMARY, SCREEN, DETAILS = "gameday.yaml", "gameday.json", "screen.log", "dr-details.yaml"


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Person(_Model):
    """Who took part, and as what."""

    name: str
    role: str
    """owner, coordinator, observer or reporter."""


class Said(_Model):
    """A note, a decision, a deviation or a word of escalation, with its time (epoch seconds) and where it was said."""

    t: float
    at: str
    """The prompt at which it was said: `go`, `broker-kill.after`."""
    text: str


class Finding(_Model):
    """What is to be mended."""

    title: str
    severity: str
    """critical, high, medium or low."""
    owner: str | None = None
    due: str | None = None
    """A date: 2026-12-10."""
    run: str | None = None
    """The run that showed it, as a path from the game day's folder."""


class Piece(_Model):
    """One scenario of the day."""

    name: str
    scenario: str
    outcome: Outcome
    """Inconclusive where it was not run to its end."""
    reason: str | None = None
    """Why it has no verdict of its own: skipped, interrupted, the day ended before."""
    run: str | None = None
    """Its record, as a path from the game day's folder."""
    manifest_sha256: str | None = None
    """Of the run's manifest.json, which has the SHA-256 of everything else there."""
    began: float | None = None
    ended: float | None = None
    attempts: int = 0
    """How often it was begun."""


class Inject(_Model):
    """Something that was brought in by hand while a fault was on."""

    t: float
    step: str
    name: str
    delivered: bool
    text: str


class Summary(_Model):
    """What reports need of a game day; all of it follows from the events."""

    name: str
    title: str
    planned: str
    """The date in the file."""
    context: str
    began: float
    ended: float | None
    """None: it was interrupted, and not resumed."""
    outcome: Outcome
    aborted: str | None
    """Why it ended before its time."""
    go: bool | None
    """None: it was not asked."""
    participants: tuple[Person, ...]
    objectives: tuple[str, ...]
    checklist: tuple[tuple[str, bool | None, str], ...]
    """Each item's text, whether it was so (None: not asked), and what was said."""
    scenarios: tuple[Piece, ...]
    injects: tuple[Inject, ...]
    notes: tuple[Said, ...]
    decisions: tuple[Said, ...]
    deviations: tuple[str, ...]
    escalations: tuple[Said, ...]
    findings: tuple[Finding, ...]
    interruptions: int


class GameDayRecord(RunRecord):
    """One game day's folder."""

    KIND = "record of a game day"
    PLACE = f"runs/{FOLDER}/<name>/<UTC>"
    MARK = FILE

    @classmethod
    def begin(cls, runs: Path, name: str) -> Self:
        """Make the folder of a new game day below the folder of run records."""
        record = cls.create(runs / FOLDER, name)
        for empty in ("evidence", "load"):  # of a run; a day has its runs beside it
            (record.path / empty).rmdir()
        return record

    @property
    def file(self) -> dict[str, Any]:
        """The game-day file as it was led."""
        return self._yaml(FILE)

    @property
    def sealed(self) -> bool:
        """Whether the day is over."""
        return (self.path / "manifest.json").is_file()

    @property
    def timeline(self) -> tuple[Event, ...]:
        """What was said and done so far; nothing where the day was not begun."""
        return self.events if (self.path / "events.jsonl").is_file() else ()

    def relative(self, run: RunRecord) -> str:
        """The path of a run from this folder."""
        return Path(os.path.relpath(run.path.resolve(), self.path.resolve())).as_posix()

    def changed_runs(self) -> tuple[str, ...]:
        """Runs of the day that are gone, or whose manifest or files are no longer what they were."""
        changed = []
        for piece in summary(self).scenarios:
            if piece.run is None or piece.manifest_sha256 is None:
                continue
            run = RunRecord(self.path / piece.run)
            try:
                same = digest(run) == piece.manifest_sha256 and not run.altered_files()
            except (OSError, RecordIncompleteError):
                same = False
            if not same:
                changed.append(piece.run)
        return tuple(changed)


def digest(run: RunRecord) -> str:
    """The SHA-256 of a run's manifest."""
    return hashlib.sha256((run.path / "manifest.json").read_bytes()).hexdigest()


def summary(record: GameDayRecord) -> Summary:
    """All that the time line says, in one piece.

    Raises:
        RecordIncompleteError: the record has no time line or no file.
    """
    file, events = record.file, GameDayRecord(record.path).events
    started = next((each for each in events if each.kind == "gameday.started"), None)
    if started is None:
        raise RecordIncompleteError(f"{record.path}: the time line has no gameday.started event")
    ended = next((each for each in events if each.kind == "gameday.ended"), None)
    aborted = [each for each in events if each.kind == "gameday.aborted"]
    answers = {each.data["prompt"]: each for each in events if each.kind == "prompt.answered"}
    go = answers.get("go")
    pieces = tuple(_piece(each, events) for each in file["scenarios"])
    return Summary(
        name=file["name"],
        title=file["title"],
        planned=str(file["date"]),
        context=started.data["context"],
        began=started.t,
        ended=ended.t if ended else None,
        outcome=_overall(pieces),
        aborted=aborted[-1].data["reason"] if aborted else None,
        go=None if go is None else go.data["word"] == "go",
        participants=tuple(Person(**each) for each in file["participants"]),
        objectives=tuple(file["objectives"]),
        checklist=tuple(_item(each, answers) for each in file["checklist"]),
        scenarios=pieces,
        injects=tuple(Inject(t=each.t, **each.data) for each in events if each.kind == "inject.ended"),
        notes=_said(events, "said.note"),
        decisions=_said(events, "said.decision"),
        deviations=tuple(each.data["text"] for each in events if each.kind == "said.deviation"),
        escalations=_said(events, "said.escalation"),
        findings=tuple(
            Finding(**{name: each.data.get(name) for name in Finding.model_fields})
            for each in events
            if each.kind == "said.finding"
        ),
        interruptions=sum(each.kind == "gameday.interrupted" for each in events),
    )


def details(day: Summary) -> dict[str, Any]:
    """What the DR report wants to know of a day besides its runs, as its `--details` file has it."""
    steps = {each.run: each.scenario for each in day.scenarios if each.run}
    findings = [
        {
            "finding": each.title,
            "severity": each.severity,
            **({"scenario": steps[each.run]} if each.run in steps else {}),
            **({"owner": each.owner} if each.owner else {}),
            **({"due": each.due} if each.due else {}),
        }
        for each in day.findings
    ]
    return {
        "title": day.title,
        "kind": "game day",
        "aims": list(day.objectives),
        "scope": [f"{each.name} ({each.scenario})" for each in day.scenarios],
        "exclusions": [
            {"what": each.name, "why": each.reason or "it was not run"} for each in day.scenarios if not each.run
        ],
        "participants": [each.model_dump() for each in day.participants],
        "deviations": list(day.deviations),
        "manual_steps": [{"what": f"{each.name}, {each.text}"} for each in day.injects if each.delivered],
        "findings": findings,
    }


def _said(events: tuple[Event, ...], kind: str) -> tuple[Said, ...]:
    return tuple(Said(t=each.t, at=each.data["prompt"], text=each.data["text"]) for each in events if each.kind == kind)


def _item(item: dict[str, Any], answers: dict[str, Event]) -> tuple[str, bool | None, str]:
    answer = answers.get(f"checklist.{item['name']}")
    if answer is None:
        return item["text"], None, "not asked"
    return item["text"], answer.data["word"] == "ok", answer.data["reason"]


def _piece(step: dict[str, Any], events: tuple[Event, ...]) -> Piece:
    mine = [each for each in events if each.data.get("step") == step["name"]]
    begun = [each for each in mine if each.kind == "scenario.begun"]
    last = next((each for each in reversed(mine) if each.kind in {"scenario.ended", "scenario.skipped"}), None)
    known = {"name": step["name"], "scenario": step["scenario"], "attempts": len(begun)}
    if last is None:
        reason = "it was begun and not ended" if begun else "the day ended before it"
        records = [each.data["run"] for each in mine if each.kind == "scenario.record"]
        run = records[-1] if records else None
        return Piece(**known, outcome=Outcome.INCONCLUSIVE, reason=reason, run=run)
    if last.kind == "scenario.skipped":
        return Piece(**known, outcome=Outcome.INCONCLUSIVE, reason=f"skipped: {last.data['reason']}")
    data = {name: last.data[name] for name in ("outcome", "reason", "run", "manifest_sha256")}
    return Piece(**known, **data, began=begun[-1].t, ended=last.t)


def _overall(pieces: tuple[Piece, ...]) -> Outcome:
    outcomes = {each.outcome for each in pieces}
    return next((each for each in WORST_FIRST if each in outcomes), Outcome.INCONCLUSIVE)
