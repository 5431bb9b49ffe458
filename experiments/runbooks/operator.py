"""The wire between a runbook and the person who follows it: one file of the record, to which both sides append.

The experiment runs in a session of its own with no terminal, so it can only write its question down; whoever holds the
terminal (`scenarios`' desk) reads it there, asks, and writes the answer beside it.
"""

import json
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drill import clock, record
from drill.errors import UsageError
from experiments._watch import NotSeenError, await_seen

FILE = "operator.jsonl"
PATIENCE = 2.0
"""Times a phase's budget after which nobody is expected to answer any more."""


@dataclass(frozen=True)
class Question:
    """What a person is asked to do."""

    id: str
    runbook: str
    phase: str
    instruction: str
    budget: float


@dataclass(frozen=True)
class Answer:
    """What the person said when it was done, or could not be."""

    ok: bool
    note: str
    t: float
    """When, seconds since the epoch."""


def ask(runbook: str, phase: str, instruction: str, budget: float) -> Answer:
    """Ask, and wait for the answer.

    Raises:
        UsageError: outside of a run nobody listens.
        GivenUpError: nobody answered in time.
    """
    if (run := record.current()) is None:
        raise UsageError("mode: operator needs `drill run`, which prompts; use mode: runbook or self-heal")
    path = run.path / FILE
    question = Question(secrets.token_hex(4), runbook, phase, instruction, budget)
    _append(path, {"op": "asked", "t": clock.now(), **vars(question)})
    return await_seen(lambda: _answer(path, question), PATIENCE * budget)


def open_questions(path: Path) -> list[Question]:
    """What was asked and not answered yet, oldest first."""
    asked: dict[str, Question] = {}
    for line in _lines(path):
        if line["op"] == "asked":
            asked[line["id"]] = Question(**{name: line[name] for name in Question.__dataclass_fields__})
        else:
            asked.pop(line["id"], None)
    return list(asked.values())


def answer(path: Path, question: Question, note: str, *, ok: bool) -> None:
    """Write down what the person said."""
    _append(path, {"op": "answered", "t": clock.now(), "id": question.id, "ok": ok, "note": note})


def _answer(path: Path, question: Question) -> Answer:
    for line in _lines(path):
        if line["op"] == "answered" and line["id"] == question.id:
            return Answer(line["ok"], line["note"], line["t"])
    raise NotSeenError(f"the question on phase {question.phase} has no answer")


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    *lines, _half_written = (path.read_text() if path.is_file() else "").split("\n")
    return (json.loads(line) for line in lines)


def _append(path: Path, line: dict[str, Any]) -> None:
    with path.open("ab", buffering=0) as file:
        file.write(json.dumps(line).encode() + b"\n")
        os.fsync(file.fileno())
