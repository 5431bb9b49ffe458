"""The fingerprint of Iceberg tables: their metadata and rows through Trino, and their files in the bucket, read only.

What Iceberg names, the bucket must have: https://iceberg.apache.org/spec/. Trino's metadata tables are read for that
(https://trino.io/docs/current/connector/iceberg.html#metadata-tables), and none of the files themselves.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol
from urllib.parse import urlsplit

from drill import clock
from drill.iceberg import IcebergFingerprint, IcebergSelection, IcebergTable, NamedFile, Rows, Snapshot
from drill.object_store import StoredObject
from drill.trino import Trino, TrinoQueryError
from experiments.fingerprints import all_there

_CONTENTS = {0: "data", 1: "position deletes", 2: "equality deletes"}

Sizes = Mapping[str, int]
"""Bytes of each object, by its location (`s3://bucket/key`)."""
Part = dict[str, Any]


class Store(Protocol):
    """What is asked of an object store (`drill.object_store.ObjectStore`)."""

    def listed(self, prefix: str = "", bucket: str | None = None) -> Iterable[StoredObject]: ...  # noqa: D102


def capture(
    trino: Trino,
    selection: IcebergSelection,
    store: Store | None,
    *,
    context: str | None = None,
    named: bool = False,
) -> IcebergFingerprint:
    """Read the tables as they are now.

    A table that Trino can't read is in the answer, with the reason: that is what a lost file looks like.

    Args:
        trino: Whom to ask.
        selection: Which tables.
        store: Lists the buckets that the tables are in; None: nobody does.
        context: Of the settings, for the reader.
        named: Whether all that the selection names must be there; when a restore is held to another fingerprint, what
            is missing is a finding.

    Raises:
        TrinoUnreachableError: no answer, which says nothing of the tables.
        TrinoQueryError: Trino does not know the schema, or could not list its tables.
        ObjectStoreError: the store did not answer, or refused.
        UsageError: no such table (`named`).
    """
    started = clock.now()
    ((version,),) = trino.rows("SELECT node_version FROM system.runtime.nodes WHERE coordinator LIMIT 1")
    place = f"{_quoted(selection.catalog)}.{_quoted(selection.schema_name)}"
    there = sorted(name for (name,) in trino.rows(f"SHOW TABLES FROM {place}"))
    if named:
        all_there("table", selection.tables, there)
    names = [name for name in there if selection.tables is None or name in selection.tables]
    tables = {name: _table(trino, place, name) for name in names}
    sizes = None if store is None else _listed(store, tables.values())
    return IcebergFingerprint(
        context=context,
        started=started,
        finished=clock.now(),
        selection=selection,
        url=trino.target.url,
        version=str(version),
        listed=sizes is not None,
        tables={name: _with_sizes(table, sizes or {}) for name, table in tables.items()},
    )


def _table(trino: Trino, place: str, name: str) -> IcebergTable:
    found: Part = {}
    problems: dict[str, str] = {}

    def read(what: str, question: Callable[[], Part]) -> None:
        try:
            found.update(question())
        except TrinoQueryError as error:
            problems[what] = str(error)

    read("columns", lambda: {"columns": _columns(trino, place, name)})
    read("snapshots", lambda: _snapshots(trino, place, name))
    read("files", lambda: {"files": _files(trino, place, name)})
    read("partitions", lambda: {"partitions": _partitions(trino, place, name)})
    return IcebergTable(**found, problems=problems)


def _columns(trino: Trino, place: str, name: str) -> dict[str, str]:
    return {column: kind for column, kind, *_ in trino.rows(f"SHOW COLUMNS FROM {place}.{_quoted(name)}")}


def _snapshots(trino: Trino, place: str, name: str) -> Part:
    columns = "snapshot_id, parent_id, to_iso8601(committed_at AT TIME ZONE 'UTC'), operation, manifest_list"
    snapshots = {
        str(each): Snapshot(
            parent=None if parent is None else str(parent), committed=when, operation=operation, manifest_list=manifests
        )
        for each, parent, when, operation, manifests in _select(trino, columns, place, f"{name}$snapshots")
    }
    heads = dict(_select(trino, "name, snapshot_id", place, f"{name}$refs"))
    return {"snapshots": snapshots, "current": str(heads["main"]) if "main" in heads else None}


def _files(trino: Trino, place: str, name: str) -> dict[str, NamedFile]:
    files = {
        path: NamedFile.model_validate({"kind": _CONTENTS[content], "size": size})
        for content, path, size in _select(trino, "content, file_path, file_size_in_bytes", place, f"{name}$files")
    }
    files |= {
        path: NamedFile(kind="manifest", size=size)
        for path, size in _select(trino, "path, length", place, f"{name}$manifests")
    }
    lists = _select(trino, "manifest_list", place, f"{name}$snapshots")
    versions = _select(trino, "file", place, f"{name}$metadata_log_entries")
    files |= {path: NamedFile(kind="manifest list") for (path,) in lists}
    return files | {path: NamedFile(kind="metadata") for (path,) in versions}


def _partitions(trino: Trino, place: str, name: str) -> dict[str, Rows]:
    row = ", ".join(map(_quoted, _columns(trino, place, name)))
    # `$partition` is a hidden column: the values of a row's partition as a path (price_date=2026-11-24).
    columns = f'"$partition", count(*), to_hex(checksum(ROW({row})))'
    rows = _select(trino, columns, place, name, "GROUP BY 1")
    return {partition or "": Rows(rows=count, checksum=digest) for partition, count, digest in rows}


def _select(trino: Trino, columns: str, place: str, table: str, rest: str = "") -> list[tuple[Any, ...]]:
    return trino.rows(f"SELECT {columns} FROM {place}.{_quoted(table)} {rest}".rstrip())  # noqa: S608 - names only


def _listed(store: Store, tables: Iterable[IcebergTable]) -> dict[str, int]:
    """The objects below the folder of every table."""
    return {
        f"{scheme}://{bucket}/{each.key}": each.size
        for scheme, bucket, folder in sorted({_folder(path) for table in tables for path in table.files})
        for each in store.listed(folder, bucket)
    }


def _folder(location: str) -> tuple[str, str, str]:
    """Scheme, bucket and prefix of the table's folder that a file is in: everything before data/ or metadata/."""
    parts = urlsplit(location)
    key = parts.path.lstrip("/")
    for folder in ("/data/", "/metadata/"):
        before, found, _ = key.partition(folder)
        if found:
            return parts.scheme, parts.netloc, f"{before}/"
    return parts.scheme, parts.netloc, key


def _with_sizes(table: IcebergTable, sizes: Sizes) -> IcebergTable:
    files = {path: each.model_copy(update={"stored": sizes.get(path)}) for path, each in table.files.items()}
    return table.model_copy(update={"files": files})


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
