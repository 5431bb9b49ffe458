"""Three-valued verdicts: pass, fail, inconclusive; fail beats inconclusive beats pass."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict

from drill.exits import ExitCode


class Outcome(StrEnum):
    """What a check concluded."""

    PASS = "pass"  # noqa: S105 - an outcome, not a password
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"

    @property
    def exit_code(self) -> ExitCode:
        """The exit code of a run that ended with this outcome."""
        return {
            Outcome.PASS: ExitCode.PASS,
            Outcome.FAIL: ExitCode.FAIL,
            Outcome.INCONCLUSIVE: ExitCode.INCONCLUSIVE,
        }[self]


class Verdict(BaseModel):
    """What one check concluded from the run record, and from what."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    check: str
    """The check's name, kebab-case, for example `no-acked-record-lost`."""
    outcome: Outcome
    reason: str
    """One plain sentence that a reader of the report understands without the code."""
    target: str | None = None
    """The objective as text with its unit, when there is one (`<= 15 s`)."""
    actual: str | None = None
    """What was measured, as text with its unit; None when nothing could be measured."""
    evidence: tuple[str, ...] = ()
    """Paths inside the run record that this verdict rests on."""
    details: dict[str, Any] = {}
    """Numbers and lists for the report, JSON-serialisable."""


WORST_FIRST = (Outcome.FAIL, Outcome.INCONCLUSIVE, Outcome.PASS)


def overall(verdicts: Iterable[Verdict]) -> Outcome:
    """The outcome of them all: fail beats inconclusive beats pass, and no checks at all is inconclusive."""
    outcomes = {verdict.outcome for verdict in verdicts}
    for outcome in WORST_FIRST:
        if outcome in outcomes:
            return outcome
    return Outcome.INCONCLUSIVE
