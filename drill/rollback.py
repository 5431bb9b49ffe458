"""The write-ahead rollback log: how a fault is undone, written down before the fault is injected.

A killed harness leaves the log behind; `drill rollback` (`undo_pending`) then undoes what it left. An undo is a
function by its dotted name, with all it needs in its arguments. It looks at the state itself: it does nothing where
nothing is left to undo, returns only when it has seen the state restored, and raises otherwise (NotRestoredError when
trying again at once would not help).
"""

import importlib
import json
import os
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import stamina

from drill import clock, record
from drill.errors import DrillError, RecordIncompleteError

FILE = "rollback.jsonl"


class NotRestoredError(DrillError):
    """An undo watched for as long as it may, and the state is not restored; trying again at once would not help."""


@dataclass(frozen=True)
class Undo:
    """One way back: a function by its dotted name and its arguments, JSON types only."""

    id: str
    undo: str
    arguments: dict[str, Any]


@dataclass(frozen=True)
class UndoResult:
    """What became of one undo."""

    id: str
    undo: str
    ok: bool
    error: str | None = None


def log_path() -> Path:
    """The log of the current run; outside of a run `$XDG_STATE_HOME/drill/rollback.jsonl`."""
    if (run := record.current()) is not None:
        return run.path / FILE
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "drill" / FILE


def register(undo: str, arguments: dict[str, Any]) -> str:
    """Write down how to undo what is about to be done; returns the id for `done`. On disk when this returns."""
    identity = uuid.uuid4().hex[:12]
    _append(log_path(), {"op": "registered", "id": identity, "undo": undo, "arguments": arguments})
    record.emit("rollback", "rollback.registered", id=identity, undo=undo, arguments=arguments)
    return identity


def done(identity: str, path: Path | None = None) -> None:
    """Write down that an undo is no longer needed: its state was seen restored."""
    _append(path or log_path(), {"op": "done", "id": identity})
    record.emit("rollback", "rollback.done", id=identity)


def pending(path: Path | None = None) -> list[Undo]:
    """What is registered and not done, oldest first; a missing log has nothing pending.

    Raises:
        RecordIncompleteError: a line inside the log cannot be read, so that no one knows what it would undo.
    """
    path = path or log_path()
    try:
        *lines, _half_written = path.read_text().split("\n")
    except FileNotFoundError:
        return []
    open_: dict[str, Undo] = {}
    for number, line in enumerate(lines, start=1):
        try:
            entry = json.loads(line)
            if entry["op"] == "registered":
                open_[entry["id"]] = Undo(entry["id"], entry["undo"], entry["arguments"])
            elif entry["op"] == "done":
                open_.pop(entry["id"], None)
        except (ValueError, KeyError, TypeError) as error:
            raise RecordIncompleteError(f"{path}:{number}: not a line of a rollback log: {line!r}") from error
    return list(open_.values())


def undo_pending(path: Path | None = None, attempts: int = 3) -> list[UndoResult]:
    """Undo all that is pending, newest first, each tried up to `attempts` times; one that fails stops no other."""
    path = path or log_path()
    return [_undo(each, path, attempts) for each in reversed(pending(path))]


def _undo(each: Undo, path: Path, attempts: int) -> UndoResult:
    try:
        for attempt in stamina.retry_context(
            on=lambda error: not isinstance(error, NotRestoredError), attempts=attempts, timeout=None, wait_max=2
        ):
            with attempt:
                _function(each.undo)(**each.arguments)
    except Exception as error:  # noqa: BLE001 - whatever it was, the other undos must run, and the caller is told
        reason = f"{type(error).__name__}: {error}"
        _append(path, {"op": "failed", "id": each.id, "error": reason})
        record.emit("rollback", "rollback.failed", id=each.id, error=reason)
        return UndoResult(each.id, each.undo, ok=False, error=reason)
    done(each.id, path)
    return UndoResult(each.id, each.undo, ok=True)


def _function(dotted: str) -> Callable[..., Any]:
    module, _, name = dotted.rpartition(".")
    function: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return function


def _append(path: Path, entry: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab", buffering=0) as log:
        log.write(json.dumps({**entry, "t": clock.now()}).encode() + b"\n")
        os.fsync(log.fileno())
