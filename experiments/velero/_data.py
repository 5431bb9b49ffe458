"""The data of a restore: what it is held to, and what is found of it, both kept as evidence."""

from collections.abc import Callable, Sequence
from typing import Any

from drill import postgres
from drill.errors import DrillError
from drill.fingerprints import PostgresFingerprint, document
from drill.markers import Marker
from drill.settings import Settings
from experiments.fingerprints import markers
from experiments.fingerprints.postgres import capture
from experiments.runbooks._phases import Evidence, StepFailedError
from experiments.velero._site import keep

Connect = Callable[..., str]
"""A connection string of the server, of a database where `dbname` is given."""


def original(settings: Settings) -> Connect:
    """The context's own server."""
    return lambda **more: postgres.conninfo(settings, **more)


def forget(connect: Connect, run: str) -> int:
    """Take the markers of a run out of every database; returns how many there were."""
    return sum(markers.remove(connect(dbname=each), run) for each in capture(connect()).databases)


class Reference:
    """What a restore is held to: fingerprints from right before and right after the backup, markers, mutations."""

    def __init__(self, connect: Connect, run: str, changing: Sequence[str]) -> None:
        self._connect, self._run, self._changing = connect, run, changing
        self.before: PostgresFingerprint | None = None
        self._after: PostgresFingerprint | None = None
        self._markers: dict[str, dict[str, Marker]] = {}
        self._mutations: dict[str, dict[str, Marker]] = {}

    def take(self) -> Evidence:
        """The fingerprint before the backup."""
        self.before = capture(self._connect())
        self._keep()
        return summary(self.before)

    def take_again(self) -> Evidence:
        """The fingerprint after the backup: what is the same in both stood still while it was made."""
        self._after = capture(self._connect())
        self._keep()
        return summary(self._after)

    def mark(self) -> Evidence:
        """Write markers into every database."""
        for database in capture(self._connect()).databases:
            written = markers.write(self._connect(dbname=database), self._run, "before-backup")
            self._markers[database] = {each.id: each for each in written}
        return {"markers": sum(map(len, self._markers.values())), "databases": sorted(self._markers)}

    def mutate(self) -> Evidence:
        """After the backup: write more, and overwrite one of the markers of before, in every database."""
        for database, written in self._markers.items():
            conninfo = self._connect(dbname=database)
            added = markers.write(conninfo, self._run, "after-backup")
            self._mutations[database] = {each.id: each for each in added}
            markers.overwrite(conninfo, next(iter(written.values())))
        self._keep()
        return {"mutations": sum(map(len, self._mutations.values())), "overwritten": len(self._markers)}

    def prove(self, connect: Connect) -> Evidence:
        """Read what was restored and hold the least against it: every database is there, with its markers.

        The judgement of it, table by table, is made of the evidence.

        Raises:
            StepFailedError: a database is not there or can't be read, or a marker of before is not as it was written.
        """
        if self.before is None:
            raise StepFailedError("nothing was captured that the restore could be held to", {})
        seen = capture(connect(), self.before.selection)
        unread: dict[str, str] = {}
        found: dict[str, dict[str, str]] = {}
        others: dict[str, dict[str, str]] = {}
        for database in self._markers:
            try:
                there = markers.read(connect(dbname=database), self._run)
            except DrillError as error:
                unread[database] = str(error)
                continue
            # By what their content is now, whatever the row says of itself.
            found[database] = {each.id: each.payload_digest for each in there if each.phase == "before-backup"}
            others[database] = {each.id: each.payload_digest for each in there if each.phase == "after-backup"}
        evidence = {"fingerprint": document(seen), "markers": found, "mutations": others, "unread": unread}
        keep("found", evidence)
        said = summary(seen)
        if lacking := [name for name in self.before.databases if name not in seen.databases]:
            raise StepFailedError(f"database {lacking[0]} is not there", said)
        for database, written in self._markers.items():
            if found.get(database) != _digests(written):
                raise StepFailedError(f"the markers in {database} are not those that were written", said)
        return {**said, "markers": sum(map(len, found.values()))}

    def _keep(self) -> None:
        keep(
            "reference",
            {
                "before": None if self.before is None else document(self.before),
                "after": None if self._after is None else document(self._after),
                "changing": list(self._changing),
                "markers": {name: _digests(each) for name, each in self._markers.items()},
                "mutations": {name: _digests(each) for name, each in self._mutations.items()},
            },
        )


def _digests(written: dict[str, Marker]) -> dict[str, str]:
    return {name: each.digest for name, each in written.items()}


def summary(found: PostgresFingerprint) -> dict[str, Any]:
    """A fingerprint in a few numbers."""
    tables = [table for each in found.databases.values() for table in each.tables.values()]
    return {
        "databases": sorted(found.databases),
        "tables": len(tables),
        "rows": sum(table.rows or 0 for table in tables),
    }
