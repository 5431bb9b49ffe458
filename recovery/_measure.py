"""How each instant of the time line is measured from the record."""

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import portion

from drill.errors import RecordIncompleteError
from drill.record import Event
from recovery._outages import Bins, largest_gap, outage_threshold, outages
from recovery._timeline import Outage, Path, Service, Timeline, following

if TYPE_CHECKING:
    from recovery._run import Run
    from recovery._traffic import Traffic

_T = TypeVar("_T")

STEADY = 2
"""How many times its outage threshold a path must have been good, at least, to be good for certain."""

NO_CLIENTS = "no clients ran in this drill"
"""Why nothing that only clients can see was measured."""


def measure(run: "Run") -> Timeline:
    """The time line of a run; never raises for what its record lacks: that is told in `unmeasured`."""
    why: dict[str, str] = {}

    def known(name: str, measurement: Callable[[], _T]) -> _T | None:
        try:
            return measurement()
        except RecordIncompleteError as error:
            why[name] = run.reason(error)
            return None

    traffic = known("paths", lambda: run.traffic) or ()
    paths = known("paths", lambda: tuple(path for each in run.traffic for path in _paths(each)))
    rpo = known("rpo", lambda: _rpo(run))
    t0 = known("t0", lambda: run.t0)
    t2, t3 = known("t2", lambda: _alerted(run)), known("t3", lambda: _acted(run))
    facts = Timeline(t0=t0, t2=t2, t3=t3, rpo=rpo, paths=paths or (), error=known("error", lambda: _error(run.traffic)))
    if t0 is not None and paths is not None:
        facts = facts.model_copy(update={"services": tuple(_services(run, paths, traffic))})
    worst = max(facts.mandatory, key=lambda outage: outage.at_least, default=None)
    if worst is not None:
        t0 = worst.t0
    t4 = known("t4", lambda: _ready_again(run, run.t0 if t0 is None else t0))
    if t0 is None or not paths:
        of_clients = ("t1", "t5", "t6", "outage", "outage_total", "rto", "hidden")
        # Where there was no load at all, paths could be read, and there are none.
        why |= dict.fromkeys(of_clients, NO_CLIENTS if paths == () else why.get("paths") or why["t0"])
        return facts.model_copy(update={"t4": t4, "unmeasured": why})

    span = _spanned(facts.mandatory, paths, run.sustained)
    why |= span.pop("unmeasured")
    if worst is None:
        why["t1"] = "no path was out"
    t5 = span["t5"] if worst else t0
    t6 = known("t6", lambda: _drained(facts.paths))
    if t4 is None or t5 is None:
        why["hidden"] = why.get("t5") or why["t4"]
    steady = max(path.sustained for path in paths)
    seen = min(each.load_end for each in traffic) - run.episodes[-1]
    ended = all(outage.t5 is not None for outage in facts.outages)
    return facts.model_copy(
        update={
            **span,
            "t0": t0,
            "t4": t4,
            "t5": t5,
            "t6": t6,
            "hidden": None if t4 is None or t5 is None else t5 - t4,
            "recovered": ended and t6 is not None and seen >= steady,
            "unmeasured": why,
        }
    )


def _services(run: "Run", paths: tuple[Path, ...], traffic: tuple["Traffic", ...]) -> Iterator[Service]:
    """What the paths of each service say of it."""
    for name in dict.fromkeys(path.service for path in paths):
        its = tuple(path for path in paths if path.service == name)
        unmeasured = {}
        error: float | None = None
        try:
            error = _error(tuple(each for each in traffic if each.service == name))
        except RecordIncompleteError as reason:
            unmeasured["error"] = run.reason(reason)
        span = _spanned(following(its), its, run.sustained)
        yield Service(
            **{**span, "unmeasured": span["unmeasured"] | unmeasured},
            name=name,
            mandatory=run.record.objectives.own(name).mandatory,
            paths=its,
            error=error,
        )


def _spanned(outages: tuple[Outage, ...], paths: tuple[Path, ...], sustained: float) -> dict[str, Any]:
    """What follows from outages together: the fields that a service and the platform have in common."""
    worst = max(outages, key=lambda outage: outage.at_least, default=None)
    steady = {path.name: path.sustained for path in paths}
    open_ended = list(dict.fromkeys(outage.path for outage in outages if outage.t5 is None))
    longest = max((steady[name] for name in open_ended), default=sustained)
    reason = f"{', '.join(open_ended)} had not been good for {longest:g} s when the load ended"
    at_least = max((outage.at_least for outage in outages), default=0.0)
    rto_at_least = max((outage.seen_until - outage.t0 for outage in outages if outage.t0), default=0.0)
    return {
        "t1": worst.t1 if worst else None,
        "t5": None if open_ended or not worst else worst.t5,
        "outage": None if open_ended else at_least,
        "outage_at_least": at_least,
        "outage_total": None if open_ended else _union(outages),
        "rto": None if open_ended else rto_at_least,
        "rto_at_least": rto_at_least,
        "unmeasured": dict.fromkeys(("t5", "outage", "outage_total", "rto"), reason) if open_ended else {},
    }


def _paths(traffic: "Traffic") -> Iterator[Path]:
    for partition, name in enumerate(traffic.stream.paths):
        yield _path(traffic, partition, name)


