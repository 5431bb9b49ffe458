"""The write-ahead rollback log: how a fault is undone, written down before the fault is injected.

It is written twice: to a file, and (where the settings select a context) into the cluster itself. A killed harness
leaves both behind; `drill rollback` then undoes what it left, from the run's folder (`undo_pending`) or from any other
machine (`undo_pending_in_cluster`). An undo is a function by its dotted name, with all it needs in its arguments. It
looks at the state itself: it does nothing where nothing is left to undo, returns only when it has seen the state
restored, and raises otherwise (NotRestoredError when trying again at once would not help).
"""

import importlib
import json
import os
import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import stamina
import structlog

from drill import clock, record
from drill.actor import actor
from drill.errors import DrillError, RecordIncompleteError, RefusedError

if TYPE_CHECKING:
    from drill.cluster_log import ClusterLog

FILE = "rollback.jsonl"
HOLDER_VARIABLE = "DRILL_HOLDER"
"""Who runs the drill (`user@machine scenario run-id`), for those who find its undos in the cluster."""
_UNDOS = "experiments."
"""Where undos live: whoever may write into the cluster's log must not thereby choose what code runs here."""
_log = structlog.get_logger()


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
    arguments: dict[str, Any] = field(default_factory=dict)
    holder: str | None = None
    """Who registered it, as the cluster's log has it."""


def log_path() -> Path:
    """The log of the current run; outside of a run `$XDG_STATE_HOME/drill/rollback.jsonl`."""
    if (run := record.current()) is not None:
        return run.path / FILE
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "drill" / FILE


def register(undo: str, arguments: dict[str, Any]) -> str:
    """Write down how to undo what is about to be done; returns the id for `done`.

    On disk and in the cluster when this returns.

    Raises:
        RefusedError: it could not be written into the cluster, so that nothing may be done.
    """
    identity = uuid.uuid4().hex[:12]
    _append(log_path(), {"op": "registered", "id": identity, "undo": undo, "arguments": arguments})
    try:
        if (shared := _cluster_log()) is not None:
            shared.put(identity, {"undo": undo, "arguments": arguments, "t": clock.now(), **_who()})
    except DrillError as error:
        _append(log_path(), {"op": "done", "id": identity})
        record.emit("rollback", "rollback.refused", id=identity, undo=undo, error=str(error))
        raise RefusedError(f"its undo could not be written down in the cluster, so nothing is done: {error}") from error
    record.emit("rollback", "rollback.registered", id=identity, undo=undo, arguments=arguments)
    return identity


def done(identity: str, path: Path | None = None) -> None:
    """Write down that an undo is no longer needed: its state was seen restored."""
    _append(path or log_path(), {"op": "done", "id": identity})
    try:
        if (shared := _cluster_log()) is not None:
            shared.drop(identity)
    except DrillError as error:  # `settle` tries again; one that stays does no harm, since undos look for themselves
        _log.warning("rollback.not-dropped", id=identity, error=str(error))
    record.emit("rollback", "rollback.done", id=identity)


def share_again(path: Path | None = None) -> int:
    """Write what is pending into the cluster's log once more, which went with a cluster that was lost; how many.

    Raises:
        ClusterError: the API server refused or did not answer.
    """
    if (shared := _cluster_log()) is None:
        return 0
    left = pending(path)
    for each in left:
        shared.put(each.id, {"undo": each.undo, "arguments": each.arguments, "t": clock.now(), **_who()})
    return len(left)


def settle(path: Path | None = None) -> None:
    """Take out of the cluster's log what this log has as done, where that failed at its time.

    Raises:
        ClusterError: the API server refused or did not answer.
    """
    if (shared := _cluster_log()) is None:
        return
    registered, open_ = _read(path or log_path())
    for identity in (registered - open_.keys()) & shared.entries().keys():
        shared.drop(identity)


def pending(path: Path | None = None) -> list[Undo]:
    """What is registered and not done, oldest first; a missing log has nothing pending.

    Raises:
        RecordIncompleteError: a line inside the log cannot be read, so that no one knows what it would undo.
    """
    return list(_read(path or log_path())[1].values())


def _read(path: Path) -> tuple[set[str], dict[str, Undo]]:
    """The ids of all that was registered, and what of it is pending."""
    try:
        *lines, _half_written = path.read_text().split("\n")
    except FileNotFoundError:
        return set(), {}
    registered: set[str] = set()
    open_: dict[str, Undo] = {}
    for number, line in enumerate(lines, start=1):
        try:
            entry = json.loads(line)
            if entry["op"] == "registered":
                registered.add(entry["id"])
                open_[entry["id"]] = Undo(entry["id"], entry["undo"], entry["arguments"])
            elif entry["op"] == "done":
                open_.pop(entry["id"], None)
        except (ValueError, KeyError, TypeError) as error:
            raise RecordIncompleteError(f"{path}:{number}: not a line of a rollback log: {line!r}") from error
    return registered, open_


