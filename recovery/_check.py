"""What a recovery check is: one function from a finished run to a finding, with its name, target and evidence."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog

from drill.errors import RecordIncompleteError
from drill.objectives import Objectives
from drill.verdicts import Outcome, Verdict
from recovery._run import Run

_log = structlog.get_logger()

Target = Callable[[Objectives], str | None]


@dataclass(frozen=True)
class Finding:
    """What a check's function found; `Check` makes a verdict of it."""

    outcome: Outcome
    reason: str
    actual: str | None
    details: dict[str, Any]


def passed(reason: str, actual: str | None = None, **details: Any) -> Finding:
    """The objective is met, and that was seen."""
    return Finding(Outcome.PASS, reason, actual, details)


def failed(reason: str, actual: str | None = None, **details: Any) -> Finding:
    """The objective is not met, and that was seen."""
    return Finding(Outcome.FAIL, reason, actual, details)


def unsure(reason: str, actual: str | None = None, **details: Any) -> Finding:
    """Neither can be told from the record."""
    return Finding(Outcome.INCONCLUSIVE, reason, actual, details)


@dataclass(frozen=True)
class Check:
    """One recovery check; made by `check`."""

    name: str
    function: Callable[[Run], Finding]
    target: str | Target
    evidence: tuple[str, ...]

    def __call__(self, run: Run) -> Verdict | None:
        """The verdict; None when the scenario sets no objective for this check.

        Nothing is raised: what the function raises is an inconclusive verdict that says so.
        """
        target: str | None = None
        try:
            target = self.target if isinstance(self.target, str) else self.target(run.record.objectives)
            if target is None:
                return None
            finding = self.function(run)
        except RecordIncompleteError as error:
            finding = unsure(_sentence(run.reason(error)))
        except Exception as error:  # noqa: BLE001 - a check that breaks is told as its verdict, and in the log
            _log.exception("check.broke", check=self.name)
            finding = unsure(f"The check itself broke: {type(error).__name__}: {error}.")
        return Verdict(
            check=self.name,
            outcome=finding.outcome,
            reason=finding.reason,
            target=target,
            actual=finding.actual,
            evidence=self._present(run),
            details=finding.details,
        )

    def _present(self, run: Run) -> tuple[str, ...]:
        root = run.record.path
        return tuple(path.relative_to(root).as_posix() for glob in self.evidence for path in sorted(root.glob(glob)))


def check(*evidence: str, target: str | Target) -> Callable[[Callable[[Run], Finding]], Check]:
    """Make a check of a function; its name is the function's, in kebab-case.

    Args:
        evidence: globs of the files in the record that it rests on.
        target: what is held to, as text with its unit; or a function that reads it off the objectives, None when the
            scenario has no such objective.
    """

    def make(function: Callable[[Run], Finding]) -> Check:
        return Check(function.__name__.replace("_", "-"), function, target, evidence)

    return make


def counted(number: int, noun: str) -> str:
    """`1 record`, `2 records`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")
