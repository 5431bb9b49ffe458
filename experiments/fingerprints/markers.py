"""Markers in a PostgreSQL database: written before and after a backup, read after the restore.

They live in `drill.drill_markers`, a schema of their own. A caller that is a drill has asked first whether it may write
there; nothing here does.
"""

import hashlib
import secrets
import uuid

import psycopg

from drill import postgres
from drill.markers import FoundMarker, Marker, Phase

_SCHEMA = """
create schema if not exists drill;
create table if not exists drill.drill_markers (
    id uuid primary key,
    run text not null,
    phase text not null check (phase in ('before-backup', 'after-backup')),
    at timestamptz not null default clock_timestamp(),
    payload text not null,
    digest text not null
);
"""
_BYTES = 256
"""Of a payload; random, so that no marker is like another."""


def write(conninfo: str, run: str, phase: Phase, count: int = 10) -> tuple[Marker, ...]:
    """Write so many markers in one transaction, and make their table if need be.

    Args:
        conninfo: Of a role that may create a schema, with `dbname`.
        run: The drill they belong to.
        phase: Before or after the backup.
        count: How many.

    Raises:
        PostgresUnreachableError: not let in, or the session was ended.
    """
    with postgres.connected(conninfo) as session:
        session.execute(_SCHEMA)
        with session.transaction():
            return tuple(_insert(session, run, phase) for _ in range(count))


def overwrite(conninfo: str, marker: Marker) -> Marker:
    """Change a marker's payload in place, after the backup: a restore has to bring back the one that it had.

    Raises:
        LookupError: it is not there.
        PostgresUnreachableError: not let in, or the session was ended.
    """
    payload, digest = _payload()
    with postgres.connected(conninfo) as session:
        query = "update drill.drill_markers set payload = %s, digest = %s where id = %s"
        if session.execute(query, [payload, digest, marker.id]).rowcount != 1:
            raise LookupError(f"marker {marker.id} is not there")
    return marker.model_copy(update={"digest": digest})


def read(conninfo: str, run: str) -> tuple[FoundMarker, ...]:
    """The markers of a drill that are there, each with the digest of the payload that was read.

    Raises:
        PostgresUnreachableError: not let in, or the session was ended.
    """
    query = """
        select id::text, run, phase, extract(epoch from at)::float8, digest,
               encode(sha256(convert_to(payload, 'UTF8')), 'hex')
        from drill.drill_markers where run = %s order by at, id
    """
    with postgres.connected(conninfo) as session:
        if not _is_there(session):
            return ()
        return tuple(
            FoundMarker(id=id_, run=of, phase=phase, at=at, digest=digest, payload_digest=seen)
            for id_, of, phase, at, digest, seen in session.execute(query, [run])
        )


def remove(conninfo: str, run: str) -> int:
    """Delete the markers of a drill, and their schema when it holds none of another; returns how many there were.

    Raises:
        PostgresUnreachableError: not let in, or the session was ended.
    """
    with postgres.connected(conninfo) as session, session.transaction():
        if not _is_there(session):
            return 0
        session.execute("lock table drill.drill_markers in access exclusive mode")  # no other drill writes meanwhile
        removed = session.execute("delete from drill.drill_markers where run = %s", [run]).rowcount
        if not session.execute("select from drill.drill_markers limit 1").fetchall():
            session.execute("drop table drill.drill_markers")
            others = "select from pg_class where relnamespace = 'drill'::regnamespace limit 1"
            if not session.execute(others).fetchall():
                session.execute("drop schema drill")
        return removed


def _insert(session: psycopg.Connection, run: str, phase: Phase) -> Marker:
    payload, digest = _payload()
    marker = str(uuid.uuid4())
    query = """
        insert into drill.drill_markers (id, run, phase, payload, digest) values (%s, %s, %s, %s, %s)
        returning extract(epoch from at)::float8
    """
    ((at,),) = session.execute(query, [marker, run, phase, payload, digest]).fetchall()
    return Marker(id=marker, run=run, phase=phase, at=at, digest=digest)


def _payload() -> tuple[str, str]:
    payload = secrets.token_hex(_BYTES // 2)
    return payload, hashlib.sha256(payload.encode()).hexdigest()


def _is_there(session: psycopg.Connection) -> bool:
    ((found,),) = session.execute("select to_regclass('drill.drill_markers') is not null").fetchall()
    return bool(found)
