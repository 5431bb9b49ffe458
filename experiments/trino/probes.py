"""Probes of the lakehouse: they only read."""

from drill import settings
from drill.object_store import ObjectStore
from drill.trino import Trino
from experiments.trino._objects import Bucket


def active_workers() -> int:
    """Probe: how many workers Trino's coordinator finds active."""
    return Trino(settings.load().trino).workers()


def rows_of(table: str) -> int:
    """Probe: how many rows a query of a table counts.

    Args:
        table: Its name, in the catalog and schema of the settings.
    """
    quoted = table.replace('"', '""')
    ((count,),) = Trino(settings.load().trino).rows(f'SELECT count(*) FROM "{quoted}"')  # noqa: S608 - a name only
    return int(count)


def versions_kept() -> bool:
    """Probe: whether the lakehouse's bucket keeps what is deleted or written over; raises where it does not."""
    loaded = settings.load()
    Bucket.of(ObjectStore.connect(loaded), loaded.lakehouse)
    return True