def undo_pending(path: Path | None = None, attempts: int = 3) -> list[UndoResult]:
    """Undo all that is pending, newest first, each tried up to `attempts` times; one that fails stops no other."""
    path = path or log_path()
    results = []
    if found := pending(path):
        record.emit("rollback", "rollback.begun", pending=len(found))
    for each in reversed(found):
        error = _undo(lambda each=each: _function(each.undo)(**each.arguments), attempts)  # type: ignore[misc]
        if error is None:
            done(each.id, path)
        else:
            _append(path, {"op": "failed", "id": each.id, "error": error})
            record.emit("rollback", "rollback.failed", id=each.id, error=error)
        results.append(UndoResult(each.id, each.undo, ok=error is None, error=error, arguments=each.arguments))
    return results


def undo_pending_in_cluster(attempts: int = 3) -> list[UndoResult]:
    """Undo all that is pending in the log of the selected context's cluster, whoever registered it, newest first.

    Raises:
        DrillError: the log could not be read.
    """
    if (shared := _cluster_log()) is None:
        raise RefusedError("no context is selected, so there is no cluster whose log could be read")
    results = []
    for identity, entry in sorted(shared.entries().items(), key=_registered_at, reverse=True):
        result = _undo_entry(identity, entry, shared.context, attempts)
        if result.ok:
            shared.drop(identity)
        results.append(result)
    return results


def _undo_entry(identity: str, entry: str, context: str, attempts: int) -> UndoResult:
    try:
        read = json.loads(entry)
        undo, arguments, holder = str(read["undo"]), dict(read["arguments"]), read.get("holder")
    except (ValueError, KeyError, TypeError) as error:
        return UndoResult(identity, "?", ok=False, error=f"not an entry of a rollback log: {entry!r} ({error})")
    if "context" in arguments:  # the same cluster may have another name on this machine
        arguments["context"] = context
    error_ = _undo(lambda: _shipped_function(undo)(**arguments), attempts)
    return UndoResult(identity, undo, ok=error_ is None, error=error_, arguments=arguments, holder=holder)


def _registered_at(item: tuple[str, str]) -> float:
    try:
        return float(json.loads(item[1])["t"])
    except (ValueError, KeyError, TypeError):
        return 0.0


def _undo(undo: Callable[[], Any], attempts: int) -> str | None:
    """Try an undo; returns why it failed, None: it did not."""
    try:
        for attempt in stamina.retry_context(
            on=lambda error: not isinstance(error, NotRestoredError), attempts=attempts, timeout=None, wait_max=2
        ):
            with attempt:
                undo()
    except Exception as error:  # noqa: BLE001 - whatever it was, the other undos must run, and the caller is told
        return f"{type(error).__name__}: {error}"
    return None


def _function(dotted: str) -> Callable[..., Any]:
    module, _, name = dotted.rpartition(".")
    function: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return function


def _shipped_function(dotted: str) -> Callable[..., Any]:
    """As `_function`, for a name that came from the cluster: it must be one that drill's own faults define."""
    function = _function(dotted) if dotted.startswith(_UNDOS) else None
    if function is None or f"{function.__module__}.{function.__qualname__}" != dotted:
        raise NotRestoredError(f"{dotted} is no undo of drill's: it was not run")
    return function


def _cluster_log() -> "ClusterLog | None":
    from drill.cluster_log import ClusterLog  # noqa: PLC0415 - lazy: a judge of records needs no cluster's client

    return ClusterLog.of_settings()


def run_id() -> str:
    """That of the drill that runs here; of a bare `chaos run`, one made up."""
    return _who().get("run_id") or secrets.token_hex(8)


def _who() -> dict[str, str]:
    """Whose undo it is: of a run, or of a bare `chaos run`."""
    holder = os.environ.get(HOLDER_VARIABLE) or actor()
    _name, *run = holder.split(" ")
    return {"holder": holder, **dict(zip(("scenario", "run_id"), run, strict=False))}


def _append(path: Path, entry: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab", buffering=0) as log:
        log.write(json.dumps({**entry, "t": clock.now()}).encode() + b"\n")
        os.fsync(log.fileno())
