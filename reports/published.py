"""Records of drills in a bucket, by date, with a page of all of them: what scheduled drills leave behind.

`<prefix>/<YYYY>/<MM>/<DD>/<scenario>/<context>/<UTC>/` has every file of a record, and `run.json`, put last, so that a
run that is listed is whole. `<prefix>/index.html` is the page, made anew from what is there.
"""

import mimetypes
import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from pydantic import BaseModel, ConfigDict, ValidationError

from drill import clock
from drill.errors import DrillError, RecordIncompleteError
from drill.object_store import ObjectMissingError, ObjectStore
from drill.record import RunRecord
from drill.settings import PublishTarget
from drill.verdicts import Outcome, overall
from reports._figures import Figures, figures
from reports._rejudged import believed
from reports._templates import draw

RUN, INDEX = "run.json", "index.html"
_PLACE = re.compile(
    r"^(?P<run>\d{4}/\d\d/\d\d/(?P<scenario>[a-z0-9-]+)/(?P<context>[\w.-]+)/\d{8}T\d{6}Z[0-9a-f-]*)/(?P<file>.+)$"
)
_TYPES = {".jsonl": "application/x-ndjson", ".yaml": "application/yaml", ".log": "text/plain; charset=utf-8"}


class Published(BaseModel):
    """One run in the bucket, as its run.json has it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run_id: str
    scenario: str
    context: str
    began: float
    """Epoch seconds."""
    outcome: Outcome
    failed: tuple[str, ...]
    """Checks that did not pass, in one line each."""
    files: int
    manifest_sha256: str | None
    """None: it was not sealed."""
    figures: Figures


class OtherRunError(DrillError):
    """Another run is where a record would go."""


@dataclass(frozen=True)
class Done:
    """What publishing came to."""

    run: str
    """Where the run is now, from the prefix."""
    files: int
    deleted: tuple[str, ...]
    """Runs that were kept for long enough."""


def publish(record: RunRecord, store: ObjectStore, target: PublishTarget) -> Done:
    """Put a record into the bucket, delete what is too old, and make the page of all runs anew.

    Raises:
        RecordIncompleteError: it is no record, or has no start.
        OtherRunError: another run is there: of a cluster whose context has the same name.
        ObjectStoreError: the store refused or did not answer; a run that is half there is not listed.
    """
    started = record.first("run.started")
    began = datetime.fromtimestamp(started.t, UTC)
    where = f"{started.data['scenario']}/{_folder(str(started.data['context']))}"
    run = f"{began:%Y/%m/%d}/{where}/{record.path.name}"
    files = sorted(path for path in record.path.rglob("*") if path.is_file())
    told = _told(record, len(files))
    place = f"{target.prefix}/{run}"
    with suppress(ObjectMissingError, ValidationError):  # none is there, or none that is whole
        if Published.model_validate_json(store.read(f"{place}/{RUN}")).run_id != told.run_id:
            raise OtherRunError(
                f"{target.bucket}/{place}: another run is there, and stays: give the contexts of clusters that share a "
                "bucket different names, or each its own `prefix`"
            )
    for path in files:
        name = path.relative_to(record.path).as_posix()
        store.put(f"{place}/{name}", path.read_bytes(), _type(name))
    store.put(f"{place}/{RUN}", told.model_dump_json(indent=2).encode(), _type(RUN))
    deleted = _retain(store, target)
    store.put(f"{target.prefix}/{INDEX}", page(store, target).encode(), "text/html; charset=utf-8")
    return Done(run, len(files), deleted)


def runs(store: ObjectStore, target: PublishTarget) -> list[tuple[str, Published | None]]:
    """All runs that are whole in the bucket, the newest first: where each is from the prefix, and what it came to.

    None: its run.json can't be read.

    Raises:
        ObjectStoreError: the store refused or did not answer.
    """
    found: list[tuple[str, Published | None]] = []
    for run in sorted(_runs(store, target), reverse=True):
        try:
            told = Published.model_validate_json(store.read(f"{target.prefix}/{run}/{RUN}"))
        except ValidationError:
            found.append((run, None))
        else:
            found.append((run, told))
    return sorted(found, key=lambda each: each[1].began if each[1] else 0.0, reverse=True)


def page(store: ObjectStore, target: PublishTarget) -> str:
    """The page of all runs that are whole in the bucket, the newest first."""
    found = runs(store, target)
    newest: dict[tuple[str, str], str] = {}
    for run, each in found:
        if each is not None:
            newest.setdefault((each.scenario, each.context), run)
    names = {"runs": found, "newest": set(newest.values()), "made": clock.now(), "keep_days": target.keep_days}
    return draw("history.html.j2", names)


def _told(record: RunRecord, files: int) -> Published:
    started = record.first("run.started")
    try:
        verdicts = record.verdicts
        altered = not believed(record)
    except RecordIncompleteError:  # not judged, or not sealed: the harness was killed
        verdicts, altered = (), False
    outcome = overall(verdicts)
    reasons = [f"{each.check}: {each.reason}" for each in verdicts if each.outcome is not Outcome.PASS]
    if not verdicts:
        reasons = ["the run was not judged"]
    if altered:
        reasons.insert(0, "the record or its verdicts were changed")
        outcome = Outcome.INCONCLUSIVE if outcome is Outcome.PASS else outcome
    manifest = record.path / "manifest.json"
    return Published(
        run_id=str(started.data["run_id"]),
        scenario=str(started.data["scenario"]),
        context=str(started.data["context"]),
        began=started.t,
        outcome=outcome,
        failed=tuple(reasons),
        files=files,
        manifest_sha256=sha256(manifest.read_bytes()).hexdigest() if manifest.is_file() else None,
        figures=figures(record),
    )


def _folder(context: str) -> str:
    """A context's name as a folder's; where it had to be changed for that, what tells it from any other is added."""
    plain = re.sub(r"^\.|[^A-Za-z0-9_.-]", "_", context)
    return plain if plain == context else f"{plain}-{sha256(context.encode()).hexdigest()[:8]}"


def _runs(store: ObjectStore, target: PublishTarget) -> set[str]:
    """The runs that are whole, from the prefix."""
    return {run for run, files in _stored(store, target).items() if RUN in files}


def _stored(store: ObjectStore, target: PublishTarget) -> dict[str, list[str]]:
    """The files of each run below the prefix; what is not named as runs are is none of ours."""
    found: dict[str, list[str]] = {}
    for each in store.listed(f"{target.prefix}/"):
        if place := _PLACE.match(each.key.removeprefix(f"{target.prefix}/")):
            found.setdefault(place["run"], []).append(place["file"])
    return found


def _retain(store: ObjectStore, target: PublishTarget) -> tuple[str, ...]:
    """Delete runs older than `keep_days`; the newest of each scenario and context stays: it is what is known."""
    stored = _stored(store, target)
    newest: dict[tuple[str, ...], str] = {}
    for run in sorted(stored):
        _year, _month, _day, *where, _stamp = run.split("/")
        if RUN in stored[run]:
            newest[tuple(where)] = run  # the later ones come last
    limit = datetime.fromtimestamp(clock.now(), UTC) - timedelta(days=target.keep_days)
    old = [run for run in sorted(stored) if run[:10] < f"{limit:%Y/%m/%d}" and run not in newest.values()]
    for run in old:
        # The first to go is what says that it is whole.
        for file in sorted(stored[run], key=lambda name: name != RUN):
            store.delete(f"{target.prefix}/{run}/{file}")
    return tuple(old)


def _type(name: str) -> str:
    suffix = name[name.rfind(".") :] if "." in name else ""
    if suffix == ".html":
        return "text/html; charset=utf-8"
    return _TYPES.get(suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
