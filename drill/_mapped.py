"""Arrays that live in files, so that what a process has written outlives its SIGKILL."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class MappedRows:
    """A file of equal rows, mapped into memory and growing with the rows that are asked for.

    The page cache keeps the pages of a killed process: only the death of the machine itself can lose them. Files are
    sparse, so rows that nobody touched cost nothing.
    """

    def __init__(
        self, path: Path, row: npt.DTypeLike, width: int = 1, *, rows: int = 0, writable: bool = False
    ) -> None:
        self._path = path
        self._row = np.dtype((row, (width,)))
        self._writable = writable
        if writable:
            path.touch()
        self.rows: Array = np.zeros((0, width), dtype=row)
        """What is mapped now, of shape (rows, width); a name for it is stale once `reach` has grown the file."""
        self._map(max(rows, path.stat().st_size // self._row.itemsize))

    def reach(self, rows: int) -> Array:
        """Make sure that there are at least `rows` rows, and return all of them."""
        if rows > len(self.rows):
            self._map(max(rows, 2 * len(self.rows)))
        return self.rows

    def _map(self, rows: int) -> None:
        if rows == 0:
            return  # an empty file can't be mapped
        if self._writable:
            os.truncate(self._path, max(rows * self._row.itemsize, self._path.stat().st_size))
        mode = "r+" if self._writable else "r"
        # A plain array over the map: np.memmap's own methods cost microseconds each, and there are many a tick.
        self.rows = np.asarray(
            np.memmap(self._path, dtype=self._row.base, mode=mode, shape=(rows, *self._row.shape))  # type: ignore[call-overload]
        )
