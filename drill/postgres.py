"""What the rest of the house asks of a PostgreSQL server: how to reach it, its sessions and its limits, read only."""

import select
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.abc import PQGen
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from drill.cluster import Cluster
from drill.errors import DrillError, UsageError
from drill.settings import Settings

_TIMEOUT = 5
"""Seconds after which a server that does not let us in is given up."""

_PATIENCE = 30.0
"""Seconds after which a server that does not answer is given up."""

_LIMITS = """
select current_setting('max_connections')::int,
       current_setting('superuser_reserved_connections')::int
       + coalesce(current_setting('reserved_connections', true), '0')::int
"""
_BY_STATE = """
select coalesce(state, 'unknown'), count(*) from pg_stat_activity where backend_type = 'client backend' group by 1
"""


class PostgresUnreachableError(DrillError):
    """The server, or the pool before it, did not let us in or went away; the message is the client's own."""


@dataclass(frozen=True)
class Sessions:
    """The clients' sessions of a server, and how many there may be."""

    by_state: dict[str, int]
    """How many by their state, as pg_stat_activity words it; our own is one of them."""
    max_connections: int
    reserved: int
    """Of these, kept free for superusers (and, since PostgreSQL 16, for pg_use_reserved_connections)."""

    @property
    def used(self) -> int:
        """How many there are."""
        return sum(self.by_state.values())

    @property
    def usable(self) -> int:
        """How many there may be for clients that are no superusers."""
        return self.max_connections - self.reserved

    @property
    def share(self) -> float:
        """The share of max_connections that is taken."""
        return self.used / self.max_connections

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON types, for events and evidence."""
        return {
            "used": self.used,
            "max_connections": self.max_connections,
            "reserved": self.reserved,
            "by_state": self.by_state,
        }


def conninfo(settings: Settings, *, pooled: bool = False, **more: Any) -> str:
    """The libpq connection string of the selected context's PostgreSQL, its password included: never to be shown.

    Args:
        settings: Which context.
        pooled: Through the clients' pool, not to the server itself.
        more: Parameters that replace or complete those of the settings, such as `dbname`.

    Raises:
        UsageError: the context declares no PostgreSQL, or no pool.
        ClusterError: the Secret that holds the password can't be read.
    """
    target = settings.postgres
    dsn = target.pooler if pooled else target.dsn
    if dsn is None:
        raise UsageError(f"context {settings.context!r} declares no pool: add `pooler` to its postgres table")
    wanted = {name: value for name, value in more.items() if value is not None}
    if target.password is not None:
        where = target.password.namespace or target.namespace
        secret = Cluster.connect(settings).secret(where, target.password.name, target.password.key)
        wanted.setdefault("password", secret)
    return make_conninfo(
        "", **{"connect_timeout": _TIMEOUT, "application_name": "drill", **conninfo_to_dict(dsn), **wanted}
    )


class _Session(psycopg.Connection[Any]):
    """A connection that waits for no answer for ever: a server that is stopped answers neither yes nor no."""

    patience = _PATIENCE

    def wait(self, gen: PQGen[Any], interval: float = 0.1, timeout: float | None = None) -> Any:
        """As psycopg's, with a bound, after which the session is given up."""
        try:
            return super().wait(gen, interval=interval, timeout=self.patience if timeout is None else timeout)
        except psycopg.OperationalError:
            if self.pgconn.transaction_status == psycopg.pq.TransactionStatus.ACTIVE:  # still no answer
                self.close()
            raise


@contextmanager
def connected(conninfo: str, patience: float = _PATIENCE) -> Iterator[psycopg.Connection]:
    """A session in autocommit, closed afterwards; a server that does not answer for `patience` seconds is given up.

    Raises:
        PostgresUnreachableError: nobody let us in, or the session was ended from the other side.
    """
    connection = connect(conninfo, patience)
    try:
        with using(connection):
            yield connection
    finally:
        connection.close()


def connect(conninfo: str, patience: float = _PATIENCE) -> psycopg.Connection:
    """A session in autocommit, to be closed by the caller.

    Raises:
        PostgresUnreachableError: nobody let us in.
    """
    try:
        session = _Session.connect(conninfo, autocommit=True)
    except psycopg.OperationalError as error:
        raise PostgresUnreachableError(_one_line(error)) from error
    session.patience = patience
    return session


@contextmanager
def using(connection: psycopg.Connection) -> Iterator[None]:
    """Tell a session that is gone from a statement that failed (by a lock_timeout, say): that is the caller's business.

    Raises:
        PostgresUnreachableError: the session was ended from the other side.
    """
    try:
        yield
    except psycopg.OperationalError as error:
        if not connection.broken and not connection.closed:
            raise
        raise PostgresUnreachableError(_one_line(error)) from error


def identity(conninfo: str) -> str:
    """What tells a server's data from that of any other: initdb made it, and every copy of the files has it.

    Source: PostgreSQL's pg_control_system(), `system_identifier`.

    Raises:
        PostgresUnreachableError: nobody let us in.
    """
    with connected(conninfo) as connection:
        ((found,),) = connection.execute("select system_identifier from pg_control_system()").fetchall()
    return str(found)


def sessions(connection: psycopg.Connection) -> Sessions:
    """The sessions and the limits of the server at the other end."""
    ((most, reserved),) = connection.execute(_LIMITS).fetchall()
    return Sessions(dict(connection.execute(_BY_STATE).fetchall()), most, reserved)


def ensure_answers(conninfo: str, within: float) -> None:
    """Connect as any client does, and have one query answered within so many seconds, all in all.

    The bound is the client's own, so that it holds where nobody is there to obey a statement_timeout: in the queue of
    a pool, say.

    Raises:
        PostgresUnreachableError: refused, ended, or not in time.
    """
    deadline = time.monotonic() + within
    with connected(make_conninfo(conninfo, connect_timeout=max(2, round(within)))) as connection:
        link = connection.pgconn
        link.send_query(b"select 1")
        while link.is_busy():
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([link.socket], [], [], left)[0]:
                raise PostgresUnreachableError(f"connected, and no answer to a query in {within:g} s")
            link.consume_input()
        answer = link.get_result()
        if answer is None or answer.status != psycopg.pq.ExecStatus.TUPLES_OK:
            raise PostgresUnreachableError(answer.error_message.decode() if answer else "no answer to a query")


def _one_line(error: psycopg.Error) -> str:
    return " ".join(str(error).split())
