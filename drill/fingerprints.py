"""Fingerprints: what a system holds at one time, small enough to keep beside a backup, and the file they are kept in.

A capture makes one, read only, and `recovery.fingerprints` compares two. A file carries the SHA-256 of its content, so
that a damaged or edited one is refused. That is no signature: who edits a file on purpose can write a new sum as well.
"""

import hashlib
import json
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from drill.errors import InputError, Mistake

FORMAT = "drill-fingerprint"
VERSION = 1
"""Of the file's format. A fingerprint of another version is refused: its sums may mean something else."""
_ANEW = "Capture a new one with `drill fingerprint`."


class Part(BaseModel):
    """A part of a fingerprint."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Fingerprint(Part):
    """What every system's fingerprint says besides what it found."""

    system: str
    """What it is of; each kind narrows it to its own name."""
    context: str | None = None
    """The context of the settings."""
    started: float
    finished: float
    """When the capture began and ended, epoch seconds."""


class Table(Part):
    """One table, partition or materialised view, or one that holds no rows of its own (see `kind`)."""

    kind: Literal["table", "partitioned table", "materialized view", "foreign table"]
    rows: int | None = None
    """None: not counted: there are none here (foreign, partitioned), it is excluded, or because of the `problem`."""
    checksum: str | None = None
    """Of all rows, in any order; None where they were not counted."""
    problem: str | None = None
    """Why the rows could not be read."""
    definition: dict[str, str] = {}
    """Columns, constraints, indexes, triggers, owner and so on: what it is (`column id`) to how it is defined."""

    @property
    def holds_rows(self) -> bool:
        """Whether rows of its own are here to be counted."""
        return self.kind in {"table", "materialized view"}


class Sequence(Part):
    """One sequence."""

    last_value: int | None
    """None: it has given out none yet."""
    increment: int
    cache: int
    definition: str
    """Type, bounds, start and whether it cycles."""


class Database(Part):
    """One database, as one repeatable-read transaction saw it (its sequences: as they were at that time)."""

    definition: dict[str, str]
    """Encoding, schemas, extensions, views, functions and types: what it is (`extension pgcrypto`) to how it is."""
    tables: dict[str, Table]
    """By `schema.table`."""
    sequences: dict[str, Sequence]
    """By `schema.sequence`."""
    excluded: tuple[str, ...] = ()
    """The tables whose rows the selection left out."""


class PostgresSelection(Part):
    """What is looked at."""

    databases: tuple[str, ...] | None = None
    """None: every one that is no template."""
    exclude: tuple[str, ...] = ()
    """Patterns (`dolphinscheduler.public.t_ds_*`) of tables whose rows are not looked at: they never stand still."""


class PostgresFingerprint(Fingerprint):
    """A PostgreSQL server."""

    system: Literal["postgres"] = "postgres"
    selection: PostgresSelection
    version: str
    """As the server says: `15.14`."""
    roles: dict[str, str]
    """Roles that clients may come as, to what they may do; never a password."""
    databases: dict[str, Database]
    """Those that were asked for and are not there are not in it."""


class Chunk(Part):
    """The records of one partition in [start, end) of offsets, read."""

    start: int
    end: int
    records: int
    sha256: str
    """Of offset, timestamp, key, value and headers of each, in order."""


class TopicPartition(Part):
    """One partition's log."""

    begin: int | None
    end: int | None
    """First offset, and the one after the last; None: nobody could say (see `problem`)."""
    problem: str | None = None
    chunks: tuple[Chunk, ...] = ()
    """What was read, in order of offsets; their bounds are multiples of `CHUNK`, but for the first and the last."""


class Topic(Part):
    """One topic."""

    id: str
    replication_factor: int
    """The least of its partitions."""
    config: dict[str, str]
    """All settings that are in force, the defaults included."""
    overridden: tuple[str, ...]
    """Of these, the names that the topic sets itself."""
    partitions: dict[int, TopicPartition]


