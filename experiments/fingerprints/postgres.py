"""The fingerprint of a PostgreSQL server: every row counted and summed in the server itself, read only.

**What a checksum is.** The text of each row is hashed by hashtextextended under two seeds, and each 64-bit hash is
summed over the rows without wrapping: the order of rows does not matter, but a row that is there twice counts twice.
Two tables that differ have the same checksum only when both sums agree by chance, with odds of about one in 2^128 for
differences that nobody made on purpose. The hash is no cryptographic one: who wants to can construct rows that collide.
PostgreSQL keeps this hash the same between versions (hash partitions rest on it), but not between byte orders, and a
new major version may write a value as another text: see `recovery.fingerprints` for what is made of that.

A row's text tells null from the empty string, and is the same whatever the client's settings are, as they are fixed
here. Each database is read in one repeatable-read transaction, so its tables are of one instant; two databases are not,
and sequences stand outside of transactions altogether.
"""

import fnmatch
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from drill import clock, postgres
from drill.fingerprints import Database, PostgresFingerprint, PostgresSelection, Sequence, Table
from drill.postgres import PostgresUnreachableError
from experiments.fingerprints import _catalogue, all_there

PATIENCE = 3600.0
"""Seconds that one table may take."""
_LARGE_OBJECTS = "pg_catalog.pg_largeobject"

_STILL = (
    "begin isolation level repeatable read read only",
    "set local search_path = ''",
    "set local row_security = off",  # a policy that would hide rows is an error then
    "set local lock_timeout = '30s'",
    "set local timezone = 'UTC'",
    "set local datestyle = 'ISO, YMD'",
    "set local intervalstyle = 'iso_8601'",
    "set local extra_float_digits = 3",
    "set local bytea_output = 'hex'",
    "set local lc_monetary = 'C'",
)
# The offset keeps the planner from writing each row's text twice.
_SUM = """
select count(*),
       coalesce(sum(hashtextextended(row_text, 0)), 0) || ':' || coalesce(sum(hashtextextended(row_text, 1)), 0)
from (select (one.*)::text collate "C" as row_text from only {} one offset 0) rows
"""


def capture(
    conninfo: str,
    selection: PostgresSelection | None = None,
    *,
    context: str | None = None,
    patience: float = PATIENCE,
    named: bool = False,
) -> PostgresFingerprint:
    """Read the server as it is now.

    Args:
        conninfo: Of the server itself, of a role that may read everything; see `drill.postgres.conninfo`.
        selection: What to look at; by default all databases. To compare, take that of the other fingerprint.
        context: Of the settings, for the reader.
        patience: Seconds after which a table that has not been read is given up.
        named: Whether all that the selection names must be there; when a restore is held to another fingerprint, what
            is missing is a finding.

    Raises:
        PostgresUnreachableError: nobody let us in, or the session was ended.
        UsageError: no such database (`named`).
    """
    chosen, started = selection or PostgresSelection(), clock.now()
    with _anywhere(conninfo, patience) as session:
        version = str(session.execute("show server_version").fetchall()[0][0]).split()[0]
        roles: dict[str, str] = dict(session.execute(_catalogue.ROLES).fetchall())
        there: dict[str, str] = dict(session.execute(_catalogue.DATABASES).fetchall())
    if named:
        all_there("database", chosen.databases, there)
    wanted = there if chosen.databases is None else [name for name in there if name in chosen.databases]
    databases = {}
    for name in wanted:
        with _session(make_conninfo(conninfo, dbname=name), patience) as session:
            databases[name] = _database(session, name, there[name], chosen.exclude)
    return PostgresFingerprint(
        context=context,
        started=started,
        finished=clock.now(),
        selection=chosen,
        version=version,
        roles=roles,
        databases=databases,
    )


@contextmanager
def _anywhere(conninfo: str, patience: float) -> Iterator[psycopg.Connection]:
    """A session in whichever database is there: the one that clients name may be just the one that was lost."""
    maintenance = make_conninfo(conninfo, dbname="postgres")
    with ExitStack() as stack:
        try:
            session = stack.enter_context(_session(conninfo, patience))
        except PostgresUnreachableError:
            session = stack.enter_context(_session(maintenance, patience))
        yield session


def _session(conninfo: str, patience: float) -> AbstractContextManager[psycopg.Connection]:
    # A server that has gone is noticed within a minute or two, however long a table takes.
    alive = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3, "tcp_user_timeout": 60_000}
    return postgres.connected(make_conninfo(conninfo, **alive), patience)


def _database(session: psycopg.Connection, name: str, definition: str, exclude: Iterable[str]) -> Database:
    for statement in _STILL:
        session.execute(statement)
    defined = _catalogue.of_tables(session)
    tables: dict[str, Table] = {}
    excluded = []
    for oid, schema, relation, kind in session.execute(_catalogue.RELATIONS).fetchall():
        table = Table(kind=kind, definition=defined.get(oid, {}))
        label = f"{schema}.{relation}"
        if any(fnmatch.fnmatchcase(f"{name}.{label}", pattern) for pattern in exclude):
            excluded.append(label)
        elif table.holds_rows:
            table = _read(session, sql.Identifier(schema, relation), table)
        tables[label] = table
    large = _read(session, sql.Identifier(*_LARGE_OBJECTS.split(".")), Table(kind="table"))
    if large.rows != 0:  # most databases have none, and then they are no table of it
        tables[_LARGE_OBJECTS] = large
    rest = _catalogue.of_database(session)
    sequences = {
        label: Sequence(last_value=last, increment=increment, cache=cache, definition=text)
        for label, last, increment, cache, text in session.execute(_catalogue.SEQUENCES)
    }
    session.execute("rollback")
    return Database(
        definition={"database": definition, **rest}, tables=tables, sequences=sequences, excluded=tuple(excluded)
    )


def _read(session: psycopg.Connection, relation: sql.Identifier, table: Table) -> Table:
    """The table with its rows counted and summed, or with the reason why they could not be."""
    session.execute("savepoint one")
    try:
        with postgres.using(session):
            ((rows, checksum),) = session.execute(sql.SQL(_SUM).format(relation)).fetchall()
    except psycopg.DatabaseError as error:  # no permission, locked, a value too large for a text: of this table alone
        session.execute("rollback to savepoint one")
        return table.model_copy(update={"problem": " ".join(str(error).split())})
    session.execute("release savepoint one")
    return table.model_copy(update={"rows": rows, "checksum": checksum})
