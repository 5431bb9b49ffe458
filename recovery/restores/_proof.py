"""When the data was proven after its loss (RTO): the end of the phase that read it, where all that it read is right.

A phase that came to its end has only read. Whether that is what was backed up is judged table by table and record by
record, and a time until the data is proven there is only where each of these checks passes.
"""

from collections.abc import Callable
from dataclasses import dataclass

from drill.errors import RecordIncompleteError
from drill.record import RunRecord
from drill.verdicts import Outcome
from recovery._check import Check, Finding, check, failed, passed
from recovery._run import Run
from recovery.restores._cluster import systems_as_backed_up
from recovery.restores._data import markers_kept, mutations_gone, tables_as_backed_up
from recovery.restores._definitions import definitions_as_backed_up
from recovery.restores._evidence import held, piece, told
from recovery.restores._kafka import (
    kafka_cluster_kept,
    kafka_positions_kept,
    kafka_records_kept,
    kafka_records_lost,
    kafka_topics_kept,
)
from recovery.restores._times import disaster, estimated

PROOF = "prove"
"""The phase of the runbook that reads the data; its end is when the restore is over."""
OF_KAFKA: tuple[Check, ...] = (
    kafka_records_kept,
    kafka_records_lost,
    kafka_topics_kept,
    kafka_positions_kept,
    kafka_cluster_kept,
)
"""Those that are about the data of Kafka."""
OF_DATA: tuple[Check, ...] = (
    markers_kept,
    mutations_gone,
    tables_as_backed_up,
    definitions_as_backed_up,
    *OF_KAFKA,
    systems_as_backed_up,
)
"""Those that hold what was read against what was backed up."""


@check(
    "events.jsonl",
    "evidence/restore-found.json",
    target=lambda o: _within(o.rto if o.rto is not None else o.restored_within) if held(o) else None,
)
def data_restored(run: Run) -> Finding:
    """From the disaster (or the begin of a scratch restore) to the end of the phase that proved the data."""
    objectives = run.record.objectives
    limit = objectives.rto if objectives.rto is not None else objectives.restored_within
    took = proven(run) - disaster(run)
    actual = f"{took:.1f} s"
    since = "the restore was begun" if estimated(run) else "the disaster"
    if limit is not None and took > limit:
        return failed(f"The data was proven {took:.0f} s after {since}.", actual, estimated=estimated(run))
    return passed(f"The data was proven {took:.0f} s after {since}.", actual, estimated=estimated(run))


@dataclass(frozen=True)
class Times:
    """The instants of a restore, epoch seconds; None: the record does not have it, and `unmeasured` says why."""

    estimated: bool
    """Whether nothing was lost, so that the instants stand for those of a disaster."""
    disaster: float | None
    proven: float | None
    backup: float | None
    """When the backup that was restored began."""
    unmeasured: dict[str, str]

    @property
    def rto(self) -> float | None:
        """From the disaster to the data proven, s."""
        return None if self.disaster is None or self.proven is None else self.proven - self.disaster

    @property
    def rpo(self) -> float | None:
        """From the backup's start to the disaster, s."""
        return None if self.disaster is None or self.backup is None else self.disaster - self.backup


def times(record: RunRecord) -> Times:
    """The instants of a restore drill; never raises for what its record lacks."""
    run = Run(record)
    found: dict[str, float | None] = {}
    why: dict[str, str] = {}
    for name, instant in _INSTANTS.items():
        try:
            found[name] = instant(run)
        except RecordIncompleteError as error:
            found[name], why[name] = None, run.reason(error)
    return Times(estimated=estimated(run), unmeasured=why, **found)


def unproven(run: Run) -> str | None:
    """The first check of the data that does not pass, and why; None: all pass that apply."""
    for each in OF_DATA:
        verdict = each(run)
        if verdict is not None and verdict.outcome is not Outcome.PASS:
            return f"{verdict.check}: {verdict.reason}"
    return None


def proven(run: Run) -> float:
    """When the data was proven, epoch seconds.

    Raises:
        RecordIncompleteError: the phase that reads it did not come to its end, or what it read is not the backup's.
    """
    if (short := unproven(run)) is not None:
        raise RecordIncompleteError(f"the restored data was not proven: {short}")
    for event in run.events_of("phase.ended"):
        if event.data["phase"] == PROOF and event.data["ok"]:
            return event.t
    raise RecordIncompleteError("the restored data was not proven")


def _within(limit: float | None) -> str:
    return "seen to be proven" if limit is None else f"<= {limit:g} s"


_INSTANTS: dict[str, Callable[[Run], float]] = {
    "disaster": disaster,
    "proven": proven,
    "backup": lambda run: float(told(piece(run, "backup"), "started", "backup")),
}