class KafkaSelection(Part):
    """What is looked at."""

    topics: tuple[str, ...] | None = None
    """None: every one that is not internal."""
    groups: tuple[str, ...] | None = None
    """None: every consumer group."""
    content_records: int = 0
    """So many offsets at the end of each partition are read, and their content is compared; 0: none."""


class KafkaFingerprint(Fingerprint):
    """A Kafka cluster."""

    system: Literal["kafka"] = "kafka"
    selection: KafkaSelection
    cluster_id: str
    brokers: tuple[int, ...]
    topics: dict[str, Topic]
    groups: dict[str, dict[str, int]]
    """Committed offsets by consumer group and `topic-partition`."""


class StoredObject(Part):
    """One object of a bucket."""

    size: int
    """Bytes."""
    etag: str
    sha256: str | None = None
    """Of its content, where it was downloaded."""
    problem: str | None = None
    """Why the content could not be read."""


class BucketSelection(Part):
    """What is looked at."""

    bucket: str
    prefix: str = ""
    sha256: bool = False
    """Whether contents are downloaded."""


class BucketFingerprint(Fingerprint):
    """A bucket, or what is under a prefix of it."""

    system: Literal["bucket"] = "bucket"
    selection: BucketSelection
    endpoint: str | None
    """None: AWS itself."""
    objects: dict[str, StoredObject]
    """By key."""


CHUNK = 100
"""How many offsets of a partition share one digest. A part of `VERSION`: other chunks can't be compared."""

F = TypeVar("F", bound=Fingerprint)


def document(fingerprint: Fingerprint) -> dict[str, Any]:
    """A fingerprint as plain JSON types with its format, version and SHA-256, for a file or a record's evidence."""
    content = fingerprint.model_dump(mode="json")
    return {"format": FORMAT, "version": VERSION, "sha256": _digest(content), "fingerprint": content}


def write(path: Path, fingerprint: Fingerprint) -> None:
    """Write it to a file, whole or not at all.

    Raises:
        InputError: the file can't be written.
    """
    beside = path.with_name(f".{path.name}.part")
    try:
        beside.write_text(json.dumps(document(fingerprint), indent=1) + "\n", encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        raise _mistake(str(path), "(file)", f"it can't be written: {error}", "Name another file.") from error


def read(path: Path, kind: type[F]) -> F:
    """The fingerprint in a file.

    Raises:
        InputError: there is none, it is of another version or system, or it is not as it was written.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise _mistake(str(path), "(file)", f"it can't be read: {error.strerror or error}", _ANEW) from error
    except ValueError as error:
        raise _mistake(str(path), "(document)", f"no fingerprint, for it is not JSON: {error}", _ANEW) from error
    return from_document(content, kind, str(path))


def from_document(content: Any, kind: type[F], name: str) -> F:
    """The fingerprint in what `document` made.

    Args:
        content: What a file or a record's evidence has.
        kind: Which fingerprint is meant.
        name: Of the file, for the message.

    Raises:
        InputError: as of `read`.
    """
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise _mistake(name, "format", f"no fingerprint: the format is not {FORMAT}", _ANEW)
    if content.get("version") != VERSION:
        problem = f"version {content.get('version')!r} of the format, and this drill reads {VERSION}"
        raise _mistake(name, "version", problem, "Use the drill that wrote it, or capture a new one.")
    inside = content.get("fingerprint")
    if content.get("sha256") != _digest(inside):
        raise _mistake(name, "sha256", "its content is not what was written: damaged or edited", "Take the original.")
    wanted = kind.model_fields["system"].default
    found = inside.get("system") if isinstance(inside, dict) else None
    if found != wanted:
        problem = f"a fingerprint of {found!r}, and {wanted} is meant"
        raise _mistake(name, "system", problem, f"Use `drill verify {found}`, or name a fingerprint of {wanted}.")
    try:
        return kind.model_validate(inside)
    except ValidationError as error:
        first = error.errors()[0]
        raise _mistake(name, ".".join(map(str, first["loc"])), first["msg"], _ANEW) from error


def _digest(content: Any) -> str:
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _mistake(file: str, field: str, problem: str, remedy: str) -> InputError:
    return InputError([Mistake(file, None, field, problem, remedy)])
