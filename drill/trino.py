"""What the rest of the house asks of Trino: a statement and its rows, in a bounded time, and how many workers it has.

Client: https://github.com/trinodb/trino-python-client. Each statement has a connection of its own; none stays open.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import requests
import stamina
from trino import dbapi
from trino.exceptions import Error, HttpError, TrinoConnectionError
from trino.exceptions import TrinoQueryError as _QueryError

from drill.errors import DrillError
from drill.settings import TrinoTarget

_ANSWER = 60.0
"""Seconds after which a single HTTP request that has no answer is given up."""
_PATIENCE = 300
"""Seconds after which Trino itself ends a statement, queued or running."""


class TrinoUnreachableError(DrillError):
    """Nobody answered, or what answered is no Trino; the message is the client's own."""


class TrinoQueryError(DrillError):
    """Trino answered that the statement failed.

    Attributes:
        name: Trino's own name of the error, such as ICEBERG_MISSING_METADATA.
    """

    def __init__(self, name: str, message: str) -> None:
        super().__init__(f"Trino: {name}: {message}")
        self.name = name


@dataclass(frozen=True)
class Trino:
    """A Trino server, in the catalog and schema of the settings."""

    target: TrinoTarget
    seconds: int = field(default=_PATIENCE)
    """How long one statement may take, all in all."""

    def rows(self, statement: str, *parameters: str | int) -> list[tuple[Any, ...]]:
        """Run one statement and return all its rows; `?` in it stands for a parameter.

        Raises:
            TrinoUnreachableError: no answer.
            TrinoQueryError: the statement failed.
        """
        found, _ = self._run(statement, parameters)
        return found

    def change(self, statement: str, *parameters: str | int) -> int:
        """Run one statement that changes rows (INSERT, MERGE, DELETE) and return how many, as Trino says.

        Raises:
            TrinoUnreachableError: no answer; whether the change was made is not known.
            TrinoQueryError: the statement failed, and nothing was changed.
        """
        _, changed = self._run(statement, parameters)
        if changed < 0:
            raise TrinoUnreachableError(f"{self.target.url}: it did not say how many rows were changed")
        return changed

    def workers(self) -> int:
        """How many nodes take work, which is the workers that the coordinator knows of and finds active."""
        ((count,),) = self.rows("SELECT count(*) FROM system.runtime.nodes WHERE state = 'active' AND NOT coordinator")
        return int(count)

    def await_workers(self, at_least: int = 1, within: float = 120) -> None:
        """Wait until so many workers are active: one that has just started is known a few seconds later.

        Raises:
            TrinoUnreachableError: they are not, within so many seconds.
        """
        patient = stamina.retry_context(
            on=TrinoUnreachableError, attempts=None, timeout=within, wait_initial=0.5, wait_max=2.0
        )
        for attempt in patient:
            with attempt:
                if (found := self.workers()) < at_least:
                    raise TrinoUnreachableError(f"{self.target.url}: {found} active workers, not {at_least}")

    def _run(self, statement: str, parameters: Sequence[str | int]) -> tuple[list[tuple[Any, ...]], int]:
        place = urlsplit(self.target.url)
        connection = dbapi.connect(  # type: ignore[no-untyped-call]
            host=place.hostname or "",
            port=place.port or (443 if place.scheme == "https" else 80),
            http_scheme=place.scheme,
            user=self.target.user,
            source="drill",
            catalog=self.target.catalog,
            schema=self.target.schema_,
            timezone="UTC",
            request_timeout=_ANSWER,
            max_attempts=1,
            session_properties={
                "query_max_run_time": f"{self.seconds}s",
                "required_workers_max_wait_time": f"{min(self.seconds, 30)}s",
            },
            legacy_prepared_statements=False,
        )
        try:
            cursor = connection.cursor()
            cursor.execute(statement, list(parameters) or None)
            return [tuple(row) for row in cursor.fetchall()], int(cursor.rowcount)
        except _QueryError as error:
            raise TrinoQueryError(error.error_name or "UNKNOWN", _one_line(error.message)) from error
        except (requests.RequestException, HttpError, TrinoConnectionError) as error:
            raise TrinoUnreachableError(f"{self.target.url}: {_one_line(error)}") from error
        except Error as error:
            raise TrinoUnreachableError(f"{self.target.url}: no answer of Trino's: {_one_line(error)}") from error
        finally:
            connection.close()


def _one_line(said: object) -> str:
    return " ".join(str(said).split())
