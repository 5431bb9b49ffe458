"""What the load's clients saw over time: counts in bins of 10 ms a partition, and latencies.

One set of files a producer, beside its ledger, written as it goes and kept when it's killed: rates.u32 (a row a bin:
acked and failed for each partition), completed.u32 and intended.u32 (a row a second: a latency histogram by when
records were answered, and by when they were due), lag.u32 (a histogram of how late records were handed over).
Latency is completion - intended time, so a stalled client can't hide the time that its records waited.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from drill._mapped import Array, MappedRows
from drill.errors import RecordIncompleteError
from drill.ledger import Ledger, Sequences, Stream, streams
from drill.record import RunRecord

BIN = 0.01
"""Width of a bin of counts, s: a tenth of the error that an outage may be measured with."""
_BINS = round(1 / BIN)
_FLOOR, _CEILING, _GROWTH = 10e-6, 1000.0, 1.02
BUCKETS = math.ceil(math.log(_CEILING / _FLOOR) / math.log(_GROWTH)) + 1
"""Latency buckets from 10 us to 1000 s, each 2 % wider than the last: read from the middle, off by < 1 %."""

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.uint32]


def bucket_of(seconds: Floats) -> npt.NDArray[np.int64]:
    """The bucket of each latency; what is out of range goes to the first or the last one."""
    # Single precision is a millionth, where a bucket is a fiftieth, and several times as fast.
    logarithms = np.log(np.maximum(seconds, _FLOOR).astype(np.float32))
    places = (logarithms - np.float32(math.log(_FLOOR))) * np.float32(1 / math.log(_GROWTH))
    return np.minimum(places.astype(np.int64), BUCKETS - 1)


def value_of(bucket: int) -> float:
    """The middle of a bucket, in seconds."""
    return float(_FLOOR * _GROWTH ** (bucket + 0.5))


def quantile(histogram: Array, q: float) -> float:
    """The q-quantile (0 to 1) of a latency histogram, in seconds, to 1 %; nan when it is empty."""
    total = int(histogram.sum(dtype=np.int64))
    if total == 0:
        return math.nan
    rank = max(1, math.ceil(q * total))
    return value_of(int(np.searchsorted(np.cumsum(histogram, dtype=np.int64), rank)))


def _histogram(buckets: npt.NDArray[np.int64]) -> Counts:
    return np.bincount(buckets, minlength=BUCKETS).astype(np.uint32)


class SeriesWriter:
    """Writes one producer's series into its ledger's folder.

    Args:
        folder: the ledger's folder.
        start: the time of the first arrival, epoch seconds; rows count from the whole second before it.
        partitions: how many the topic has.
        seconds: how long the load is meant to last; longer is possible.
    """

    def __init__(self, folder: Path, start: float, partitions: int, seconds: float) -> None:
        self._base = math.floor(start)
        self._partitions = partitions
        rows = math.ceil(seconds)
        self._rates = MappedRows(folder / "rates.u32", np.uint32, 2 * partitions, rows=rows * _BINS, writable=True)
        self._completed = MappedRows(folder / "completed.u32", np.uint32, BUCKETS, rows=rows, writable=True)
        self._intended = MappedRows(folder / "intended.u32", np.uint32, BUCKETS, rows=rows, writable=True)
        self._lag = MappedRows(folder / "lag.u32", np.uint32, BUCKETS, rows=1, writable=True)

    def sent(self, at: float, intended: Floats) -> None:
        """Note that records due at `intended` were handed to the client at `at`."""
        self._lag.rows[0] += _histogram(bucket_of(at - intended))

    def acked(self, at: float, partitions: Sequences, intended: Floats) -> None:
        """Note that records due at `intended` in `partitions` were acknowledged at `at`."""
        self._count(at, partitions, 0)
        buckets = bucket_of(at - intended)
        second = int(at) - self._base
        self._completed.reach(second + 1)[second] += _histogram(buckets)
        seconds = intended.astype(np.int64) - self._base
        rows = self._intended.reach(int(seconds.max()) + 1)
        np.add.at(rows.reshape(-1), seconds * BUCKETS + buckets, np.uint32(1))

    def failed(self, at: float, partitions: Sequences) -> None:
        """Note that records in `partitions` were given up or refused at `at`, definitely or not."""
        self._count(at, partitions, self._partitions)

    def _count(self, at: float, partitions: Sequences, column: int) -> None:
        place = int((at - self._base) / BIN)
        row = self._rates.reach(place + 1)[place]
        row[column : column + self._partitions] += np.bincount(partitions, minlength=self._partitions).astype(np.uint32)


@dataclass(frozen=True)
class ClientSeries:
    """What all the load's clients saw together; P partitions, N bins, S seconds."""

    start: float
    """Epoch seconds of the first bin's beginning; a whole second."""
    offered: Counts
    """(P, N) records that were due in each bin, from the ledgers' schedules."""
    acked: Counts
    """(P, N) records acknowledged in each bin."""
    failed: Counts
    """(P, N) records given up or refused in each bin, definitely or not: all a client sees as an error."""
    completed: Counts
    """(S, buckets) latencies by the second in which records were acknowledged."""
    intended: Counts
    """(S, buckets) latencies of acknowledged records by the second in which they were due."""
    lag: Counts
    """(buckets,) how late records were handed to the client."""
    bin: float = BIN

    def latency(self, q: float, each: float = 1.0) -> Floats:
        """The q-quantile of latency over time, s, one value each `each` (whole) seconds by completion.

        nan where nothing was acknowledged.
        """
        width = round(each)
        if width < 1 or width != each:
            raise ValueError(f"latency is kept a second: each={each} is not a whole number of seconds")
        return np.array(
            [quantile(self.completed[at : at + width].sum(axis=0), q) for at in range(0, len(self.completed), width)]
        )

    def latency_between(self, q: float, t_from: float, t_to: float) -> float:
        """The q-quantile of latency, s, of acknowledged records due in the whole seconds inside [t_from, t_to)."""
        first, last = math.ceil(t_from - self.start), math.floor(t_to - self.start)
        return quantile(self.intended[max(0, first) : max(0, last)].sum(axis=0), q)

    @property
    def lag_p99(self) -> float:
        """The p99 of how late records were handed to the client, s; nan when none was."""
        return quantile(self.lag, 0.99)

    @property
    def max_lag(self) -> float:
        """The worst time by which a record was handed to the client late, s; nan when none was."""
        return quantile(self.lag, 1.0)


