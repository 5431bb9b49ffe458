"""The data itself: markers from before the backup, mutations from after it, and every table by rows and checksum."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatchcase
from typing import Any, Literal

from drill.fingerprints import Database, PostgresFingerprint, Table
from drill.markers import TABLE
from recovery._check import Finding, check, counted, failed, passed, unsure
from recovery._run import Run
from recovery.restores._evidence import held, of, piece, sides, told

State = Literal["same", "lost", "changing", "doubtful"]
_OLDER = ", and may have been so at the backup, which is older than what it is held against"
_MARKED = "evidence/restore-reference.json", "evidence/restore-found.json"


@dataclass(frozen=True)
class Row:
    """What is known of one table after the restore."""

    table: str
    """`database.schema.table`."""
    state: State
    """same: rows, checksum and definition as at the backup. lost: known not to be. changing: it moved while the backup
    was made, as it was declared to do, so that nobody can tell. doubtful: it moved and was not declared to, or the
    backup is older than all that is known of it."""
    rows: int | None
    was: int | None
    """Rows at the backup."""
    why: str | None = None


_postgres = of("postgres")


def _marked(run: Run) -> bool:
    """Whether the drill writes markers: a restore into a scratch namespace writes nothing into its source."""
    return _postgres(run) and not (run.record.scenario.get("target") or {}).get("scratch")


@check(*_MARKED, target=lambda o: "every marker, unchanged" if held(o) else None, applies=_marked)
def markers_kept(run: Run) -> Finding:
    """Each marker that was written before the backup is there, and its content is what was written."""
    written, found = (told(piece(run, name), "markers", name) for name in ("reference", "found"))
    if not any(written.values()):
        return unsure("No marker was written before the backup.", "0 markers")
    number = sum(map(len, written.values()))
    for database, markers in written.items():
        there = found.get(database)
        if there is None:
            return failed(f"The markers of database {database} can't be read: {_why(run, database)}.")
        if gone := [each for each in markers if each not in there]:
            reason = f"{len(gone)} of {counted(len(markers), 'marker')} in {database} are gone."
            return failed(reason, f"{number - len(gone)} of {number} markers", gone=gone)
        if other := [each for each in markers if there[each] != markers[each]]:
            return failed(f"Marker {other[0]} in {database} is not what was written.", changed=other)
        if more := sorted(there.keys() - markers.keys()):
            return failed(f"Marker {more[0]} in {database} was never written.", strange=more)
    return passed("Each marker from before the backup is there as it was written.", f"{number} of {number} markers")


@check(*_MARKED, target=lambda o: "nothing from after the backup" if held(o) else None, applies=_marked)
def mutations_gone(run: Run) -> Finding:
    """What was written after the backup is not there: what is there came from the backup and from nowhere else."""
    written, found = (told(piece(run, name), "mutations", name) for name in ("reference", "found"))
    number = sum(map(len, written.values()))
    if not number:
        return unsure("Nothing was written after the backup, so that its absence shows nothing.")
    if unread := [database for database in written if database not in found]:
        return unsure(f"Database {unread[0]} could not be asked for what was written after the backup.")
    stayed = [f"{each} in {database}" for database in written for each in written[database] if each in found[database]]
    if stayed:
        reason = f"{stayed[0]} was written after the backup and is there: the data is not that of the backup."
        return failed(reason, f"{len(stayed)} of {number} there", stayed=stayed)
    return passed("Nothing that was written after the backup is there.", f"0 of {number} there")


@check(*_MARKED, target=lambda o: "rows and checksum of every table" if held(o) else None, applies=_postgres)
def tables_as_backed_up(run: Run) -> Finding:
    """Each table of each database can be read, and its rows, their checksum and its definition are the backup's.

    The reference was taken right before the backup and again right after it. A table that stood still meanwhile must
    be the same to the byte. One that did not can't be held to either; where nobody declared that it always changes,
    that is inconclusive. So is each difference where the backup is older than the drill and the original of now is
    all that it can be held against: what is missing may have been made since, what is too much dropped since.
    """
    reference = piece(run, "reference")
    before, after, found = sides(run)
    if absent := [name for name in before.databases if name not in found.databases]:
        there = f"{len(found.databases)} databases"
        if after is None:
            return unsure(f"Database {absent[0]} is not there{_OLDER}.", there, absent=absent)
        return failed(f"Database {absent[0]} is not there.", there, absent=absent)
    rows = [
        row
        for name, database in before.databases.items()
        for row in _rows(
            name, database, None if after is None else after.databases.get(name), found.databases[name], reference
        )
    ]
    of = {state: [row for row in rows if row.state == state] for state in ("same", "lost", "changing", "doubtful")}
    actual = f"{len(of['same'])} of {counted(len(rows), 'table')} proven the same"
    details = {"tables": [asdict(row) for row in rows], "excluded": list(_excluded(before))}
    if lost := of["lost"]:
        return failed(f"{lost[0].table}: {lost[0].why}.", actual, **details)
    if doubtful := of["doubtful"]:
        return unsure(f"{doubtful[0].table}: {doubtful[0].why}.", actual, **details)
    if bare := _bare(before, of["same"]):
        return unsure(f"Of database {bare[0]} no table could be held against the backup.", actual, bare=bare, **details)
    total = sum(row.rows or 0 for row in of["same"])
    reason = f"{counted(total, 'row')} in {counted(len(of['same']), 'table')} are as they were backed up"
    moved = counted(len(of["changing"]), "table")
    aside = f"; {moved} of those that always change could not be held to it" if of["changing"] else ""
    return passed(f"{reason}{aside}.", actual, **details)


def _bare(before: PostgresFingerprint, same: list[Row]) -> list[str]:
    """The databases that held rows, of which no table with any is proven; what the drill wrote itself proves nothing.

    Where no database held any, each of them: an empty server can't be told from one that began anew.
    """
    proven = {row.table for row in same if row.was}
    held = {name: _own(name, database) for name, database in before.databases.items()}
    full = {name: tables for name, tables in held.items() if tables}
    return [name for name, tables in full.items() if not tables & proven] if full else list(held)


def _own(name: str, database: Database) -> set[str]:
    """The tables that held rows, but for the drill's."""
    return {
        f"{name}.{key}"
        for key, table in database.tables.items()
        if table.rows and key not in database.excluded and key != TABLE
    }


