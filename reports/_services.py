"""What became of each service that a restore had to bring back, against what that service is held to."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from drill.objectives import Objectives
from drill.verdicts import Outcome
from reports._format import duration
from reports._measured import Missing, measured
from reports._objectives import room
from reports._summary import KEPT_AS, MINUTES, SERVICES, Summary

CHECK = "services-in-time"


@dataclass(frozen=True)
class Held:
    """One service against one of its objectives: its recovery time, or the age of its backup."""

    service: str
    measure: str
    """rto or rpo."""
    limit: float | None
    """s; None: it had to be seen to be back, at any time."""
    value: float | None
    """s; None: not measured."""
    outcome: Outcome
    unseen: str
    """What of it was not seen; empty: nothing."""

    @property
    def target(self) -> str:
        """As people say it."""
        return "seen to be back" if self.limit is None else f"<= {duration(self.limit)}"

    @property
    def actual(self) -> str:
        """As people say it; what was not seen to end took at least so long, and nobody knows how long."""
        if self.value is None or (self.unseen and self.outcome is not Outcome.FAIL):
            return f"not measured: {self.unseen}"
        told = duration(self.value) if self.value >= MINUTES else f"{self.value:.1f} s"
        return f"at least {told}" if self.unseen else told

    @property
    def margin(self) -> str:
        """The room that was left; none where nothing was proven."""
        if self.limit is None or self.value is None or self.outcome is Outcome.INCONCLUSIVE:
            return ""
        return room(f"<= {self.limit:g} s", f"{'at least ' if self.unseen else ''}{self.value:.1f} s") or ""


def services(summary: Summary) -> Iterator[Held]:
    """Each service that was to come back, also one of which nothing was seen; none where no check looked at them."""
    verdict = next((each for each in summary.judged if each.check == CHECK), None)
    if verdict is None:
        return
    goals = measured(summary.record, lambda: summary.record.objectives)
    kept = measured(summary.record, lambda: dict(summary.record.evidence("restore-services")))
    seen: dict[str, Any] = {} if isinstance(kept, Missing) else kept
    rows = verdict.details.get("services") or {}
    names = dict.fromkeys((*(seen.get("wanted") or ()), *rows))
    if not names:
        yield _held(summary, "The services", "rto", None, None, verdict.reason)
    for name in names:
        its = Objectives() if isinstance(goals, Missing) else goals.of(name)
        row = rows.get(name) or {}
        unseen = _unseen(name, row, seen) if rows else verdict.reason
        label = SERVICES.get(KEPT_AS.get(name, name), name)
        yield _held(summary, label, "rto", its.rto, row.get("rto"), unseen)
        # What outlived the loss came from no backup, so that the age of one is not its.
        if its.rpo is not None and (row.get("rpo") is not None or unseen):
            yield _held(summary, label, "rpo", its.rpo, row.get("rpo"), unseen if row.get("rpo") is None else "")


def _unseen(name: str, row: dict[str, Any], seen: dict[str, Any]) -> str:
    if row.get("proven") is None:
        return "its data was not proven"
    times = (seen.get("services") or {}).get(name) or {}
    return "it was not seen to answer" if name in (seen.get("answering") or ()) and "answered" not in times else ""


def _held(summary: Summary, service: str, measure: str, limit: float | None, value: float | None, unseen: str) -> Held:
    if limit is not None and value is not None and value > limit:
        outcome = Outcome.FAIL
    else:
        outcome = Outcome.INCONCLUSIVE if unseen or value is None else summary.believed(Outcome.PASS)
    return Held(service, measure, limit, value, outcome, unseen)
