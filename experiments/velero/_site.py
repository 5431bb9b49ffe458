"""Where a restore is drilled: Velero, its bucket, and whose run it is."""

import gzip
import json
from dataclasses import dataclass
from typing import Any

from drill import object_store, record, rollback, velero
from drill import settings as settings_of
from drill.cluster import Cluster, Permission
from drill.errors import DrillError
from drill.object_store import ObjectStore
from drill.settings import Settings
from drill.velero import Velero

READ = ("backups", "restores", "podvolumebackups", "podvolumerestores", "backupstoragelocations")


@dataclass(frozen=True)
class Site:
    """A selected context's Velero."""

    settings: Settings
    cluster: Cluster
    velero: Velero
    run: str
    """Of the drill: a part of the names of all that it makes."""

    @property
    def context(self) -> str:
        """The context's name."""
        return str(self.settings.context)

    def permissions(self, *created: str) -> tuple[Permission, ...]:
        """What reading backups and their results takes, and making resources of Velero."""
        where = self.velero.namespace
        return (
            *velero.permissions(where, *READ, verbs=("list", "get")),
            *velero.permissions(where, *created, verbs=("create",)),
            *object_store.permissions(self.settings.object_store),
        )

    def stored(self, location: str | None, key: str) -> Any:
        """The JSON of an object in a location's bucket, decompressed; None: it can't be had (`why` says it).

        Raises:
            DrillError: the bucket or the object can't be read, or it is no such JSON.
        """
        place = self.velero.location(location or "default")
        path = "/".join(filter(None, (place.prefix, key)))
        content = ObjectStore.connect(self.settings, self.cluster).read(path, place.bucket)
        try:
            return json.loads(gzip.decompress(content))
        except (OSError, EOFError, ValueError) as error:
            raise DrillError(f"{place.bucket}/{path} can't be read: {error}") from error


def of(settings: Settings, cluster: Cluster) -> Site:
    """The site of a context; sends nothing yet."""
    return Site(settings, cluster, Velero.connect(settings, cluster), rollback.run_id())


def again(context: str, run: str) -> Site:
    """The site of a drill that began before, for its undo: in another process perhaps; sends nothing yet."""
    settings = settings_of.load(context=context)
    cluster = Cluster.connect(settings)
    return Site(settings, cluster, Velero.connect(settings, cluster), run)


def keep(name: str, content: dict[str, Any]) -> None:
    """Keep a piece of evidence of the restore, if this is a run."""
    if (run := record.current()) is not None:
        run.write_evidence(f"restore-{name}", content)
