"""The errors that the front door turns into a clear message and an exit code."""

from collections.abc import Sequence
from dataclasses import dataclass

from drill.exits import ExitCode


class DrillError(Exception):
    """Anything that ends a command with a message instead of a traceback."""

    exit_code = ExitCode.HARNESS_ERROR


@dataclass(frozen=True)
class Mistake:
    """One thing that is wrong in one place of a file, and what to do about it."""

    file: str
    line: int | None
    field: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {self.field}: {self.problem}. {self.remedy}"


class InputError(DrillError):
    """Bad input, found before anything on the cluster was touched; carries every mistake at once."""

    exit_code = ExitCode.USAGE

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(str(mistake) for mistake in self.mistakes))


class UsageError(DrillError):
    """A flag, setting or name that can't be meant; the message says what to do instead."""

    exit_code = ExitCode.USAGE


class RefusedError(DrillError):
    """The drill did not start because the cluster is not in a state in which its result would mean anything."""

    exit_code = ExitCode.INCONCLUSIVE


class InterruptedEarlyError(DrillError):
    """Interrupted before there was anything to undo or to record."""

    exit_code = ExitCode.INTERRUPTED


class RecordIncompleteError(DrillError):
    """Something that a reader of the run record asked for is not in it; a check reads this as inconclusive."""

    exit_code = ExitCode.INCONCLUSIVE
