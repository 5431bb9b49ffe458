"""The evidence of lost objects, as docs/run-record.md has it: what each file must say, and where it does not."""

from typing import Any, TypeVar
from urllib.parse import urlsplit

from drill.errors import DrillError, RecordIncompleteError
from drill.fingerprints import Fingerprint, from_document
from recovery import _evidence
from recovery._run import Run

F = TypeVar("F", bound=Fingerprint)


def of_buckets(run: Run) -> bool:
    """Whether the run damages objects of a bucket."""
    return bool((run.record.scenario.get("target") or {}).get("buckets"))


def piece(run: Run, name: str) -> dict[str, Any]:
    """One piece of evidence, `evidence/lakehouse-<name>.json`.

    Raises:
        RecordIncompleteError: the drill did not come to write it, or it is no mapping.
    """
    return _evidence.piece(run, f"lakehouse-{name}")


def told(found: dict[str, Any], key: str, name: str) -> Any:
    """What a piece of evidence says of `key`.

    Raises:
        RecordIncompleteError: nothing.
    """
    return _evidence.told(found, key, f"lakehouse-{name}")


def fingerprint(found: dict[str, Any], kind: type[F], name: str) -> F:
    """The fingerprint in a piece of evidence.

    Raises:
        RecordIncompleteError: there is none, or it is not as it was written.
    """
    system = str(kind.model_fields["system"].default)
    try:
        return from_document(told(found, system, name), kind, name)
    except DrillError as error:
        raise RecordIncompleteError(f"the fingerprint of {system} in {name!r} can't be used: {error}") from error


def damaged(run: Run) -> dict[str, dict[str, Any] | None]:
    """What each object was that was damaged, by its key; only what was seen to be damaged.

    Raises:
        RecordIncompleteError: no damage was seen.
    """
    now = told(piece(run, "damage"), "objects", "damage")
    if not now:
        raise RecordIncompleteError("no object was damaged")
    return dict(now)


def key(path: str) -> str:
    """The object's key of a file's location."""
    return urlsplit(path).path.lstrip("/")


def short(name: str) -> str:
    """A key or a location as a reader of the report can take it in: its last part."""
    return name.rpartition("/")[2]
