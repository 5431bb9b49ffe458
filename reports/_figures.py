"""The figures of a run that are told outside of its record; what was not measured is None, and never a zero."""

from contextlib import suppress

from pydantic import BaseModel, ConfigDict

from drill.errors import DrillError
from drill.ledger import account, ledgers
from drill.record import RunRecord
from drill.verdicts import Outcome
from recovery import timeline
from recovery.restores import times
from reports._rejudged import believed

_OF_LOSSES = {"no-acked-record-lost", "drain-complete", "accounting-adds-up"}
"""Checks without which nobody knows what was lost."""


class Figures(BaseModel):
    """The figures of one run; None: not measured."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    seconds: float | None = None
    """How long it took."""
    rto: float | None = None
    """Recovery time, s."""
    rpo: float | None = None
    """Time of data that it cost, s."""
    rto_estimate: float | None = None
    """What the recovery would have taken, s: nothing was lost (a restore into a scratch namespace)."""
    rpo_estimate: float | None = None
    """Time of data that a loss at the begin of the restore would have cost, s."""
    outage: float | None = None
    """Longest client outage, s."""
    lost: int | None = None
    """Records acknowledged and lost."""


def figures(record: RunRecord) -> Figures:
    """The figures of a run that no check doubts: one that says why it can't tell is not to be overruled by a number.

    Of a restore, a time is told as measured only where something was lost, and none of data that did not come back.
    """
    doubted = _doubted(record)
    seconds = rto = rpo = outage = lost = None
    with suppress(DrillError):
        seconds = record.events[-1].t - record.first("run.started").t
    with suppress(DrillError):
        if record.objectives.rpo is not None:
            return _of_restore(record, seconds, doubted)
    if not doubted & _OF_LOSSES:
        with suppress(DrillError):
            lost = account(each for each in ledgers(record) if each.header.accounted).lost
    with suppress(DrillError):
        line = timeline(record)
        outage = None if "client-outage" in doubted else line.outage
        rto = None if doubted & {"client-outage", "rto"} else line.rto
        if lost is not None:
            # What was lost was sent at `rpo` before the fault, or after it; nothing lost has cost no time of data.
            rpo = max(0.0, line.rpo) if line.rpo is not None else 0.0 if lost == 0 else None
    return Figures(seconds=seconds, rto=rto, rpo=rpo, outage=outage, lost=lost)


def _of_restore(record: RunRecord, seconds: float | None, doubted: set[str]) -> Figures:
    instants = times(record)
    rto = instants.rto if "data-restored" not in doubted else None
    rpo = instants.rpo if "rpo" not in doubted else None
    if instants.estimated:
        return Figures(seconds=seconds, rto_estimate=rto, rpo_estimate=rpo)
    return Figures(seconds=seconds, rto=rto, rpo=rpo)


def _doubted(record: RunRecord) -> set[str]:
    """The checks that could not tell; all that matter where the run was not judged or was changed since."""
    try:
        if believed(record):
            return {each.check for each in record.verdicts if each.outcome is Outcome.INCONCLUSIVE}
    except (DrillError, OSError, ValueError):  # not sealed, or not judged
        pass
    return {"client-outage", "rto", "rpo", "data-restored", *_OF_LOSSES}