def client_series(record: RunRecord) -> ClientSeries:
    """The merged series of every producer of a run that has one stream.

    Raises:
        RecordIncompleteError: there is none, there are several, or a producer never began.
    """
    found = streams(record)
    if len(found) > 1:
        raise RecordIncompleteError(f"{record.path}: has several streams: {', '.join(each.name for each in found)}")
    return stream_series(found[0])


def stream_series(stream: Stream) -> ClientSeries:
    """The merged series of every producer of a stream.

    Raises:
        RecordIncompleteError: a producer never began, or its series is not there.
    """
    found = stream.ledgers
    base = min(_base(ledger) for ledger in found)
    rates = _merged(found, base, "rates.u32", 2 * found[0].header.partitions, _BINS)
    completed = _merged(found, base, "completed.u32", BUCKETS)
    intended = _merged(found, base, "intended.u32", BUCKETS)
    lag = _merged(found, base, "lag.u32", BUCKETS, 0)
    offered = _offered(found, base)
    # Files are longer than the run: only what lies between the first and the last thing that happened is shown.
    last = max((int(np.flatnonzero(each.any(axis=1)).max(initial=-1)) for each in (rates, offered)), default=-1)
    seconds = last // _BINS + 1
    partitions = found[0].header.partitions
    rates, offered = (_resized(each, seconds * _BINS) for each in (rates, offered))
    return ClientSeries(
        start=float(base),
        offered=offered.T,
        acked=rates[:, :partitions].T,
        failed=rates[:, partitions:].T,
        completed=_resized(completed, seconds),
        intended=_resized(intended, seconds),
        lag=_resized(lag, 1)[0],
    )


def _base(ledger: Ledger) -> int:
    if not ledger.header.stages:
        raise RecordIncompleteError(f"{ledger.folder}: the producer has not begun")
    return math.floor(ledger.header.stages[0].t)


def _merged(found: tuple[Ledger, ...], base: int, name: str, width: int, rows_a_second: int = 1) -> Counts:
    """The sum of one file over all producers, each shifted by the whole seconds that it began later."""
    total = np.zeros((0, width), dtype=np.uint32)
    for ledger in found:
        try:
            rows = MappedRows(ledger.folder / name, np.uint32, width).rows
        except FileNotFoundError as error:
            raise RecordIncompleteError(f"{ledger.folder}: has no {name}") from error
        shift = (_base(ledger) - base) * rows_a_second
        total = _resized(total, max(len(total), shift + len(rows)))
        total[shift : shift + len(rows)] += rows
    return total


def _offered(found: tuple[Ledger, ...], base: int, chunk: int = 1 << 20) -> Counts:
    """(N, P) records due in each bin; in chunks, because a long run has millions."""
    total = np.zeros((0, found[0].header.partitions), dtype=np.uint32)
    for ledger in found:
        for first in range(0, ledger.attempted, chunk):
            sequences = np.arange(first, min(first + chunk, ledger.attempted))
            places = ((ledger.intended_time(sequences) - base) / BIN).astype(np.int64)
            total = _resized(total, max(len(total), int(places.max()) + 1))
            np.add.at(total, (places, ledger.partition_of(sequences)), 1)
    return total


def _resized(rows: Counts, count: int) -> Counts:
    """The first `count` rows, filled up with zeros."""
    if len(rows) >= count:
        return rows[:count]
    return np.concatenate([rows, np.zeros((count - len(rows), rows.shape[1]), dtype=rows.dtype)])
