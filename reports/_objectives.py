"""What was promised against what was measured, and how much room was left."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from drill.objectives import Objectives
from drill.verdicts import Verdict
from reports._format import MINUS

_BOUND = re.compile(r"^(?P<sign><=|>=|≤|≥|=|<|>)?\s*(?P<value>[\d,]+(?:\.\d+)?)\s*(?P<unit>.*)$")


@dataclass(frozen=True)
class Objective:
    """One row of the objectives table."""

    verdict: Verdict
    margin: str | None
    """Actual to target, in the target's unit; positive: room left. None: one of the two is not a number."""


def objectives(verdicts: Sequence[Verdict]) -> tuple[Objective, ...]:
    """The checks that have a target."""
    return tuple(Objective(verdict, _margin(verdict)) for verdict in verdicts if verdict.target is not None)


def not_set(goals: Objectives) -> tuple[str, ...]:
    """Objectives that the scenario leaves open, so that a reader sees what the run was not held to."""
    return tuple(name for name, value in goals.model_dump().items() if value is None)


def _margin(verdict: Verdict) -> str | None:
    bound = _BOUND.match(verdict.target or "")
    actual = _BOUND.match(verdict.actual or "")
    if not bound or not actual or bound["unit"].split(" ")[0] != actual["unit"].split(" ")[0]:
        return None
    limit, value = (float(each["value"].replace(",", "")) for each in (bound, actual))
    room = value - limit if bound["sign"] in (">=", "≥", ">") else limit - value
    decimals = max(len(each["value"].partition(".")[2]) for each in (bound, actual))
    text = f"{'+' if room > 0 else MINUS if room < 0 else ''}{abs(room):,.{decimals}f} {bound['unit'].split(' ')[0]}".strip()
    return f"{text} ({room / limit:.0%})".replace("-", MINUS) if limit else text
