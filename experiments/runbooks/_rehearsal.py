"""Rehearsing a runbook: a fault is on, the runbook is followed, and the fault's own undo finds what is left to do."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ParamSpec, cast

from experiments._fault import Action, Injection, injected
from experiments._plan import Plan
from experiments.runbooks._phases import Runbook

P = ParamSpec("P")


@dataclass(frozen=True)
class Rehearsal:
    """A fault, and what is done about it while it is on."""

    injection: Injection
    runbook: Runbook

    @property
    def plan(self) -> Plan:
        """What the fault would hit, and what both need."""
        return Plan(
            self.injection.targets, tuple(dict.fromkeys((*self.injection.permissions, *self.runbook.permissions)))
        )


def rehearsal(build: Callable[P, Rehearsal]) -> Action[P]:
    """Make an action, which can be planned, of a function that resolves a fault and its runbook."""

    @functools.wraps(build)
    def action(*args: P.args, **kwargs: P.kwargs) -> dict[str, Any]:
        rehearsed = build(*args, **kwargs)
        with injected(rehearsed.injection) as on:
            phases = rehearsed.runbook.perform()
        return {"targets": list(rehearsed.injection.targets), "proof": on.proof, "since": on.since, "phases": phases}

    def plan(*args: P.args, **kwargs: P.kwargs) -> Plan:
        return build(*args, **kwargs).plan

    def injection(*args: P.args, **kwargs: P.kwargs) -> Injection:
        return build(*args, **kwargs).injection

    made = cast("Any", action)
    made.plan, made.injection = plan, injection
    return cast("Action[P]", made)
