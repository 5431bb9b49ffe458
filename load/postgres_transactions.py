"""Transactions into PostgreSQL through its clients' pool, at a rate that no outage slows down; also runs by itself.

    locust -f load/postgres_transactions.py --headless -u 1 -t 20s --rate 50

Each transaction is BEGIN, an INSERT of one accounted row into the table `drill_ledger`, and COMMIT, each answered
before the next is sent; what the server says of the COMMIT is what the client is promised. The table is made where it
is missing, in the database that the context's settings name, and rows that are older than a day are deleted at the
start, so that drills leave no more than a day of rows behind. psycopg cooperates with gevent by itself (since 3.1.14,
says https://github.com/psycopg/psycogreen).
"""

import select
from typing import Any

import psycopg
from psycopg.abc import PQGen

from drill import settings
from drill.errors import DrillError
from drill.ledger import LedgerHeader
from drill.postgres import conninfo
from load import _lifecycle, _rows
from load._open_loop import Answer, Fate
from load._users import PRODUCERS, OpenLoopUser
from load.plan import PostgresPlan

_lifecycle.attend(PostgresPlan)


class NoTableError(DrillError):
    """The table could not be made: the platform was not well before the load began."""


class _Connection(psycopg.Connection[Any]):
    """A connection that waits for no answer longer than the plan's timeout, which the server need not know of."""

    patience = 10.0

    def wait(self, gen: PQGen[Any], interval: float = 0.1, timeout: float | None = None) -> Any:
        """As psycopg's, with a bound."""
        return super().wait(gen, interval=interval, timeout=self.patience if timeout is None else timeout)


class RowWriter:
    """One of the pool's clients: keeps a connection, and opens another where that one has ended.

    Args:
        connection: libpq's connection string.
        header: of the ledger.
        row_bytes: the payload's size.
        timeout: longest wait for each answer, s.
    """

    def __init__(self, connection: str, header: LedgerHeader, row_bytes: int, timeout: float) -> None:
        self._connection = connection
        self._header, self._row_bytes, self._timeout = header, row_bytes, timeout
        self._session: _Connection | None = None

    def send(self, sequence: int, due: float) -> Answer:
        """Commit one row; indeterminate is only what had its COMMIT sent, and was not told how it ended."""
        committing = False
        try:
            session = self._open()
            session.execute(_rows.INSERT, self._row(sequence, due))
            committing = True
            session.commit()
        except psycopg.Error as error:
            return self._judge(error, committing=committing)
        return Answer(Fate.ACKED)

    def close(self) -> None:
        """End the session."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def _row(self, sequence: int, due: float) -> tuple[Any, ...]:
        run, producer, due_ns = self._header.run_id, self._header.producer_id, round(due * 1e9)
        content = _rows.payload(run, sequence, self._row_bytes)
        return run, producer, sequence, due_ns, _rows.checksum(run, producer, sequence, due_ns, content), content

    def _open(self) -> _Connection:
        """The session, or a new one where it has ended meanwhile: an idle one has nothing to say but that."""
        if self._session is not None and (
            self._session.closed or select.select([self._session.pgconn.socket], [], [], 0)[0]
        ):
            self.close()
        if self._session is None:
            # The pool may give each transaction another session of the server's: nothing may be prepared.
            self._session = _Connection.connect(self._connection, prepare_threshold=None)
            self._session.patience = self._timeout
        return self._session

    def _judge(self, error: psycopg.Error, *, committing: bool) -> Answer:
        """What an error leaves open; the session is given up, for what it is in the middle of is not known.

        A COMMIT that was answered with an error was refused, while one whose session ended under it may have been done:
        an administrator's command or a crash ends a session whether or not its last transaction is in the log.
        """
        session, self._session = self._session, None
        answered = session is not None and not session.closed and error.sqlstate is not None
        if session is not None:
            session.close()
        reason = _reason(error)
        if committing and not answered:
            return Answer(Fate.INDETERMINATE, f"no answer to COMMIT: {reason}")
        return Answer(Fate.FAILED, reason)


class PostgresTransactions(OpenLoopUser):
    """The one user of this load: its clients are the connections of a bounded pool."""

    kind = PostgresPlan

    def open_streams(self, plan: PostgresPlan, run_id: str) -> None:
        """Make the table, and open the stream of transactions."""
        chosen = settings.load()
        connection = conninfo(
            chosen,
            pooled=chosen.postgres.pooler is not None,
            dbname=chosen.postgres.database,
            application_name=_rows.application(run_id),
            connect_timeout=max(2, round(plan.timeout)),
        )
        try:
            with _Connection.connect(connection, autocommit=True, prepare_threshold=None) as session:
                session.patience = plan.timeout
                for statement in (_rows.CREATE, _rows.INDEX, _rows.FORGET):
                    session.execute(statement)
        except psycopg.Error as error:
            raise NoTableError(f"table {_rows.TABLE} in database {chosen.postgres.database!r}: {error}") from error
        header = LedgerHeader(
            run_id=run_id,
            producer_id=PRODUCERS[_rows.STREAM],
            system="postgres",
            topic=_rows.STREAM,
            partitions=1,
            noun="transaction",
            record_size=plan.row_bytes,
            producer_settings={
                "connections": plan.connections,
                "pooled": chosen.postgres.pooler is not None,
                "timeout": plan.timeout,
            },
        )
        self.open(
            header,
            plan.rate,
            lambda: RowWriter(connection, header, plan.row_bytes, plan.timeout),
            plan.connections,
            plan.timeout,
        )


def _reason(error: psycopg.Error) -> str:
    """An error in few words that many share: its first line, which says what, and not where and what to do."""
    said = error.diag.message_primary or next(iter(str(error).strip().splitlines()), "no reason given")
    return f"{error.sqlstate or type(error).__name__.strip('_')}: {said}"
