"""Whether the platform was well before the fault."""

import math

from drill.objectives import Objectives
from recovery._check import Finding, check, counted, each_stream, passed, unsure
from recovery._traffic import Traffic

SANE_P99 = 1.0
"""A baseline whose p99 latency is above this, s, is of a platform in trouble already."""
STEADY_SHARE = 0.95
"""The share of what was offered in the baseline that must have been acknowledged in it, and that of more than all of it
the other way: in 10 s, a backlog that grew or shrank by half of `SANE_P99`."""
SANE_GAP = 0.5
"""A path that is silent for longer than this in the baseline, s, is out at times anyway (at a rate that would let it
speak at least ten times as often)."""


@check(
    "load/*/rates.u32",
    "load/*/intended.u32",
    "events.jsonl",
    target=lambda o: f">= {STEADY_SHARE:.0%} acknowledged, no outage, p99 <= {_sane_p99(o):g} s",
)
@each_stream()
def baseline_sane(traffic: Traffic) -> Finding:
    """Before the fault the load was acknowledged as offered, with no failure, no outage and a usual latency.

    Else inconclusive: what is slow or silent anyway can't show what a fault does to it.
    """
    (begin, end), series = traffic.run.baseline, traffic.series
    first, last = (round((t - series.start) / series.bin) for t in (begin, end))
    offered, acked, errors = (int(each[:, first:last].sum()) for each in (series.offered, series.acked, series.failed))
    if offered == 0:
        return unsure("Nothing was offered in the baseline.")
    share, p99 = acked / offered, series.latency_between(0.99, begin, end)
    actual = f"{share:.1%} acknowledged, p99 {p99 * 1000:.1f} ms"
    trouble: str | None
    # One that was due before the edge and answered after it is a large share of few.
    if abs(share - 1) > 1 - STEADY_SHARE and abs(acked - offered) > 1:
        # More than all of it: an older backlog was still being drained.
        trouble = f"{share:.1%} of what was offered was acknowledged"
    elif errors:
        trouble = f"{counted(errors, traffic.noun)} failed"
    elif math.isnan(p99):
        trouble = "latency was not recorded over a whole second"
    elif p99 > _sane_p99(traffic.objectives):
        trouble = "latency was too high"
    else:
        # At a low rate a path is silent between two records: that is its pace, not an outage.
        trouble = _silence(traffic, pace=(end - begin) * len(series.offered) / offered)
    if trouble:
        return unsure(f"Before the fault already, {trouble}.", actual)
    return passed(f"The baseline of {end - begin:.0f} s was steady.", actual, offered=offered, acked=acked, p99=p99)


def _sane_p99(objectives: Objectives) -> float:
    return min(SANE_P99, objectives.latency_p99 or SANE_P99)


def _silence(traffic: Traffic, pace: float) -> str | None:
    """Which path was out before the fault; `pace` is the usual time between two of its records, s."""
    run = traffic.run
    for path in (path for path in run.timeline.paths if path.name in traffic.stream.paths):
        if path.baseline_gap > max(SANE_GAP, 10 * pace):
            return f"{path.name} was silent for {path.baseline_gap:.2f} s"
        for outage in path.outages:
            if run.episodes and outage.t1 < run.t0 - path.threshold:
                return f"{path.name} was out, {run.t0 - outage.t1:.1f} s before it"
    return None
