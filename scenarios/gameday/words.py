"""What may be said at a prompt of a game day: the words that end it, and the lines that are kept on the way."""

import re
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from scenarios.gameday.model import GameDay, Step
from scenarios.gameday.reader import Agenda, asks_an_operator

SEVERITIES = ("critical", "high", "medium", "low")
LEVELS = ("L1", "L2", "L3")
KEPT = {
    "note": "note TEXT",
    "decision": "decision TEXT",
    "deviation": "deviation TEXT",
    "finding": "finding SEVERITY: TITLE; owner=NAME; due=2026-12-31",
    "escalate": "escalate L2: TEXT",
}
"""Lines that are kept and leave the prompt open, by their first word."""
_LATER = re.compile(r"\+(\d+)\s+")


class SayingError(ValueError):
    """A line that can't be meant; the message says what can."""


@dataclass(frozen=True)
class Prompt:
    """Something that the day asks."""

    key: str
    """What answers are given by."""
    good: str
    """The word that goes on."""
    bad: tuple[str, ...] = ()
    """Words that do not; each wants a reason."""
    silent: bool = True
    """Whether an empty line means `good`."""
    optional: bool = False
    """Whether a file of answers may leave it out."""

    @property
    def words(self) -> str:
        """What ends it, for a person."""
        return " | ".join((self.good, *(f"{each} REASON" for each in self.bad)))


@dataclass(frozen=True)
class Kept:
    """A line that is kept: a note, a decision, a deviation, a finding, a word of escalation."""

    kind: str
    """Of its event: `said.<kind>`."""
    data: dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """What ended a prompt."""

    word: str
    reason: str = ""
    good: bool = True


@dataclass(frozen=True)
class Line:
    """What was typed, and what it means."""

    means: Kept | Answer
    later: float = field(default=0.0)
    """Seconds that a file of answers wants to pass before it is said."""


def prompts(agenda: Agenda) -> tuple[Prompt, ...]:
    """Everything that a day asks, in its order."""
    day = agenda.day
    found = [Prompt("briefing", "ok"), *(checklist(each.name) for each in day.checklist), GO]
    for step, drill in agenda.steps:
        found += [again(step), before(step), *(inject(step, each.name) for each in step.injects)]
        if asks_an_operator(drill):
            found.append(Prompt(operator(step), ""))
        found.append(after(step))
    return (*found, FINDINGS, END)


GO = Prompt("go", "go", ("no-go",), silent=False)
FINDINGS, END = Prompt("findings", "ok"), Prompt("end", "ok")


def checklist(name: str) -> Prompt:
    """Whether an item of the checklist is so."""
    return Prompt(f"checklist.{name}", "ok", ("no",))


def before(step: Step) -> Prompt:
    """Whether a scenario is begun."""
    return Prompt(f"{step.name}.before", "go", ("skip", "abort"), silent=False)


def again(step: Step) -> Prompt:
    """Whether a scenario that was interrupted is run once more."""
    return Prompt(f"{step.name}.again", "repeat", ("skip", "abort"), silent=False, optional=True)


def inject(step: Step, name: str) -> Prompt:
    """Whether an inject was brought in."""
    return Prompt(f"{step.name}.inject.{name}", "done", ("not-done",))


def after(step: Step) -> Prompt:
    """What was seen in a scenario, and whether the day goes on."""
    return Prompt(f"{step.name}.after", "ok", ("abort",))


def operator(step: Step) -> str:
    """The key of an operator's answers to a runbook, one a phase."""
    return f"{step.name}.operator"


def understand(prompt: Prompt, text: str, day: GameDay) -> Line:
    """What a line means at a prompt.

    Raises:
        SayingError: nothing that is understood there.
    """
    late = _LATER.match(text)
    said = (text[late.end() :] if late else text).strip()
    seconds = float(late[1]) if late else 0.0
    word, _, rest = said.partition(" ")
    rest = rest.strip()
    if word in KEPT:
        if not rest:
            raise SayingError(f"{word} of nothing: {KEPT[word]}")
        return Line(_kept(word, rest, day), seconds)
    if word == prompt.good or (not said and prompt.silent):
        return Line(Answer(prompt.good, rest), seconds)
    word, rest = (prompt.bad[0], said[1:].strip()) if said.startswith("!") and prompt.bad else (word, rest)
    if word in prompt.bad:
        if not rest:
            raise SayingError(f"{word} wants a reason: {word} REASON")
        return Line(Answer(word, rest, good=False), seconds)
    raise SayingError(f"{said!r} is not understood here: {prompt.words}, or {' | '.join(KEPT.values())}")


def _kept(word: str, rest: str, day: GameDay) -> Kept:
    if word == "finding":
        return Kept("finding", _finding(rest, day))
    if word == "escalate":
        level, colon, text = rest.partition(":")
        if level.strip() not in LEVELS or not colon or not text.strip():
            raise SayingError(f"not a level and a text: {KEPT['escalate']} (levels: {', '.join(LEVELS)})")
        return Kept("escalation", {"level": level.strip(), "text": f"{level.strip()}: {text.strip()}"})
    return Kept(word, {"text": rest})


def _finding(rest: str, day: GameDay) -> dict[str, Any]:
    severity, colon, more = rest.partition(":")
    if severity.strip() not in SEVERITIES or not colon:
        raise SayingError(f"a finding begins with its severity ({', '.join(SEVERITIES)}): {KEPT['finding']}")
    title, *extras = (part.strip() for part in more.split(";"))
    if not title:
        raise SayingError(f"a finding without a title: {KEPT['finding']}")
    data: dict[str, Any] = {"title": title, "severity": severity.strip(), "owner": None, "due": None}
    for each in extras:
        name, equals, value = (part.strip() for part in each.partition("="))
        if name not in {"owner", "due"} or not equals or not value:
            raise SayingError(f"{each!r} is neither owner=NAME nor due=DATE: {KEPT['finding']}")
        data[name] = value
    if data["due"] is not None:
        data["due"] = _due(data["due"], day)
    return data


def _due(text: str, day: GameDay) -> str:
    try:
        due = date.fromisoformat(text)
    except ValueError as error:
        raise SayingError(f"due={text}: not a date such as 2026-12-31") from error
    if due < day.date:
        raise SayingError(f"due={text}: that is before the game day ({day.date})")
    return due.isoformat()
