"""Ending what a fault holds, by its name, from wherever: the undos, and the proof that clients are served again."""

import secrets

import psycopg
from psycopg import sql

from drill import postgres
from drill.rollback import NotRestoredError
from experiments._fault import Proof
from experiments._watch import GivenUpError, NotSeenError, await_seen
from experiments.postgres import _holding
from experiments.postgres._site import Site, held, site

_WITHIN = 30.0
"""Seconds for each step of an undo: a superuser's slot may be taken for a moment, a backend may be slow to leave."""


def end_sessions(context: str, name: str) -> Proof:
    """Undo of an exhaustion: end the sessions, see a client let in that is no superuser, drop the temporary role.

    Raises:
        NotRestoredError: sessions are left, or the client was not let in.
    """
    here = _stop(context, name)
    role = _holding.role_of(name)
    try:
        ended = await_seen(lambda: _ended(here, name, role), _WITHIN)
        client = await_seen(lambda: _let_in(here, role), _WITHIN)
        await_seen(lambda: _dropped(here, name, role), _WITHIN)
    except GivenUpError as error:
        raise NotRestoredError(f"{name}: {error}") from error
    return {**ended, "client": client}


def release_table(context: str, name: str, database: str, table: str) -> Proof:
    """Undo of a lock: end the session that holds it, and see another client read the table.

    Raises:
        NotRestoredError: the session is left, or the table can't be read.
    """
    here = _stop(context, name)
    try:
        ended = await_seen(lambda: _ended(here, name), _WITHIN)
        await_seen(lambda: _readable(here, database, table), _WITHIN)
    except GivenUpError as error:
        raise NotRestoredError(f"{name}: {error}") from error
    return {**ended, "table_readable": table}


def free_pool(context: str, name: str, database: str) -> Proof:
    """Undo of a pool's exhaustion: end its sessions in the server, and see a client served through the pool.

    Raises:
        NotRestoredError: sessions are left, or the pool does not answer.
    """
    here = _stop(context, name)
    pooled = here.conninfo(pooled=True, dbname=database)
    try:
        # What waits in the pool's queue gets a session as soon as one is ended, so the pool has to answer first.
        await_seen(lambda: _ended(here, name), _WITHIN)
        await_seen(lambda: postgres.ensure_answers(pooled, within=5), _WITHIN)
        ended = await_seen(lambda: _ended(here, name), _WITHIN)
    except GivenUpError as error:
        raise NotRestoredError(f"{name}: {error}") from error
    return {**ended, "pool_answers": True}


def read(conninfo: str, table: str, lock_timeout: int) -> None:
    """Look into a table as any client would, waiting for locks so many ms at most.

    Raises:
        psycopg.errors.LockNotAvailable: it waited for longer.
    """
    with postgres.connected(conninfo) as client:
        client.execute(sql.SQL("set lock_timeout = {}").format(sql.Literal(lock_timeout)))
        client.execute(sql.SQL("select from {} limit 1").format(identifier(table)))


def identifier(table: str) -> sql.Identifier:
    """A table's name, `schema.table` or `table`, quoted."""
    return sql.Identifier(*table.split("."))


def _stop(context: str, name: str) -> Site:
    """End the process first if it is ours, so that a slot is free for us and nothing is opened anew."""
    _holding.ensure_ours(name)
    _holding.stop(name)
    return site(context)


def _ended(here: Site, name: str, role: str | None = None) -> Proof:
    with postgres.connected(here.server) as control:
        if role is not None and _exists(control, role):
            control.execute(sql.SQL("alter role {} nologin").format(sql.Identifier(role)))
        control.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name = %s or usename = %s",
            [name, role],
        )
        if left := held(control, name):
            raise NotSeenError(f"{sum(left.values())} sessions of {name} are left")
        return {"sessions_left": 0, **postgres.sessions(control).as_dict()}


def _let_in(here: Site, role: str) -> str:
    """Connect and query as the temporary role; as ourselves, where an earlier undo has dropped it already."""
    password = secrets.token_hex(16)
    with postgres.connected(here.server) as control:
        if not _exists(control, role):
            postgres.ensure_answers(here.server, within=5)
            return "superuser"
        set_password(control, role, password, "alter")
    client = here.conninfo(user=role, password=password, dbname=here.target.database)
    try:
        postgres.ensure_answers(client, within=5)
    finally:
        with postgres.connected(here.server) as control:
            control.execute(sql.SQL("alter role {} nologin").format(sql.Identifier(role)))
    return role


def set_password(control: psycopg.Connection, role: str, password: str, verb: str) -> None:
    """Create or alter a login role; the password goes as its hash, so that no log of statements shows it."""
    hashed = control.pgconn.encrypt_password(password.encode(), role.encode())
    statement = sql.SQL("{} role {} login password {}").format(
        sql.SQL(verb), sql.Identifier(role), sql.Literal(hashed.decode())
    )
    control.execute(statement)


def _dropped(here: Site, name: str, role: str) -> None:
    with postgres.connected(here.server) as control:
        if _exists(control, role):
            control.execute(sql.SQL("drop owned by {}").format(sql.Identifier(role)))
            control.execute(sql.SQL("drop role {}").format(sql.Identifier(role)))
        if left := held(control, name):  # one that was on its way in when the role lost its login
            control.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where application_name = %s", [name]
            )
            raise NotSeenError(f"{sum(left.values())} sessions of {name} are left")


def _exists(control: psycopg.Connection, role: str) -> bool:
    return control.execute("select from pg_roles where rolname = %s", [role]).rowcount > 0


def _readable(here: Site, database: str, table: str) -> None:
    try:
        read(here.conninfo(dbname=database), table, lock_timeout=2000)
    except psycopg.errors.LockNotAvailable as error:
        raise NotSeenError(f"{table} is still locked: {error}") from error
