"""Outages of one path, from counts of successes and failures in bins of 10 ms."""

import numpy as np
import pytest
from numpy.typing import NDArray

from recovery._outages import Bins, largest_gap, outage_threshold, outages

WIDTH, START, END = 0.01, 1_750_000_000.0, 60.0
BINS = Bins(START, WIDTH)
Counts = NDArray[np.uint32]


def _counts(*times: float | NDArray[np.float64]) -> Counts:
    """Bins of the events at `times`, seconds after START."""
    places = (np.concatenate([np.atleast_1d(each) for each in times]) / WIDTH).astype(int)
    return np.bincount(places, minlength=round((END + 10) / WIDTH)).astype(np.uint32)


def _every(step: float, begin: float, end: float) -> NDArray[np.float64]:
    return np.arange(begin, end, step)


def _outages(acked: Counts, failed: Counts | None = None, sustained: float = 5.0) -> list[tuple[float, ...]]:
    found = outages(
        acked,
        np.zeros_like(acked) if failed is None else failed,
        BINS,
        t_from=START,
        t_to=START + END,
        threshold=0.25,
        sustained=sustained,
    )
    return [
        (each.start - START, np.nan if each.end is None else each.end - START, each.seen_until - START)
        for each in found
    ]


def test_steady_path_has_no_outage() -> None:
    """Successes to the end of arrivals, and none after it, are no outage."""
    assert _outages(_counts(_every(0.005, 0, END))) == []


@pytest.mark.parametrize("length", [0.3, 1.0, 5.0, 6.3, 17.77])
@pytest.mark.parametrize("begin", [20.0, 20.0037, 20.0099])
def test_length_is_exact_to_a_bin(begin: float, length: float) -> None:
    """A pause of known length is measured to 10 ms, wherever in a bin it begins and ends."""
    last, first = begin, begin + length
    [(start, end, _)] = _outages(_counts(_every(0.002, 0, last), last, _every(0.002, first, END)))
    assert end - start == pytest.approx(length, abs=WIDTH + 1e-6)
    assert start == pytest.approx(last, abs=WIDTH)


def test_pause_under_the_threshold_is_jitter() -> None:
    """A pause of 0.2 s is no outage when the threshold is 0.25 s."""
    assert _outages(_counts(_every(0.005, 0, 20), _every(0.005, 20.2, END))) == []


def test_gaps_without_a_sustained_good_window_between_them_are_one_outage() -> None:
    """Two seconds of service between two gaps are no recovery when five must be good."""
    acked = _counts(_every(0.005, 0, 20), _every(0.005, 23, 25), _every(0.005, 28, END))
    assert _outages(acked) == [pytest.approx((20, 28, 28), abs=0.02)]


def test_gaps_with_a_sustained_good_window_between_them_are_two() -> None:
    """The same gaps are two outages when one good second is enough."""
    acked = _counts(_every(0.005, 0, 20), _every(0.005, 23, 25), _every(0.005, 28, END))
    assert _outages(acked, sustained=1.0) == [
        pytest.approx((20, 23, 23), abs=0.02),
        pytest.approx((25, 28, 28), abs=0.02),
    ]


def test_failures_after_a_gap_put_off_its_end() -> None:
    """A path that still fails records is not good, though it acknowledges others."""
    acked = _counts(_every(0.005, 0, 20), _every(0.005, 23, END))
    assert _outages(acked, _counts(24.0, 26.5)) == [pytest.approx((20, 26.52, 26.52), abs=0.02)]


def test_failures_alone_are_no_outage() -> None:
    """A failed record among acknowledged ones makes no outage."""
    assert _outages(_counts(_every(0.005, 0, END)), _counts(24.0)) == []


def test_path_that_never_comes_back_is_out_until_the_load_ends() -> None:
    """An outage without an end has a lower bound only."""
    [(start, end, seen_until)] = _outages(_counts(_every(0.005, 0, 20)))
    assert (start, seen_until) == pytest.approx((20, END), abs=0.02)
    assert np.isnan(end)


def test_success_in_the_flush_ends_a_gap_but_proves_no_good_window() -> None:
    """A path that answers only after the end of arrivals has not been seen good for long enough."""
    [(start, end, seen_until)] = _outages(_counts(_every(0.005, 0, 55), 62.0))
    assert (start, seen_until) == pytest.approx((55, 62), abs=0.02)
    assert np.isnan(end)


def test_load_that_ends_too_soon_after_recovery_proves_no_good_window() -> None:
    """Four good seconds before the end of the load are not five."""
    [(_, end, seen_until)] = _outages(_counts(_every(0.005, 0, 50), _every(0.005, 56, END)))
    assert np.isnan(end)
    assert seen_until == pytest.approx(56, abs=0.02)


def test_path_without_any_success_is_out_from_the_start() -> None:
    """No success at all is one outage of the whole observation."""
    [(start, end, seen_until)] = _outages(_counts(np.array([])))
    assert (start, seen_until) == (0, END)
    assert np.isnan(end)


def test_late_first_success_is_an_outage() -> None:
    """Silence at the start of the observation is not overlooked."""
    assert _outages(_counts(_every(0.005, 3, END))) == [pytest.approx((0, 3, 3), abs=0.02)]


def test_many_failures_stay_cheap() -> None:
    """A failure in every bin of the run is one interval, not thousands."""
    acked = _counts(_every(0.005, 0, 20), _every(0.005, 23, END))
    [(start, end, seen_until)] = _outages(acked, np.ones_like(acked))
    assert (start, seen_until) == pytest.approx((20, END), abs=0.02)
    assert np.isnan(end)


def test_threshold_follows_the_baseline_but_has_a_floor() -> None:
    """Five times the largest gap of the baseline, and never under a quarter of a second."""
    assert outage_threshold(0.02) == 0.25
    assert outage_threshold(1.0) == 5.0


def test_largest_gap_counts_the_edges() -> None:
    """A window whose path falls silent half-way has a gap of the other half."""
    acked = _counts(_every(0.005, 0, 10))
    assert largest_gap(acked, BINS, START + 5, START + 9) == pytest.approx(0.01, abs=0.011)
    assert largest_gap(acked, BINS, START + 5, START + 20) == pytest.approx(10, abs=0.02)
    assert largest_gap(acked, BINS, START + 15, START + 20) == pytest.approx(5, abs=0.02)


def test_silence_is_the_longest_gap_of_an_outage() -> None:
    """What was acknowledged in the middle of an outage, and after the end of arrivals, is no part of the silence."""
    broken = _counts(_every(0.005, 0, 20), _every(0.005, 23, 25), _every(0.005, 29, END))
    flushed = _counts(_every(0.005, 0, 55), END + 4)
    for acked, silence in ((broken, 4.0), (flushed, END - 55)):
        [found] = outages(
            acked,
            np.zeros_like(acked),
            BINS,
            t_from=START,
            t_to=START + END,
            threshold=0.25,
            sustained=5.0,
        )
        assert found.silence == pytest.approx(silence, abs=0.02)
