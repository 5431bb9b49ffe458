"""The run record: one folder that holds all that is known of a run, written as the run goes.

Readers (`recovery`, `reports`) work on a finished folder with no cluster. Writers are the runner and its children,
which find the folder by the environment variable `DRILL_RECORD`.
"""

import hashlib
import json
import os
import secrets
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

import structlog
import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from drill import clock
from drill.errors import RecordIncompleteError, UsageError
from drill.objectives import Objectives
from drill.verdicts import Verdict

RECORD_VARIABLE = "DRILL_RECORD"
DERIVED = ("manifest.json", "verdicts.json", "report.html", "report.pdf", "junit.xml")
"""Files that `drill judge` and `drill report` can make anew; the manifest's hashes leave them out."""

T = TypeVar("T")

_log = structlog.get_logger()


class Event(BaseModel):
    """One line of the time line."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    t: float
    """Seconds since the epoch on the run's clock (`drill.clock`)."""
    utc: str
    mono: float
    source: str
    """Who says so: runner, experiment, observer, load, drain."""
    kind: str
    """What happened, `noun.verb`: the list is in docs/run-record.md."""
    data: dict[str, Any] = {}


class RunRecord:
    """One run's folder, `runs/<scenario>/<UTC>/`."""

    KIND: ClassVar[str] = "run record"
    PLACE: ClassVar[str] = "runs/<scenario>/<UTC>"
    MARK: ClassVar[str] = "scenario.yaml"
    """The file by which a folder is known to be one."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, runs: Path, scenario: str) -> Self:
        """Make the folder of a new run below `runs`."""
        stamp = datetime.fromtimestamp(clock.now(), UTC).strftime("%Y%m%dT%H%M%SZ")
        path = runs / scenario / stamp
        if path.exists():
            path = runs / scenario / f"{stamp}-{secrets.token_hex(2)}"
        (path / "evidence").mkdir(parents=True)
        (path / "load").mkdir()
        return cls(path)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open a record to read it.

        Raises:
            UsageError: `path` is not a record's folder.
        """
        if (path / cls.MARK).is_file():
            return cls(path)
        problem = (
            f"not a {cls.KIND} (it has no {cls.MARK})"
            if path.is_dir()
            else f"is a file, not the folder of a {cls.KIND}"
            if path.exists()
            else f"no such {cls.KIND}"
        )
        raise UsageError(f"{path}: {problem}: give its folder, {cls.PLACE}")

    # -- writing -----------------------------------------------------------------------------------------------------

    def emit(self, source: str, kind: str, *, at: float | None = None, **data: Any) -> Event:
        """Append one event to the time line; `at` (epoch seconds) when it happened before now."""
        seconds = clock.now() if at is None else at
        event = Event(
            t=seconds,
            utc=datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds"),
            mono=seconds - clock.OFFSET,
            source=source,
            kind=kind,
            data=data,
        )
        # One write of one line in append mode: lines of several processes do not mix, and a killed one loses none.
        with (self.path / "events.jsonl").open("ab", buffering=0) as timeline:
            timeline.write(event.model_dump_json().encode() + b"\n")
        return event

    def write_json(self, name: str, content: Any) -> str:
        """Write a JSON file atomically; returns its path inside the record."""
        return self.write_text(name, json.dumps(content, indent=2, default=_plain, allow_nan=False) + "\n")

    def write_text(self, name: str, content: str) -> str:
        """Write a text file atomically; returns its path inside the record."""
        target = self.path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f".{target.name}.partial")
        partial.write_text(content, encoding="utf-8")
        partial.replace(target)
        return name

    def write_evidence(self, name: str, content: Any) -> str:
        """Keep one piece of evidence as `evidence/<name>.json`; returns its path inside the record."""
        return self.write_json(f"evidence/{name}.json", content)

    def seal(self, facts: dict[str, Any]) -> None:
        """Write the manifest: `facts` (versions, cluster, configuration, seed) and the SHA-256 of every file."""
        self.write_json("manifest.json", {**facts, "files": self._digests()})

    def amend(self, change: Callable[[], T]) -> T:
        """Make a change that belongs to the record (a late rollback); one that was sealed and intact is so after it."""
        sealed = (self.path / "manifest.json").is_file() and not self.altered_files()
        result = change()
        if sealed:
            self.seal({name: value for name, value in self.manifest.items() if name != "files"})
        return result

    # -- reading -----------------------------------------------------------------------------------------------------

    @cached_property
    def scenario(self) -> dict[str, Any]:
        """The scenario as it was run, every default filled in."""
        return self._yaml("scenario.yaml")

    @cached_property
    def objectives(self) -> Objectives:
        """The scenario's objectives."""
        try:
            return Objectives.model_validate(self.scenario.get("objectives", {}))
        except ValidationError as error:
            raise RecordIncompleteError(f"{self.path / 'scenario.yaml'}: objectives.{_first(error)}") from error

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """Versions, cluster identity, configuration, seed, and the SHA-256 of every file."""
        return self._mapping("manifest.json")

    @cached_property
    def experiment(self) -> dict[str, Any]:
        """The Chaos Toolkit experiment as it was run."""
        return self._mapping("experiment.json")

    @property
    def experiment_sha256(self) -> str:
        """The digest of the experiment as it was run, whatever was left to chance in it: two of one kind have one."""
        experiment = self.experiment
        configuration = {name: value for name, value in experiment.get("configuration", {}).items() if name != "seed"}
        text = json.dumps({**experiment, "configuration": configuration}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    @cached_property
    def journal(self) -> dict[str, Any]:
        """Chaos Toolkit's own journal."""
        return self._mapping("journal.json")

    @cached_property
    def events(self) -> tuple[Event, ...]:
        """The time line in the order of time. A last line that a killed writer left half-written is left out."""
        *lines, _half_written = self._text("events.jsonl").split("\n")
        events = (self._event(number, line) for number, line in enumerate(lines, 1))
        return tuple(sorted(events, key=lambda event: event.t))

    def _event(self, number: int, line: str) -> Event:
        try:
            return Event.model_validate_json(line)
        except ValidationError as error:
            raise RecordIncompleteError(
                f"{self.path / 'events.jsonl'}:{number}: the line is no event: {_first(error)}"
            ) from error

    def events_of(self, kind: str) -> tuple[Event, ...]:
        """The events of one kind, in the order of time."""
        return tuple(event for event in self.events if event.kind == kind)

    def first(self, kind: str) -> Event:
        """The first event of a kind.

        Raises:
            RecordIncompleteError: there is none.
        """
        for event in self.events:
            if event.kind == kind:
                return event
        raise RecordIncompleteError(f"the time line has no {kind} event")

    @cached_property
    def verdicts(self) -> tuple[Verdict, ...]:
        """What `drill judge` concluded."""
        return tuple(Verdict.model_validate(each) for each in self._mapping("verdicts.json")["verdicts"])

    def evidence(self, name: str) -> Any:
        """One piece of evidence."""
        return self._json(f"evidence/{name}.json")

    def altered_files(self) -> tuple[str, ...]:
        """Files whose SHA-256 is no longer the manifest's, that are missing, or that the manifest does not know."""
        sealed, present = self.manifest.get("files", {}), self._digests()
        return tuple(sorted(name for name in sealed.keys() | present.keys() if sealed.get(name) != present.get(name)))

    def _digests(self) -> dict[str, str]:
        return {name: sha256(self.path / name) for name in self._files() if name not in DERIVED}

    def _files(self) -> Iterator[str]:
        for path in sorted(self.path.rglob("*")):
            if path.is_file():
                yield path.relative_to(self.path).as_posix()

    def _mapping(self, name: str) -> dict[str, Any]:
        content = self._json(name)
        if not isinstance(content, dict):
            raise RecordIncompleteError(f"{self.path / name}: not a JSON object")
        return content

    def _yaml(self, name: str) -> dict[str, Any]:
        """A YAML file that holds a mapping.

        Raises:
            RecordIncompleteError: it is not there, or is no such file.
        """
        try:
            content = yaml.safe_load(self._text(name))
        except yaml.MarkedYAMLError as error:
            line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
            raise RecordIncompleteError(f"{self.path / name}{line}: not YAML: {error.problem}") from error
        except (yaml.YAMLError, ValueError) as error:  # ValueError: 30 February
            reason = str(error).splitlines()[0]
            raise RecordIncompleteError(f"{self.path / name}: not YAML: {reason}") from error
        if not isinstance(content, dict):
            raise RecordIncompleteError(f"{self.path / name}: not a mapping")
        return content

    def _json(self, name: str) -> Any:
        try:
            return json.loads(self._text(name))
        except json.JSONDecodeError as error:
            raise RecordIncompleteError(f"{self.path / name}: not whole JSON: {error}") from error

    def _text(self, name: str) -> str:
        try:
            return (self.path / name).read_text(encoding="utf-8")
        except FileNotFoundError as error:
            raise RecordIncompleteError(f"{self.path}: has no {name}") from error
        except UnicodeDecodeError as error:
            raise RecordIncompleteError(f"{self.path / name}: not UTF-8 text: {error.reason}") from error


def current() -> RunRecord | None:
    """The record of the run that this process is a part of; None outside of a run (a bare `chaos run`)."""
    path = os.environ.get(RECORD_VARIABLE)
    return RunRecord(Path(path)) if path else None


def emit(source: str, kind: str, *, at: float | None = None, **data: Any) -> None:
    """Say on the time line of the current run what happened; outside of a run, say it in the log only."""
    _log.info(kind, source=source, **data)
    if (record := current()) is not None:
        record.emit(source, kind, at=at, **data)


def _first(error: ValidationError) -> str:
    """The first of a model's complaints, in one line: the field, and what is wrong with it."""
    found = error.errors(include_url=False)[0]
    return ": ".join([*filter(None, [".".join(map(str, found["loc"]))]), found["msg"]])


def _plain(value: Any) -> Any:
    """JSON for what the rooms hand over besides plain types: numpy's numbers, paths, sets of names, times."""
    if hasattr(value, "item"):
        return value.item()
    if isinstance(value, frozenset | set):
        return sorted(value)
    if isinstance(value, Path | datetime):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no place in a record: {value!r}")


def sha256(path: Path) -> str:
    """Of a file's content, in hexadecimal digits."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
