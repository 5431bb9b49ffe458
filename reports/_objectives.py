"""What was promised against what was measured, and how much room was left."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from drill.objectives import Objectives
from drill.verdicts import Outcome, Verdict
from reports._format import MINUS

NAMES = {
    "data-restored": "Recovery time, loss to data proven (RTO)",
    "lakehouse-restored": "Recovery time, loss to data proven (RTO)",
    "nothing-newer-lost": "Data lost for good (RPO)",
    "rpo": "Data at risk, age of the backup (RPO)",
    "no-acked-record-lost": "Acknowledged records lost",
    "duplicates": "Records seen twice",
    "client-outage": "Client outage",
    "rto": "Recovery time (RTO)",
    "platform-restored": "Platform restored",
    "latency-p99": "Latency p99",
    "achieved-over-offered": "Offered load acknowledged",
}
"""The checks that hold a run to the numbers in `objectives` of its scenario, as the objectives table calls them."""
_BOUND = re.compile(r"(?P<sign><=|>=) (?P<limit>[\d,.]*\d) ?(?P<unit>\w+|%)?")
_ACTUAL = re.compile(r"(?P<least>at least )?(?P<value>[\d,.]*\d)")


@dataclass(frozen=True)
class Objective:
    """One row of the objectives table."""

    name: str
    verdict: Verdict
    margin: str | None
    """The room between actual and target; negative: missed. None: nothing was proven, or it is no number."""

    @property
    def estimated(self) -> bool:
        """Whether the actual value was not measured, but is what a disaster would have cost."""
        return bool(self.verdict.details.get("estimated"))


def objectives(verdicts: Sequence[Verdict]) -> tuple[Objective, ...]:
    """The checks that hold the run to a number, in the order of the page."""
    by_check = {verdict.check: verdict for verdict in verdicts}
    found = ((name, by_check[check]) for check, name in NAMES.items() if check in by_check)
    return tuple(Objective(name, verdict, _margin(verdict)) for name, verdict in found)


def not_set(goals: Objectives) -> tuple[str, ...]:
    """Objectives that the scenario leaves open, so that a reader sees what the run was not held to.

    Without an RPO a run is no restore, and there is nothing of one to hold it to.
    """
    return tuple(name for name, value in goals.model_dump().items() if value is None and name != "rpo")


def _margin(verdict: Verdict) -> str | None:
    if verdict.outcome is Outcome.INCONCLUSIVE:
        return None
    return room(verdict.target or "", verdict.actual or "")


def room(target: str, actual_text: str) -> str | None:
    """The room between what is allowed and what was measured, both as verdicts say them; None: they are no numbers."""
    bounds = list(_BOUND.finditer(target.partition(",")[0]))
    actual = _ACTUAL.match(actual_text)
    if not bounds or not actual:
        return None
    return "; ".join(_room(bound, actual) for bound in bounds)


def _room(bound: re.Match[str], actual: re.Match[str]) -> str:
    """The room to one bound, in its unit, with as many decimals as the more exact of the two has."""
    limit, value = _number(bound["limit"]), _number(actual["value"])
    room = value - limit if bound["sign"] == ">=" else limit - value
    decimals = max(len(text.partition(".")[2]) for text in (bound["limit"], actual["value"]))
    sign = "+" if room > 0 else MINUS if room < 0 else ""
    text = f"{sign}{abs(room):,.{decimals}f} {bound['unit'] or ''}".strip()
    if limit and bound["unit"] != "%":
        text += f" ({abs(room) / limit:.0%} {'under' if value < limit else 'over'})"
    # A lower bound of the actual value leaves at most this much room.
    return f"at most {text}" if actual["least"] else text


def _number(text: str) -> float:
    return float(text.replace(",", ""))