def _rows(
    name: str, before: Database, after: Database | None, found: Database, reference: dict[str, Any]
) -> Iterator[Row]:
    for row in _held(name, before, after, found, reference):
        now = found.tables.get(row.table.removeprefix(f"{name}."))
        if row.state == "lost" and after is None and now is None and _changes(row.table, reference):
            yield replace(row, state="changing", why="it always changes, and may be younger than the backup")
        elif row.state == "lost" and after is None and (now is None or now.problem is None):
            yield replace(row, state="doubtful", why=f"{row.why}{_OLDER}")
        else:
            yield row


def _held(
    name: str, before: Database, after: Database | None, found: Database, reference: dict[str, Any]
) -> Iterator[Row]:
    """Each table as if nothing had changed since the reference was taken."""
    for key, was in before.tables.items():
        table = f"{name}.{key}"
        if not was.holds_rows or key in before.excluded:
            continue
        then = None if after is None else after.tables.get(key)
        yield _row(table, was, then, found.tables.get(key), _changes(table, reference))
    for key in found.tables.keys() - before.tables.keys() - (set() if after is None else after.tables.keys()):
        yield Row(f"{name}.{key}", "lost", found.tables[key].rows, None, "it is not of the backup")
    for key in before.sequences.keys() - found.sequences.keys():
        yield Row(f"{name}.{key}", "lost", None, None, "the sequence is not there")


def _row(  # noqa: PLR0911 - one return a case
    table: str, was: Table, then: Table | None, now: Table | None, changes: bool
) -> Row:
    if now is None:
        return Row(table, "lost", None, was.rows, "it is not there")
    if now.problem is not None or now.checksum is None:
        return Row(table, "lost", None, was.rows, f"it can't be read: {now.problem or 'no checksum was taken'}")
    if was.checksum is None:
        return Row(table, "doubtful", now.rows, None, f"it could not be read before the backup: {was.problem}")
    if now.definition != was.definition:
        return Row(table, "lost", now.rows, was.rows, "its definition is another")
    if _same(now, was) or (then is not None and _same(now, then)):
        return Row(table, "same", now.rows, was.rows)
    if then is not None and _same(was, then):
        if now.rows != was.rows:
            return Row(table, "lost", now.rows, was.rows, f"{now.rows:,} of {was.rows or 0:,} rows are there")
        return Row(table, "lost", now.rows, was.rows, f"its {was.rows:,} rows are not those of the backup")
    if changes and then is not None and was.rows and then.rows and not now.rows:
        return Row(
            table, "doubtful", now.rows, was.rows, f"it always changes, and of its {was.rows:,} rows none is there"
        )
    if changes:
        return Row(table, "changing", now.rows, was.rows, "it changed while the backup was made, as it always does")
    changed = f"its rows are others{_OLDER}" if then is None else "it changed while the backup was made"
    return Row(table, "doubtful", now.rows, was.rows, f"{changed}, so that nobody knows what must be in it")


def _same(one: Table, other: Table) -> bool:
    return (one.rows, one.checksum) == (other.rows, other.checksum)


def _changes(table: str, reference: dict[str, Any]) -> bool:
    return any(fnmatchcase(table, pattern) for pattern in reference.get("changing") or ())


def _excluded(fingerprint: PostgresFingerprint) -> Iterator[str]:
    for name, database in fingerprint.databases.items():
        yield from (f"{name}.{table}" for table in database.excluded)


def _why(run: Run, database: str) -> str:
    return str((piece(run, "found").get("unread") or {}).get(database, "it does not say why"))
