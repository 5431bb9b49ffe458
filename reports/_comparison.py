"""What clients saw before the fault, while they were out, and after: the same numbers side by side."""

import math
from dataclasses import dataclass

import numpy as np

from drill.errors import RecordIncompleteError
from drill.record import RunRecord
from drill.series import ClientSeries
from recovery import Timeline
from reports._measured import Missing, measured

Span = tuple[int, int]
"""Epoch seconds: latencies are kept by the whole second."""


@dataclass(frozen=True)
class Stretch:
    """One stretch of the run; rates in records a second, latencies in seconds of records due in it."""

    seconds: int
    offered: float
    acked: float
    failed: int
    p50: float
    p99: float
    maximum: float


def comparison(
    record: RunRecord, timeline: Timeline, series: ClientSeries
) -> tuple[tuple[str, Stretch | Missing], ...]:
    """Baseline, fault and aftermath by name; Missing where the record does not bound one."""
    end = math.floor(series.start + float(np.flatnonzero(series.offered.any(axis=0))[-1] + 1) * series.bin)

    def baseline() -> Span:
        return math.ceil(record.first("baseline.started").t), math.floor(record.first("baseline.ended").t)

    def fault() -> Span:
        # The seconds in which t0 and t5 lie are part of it: what was due first in an outage waited longest.
        return math.floor(_known(timeline, "t0")), end if timeline.t5 is None else math.ceil(timeline.t5)

    def after() -> Span:
        return math.ceil(_known(timeline, "t5")), end

    spans = {"Before, the baseline": baseline, "From t0 to t5": fault, "After t5": after}
    return tuple(
        (name, measured(record, lambda span=span: _stretch(series, *span())))  # type: ignore[misc]
        for name, span in spans.items()
    )


def _known(timeline: Timeline, instant: str) -> float:
    t = getattr(timeline, instant)
    if t is None:
        raise RecordIncompleteError(timeline.unmeasured.get(instant, f"{instant} is not known"))
    return float(t)


def _stretch(series: ClientSeries, begin: int, end: int) -> Stretch:
    first, last = (max(0, round((t - series.start) / series.bin)) for t in (begin, end))
    if last <= first:
        raise RecordIncompleteError("it is too short")
    counts = (series.offered, series.acked, series.failed)
    offered, acked, failed = (int(each[:, first:last].sum(dtype=np.int64)) for each in counts)
    seconds = end - begin
    p50, p99, maximum = (series.latency_between(q, begin, end) for q in (0.5, 0.99, 1.0))
    return Stretch(seconds, offered / seconds, acked / seconds, failed, p50, p99, maximum)
