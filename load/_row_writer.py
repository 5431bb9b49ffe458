"""One client of PostgreSQL's pool, which commits accounted rows and knows what it was promised of each."""

import select
from typing import Any

import psycopg

from drill.ledger import LedgerHeader
from load import _rows
from load._bounded import Session
from load._open_loop import Answer, Fate


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
        self._session: Session | None = None

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

    def _open(self) -> Session:
        """The session, or a new one where it has ended meanwhile: an idle one has nothing to say but that."""
        if self._session is not None and (
            self._session.closed or select.select([self._session.pgconn.socket], [], [], 0)[0]
        ):
            self.close()
        if self._session is None:
            # The pool may give each transaction another session of the server's: nothing may be prepared.
            self._session = Session.connect(self._connection, prepare_threshold=None)
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


def _reason(error: psycopg.Error) -> str:
    """An error in few words that many share: its first line, which says what, and not where and what to do."""
    said = error.diag.message_primary or next(iter(str(error).strip().splitlines()), "no reason given")
    return f"{error.sqlstate or type(error).__name__.strip('_')}: {said}"
