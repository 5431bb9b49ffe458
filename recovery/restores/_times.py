"""How much time of data a restore costs (RPO), and how long it takes until the data is proven (RTO).

Measured where there was a disaster. A restore into a scratch namespace has none: what one would have cost is then
estimated from the same instants, and called so.
"""

from collections.abc import Callable
from dataclasses import dataclass

from drill.errors import RecordIncompleteError
from drill.record import RunRecord
from recovery._check import Finding, check, failed, passed
from recovery._run import Run
from recovery.restores._evidence import held, piece, told

PROOF = "prove"
"""The phase of the runbook that proves the data; its end is when the restore is over."""
ACT = "restore"
"""The phase that restores."""


@check(
    "events.jsonl",
    "evidence/restore-backup.json",
    target=lambda o: None if o.rpo is None else f"<= {o.rpo:g} s",
)
def rpo(run: Run) -> Finding:
    """Disaster - start of the backup: from then on, nothing that was written is known to be in it.

    Of a scratch restore: the moment when it was begun takes the place of a disaster.
    """
    limit = run.record.objectives.rpo
    started = told(piece(run, "backup"), "started", "backup")
    cost = disaster(run) - float(started)
    actual = f"{cost:.1f} s"
    if cost < 0:
        raise RecordIncompleteError(
            f"the backup started {-cost:.1f} s after the disaster, so that it can't be of before"
        )
    if limit is not None and cost > limit:
        return failed(f"The backup is too old: {_words(run)} {cost:.0f} s of data.", actual, estimated=estimated(run))
    return passed(f"{_words(run).capitalize()} {cost:.0f} s of data.", actual, estimated=estimated(run))


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


def estimated(run: Run) -> bool:
    """Whether nothing was lost, so that the times say what a disaster would have cost."""
    return bool((run.record.scenario.get("target") or {}).get("scratch"))


def disaster(run: Run) -> float:
    """When the data was lost, epoch seconds; of a scratch restore, when it was begun."""
    if not estimated(run):
        return run.t0
    for event in run.events_of("phase.started"):
        if event.data["phase"] == ACT:
            return event.t
    raise RecordIncompleteError("no restore was begun")


def proven(run: Run) -> float:
    """When the data was proven, epoch seconds."""
    for event in run.events_of("phase.ended"):
        if event.data["phase"] == PROOF and event.data["ok"]:
            return event.t
    raise RecordIncompleteError("the restored data was not proven")


def _words(run: Run) -> str:
    return "a disaster when the restore was begun would have cost" if estimated(run) else "the disaster cost"


def _within(limit: float | None) -> str:
    return "seen to be proven" if limit is None else f"<= {limit:g} s"


_INSTANTS: dict[str, Callable[[Run], float]] = {
    "disaster": disaster,
    "proven": proven,
    "backup": lambda run: float(told(piece(run, "backup"), "started", "backup")),
}
