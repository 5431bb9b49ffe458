"""The phases of a runbook: each performed, timed against its budget, told on the time line and kept as evidence."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from drill import clock, record
from drill.cluster import Permission
from drill.errors import DrillError
from experiments._watch import GivenUpError, NotSeenError, await_seen
from experiments.runbooks import operator

Mode = Literal["self-heal", "runbook", "operator"]
Evidence = dict[str, Any]
"""What a step saw or did, as plain JSON types."""


class StepFailedError(Exception):
    """A step could not be done, or did not bring about what it is for; what it saw until then goes with it."""

    def __init__(self, reason: str, evidence: Evidence) -> None:
        self.evidence = evidence
        super().__init__(reason)


@dataclass(frozen=True)
class Phase:
    """One phase of a runbook; the budget in seconds."""

    name: str
    budget: float
    instruction: str
    """What is to be done, in words that a person can follow."""
    perform: Callable[[float], Evidence]
    """Does it as the harness can, within so many seconds; raises StepFailedError where it does not get there."""
    acts: bool = False
    """Whether it changes anything: the first of these is when an operator acts (t3)."""


@dataclass(frozen=True)
class Runbook:
    """What is done about a fault, by whom, and what the harness needs for it."""

    name: str
    mode: Mode
    phases: tuple[Phase, ...]
    permissions: tuple[Permission, ...] = ()

    def perform(self) -> list[dict[str, Any]]:
        """Go through the phases in their order, also past one that failed, as a person would.

        Returns:
            For each phase `{phase, budget, seconds, ok, reason}`.
        """
        planned = [{"phase": each.name, "budget": each.budget} for each in self.phases]
        record.emit("experiment", "runbook.started", runbook=self.name, mode=self.mode, phases=planned)
        acted = False
        done = []
        for phase in self.phases:
            if phase.acts and not acted and self.mode != "self-heal":
                record.emit("experiment", "operator.acted", runbook=self.name, phase=phase.name, by=self.mode)
                acted = True
            done.append(self._perform(phase))
        return done

    def _perform(self, phase: Phase) -> dict[str, Any]:
        told = {"runbook": self.name, "mode": self.mode, "phase": phase.name, "budget": phase.budget}
        began = clock.now()
        record.emit("experiment", "phase.started", at=began, **told)
        by = _by_operator if self.mode == "operator" else _by_harness
        evidence, reason, ended = by(self.name, phase)
        seconds = ended - began
        if reason is None and seconds > phase.budget:
            reason = f"it took {seconds:.0f} s of {phase.budget:g} s"
        outcome = {"seconds": seconds, "ok": reason is None, "reason": reason}
        if (run := record.current()) is not None:
            run.write_evidence(f"runbook-{phase.name}", {**told, **outcome, "began": began, **evidence})
        record.emit("experiment", "phase.ended", at=ended, **told, **outcome)
        return {"phase": phase.name, "budget": phase.budget, **outcome}


def _by_harness(_: str, phase: Phase) -> tuple[Evidence, str | None, float]:
    evidence, reason = _attempt(phase, phase.budget)
    return evidence, reason, clock.now()


def _by_operator(runbook: str, phase: Phase) -> tuple[Evidence, str | None, float]:
    """A person does it; what only reads is then read by the harness too, and held against what the person said."""
    try:
        answer = operator.ask(runbook, phase.name, phase.instruction, phase.budget)
    except GivenUpError as error:
        return {}, f"nobody answered: {error}", clock.now()
    evidence: Evidence = {"note": answer.note, "answered_ok": answer.ok}
    if phase.acts:
        return evidence, None if answer.ok else f"the operator: {answer.note}", answer.t
    seen, trouble = _attempt(phase, min(phase.budget, _OWN_LOOK))
    return {**evidence, "seen": seen}, trouble if answer.ok else f"the operator: {answer.note}", answer.t


_OWN_LOOK = 30.0
"""Seconds that the harness takes at most to see for itself what an operator has said."""


def _attempt(phase: Phase, within: float) -> tuple[Evidence, str | None]:
    try:
        return phase.perform(within), None
    except StepFailedError as error:
        return error.evidence, str(error)
    except (GivenUpError, NotSeenError, DrillError) as error:
        return {}, str(error)


def self_heal(
    whole: Callable[[], Evidence], answering: Callable[[], Evidence], budgets: tuple[float, float]
) -> tuple[Phase, ...]:
    """The phases of a platform that is left alone: first its pods are whole, then its services answer."""
    ready, answer = budgets
    return (
        Phase("ready", ready, "Wait until every critical pod is Ready again.", lambda s: await_seen(whole, s, 1)),
        Phase("answer", answer, "Wait until each service answers a client.", lambda s: await_seen(answering, s, 1)),
    )
