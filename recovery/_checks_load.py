"""Whether the load was what it was to be, and what clients saw of latency."""

import math

from drill.errors import RecordIncompleteError
from drill.ledger import Ledger
from drill.objectives import Objectives
from recovery._check import Finding, check, counted, failed, passed, unsure
from recovery._run import Run

SANE_P99 = 1.0
"""A baseline whose p99 latency is above this, s, is of a platform in trouble already."""
SANE_GAP = 0.5
"""A path that is silent for longer than this in the baseline, s, is out at times anyway (at a rate that would let it
speak at least ten times as often)."""
LATE_P99, LATE_MAX = 0.1, SANE_GAP
"""A scheduler that hands records over later than this, s, offers another load than planned, and its own stalls can be
taken for the platform's. A shorter stall makes an outage look longer by no more than itself: `Timeline.error`."""


@check(
    "load/*/rates.u32",
    "load/*/intended.u32",
    "events.jsonl",
    target=lambda o: f">= {o.achieved_over_offered:.1%} acknowledged, no outage, p99 <= {_sane_p99(o):g} s",
)
def baseline_sane(run: Run) -> Finding:
    """Before the fault the load was acknowledged as offered, with no failure, no outage and a usual latency.

    Else inconclusive: what is slow or silent anyway can't show what a fault does to it.
    """
    (begin, end), series = run.baseline, run.series
    first, last = (round((t - series.start) / series.bin) for t in (begin, end))
    offered, acked, errors = (int(each[:, first:last].sum()) for each in (series.offered, series.acked, series.failed))
    if offered == 0:
        return unsure("Nothing was offered in the baseline.")
    share, p99 = acked / offered, series.latency_between(0.99, begin, end)
    actual = f"{share:.1%} acknowledged, p99 {p99 * 1000:.1f} ms"
    trouble: str | None
    if abs(share - 1) > 1 - run.record.objectives.achieved_over_offered:
        # More than all of it: an older backlog was still being drained.
        trouble = f"{share:.1%} of what was offered was acknowledged"
    elif errors:
        trouble = f"{counted(errors, 'record')} failed"
    elif math.isnan(p99):
        trouble = "latency was not recorded over a whole second"
    elif p99 > _sane_p99(run.record.objectives):
        trouble = "latency was too high"
    else:
        # At a low rate a path is silent between two records: that is its pace, not an outage.
        trouble = _silence(run, pace=(end - begin) * len(series.offered) / offered)
    if trouble:
        return unsure(f"Before the fault already, {trouble}.", actual)
    return passed(f"The baseline of {end - begin:.0f} s was steady.", actual, offered=offered, acked=acked, p99=p99)


@check(
    "load/*/header.json",
    "load/*/counters.i64",
    "load/*/lag.u32",
    "events.jsonl",
    target=lambda o: f">= {o.achieved_over_offered:.1%}, at most {LATE_MAX:g} s late",
)
def offered_load_achieved(run: Run) -> Finding:
    """The planned records were sent, in time, and every one got its answer (ack, error or timeout).

    Else inconclusive: the platform was spared load that a real client would have offered.
    """
    unclosed = [ledger.header.producer_id for ledger in run.ledgers if not ledger.closed]
    if unclosed:
        return unsure(f"The load died: producer {unclosed[0]} did not see its last records through.")
    planned = sum(_planned(ledger, run) for ledger in run.ledgers)
    if planned < 1:
        raise RecordIncompleteError("no load was planned")
    sent = sum(ledger.attempted for ledger in run.ledgers)
    share, late, worst = sent / planned, run.series.lag_p99, run.series.max_lag
    if math.isnan(worst):
        raise RecordIncompleteError("how late the load generator handed records over was not recorded")
    actual = f"{share:.1%} of {planned:,.0f} records, {worst * 1000:.1f} ms late at worst"
    details = {"sent": sent, "planned": planned, "lag_p99": late, "max_lag": worst}
    if share < run.record.objectives.achieved_over_offered:
        return unsure("Fewer records were sent than planned.", actual, **details)
    if late > LATE_P99 or worst > LATE_MAX:
        return unsure(
            "The load generator itself lagged, so that its silence can't be told from the platform's.", actual
        )
    return passed("The planned load was offered in time.", actual, **details)


@check(
    "load/*/intended.u32",
    "load/*/counters.i64",
    target=lambda o: None if o.latency_p99 is None else f"<= {o.latency_p99:g} s",
)
def latency_p99(run: Run) -> Finding:
    """The p99 of completion - intended time from the baseline's start to the end of the load is within the objective.

    A record that was never acknowledged took forever: it counts among the slowest.
    """
    begin, end, series = run.baseline[0], run.load_end, run.series
    acked = int(series.intended[math.ceil(begin - series.start) : math.floor(end - series.start)].sum())
    never = sum(ledger.attempted - ledger.acked.count() for ledger in run.ledgers)
    if acked == 0:
        return unsure("Nothing was acknowledged after the baseline began.")
    q = 0.99 * (acked + never) / acked
    if q > 1:
        return failed(f"{never:,} records, more than 1 %, were never acknowledged.", actual="no p99", never=never)
    p99 = series.latency_between(q, begin, end)
    actual, objective = f"{p99:.3f} s", run.record.objectives.latency_p99
    if objective is not None and p99 > objective:
        return failed("The slowest 1 % of the records took longer than the objective allows.", actual)
    return passed("The slowest 1 % of the records aside, latency was within the objective.", actual)


def _sane_p99(objectives: Objectives) -> float:
    return min(SANE_P99, objectives.latency_p99 or SANE_P99)


def _silence(run: Run, pace: float) -> str | None:
    """Which path was out before the fault; `pace` is the usual time between two of its records, s."""
    for path in run.timeline.paths:
        if path.baseline_gap > max(SANE_GAP, 10 * pace):
            return f"{path.name} was silent for {path.baseline_gap:.2f} s"
        for outage in path.outages:
            if run.episodes and outage.t1 < run.t0 - path.threshold:
                return f"{path.name} was out, {run.t0 - outage.t1:.1f} s before it"
    return None


def _planned(ledger: Ledger, run: Run) -> float:
    """Records that a producer's schedule had due until its arrivals ended."""
    producer, stages = ledger.header.producer_id, ledger.header.stages
    ends = [event.t for event in run.events_of("load.flushing") if event.data["producer_id"] == producer]
    if not ends or not stages:
        raise RecordIncompleteError(f"when the arrivals of producer {producer} began and ended is not in the record")
    until = [*(stage.t for stage in stages[1:]), ends[-1]]
    return sum(stage.rate * max(0.0, t - stage.t) for stage, t in zip(stages, until, strict=True))
