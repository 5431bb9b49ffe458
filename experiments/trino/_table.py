"""An Iceberg table as Trino reads it, pinned to a snapshot: which of its data files give their rows, and an answer."""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from drill.errors import UsageError
from drill.trino import Trino, TrinoQueryError

_AT_ONCE = 200
"""Data files that one statement asks for: each is a parameter of it."""


@dataclass(frozen=True)
class FileRows:
    """What a query gets of one data file."""

    rows: int | None = None
    checksum: str | None = None
    """Trino's own, of all columns, in any order of the rows."""
    problem: str | None = None
    """Why it could not be read; the last line of Trino's own message."""

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON types."""
        return asdict(self)


@dataclass(frozen=True)
class Table:
    """One table at one of its snapshots: whoever goes on writing to it changes no answer."""

    trino: Trino
    name: str
    snapshot: str
    columns: tuple[str, ...]

    @property
    def at(self) -> str:
        """The table as a query names it."""
        return f"{_quoted(self.name)} FOR VERSION AS OF {int(self.snapshot)}"

    def records(self) -> dict[str, int]:
        """The data files of the snapshot, with the number of rows that the metadata says of each.

        Raises:
            TrinoUnreachableError: no answer.
            TrinoQueryError: the metadata can't be read.
        """
        rows = self.trino.rows(
            f"SELECT file_path, record_count FROM {_quoted(f'{self.name}$files')} WHERE content = 0"  # noqa: S608
        )
        return {path: int(count) for path, count in rows}

    def read(self, paths: Sequence[str]) -> dict[str, FileRows]:
        """Read every row of these data files; where that fails, halves are read, until the file at fault is known.

        Raises:
            TrinoUnreachableError: no answer, which says nothing of the files.
        """
        found: dict[str, FileRows] = {}
        waiting = [list(paths[at : at + _AT_ONCE]) for at in range(0, len(paths), _AT_ONCE)]
        while waiting:
            some = waiting.pop()
            try:
                found |= self._rows(some)
            except TrinoQueryError as error:
                if len(some) == 1:
                    found[some[0]] = FileRows(problem=str(error))
                else:
                    half = len(some) // 2
                    waiting += [some[:half], some[half:]]
        return found

    def answer(self, query: str) -> list[list[str]]:
        """The rows that a query of the table gives, each value as text.

        Raises:
            TrinoUnreachableError: no answer.
            TrinoQueryError: it failed.
        """
        rows = self.trino.rows(question(query).format(table=self.at))
        return [["" if value is None else str(value) for value in row] for row in rows]

    def _rows(self, paths: Sequence[str]) -> dict[str, FileRows]:
        row = ", ".join(map(_quoted, self.columns))
        marks = ", ".join("?" * len(paths))
        rows = self.trino.rows(
            f'SELECT "$path", count(*), to_hex(checksum(ROW({row}))) FROM {self.at} '  # noqa: S608 - names only
            f'WHERE "$path" IN ({marks}) GROUP BY 1',
            *paths,
        )
        # A file of which every row has been deleted since gives none.
        return dict.fromkeys(paths, FileRows(0)) | {path: FileRows(count, digest) for path, count, digest in rows}


def question(query: str) -> str:
    """A query that only reads, and that names the table by `{table}`.

    Raises:
        UsageError: it is another kind of statement, or it does not name the table so.
    """
    if not re.match(r"(?i)\s*(SELECT|WITH)\b", query) or ";" in query:
        raise UsageError(f"query {query!r} is not a statement that only reads, as SELECT count(*) FROM {{table}} is")  # noqa: S608
    try:
        asked = query.format(table="t")
    except (KeyError, IndexError, ValueError) as error:
        raise UsageError(f"query {query!r}: only {{table}} may stand in braces") from error
    if asked == query:
        raise UsageError(f"query {query!r} does not name the table: FROM {{table}}")
    return query


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
