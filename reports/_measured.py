"""What was measured, or the reason why it was not: nothing in between reaches the page."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from traceback import extract_tb
from typing import TypeVar

import structlog

from drill.errors import DrillError
from drill.record import RunRecord

T = TypeVar("T")
_log = structlog.get_logger()


@dataclass(frozen=True)
class Missing:
    """Stands in the place of a value that the record does not have."""

    reason: str

    def __str__(self) -> str:
        return f"not measured: {self.reason}"

    def __bool__(self) -> bool:
        return False


def measured(record: RunRecord, read: Callable[[], T]) -> T | Missing:
    """What `read` returns, or why it could not.

    A report is most needed when a run went wrong, so that no part of a record, however broken, may keep the rest from
    being shown. What went wrong is shown in the place of the part.
    """
    try:
        return read()
    except DrillError as error:
        reason = str(error)
    except Exception as error:  # noqa: BLE001 - the reason reaches the page and the log
        asked = extract_tb(error.__traceback__, limit=2)[-1]
        part = f"{Path(asked.filename).name}:{asked.lineno}"
        _log.warning(
            "report.part-unreadable", record=str(record.path), part=part, error=f"{type(error).__name__}: {error}"
        )
        reason = f"this part of the record could not be read ({type(error).__name__}: {error})"
    # Where the folder lay when the page was drawn is nobody's business, and breaks the lines of a narrow page.
    for path, words in ((f"{record.path}/", ""), (f"{record.path}: ", "the record "), (str(record.path), "the record")):
        reason = reason.replace(path, words)
    return Missing(reason)


def or_missing(value: T | None, reason: str) -> T | Missing:
    """`value`, or why it is None."""
    return Missing(reason) if value is None else value
