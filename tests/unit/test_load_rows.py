"""A transaction is acked, failed for certain, or unknown: by what was sent, and what was answered."""

from typing import Any

import psycopg
import pytest
from psycopg import errors

from drill.ledger import LedgerHeader
from load import _row_writer, _rows
from load._open_loop import Fate
from load._row_writer import RowWriter

HEADER = LedgerHeader(run_id="r", producer_id=7, system="postgres", topic="postgres", partitions=1)


class _Session:
    """A session that raises what it is told to, where it is told to."""

    def __init__(self, execute: Exception | None, commit: Exception | None, *, ended: bool) -> None:
        self._execute, self._commit, self.closed = execute, commit, False
        self._ended = ended
        self.rows: list[tuple[Any, ...]] = []

    def execute(self, statement: str, row: tuple[Any, ...]) -> None:
        assert statement == _rows.INSERT
        self._raise(self._execute)
        self.rows.append(row)

    def commit(self) -> None:
        self._raise(self._commit)

    def close(self) -> None:
        self.closed = True

    def _raise(self, error: Exception | None) -> None:
        if error is not None:
            self.closed = self._ended
            raise error


def _writer(monkeypatch: pytest.MonkeyPatch, session: _Session | Exception) -> RowWriter:
    def connect(_connection: str, **_: Any) -> _Session:
        if isinstance(session, Exception):
            raise session
        return session

    monkeypatch.setattr(_row_writer.Session, "connect", connect)
    return RowWriter("host=nowhere", HEADER, 64, 1.0)


GONE = psycopg.OperationalError("server closed the connection unexpectedly\n\tThis probably means ...")
SHUTDOWN = errors.AdminShutdown("terminating connection due to administrator command")


@pytest.mark.parametrize(
    ("session", "fate", "reason"),
    [
        (_Session(None, None, ended=False), Fate.ACKED, ""),
        (errors.TooManyConnections("sorry, too many clients already"), Fate.FAILED, "too many clients"),
        (psycopg.errors.ConnectionTimeout("connection timeout expired"), Fate.FAILED, "timeout"),
        (_Session(GONE, None, ended=True), Fate.FAILED, "server closed the connection"),
        (_Session(SHUTDOWN, None, ended=True), Fate.FAILED, "57P01"),
        (_Session(errors.UniqueViolation("duplicate key"), None, ended=False), Fate.FAILED, "23505"),
        (_Session(None, GONE, ended=True), Fate.INDETERMINATE, "no answer to COMMIT"),
        (_Session(None, GONE, ended=False), Fate.INDETERMINATE, "no answer to COMMIT"),
        (_Session(None, SHUTDOWN, ended=True), Fate.INDETERMINATE, "57P01"),
        (_Session(None, errors.SerializationFailure("could not serialize"), ended=False), Fate.FAILED, "40001"),
    ],
)
def test_only_a_commit_without_an_answer_is_unknown(
    monkeypatch: pytest.MonkeyPatch, session: _Session | Exception, fate: Fate, reason: str
) -> None:
    """What failed before it was sent did not take effect; an answered refusal of it neither."""
    answer = _writer(monkeypatch, session).send(0, 1.5)
    assert answer.fate is fate
    assert reason in answer.reason
    assert "\n" not in answer.reason


def test_what_broke_a_session_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the middle of what it is, nobody knows; the next transaction gets another."""
    session = _Session(None, errors.SerializationFailure("could not serialize"), ended=False)
    writer = _writer(monkeypatch, session)
    writer.send(0, 1.5)
    assert session.closed
    fresh = _Session(None, None, ended=False)
    monkeypatch.setattr(_row_writer.Session, "connect", lambda *_args, **_named: fresh)
    assert writer.send(1, 2.5).fate is Fate.ACKED
    assert [row[:4] for row in fresh.rows] == [("r", 7, 1, 2_500_000_000)]


def test_a_row_is_what_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its checksum covers all of it: no other row has the same."""
    session = _Session(None, None, ended=False)
    _writer(monkeypatch, session).send(3, 1.25)
    ((run, producer, sequence, due_ns, checksum, payload),) = session.rows
    assert len(payload) == 64
    assert checksum == _rows.checksum(run, producer, sequence, due_ns, payload)
    changed = [("s", producer, sequence, due_ns, payload), (run, producer, sequence + 1, due_ns, payload)]
    changed += [(run, producer, sequence, due_ns, payload[:-1] + "!"), (run, producer, sequence, due_ns + 1, payload)]
    assert checksum not in {_rows.checksum(*each) for each in changed}


def test_sessions_of_a_run_are_told_from_others() -> None:
    """By a name that PostgreSQL does not cut off."""
    assert _rows.application("a" * 200) != _rows.application("a" * 201)
    assert len(_rows.application("a" * 200)) < 64
