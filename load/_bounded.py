"""A session with PostgreSQL that hangs on nobody: a server that is stopped, or cut off, answers neither yes nor no."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import psycopg
from psycopg.abc import PQGen

from drill.postgres import PostgresUnreachableError


class Session(psycopg.Connection[Any]):
    """A connection that waits for no answer longer than its patience, which the server need not know of."""

    patience = 10.0
    """Seconds."""

    @classmethod
    @contextmanager
    def asking(cls, conninfo: str, patience: float) -> Iterator[Self]:
        """A session in autocommit to ask something, closed afterwards.

        Raises:
            PostgresUnreachableError: nobody let us in, an answer did not come in time, or the session was ended.
        """
        try:
            with cls.connect(conninfo, autocommit=True, prepare_threshold=None) as session:
                session.patience = patience
                yield session
        except psycopg.OperationalError as error:
            raise PostgresUnreachableError(" ".join(str(error).split())) from error

    def wait(self, gen: PQGen[Any], interval: float = 0.1, timeout: float | None = None) -> Any:
        """As psycopg's, with a bound."""
        return super().wait(gen, interval=interval, timeout=self.patience if timeout is None else timeout)
