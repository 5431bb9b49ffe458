"""When a path was out: gaps between client successes, from counts in bins of 10 ms.

A *path* is one topic partition. It is out from its last success before a gap longer than the threshold to the start
of its first sustained good window: so many seconds in which no gap is longer than the threshold and nothing fails.

Error: a success is known to lie in its bin, so that a length is exact to one bin, 10 ms. What is shorter than the
threshold is not told from jitter and counts as no outage.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import portion
from numpy.typing import NDArray

FLOOR = 0.25
"""The shortest gap between successes that can be an outage, s: well over a producer's linger and a GC pause."""
FACTOR = 5.0
"""How many times its largest gap in the baseline a path must be silent to be out."""


@dataclass(frozen=True)
class Bins:
    """Where on the clock the bins lie: bin i covers start + i * width to start + (i + 1) * width, seconds."""

    start: float
    width: float

    def index(self, t: float) -> int:
        """The bin that holds instant `t`; never below 0."""
        return max(0, int((t - self.start) / self.width))

    def middle(self, index: int) -> float:
        """The instant that stands for a bin: at most half a width from what happened in it."""
        return self.start + (index + 0.5) * self.width


@dataclass(frozen=True)
class Span:
    """One outage of a path, epoch seconds."""

    start: float
    """The last success (t1); the start of the observation when there was none before."""
    end: float | None
    """The start of the first sustained good window (t5); None when none was seen."""
    seen_until: float
    """Until when it is known to have lasted: `end`, or the first success seen, or the end of the load."""
    silence: float
    """The longest time in it without any success, up to the end of arrivals, s."""


def largest_gap(acked: NDArray[np.uint32], bins: Bins, t_from: float, t_to: float) -> float:
    """The longest time without a success in a window, edges included, s. A window with no success is one gap.

    Args:
        acked: successes of one path by bin, shape (N,).
        bins: where the bins lie.
        t_from: start of the window, epoch seconds.
        t_to: its end.
    """
    first, last = bins.index(t_from), bins.index(t_to)
    successes = first + np.flatnonzero(acked[first:last])
    return float(np.diff(np.concatenate(([first], successes, [last]))).max()) * bins.width


def outage_threshold(baseline_gap: float) -> float:
    """The silence that is an outage, s, for a path whose largest gap in the baseline was `baseline_gap` s."""
    return max(FLOOR, FACTOR * baseline_gap)


def outages(
    acked: NDArray[np.uint32],
    failed: NDArray[np.uint32],
    bins: Bins,
    *,
    t_from: float,
    t_to: float,
    threshold: float,
    sustained: float,
) -> tuple[Span, ...]:
    """The outages of one path between `t_from` and the end of arrivals, `t_to`; epoch seconds.

    Two gaps with less than `sustained` good seconds between them are one outage. Definite failures lengthen an
    outage, as the path isn't good while they last; they make none. Successes after `t_to` (the flush) still end a
    gap, but no window after the end of arrivals can be a sustained one.
    """
    first = bins.index(t_from)
    successes = first + np.flatnonzero(acked[first:])
    gaps = portion.Interval(*_gaps(successes, bins, t_from, t_to, threshold))
    failures = portion.Interval(*_failures(first + np.flatnonzero(failed[first : bins.index(t_to)]), bins, sustained))
    return tuple(
        _span(cluster, gaps & cluster, t_to, sustained)
        for cluster in _near(gaps | failures, sustained)
        if not (gaps & cluster).empty
    )


def _gaps(successes: NDArray[np.intp], bins: Bins, t_from: float, t_to: float, threshold: float) -> Iterator[Any]:
    if successes.size == 0:
        yield portion.closedopen(t_from, math.inf)
        return
    if bins.middle(successes[0]) - t_from > threshold:
        yield portion.closedopen(t_from, bins.middle(successes[0]))
    for k in np.flatnonzero(np.diff(successes) * bins.width > threshold):
        if bins.middle(successes[k]) < t_to:
            yield portion.closedopen(bins.middle(successes[k]), bins.middle(successes[k + 1]))
    if t_to - bins.middle(successes[-1]) > threshold:
        yield portion.closedopen(bins.middle(successes[-1]), math.inf)


def _failures(failures: NDArray[np.intp], bins: Bins, sustained: float) -> Iterator[Any]:
    """Failures in runs with less than `sustained` between them, so that many of them stay few intervals."""
    if failures.size:
        for run in np.split(failures, 1 + np.flatnonzero(np.diff(failures) * bins.width >= sustained)):
            yield portion.closedopen(bins.middle(run[0]), bins.middle(run[-1]) + bins.width)


def _near(bad: Any, sustained: float) -> Any:
    """Bad intervals with less than `sustained` between them made one: stretched, united, shrunk back."""
    stretched = bad.apply(lambda each: each.replace(upper=lambda t: t + sustained))
    return stretched.apply(lambda each: each.replace(upper=lambda t: t - sustained))


def _span(cluster: Any, gaps: Any, t_to: float, sustained: float) -> Span:
    silence = max(min(gap.upper, t_to) - gap.lower for gap in gaps)
    if math.isinf(cluster.upper):
        return Span(gaps.lower, None, seen_until=t_to, silence=silence)
    end = cluster.upper if t_to - cluster.upper >= sustained else None
    return Span(gaps.lower, end, seen_until=cluster.upper, silence=silence)
