"""The numbers of a run that another run is compared with: how long, how slow, how much."""

import math
from collections.abc import Callable, Iterator
from typing import Literal

from pydantic import BaseModel, ConfigDict

from drill.errors import RecordIncompleteError
from drill.record import RunRecord
from recovery._checks_load import slowest_percent
from recovery._run import Run
from recovery._traffic import Traffic

Name = Literal["rto", "client_outage", "latency_p99", "throughput"]
PRECISION = 0.01
"""How exact a latency of the histogram is, as a share of itself."""


class Measure(BaseModel):
    """One number of a run, or why the run does not have it."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: Name
    of: str = ""
    """The stream that it is of; empty: of the platform as a whole."""
    value: float | None
    """Seconds; of `throughput`, acknowledged records a second. None: not measured."""
    error: float = 0.0
    """By how much the true value may differ, in the same unit."""
    why: str | None = None
    """Why there is no value."""


def measures(record: RunRecord) -> tuple[Measure, ...]:
    """RTO and client outage of the platform, p99 and throughput of each stream; a run without clients has none.

    A number that the record does not have is None with the reason, and never an estimate: of an outage that was not
    seen to end there is no length.
    """
    run = Run(record)
    line = run.timeline
    found = [_timed("rto", line.rto, line.error, line.unmeasured.get("rto"))]
    found.append(_timed("client_outage", line.outage, line.error, line.unmeasured.get("outage")))
    try:
        traffic = run.traffic
    except RecordIncompleteError as error:
        why = run.reason(error)
        return (
            *found,
            Measure(name="latency_p99", value=None, why=why),
            Measure(name="throughput", value=None, why=why),
        )
    return (*found, *(measure for each in traffic for measure in _of_stream(each)))


def _timed(name: Name, value: float | None, error: float | None, why: str | None) -> Measure:
    if value is None or error is None:
        return Measure(name=name, value=None, why=why or "how exact it is is not known")
    return Measure(name=name, value=value, error=error)


def _of_stream(traffic: Traffic) -> Iterator[Measure]:
    yield _read("latency_p99", traffic, _latency)
    yield _read("throughput", traffic, _throughput)


def _read(name: Name, traffic: Traffic, read: Callable[[Traffic], tuple[float, float]]) -> Measure:
    try:
        value, error = read(traffic)
    except RecordIncompleteError as reason:
        return Measure(name=name, of=traffic.name, value=None, why=traffic.run.reason(reason))
    return Measure(name=name, of=traffic.name, value=value, error=error)


def _latency(traffic: Traffic) -> tuple[float, float]:
    p99, never = slowest_percent(traffic)
    if math.isinf(p99):
        raise RecordIncompleteError(f"{never:,} {traffic.noun}s, more than 1 %, were never acknowledged")
    if math.isnan(p99):
        raise RecordIncompleteError("latency was not recorded over a whole second")
    return p99, PRECISION * p99


def _throughput(traffic: Traffic) -> tuple[float, float]:
    """What was acknowledged from the baseline's start to the end of arrivals, a second."""
    (begin, _), end, series = traffic.run.baseline, traffic.load_end, traffic.series
    first, last = (round((t - series.start) / series.bin) for t in (begin, end))
    if last <= first:
        raise RecordIncompleteError("the load ended before the baseline began")
    acked = int(series.acked[:, first:last].sum())
    return acked / ((last - first) * series.bin), 0.0
