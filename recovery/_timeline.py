"""The time line of a run, t0 to t6, from what clients saw and what the control plane said.

t0 fault effective; t1 last client success; t2 alert; t3 operator acts; t4 control plane Ready; t5 start of the first
sustained good window; t6 backlog drained. Only what was measured is a number: for everything else there is a reason
in `Timeline.unmeasured`, and where an outage did not end, a lower bound under a name of its own (`..._at_least`).
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import portion
from pydantic import BaseModel, ConfigDict

from drill.errors import RecordIncompleteError
from drill.record import Event
from drill.series import ClientSeries
from recovery._outages import Bins, largest_gap, outage_threshold, outages

if TYPE_CHECKING:
    from recovery._run import Run

_T = TypeVar("_T")


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Outage(_Model):
    """One outage of one path; epoch seconds."""

    path: str
    """The path: topic partition, `commodities-0`."""
    t0: float | None
    """When the fault that it follows took effect; None: it began before any fault."""
    t1: float
    """The last success before it."""
    t5: float | None
    """The start of the first sustained good window after it; None: none was seen before the load ended."""
    seen_until: float
    """t5, or the last instant up to which it is known to have lasted."""

    @property
    def seconds(self) -> float | None:
        """Client outage, t5 - t1; None when its end was not measured."""
        return None if self.t5 is None else self.t5 - self.t1

    @property
    def at_least(self) -> float:
        """What it lasted at least, s; the outage itself when its end was measured."""
        return self.seen_until - self.t1


class Path(_Model):
    """One path of the clients: a topic partition."""

    name: str
    baseline_gap: float
    """The longest time without a success in the baseline, s."""
    threshold: float
    """The shortest silence that counts as an outage of this path, s."""
    outages: tuple[Outage, ...]
    """Every outage from the start of the baseline on, in order of time."""
    t6: float | None
    """When its backlog was down to what the baseline had; None: not seen before the record ends."""


class Timeline(_Model):
    """The instants of a run (epoch seconds) and what follows from them (seconds)."""

    t0: float | None = None
    t1: float | None = None
    t2: float | None = None
    t3: float | None = None
    t4: float | None = None
    t5: float | None = None
    t6: float | None = None
    paths: tuple[Path, ...] = ()
    error: float | None = None
    """By how much a measured outage may be off, s."""
    outage: float | None = None
    """Client outage, t5 - t1: the longest of all paths; 0 when no path had one."""
    outage_at_least: float | None = None
    """The lower bound of `outage` when one did not end in time; equal to it when all did."""
    outage_total: float | None = None
    """The time during which at least one path was out, s: the union of the outages."""
    rto: float | None = None
    """t5 - t0 on the worst path; 0 when no path had an outage."""
    rto_at_least: float | None = None
    """The lower bound of `rto` when an outage did not end in time; equal to it when all did."""
    hidden: float | None = None
    """t5 - t4: how long clients were still out when the control plane said Ready; negative: they were back before."""
    rpo: float | None = None
    """t0 - intended time of the oldest lost acknowledged record; None when none was lost. Negative: all that was lost
    was sent after the fault. The commit came later than the intended time, so this errs to the long side."""
    recovered: bool = False
    """Whether every path has been good for as long as the objectives ask since the last fault, its backlog drained.

    Also right while the run goes on: the runner ends the load by it."""
    unmeasured: dict[str, str] = {}
    """Why a field is None, by field."""

    @property
    def outages(self) -> tuple[Outage, ...]:
        """The outages of all paths that follow a fault, in order of time."""
        found = (outage for path in self.paths for outage in path.outages if outage.t0 is not None)
        return tuple(sorted(found, key=lambda outage: outage.t1))


def measure(run: "Run") -> Timeline:
    """The time line of a run; never raises for what its record lacks: that is told in `unmeasured`."""
    why: dict[str, str] = {"t2": "no alert is watched in this drill", "t3": "no operator acts in this drill"}

    def known(name: str, measurement: Callable[[], _T]) -> _T | None:
        try:
            return measurement()
        except RecordIncompleteError as reason:
            why[name] = str(reason)
            return None

    paths = known("paths", lambda: tuple(_path(run, partition) for partition in range(len(run.series.acked))))
    t0 = known("t0", lambda: run.t0)
    rpo = known("rpo", lambda: _rpo(run))
    facts = Timeline(t0=t0, rpo=rpo, paths=paths or (), unmeasured=why)
    if t0 is None or paths is None:
        missing = why.get("t0") or why["paths"]
        rest = ("t1", "t4", "t5", "t6", "outage", "rto", "hidden")
        return facts.model_copy(update={"unmeasured": why | dict.fromkeys(rest, missing)})

    worst = max(facts.outages, key=lambda outage: outage.at_least, default=None)
    if worst is None:
        why["t1"] = "no path was out"
    open_ended = [outage.path for outage in facts.outages if outage.t5 is None]
    if open_ended:
        sustained = f"{run.record.objectives.sustained:g} s"
        reason = f"{', '.join(dict.fromkeys(open_ended))} had not been good for {sustained} when the load ended"
        why |= dict.fromkeys(("t5", "outage", "outage_total", "rto"), reason)
    at_least = max((outage.at_least for outage in facts.outages), default=0.0)
    rto_at_least = max((outage.seen_until - outage.t0 for outage in facts.outages if outage.t0), default=0.0)
    t0 = worst.t0 if worst and worst.t0 else t0
    t4 = known("t4", lambda: _ready_again(run, t0))
    t5 = None if open_ended else worst.t5 if worst else t0
    t6 = known("t6", lambda: _drained(facts.paths))
    if t4 is None or t5 is None:
        why["hidden"] = f"needs t4 and t5: {why.get('t5') or why['t4']}"
    return facts.model_copy(
        update={
            "t0": t0,
            "t1": worst.t1 if worst else None,
            "t4": t4,
            "t5": t5,
            "t6": t6,
            "error": run.series.bin,
            "outage": None if open_ended else at_least,
            "outage_at_least": at_least,
            "outage_total": None if open_ended else _union(facts.outages),
            "rto": None if open_ended else rto_at_least,
            "rto_at_least": rto_at_least,
            "hidden": None if t4 is None or t5 is None else t5 - t4,
            "recovered": t5 is not None
            and t6 is not None
            and run.load_end - run.episodes[-1] >= run.record.objectives.sustained,
            "unmeasured": why,
        }
    )


def _path(run: "Run", partition: int) -> Path:
    series, (base_from, base_to) = run.series, run.baseline
    bins = Bins(series.start, series.bin)
    acked, failed = series.acked[partition], series.failed[partition]
    gap = largest_gap(acked, bins, base_from, base_to)
    threshold = outage_threshold(gap)
    spans = outages(
        acked,
        failed,
        bins,
        t_from=base_from,
        t_to=run.load_end,
        threshold=threshold,
        sustained=run.record.objectives.sustained,
    )
    name = f"{run.topic}-{partition}"
    found = tuple(
        Outage(
            path=name,
            t0=run.fault_before(span.start + threshold),
            t1=span.start,
            t5=span.end,
            seen_until=span.seen_until,
        )
        for span in spans
    )
    since = found[-1].t5 if found else run.t0 if run.episodes else None
    backlog_gone = None if since is None else _backlog_gone(series, partition, bins, run.baseline, since)
    return Path(name=name, baseline_gap=gap, threshold=threshold, outages=found, t6=backlog_gone)


def _backlog_gone(
    series: ClientSeries, partition: int, bins: Bins, baseline: tuple[float, float], since: float
) -> float | None:
    """The first instant from `since` on at which no more is outstanding than at most was in the baseline."""
    settled = series.acked[partition].astype(np.int64) + series.failed[partition]
    outstanding = np.cumsum(series.offered[partition].astype(np.int64) - settled)
    first, last = (bins.index(t) for t in baseline)
    usual = outstanding[first:last].max()
    drained = np.flatnonzero(outstanding[bins.index(since) :] <= usual)
    return float(bins.middle(bins.index(since) + drained[0])) if drained.size else None


def _drained(paths: tuple[Path, ...]) -> float:
    behind = [path.name for path in paths if path.t6 is None]
    if behind:
        raise RecordIncompleteError(f"the backlog of {', '.join(behind)} was not seen to be drained")
    return max(path.t6 for path in paths if path.t6 is not None)


def _union(found: tuple[Outage, ...]) -> float:
    spans = portion.Interval(*(portion.closedopen(outage.t1, outage.seen_until) for outage in found))
    return float(sum(span.upper - span.lower for span in spans if not span.empty))


def _ready_again(run: "Run", t0: float) -> float:
    """t4: all pods Ready again, after one was seen not ready, gone, replaced or restarted."""
    samples = run.record.events_of("observed.pods")
    before = [sample for sample in samples if sample.t <= t0]
    if not before:
        raise RecordIncompleteError("the pods were not seen before the fault")
    usual = _identities(before[-1])
    disturbed = False
    for sample in samples:
        if sample.t <= t0:
            continue
        ready = all(pod["ready"] for pod in sample.data["pods"]) and len(sample.data["pods"]) >= len(usual)
        disturbed = disturbed or not ready or _identities(sample) != usual
        if disturbed and ready:
            return sample.t
    raise RecordIncompleteError(
        "not all pods were seen to be Ready again" if disturbed else "no pod was seen to be disturbed"
    )


def _identities(sample: Event) -> set[tuple[str, str, str, int]]:
    return {(pod["namespace"], pod["name"], pod["uid"], pod["restarts"]) for pod in sample.data["pods"]}


def _rpo(run: "Run") -> float:
    if not run.drain["complete"]:
        raise RecordIncompleteError(f"the topic was not read to its end: {run.drain.get('reason')}")
    if not run.accounting.lost:
        raise RecordIncompleteError("no acknowledged record was lost")
    return run.t0 - min(interval.first_time for interval in run.accounting.lost_intervals)
