"""The clients' time series: bins, latency quantiles, and producers that began at different times."""

import math
from pathlib import Path

import numpy as np
import pytest

from drill.errors import RecordIncompleteError
from drill.ledger import Ledger, LedgerHeader
from drill.record import RunRecord
from drill.series import BUCKETS, SeriesWriter, bucket_of, client_series, value_of

START = 1_700_000_000.255


def _begin(record: Path, producer: int, start: float, attempted: int = 0, rate: float = 100.0) -> SeriesWriter:
    header = LedgerHeader(run_id="r", producer_id=producer, topic="t", partitions=2)
    ledger = Ledger.create(record / "load" / str(producer), header, 100)
    ledger.begin_stage(start, rate)
    ledger.attempt(attempted)
    return SeriesWriter(ledger.folder, start, 2, 1.0)


def test_counts_land_in_their_bin_and_partition(tmp_path: Path) -> None:
    """An ack counts when it came, an arrival when it was due."""
    writer = _begin(tmp_path, 0, START, attempted=4)
    writer.acked(START + 0.5, np.array([0, 0, 1]), np.array([START, START + 0.02, START + 0.01]))
    writer.failed(START + 3.0, np.array([1]))
    series = client_series(RunRecord(tmp_path))
    assert series.start == 1_700_000_000.0
    assert series.acked.shape == series.failed.shape == series.offered.shape == (2, 400)
    assert series.acked[:, 75].tolist() == [2, 1]
    assert series.failed[:, 325].tolist() == [0, 1]
    assert (series.acked.sum(), series.failed.sum()) == (3, 1)
    assert series.offered[:, 25:29].tolist() == [[1, 0, 1, 0], [0, 1, 0, 1]]
    assert series.offered.sum() == 4


@pytest.mark.parametrize("seconds", [20e-6, 0.0031, 0.5, 1.0, 59.9, 900.0])
def test_a_bucket_errs_by_less_than_one_percent(seconds: float) -> None:
    """Reading a latency from its bucket's middle keeps it within 1 %."""
    (bucket,) = bucket_of(np.array([seconds]))
    assert value_of(int(bucket)) == pytest.approx(seconds, rel=0.01)


def test_latencies_out_of_range_stay_in_the_histogram() -> None:
    """Nothing falls out at either end, not even a negative latency."""
    assert bucket_of(np.array([-1.0, 0.0, 1e9])).tolist() == [0, 0, BUCKETS - 1]


def test_quantiles_equal_numpy_within_one_percent(tmp_path: Path) -> None:
    """Quantiles of the histogram are those of the sample."""
    random = np.random.default_rng(1)
    latencies = random.lognormal(-5, 1, 10_000)
    writer = _begin(tmp_path, 0, START)
    due = np.full(len(latencies), START)
    for latency, intended in zip(latencies, due, strict=True):
        writer.acked(START + latency, np.array([0]), np.array([intended]))
    series = client_series(RunRecord(tmp_path))
    for q in (0.5, 0.99, 1.0):
        expected = np.quantile(latencies, q, method="inverted_cdf")
        assert series.latency_between(q, START - 1, START + 1) == pytest.approx(expected, rel=0.011)


def test_latency_is_by_completion_and_between_is_by_due_time(tmp_path: Path) -> None:
    """A record that waited through an outage counts at its due time in one, at its answer in the other."""
    writer = _begin(tmp_path, 0, START)
    writer.acked(START + 3, np.array([0]), np.array([START]))
    series = client_series(RunRecord(tmp_path))
    over_time = series.latency(0.5)
    assert [math.isnan(each) for each in over_time] == [True, True, True, False]
    assert over_time[3] == pytest.approx(3, rel=0.01)
    assert series.latency_between(0.5, 1_700_000_000.0, 1_700_000_001.0) == pytest.approx(3, rel=0.01)
    assert math.isnan(series.latency_between(0.5, 1_700_000_001.0, 1_700_000_004.0))


def test_series_of_two_producers_are_aligned(tmp_path: Path) -> None:
    """A producer that began later is shifted, not stacked at the start."""
    for producer, start in ((0, START), (1, START + 2)):
        writer = _begin(tmp_path, producer, start, attempted=2)
        writer.acked(start + 0.1, np.array([0, 1]), np.array([start, start + 0.01]))
        writer.sent(start + 0.004 * (producer + 1), np.array([start]))
    series = client_series(RunRecord(tmp_path))
    assert np.flatnonzero(series.acked.sum(axis=0)).tolist() == [35, 235]
    assert np.flatnonzero(series.offered.sum(axis=0)).tolist() == [25, 26, 225, 226]
    assert series.max_lag == pytest.approx(0.008, rel=0.01)
    assert series.lag.sum() == 2


def test_a_missing_series_is_incomplete(tmp_path: Path) -> None:
    """A ledger without its series is missing data."""
    _begin(tmp_path, 0, START)
    (tmp_path / "load/0/rates.u32").unlink()
    with pytest.raises(RecordIncompleteError, match=r"rates\.u32"):
        client_series(RunRecord(tmp_path))


def test_a_part_of_a_second_is_refused(tmp_path: Path) -> None:
    """Latency is kept a second; asking for less is a mistake, not an interpolation."""
    _begin(tmp_path, 0, START)
    with pytest.raises(ValueError, match="whole number"):
        client_series(RunRecord(tmp_path)).latency(0.5, each=0.5)
