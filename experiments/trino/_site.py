"""Where the lakehouse is: Trino, the table, and the bucket that has its files."""

import os
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from drill import guard, record, rollback
from drill.cluster import Cluster
from drill.errors import RefusedError
from drill.iceberg import IcebergFingerprint, IcebergSelection, IcebergTable
from drill.object_store import ObjectStore
from drill.settings import Settings
from drill.trino import Trino
from experiments.fingerprints import iceberg
from experiments.trino._objects import Bucket
from experiments.trino._table import Table


@dataclass(frozen=True)
class Site:
    """One table of the selected context's lakehouse."""

    settings: Settings
    store: ObjectStore
    bucket: Bucket
    table: Table
    before: IcebergFingerprint
    """The table when the drill looked first: whole, or the drill is refused."""
    run: str
    """Of the drill: what it writes is known by it."""

    @property
    def whole(self) -> IcebergTable:
        """The table, when the drill looked first."""
        return self.before.tables[self.table.name]

    def capture(self) -> IcebergFingerprint:
        """The table and its files as they are now."""
        return iceberg.capture(self.table.trino, self.before.selection, self.store, context=self.settings.context)

    def key(self, path: str) -> str:
        """The object's key of a file's location (`s3://bucket/key`)."""
        return urlsplit(path).path.lstrip("/")

    @property
    def folder(self) -> str:
        """What the keys of all the table's files begin with."""
        return f"{os.path.commonpath([self.key(path) for path in self.whole.files])}/"


def of(settings: Settings, cluster: Cluster, table: str) -> Site:
    """The site of a table; looks at it, and touches nothing.

    Raises:
        UsageError: the context does not declare Trino, an object store or the lakehouse's bucket.
        RefusedError: its bucket may not be damaged, or the table is not whole already.
        DrillError: the bucket keeps no versions, or something does not answer.
    """
    target, bucket = settings.trino, settings.lakehouse
    if reason := guard.bucket_refusal(settings, (bucket,)):
        raise RefusedError(reason)
    trino, store = Trino(target), ObjectStore.connect(settings, cluster)
    kept = Bucket.of(store, bucket)
    selection = IcebergSelection(catalog=target.catalog, schema_name=target.schema_, tables=(table,))
    before = iceberg.capture(trino, selection, store, context=settings.context)
    found = before.tables.get(table)
    if found is None or found.current is None:
        raise RefusedError(f"there is no table {target.catalog}.{target.schema_}.{table} with rows in it")
    if trouble := missing(found) or [f"{name}: {why}" for name, why in found.problems.items()]:
        raise RefusedError(f"table {table} is not whole already: {trouble[0]}")
    if strange := [path for path in found.files if urlsplit(path).netloc != bucket]:
        raise RefusedError(f"table {table} has files outside of bucket {bucket}: {strange[0]}")
    pinned = Table(trino, table, found.current, tuple(found.columns))
    return Site(settings, store, kept, pinned, before, rollback.run_id())


def missing(table: IcebergTable) -> list[str]:
    """The files that the metadata names and the bucket has not, or not of the size that it says; by their locations."""
    return sorted(
        path for path, each in table.files.items() if each.stored is None or each.size not in {None, each.stored}
    )


def keep(name: str, content: dict[str, Any]) -> None:
    """Keep a piece of evidence of the lakehouse, if this is a run."""
    if (run := record.current()) is not None:
        run.write_evidence(f"lakehouse-{name}", content)