def _path(traffic: "Traffic", partition: int, name: str) -> Path:
    run, series = traffic.run, traffic.series
    base_from, base_to = run.baseline
    bins = Bins(series.start, series.bin)
    acked, failed = series.acked[partition], series.failed[partition]
    gap = largest_gap(acked, bins, base_from, base_to)
    threshold = outage_threshold(gap)
    # Of what comes seldom, one success and a silence that is usual would fill a short window, and prove nothing.
    sustained = max(run.sustained, STEADY * threshold)
    spans = outages(
        acked,
        failed,
        bins,
        t_from=base_from,
        t_to=traffic.load_end,
        threshold=threshold,
        sustained=sustained,
    )
    found = tuple(
        Outage(
            path=name,
            t0=run.fault_before(span.start + threshold),
            t1=span.start,
            t5=span.end,
            seen_until=span.seen_until,
            silence=span.silence,
        )
        for span in spans
    )
    back = found[-1].t5 if found else run.baseline[1]
    t6 = None if back is None or not run.episodes else _backlog_gone(traffic, partition, bins, max(back, run.t0))
    return Path(
        name=name,
        service=traffic.service,
        baseline_gap=gap,
        threshold=threshold,
        sustained=sustained,
        outages=found,
        t6=t6,
    )


def _backlog_gone(traffic: "Traffic", partition: int, bins: Bins, since: float) -> float | None:
    """When the first sustained stretch from `since` on begins in which no more is outstanding than is usual.

    Usual is up to twice the most that was outstanding in the baseline: what is due and neither acknowledged nor given
    up. A backlog falls so steeply at its end that the factor moves the instant by little, and keeps noise out of it.
    One that is outstanding is never a backlog, however soon each was answered in the baseline.
    """
    run, series, begin = traffic.run, traffic.series, bins.index(since)
    settled = series.acked[partition].astype(np.int64) + series.failed[partition]
    outstanding = np.cumsum(series.offered[partition].astype(np.int64) - settled)
    first, last = (bins.index(t) for t in run.baseline)
    behind = begin + np.flatnonzero(outstanding[begin:] > 2 * max(1, outstanding[first:last].max()))
    edges = np.concatenate(([begin - 1], behind, [len(outstanding)]))
    calm = np.flatnonzero(np.diff(edges) * bins.width > run.sustained)
    # The last stretch need not be long: after the load's end there is nothing more to see.
    start = edges[calm[0]] if calm.size else edges[-2]
    return float(bins.middle(start + 1)) if start + 1 < len(outstanding) else None


def _drained(paths: tuple[Path, ...]) -> float:
    behind = [path.name for path in paths if path.t6 is None]
    if behind:
        raise RecordIncompleteError(f"the backlog of {', '.join(behind)} was not seen to be drained")
    return max(path.t6 for path in paths if path.t6 is not None)


def _error(traffic: tuple["Traffic", ...]) -> float:
    """A bin, and the worst stall of a load generator, during which it could not have seen an answer.

    A service that is asked seldom may have been well for as long as nobody asked: until then its outage looks longer.
    """
    if not traffic:
        raise RecordIncompleteError("there was no load")
    for each in traffic:
        if math.isnan(each.series.max_lag):
            raise RecordIncompleteError(f"how late the load generator handed {each.noun}s over was not recorded")
    return max(each.series.bin + each.series.max_lag + each.pace for each in traffic)


def _union(found: tuple[Outage, ...]) -> float:
    spans = portion.Interval(*(portion.closedopen(outage.t1, outage.seen_until) for outage in found))
    return float(sum(span.upper - span.lower for span in spans if not span.empty))


def _ready_again(run: "Run", t0: float) -> float:
    """t4: all pods Ready again, after one was seen not ready, gone, replaced or restarted."""
    samples = run.events_of("observed.pods")
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


def _alerted(run: "Run") -> float:
    """t2: the first alert that began to fire after the fault."""
    if fired := run.events_of("alert.fired"):
        return fired[0].t
    for event in run.events_of("alerts.unreachable"):
        raise RecordIncompleteError(f"Prometheus could not be asked which alerts fired: {event.data['error']}")
    looked = run.events_of("alerts.looked")
    raise RecordIncompleteError("no alert began to fire" if looked else "no alert is watched in this drill")


def _acted(run: "Run") -> float:
    """t3: the runbook's first step that changes anything began, by a person's hand or by the harness in their place."""
    if acted := run.events_of("operator.acted"):
        return acted[0].t
    raise RecordIncompleteError("no operator acts in this drill")


def _rpo(run: "Run") -> float:
    if not run.traffic:
        raise RecordIncompleteError(NO_CLIENTS)
    accounted = [each for each in run.traffic if each.accounted]
    for each in accounted:
        if not each.drain["complete"]:
            raise RecordIncompleteError(f"the {each.store} was not read to its end: {each.drain.get('reason')}")
    lost = [interval.first_time for each in accounted for interval in each.accounting.lost_intervals]
    if not lost:
        nouns = " or ".join(dict.fromkeys(each.noun for each in accounted)) or "record"
        raise RecordIncompleteError(f"no acknowledged {nouns} was lost")
    return run.t0 - min(lost)
