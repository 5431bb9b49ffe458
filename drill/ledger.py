"""The record ledger: what became of every single record that the load sent.

A record is whatever a load accounts for one by one: a Kafka record, a committed transaction, a workflow that was
started, a request. One ledger a producer, in `load/<producer id>/` of the run record (a load that has only one names
the folder after its stream): header.json, and one bit a record in each of
acked.bits, failed.bits (written by the producer as it goes, and kept when it's killed), seen.bits and twice.bits
(written by the drain). What is neither acked nor failed is indeterminate: it may have been stored, or not.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, ValidationError

from drill._mapped import MappedRows
from drill.errors import RecordIncompleteError
from drill.record import RunRecord

Sequences = npt.NDArray[np.int64]
Packed = npt.NDArray[np.uint8]


class Stage(BaseModel):
    """From record `first_seq` on, arrivals are `1 / rate` seconds apart, the first at `t` (epoch seconds)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    first_seq: int
    t: float
    rate: float


class LedgerHeader(BaseModel):
    """What one producer sends, and how."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run_id: str
    producer_id: int
    """Unlike that of any other ledger of the run, whatever its stream."""
    system: str = "kafka"
    """The service that is loaded: kafka, postgres, dolphinscheduler."""
    topic: str
    """The name of the stream: the topic where there is one."""
    partitions: int
    """Of the topic; what has no partitions is one."""
    noun: str = "record"
    """What one of them is called, in the singular."""
    accounted: bool = True
    """Whether what was acknowledged can be read back and looked for; else it tells of availability and latency only."""
    record_size: int = 0
    """Bytes of a whole record (the message's value), accounting header included."""
    producer_settings: dict[str, str | int | float] = {}
    """As effective: acks, linger.ms, delivery.timeout.ms, ..."""
    stages: tuple[Stage, ...] = ()


class Bitmap:
    """A set of sequence numbers, one bit each, in a file."""

    def __init__(self, path: Path, *, capacity: int = 0, writable: bool = False) -> None:
        try:
            self._map = MappedRows(path, np.uint8, rows=-(-capacity // 8), writable=writable)
        except FileNotFoundError as error:
            raise RecordIncompleteError(
                f"{path}: not there: the topic was not drained, or the load never began"
            ) from error

    @property
    def packed(self) -> Packed:
        """The bits, sequence 0 in the lowest bit of the first byte."""
        return self._map.rows[:, 0]

    def set(self, sequences: Sequence[int] | Sequences) -> None:
        """Put sequence numbers in; the bitmap grows as far as it must."""
        numbers = np.asarray(sequences, dtype=np.int64)
        if numbers.size:
            packed = self._map.reach((int(numbers.max()) >> 3) + 1)[:, 0]
            np.bitwise_or.at(packed, numbers >> 3, np.left_shift(1, numbers & 7).astype(np.uint8))

    def merge(self, packed: Packed) -> None:
        """Put in every sequence number of another bitmap's bits."""
        self._map.reach(len(packed))[: len(packed), 0] |= packed

    def has(self, sequences: Sequences) -> npt.NDArray[np.bool_]:
        """Which of the sequence numbers are in."""
        places = sequences >> 3
        within = places < len(self.packed)
        found = np.zeros(len(sequences), dtype=np.bool_)
        found[within] = (self.packed[places[within]] >> (sequences[within] & 7)) & 1
        return found

    def count(self) -> int:
        """How many sequence numbers are in."""
        return _count(self.packed)

    def indices(self) -> Sequences:
        """The sequence numbers, rising."""
        return _indices(self.packed)


class Ledger:
    """One producer's ledger; `create` writes, `open` reads (and, `writable`, lets the drain note what it saw)."""

    def __init__(self, folder: Path, header: LedgerHeader, *, capacity: int = 0, writable: bool = False) -> None:
        self.folder = folder
        self.header = header
        self._writable = writable
        self._capacity = capacity
        self._counters = MappedRows(folder / "counters.i64", np.int64, 2, rows=1, writable=writable)

    @classmethod
    def create(cls, folder: Path, header: LedgerHeader, capacity: int) -> Self:
        """Begin the ledger of a producer that means to send about `capacity` records; more is possible.

        Raises:
            FileExistsError: the folder has a ledger already.
        """
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "header.json").open("x") as file:
            file.write(header.model_dump_json(indent=2))
        ledger = cls(folder, header, capacity=capacity, writable=True)
        _ = ledger.acked, ledger.failed  # the files are there from the start, however soon the producer dies
        return ledger

    @classmethod
    def open(cls, folder: Path, *, writable: bool = False) -> Self:
        """Open a ledger that a producer has left.

        Raises:
            RecordIncompleteError: the folder holds no readable ledger.
        """
        try:
            header = LedgerHeader.model_validate_json((folder / "header.json").read_bytes())
            return cls(folder, header, writable=writable)
        except (FileNotFoundError, ValidationError) as error:
            raise RecordIncompleteError(f"{folder}: no readable ledger: {error}") from error

    @cached_property
    def acked(self) -> Bitmap:
        """Records that the cluster promised to keep."""
        return self._bitmap("acked")

    @cached_property
    def failed(self) -> Bitmap:
        """Records that were definitely not stored."""
        return self._bitmap("failed")

    @cached_property
    def seen(self) -> Bitmap:
        """Records that the drain found.

        Raises:
            RecordIncompleteError: the topic was never drained.
        """
        _ = self.twice  # the two are written together
        return self._bitmap("seen")

    @cached_property
    def twice(self) -> Bitmap:
        """Records that the drain found more than once."""
        return self._bitmap("twice")

    @property
    def attempted(self) -> int:
        """Records that arrived, in all: sequence numbers 0 to `attempted` - 1."""
        return int(self._counters.rows[0, 0])

    @property
    def closed(self) -> bool:
        """Whether the producer ended with every record acked, failed or timed out, and none under way."""
        return bool(self._counters.rows[0, 1])

    def begin_stage(self, t: float, rate: float) -> None:
        """From the next record on, arrivals are `1 / rate` seconds apart, the first at `t`."""
        stage = Stage(first_seq=self.attempted, t=t, rate=rate)
        self.header = self.header.model_copy(update={"stages": (*self.header.stages, stage)})
        self.__dict__.pop("_stages", None)
        partial = self.folder / ".header.json.partial"
        partial.write_text(self.header.model_dump_json(indent=2))
        partial.replace(self.folder / "header.json")

    def attempt(self, count: int) -> int:
        """Note, before they are sent, that `count` more records arrived; returns the first one's sequence number."""
        first = self.attempted
        self._counters.rows[0, 0] = first + count
        return first

    def close(self) -> None:
        """Note that no record is under way any more."""
        self._counters.rows[0, 1] = 1

    def forget_seen(self) -> None:
        """Make `seen` and `twice` empty, before the topic is drained (again)."""
        for name in ("seen", "twice"):
            self.__dict__.pop(name, None)
            (self.folder / f"{name}.bits").unlink(missing_ok=True)
            (self.folder / f"{name}.bits").touch()

    def partition_of(self, sequences: Sequences) -> Sequences:
        """The partition that each record is sent to: round robin."""
        return sequences % self.header.partitions

    def intended_time(self, sequences: Sequences) -> npt.NDArray[np.float64]:
        """When each record was due, in epoch seconds: exact from the stages, whenever it was really sent."""
        first, t, rate = self._stages
        stage = np.searchsorted(first, sequences, side="right") - 1
        times: npt.NDArray[np.float64] = t[stage] + (sequences - first[stage]) / rate[stage]
        return times

    @cached_property
    def _stages(self) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]:
        if not self.header.stages:
            raise RecordIncompleteError(f"{self.folder}: the producer has not begun")
        columns = np.array([(stage.first_seq, stage.t, stage.rate) for stage in self.header.stages]).T
        return columns[0].astype(np.int64), columns[1], columns[2]

    def _bitmap(self, name: str) -> Bitmap:
        return Bitmap(self.folder / f"{name}.bits", capacity=self._capacity, writable=self._writable)


def ledgers(record: RunRecord) -> tuple[Ledger, ...]:
    """Every producer's ledger of a run, by producer id.

    Raises:
        RecordIncompleteError: there is none.
    """
    found = [Ledger.open(header.parent) for header in (record.path / "load").glob("*/header.json")]
    if not found:
        raise RecordIncompleteError(f"{record.path}: has no record ledger (load/<producer id>/header.json)")
    return tuple(sorted(found, key=lambda ledger: ledger.header.producer_id))


SYSTEMS = ("kafka", "postgres", "dolphinscheduler")
"""The services that may be loaded, in the order in which they are told of."""


@dataclass(frozen=True)
class Stream:
    """All that one load sent of one kind: the producers of one topic, or those of what is no topic."""

    ledgers: tuple[Ledger, ...]
    """Of all its producers, by producer id; at least one."""

    @property
    def header(self) -> LedgerHeader:
        """What its producers agree on (and the first one's own id and schedule)."""
        return self.ledgers[0].header

    @property
    def name(self) -> str:
        """The topic, or what stands for it."""
        return self.header.topic

    @property
    def system(self) -> str:
        """The service that it loads."""
        return self.header.system

    @property
    def noun(self) -> str:
        """What one of its records is called."""
        return self.header.noun

    @property
    def drain(self) -> str:
        """The name of the evidence of its drain."""
        return "drain" if self.system == "kafka" else f"drain-{self.name}"

    @property
    def paths(self) -> tuple[str, ...]:
        """The ways that its clients' requests take, by partition: `commodities-0`, or `postgres`."""
        if self.system != "kafka":
            return (self.name,)
        return tuple(f"{self.name}-{partition}" for partition in range(self.header.partitions))


def streams(record: RunRecord) -> tuple[Stream, ...]:
    """The streams of a run, by system and name.

    Raises:
        RecordIncompleteError: there is none, or the producers of one disagree on its partitions.
    """
    found: dict[tuple[int, str, str], list[Ledger]] = {}
    for ledger in ledgers(record):
        system = ledger.header.system
        order = SYSTEMS.index(system) if system in SYSTEMS else len(SYSTEMS)
        found.setdefault((order, system, ledger.header.topic), []).append(ledger)
    for (_, _, name), producers in found.items():
        if len({each.header.partitions for each in producers}) > 1:
            raise RecordIncompleteError(f"{record.path}: the producers of {name} disagree on the number of partitions")
    return tuple(Stream(tuple(found[key])) for key in sorted(found))


class LossInterval(BaseModel):
    """Consecutive lost records of one producer in one partition; times are when they were due, epoch seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    producer_id: int
    partition: int
    first_seq: int
    last_seq: int
    count: int
    first_time: float
    last_time: float


class Accounting(BaseModel):
    """The sums over every ledger of a run: attempted = acked + failed + indeterminate."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    attempted: int
    acked: int
    failed: int
    indeterminate: int
    """Neither promised nor definitely refused: a timeout, a disconnect, a killed producer. Never lost."""
    seen: int
    seen_twice: int
    lost: int
    """Acked, and not seen."""
    indeterminate_seen: int
    failed_seen: int
    """Definitely refused, and yet seen: an anomaly."""
    lost_intervals: tuple[LossInterval, ...]
    """The earliest ones; consecutive means consecutive in their partition."""
    lost_intervals_omitted: int = 0


def account(found: Iterable[Ledger], limit: int = 1000) -> Accounting:
    """Add the ledgers up, and list at most `limit` intervals of lost records.

    Raises:
        RecordIncompleteError: a topic was not drained, or a ledger contradicts itself.
    """
    sums = dict.fromkeys(Accounting.model_fields.keys() - {"lost_intervals", "lost_intervals_omitted"}, 0)
    intervals: list[LossInterval] = []
    omitted = 0
    for ledger in found:
        acked, failed, seen, twice = (_sized(ledger, name) for name in ("acked", "failed", "seen", "twice"))
        if _count(acked & failed) or _count(twice & ~seen):
            raise RecordIncompleteError(f"{ledger.folder}: the ledger contradicts itself (acked and failed at once)")
        lost = acked & ~seen
        known = acked | failed
        sums["attempted"] += ledger.attempted
        sums["acked"] += _count(acked)
        sums["failed"] += _count(failed)
        sums["indeterminate"] += ledger.attempted - _count(known)
        sums["seen"] += _count(seen)
        sums["seen_twice"] += _count(twice)
        sums["lost"] += _count(lost)
        sums["indeterminate_seen"] += _count(seen & ~known)
        sums["failed_seen"] += _count(failed & seen)
        listed, left_out = _intervals(ledger, _indices(lost), limit)
        intervals += listed
        omitted += left_out
    intervals.sort(key=lambda interval: (interval.first_time, interval.producer_id, interval.partition))
    return Accounting(
        **sums, lost_intervals=tuple(intervals[:limit]), lost_intervals_omitted=omitted + len(intervals[limit:])
    )


def _intervals(ledger: Ledger, lost: Sequences, limit: int) -> tuple[list[LossInterval], int]:
    """The first `limit` runs of lost records, and how many more there are."""
    spans = []
    for partition in np.unique(ledger.partition_of(lost)):
        of_it = lost[ledger.partition_of(lost) == partition]
        gaps = np.flatnonzero(np.diff(of_it) != ledger.header.partitions)
        spans.append(np.stack([of_it[np.r_[0, gaps + 1]], of_it[np.r_[gaps, len(of_it) - 1]]], axis=1))
    if not spans:
        return [], 0
    found = np.concatenate(spans)
    found = found[np.argsort(found[:, 0])]
    first, last = found[:limit].T
    return [
        LossInterval(
            producer_id=ledger.header.producer_id,
            partition=int(a % ledger.header.partitions),
            first_seq=int(a),
            last_seq=int(b),
            count=int((b - a) // ledger.header.partitions + 1),
            first_time=float(from_time),
            last_time=float(to_time),
        )
        for a, b, from_time, to_time in zip(
            first, last, ledger.intended_time(first), ledger.intended_time(last), strict=True
        )
    ], max(0, len(found) - limit)


def _sized(ledger: Ledger, name: str) -> Packed:
    """A bitmap's bits cut or filled up to the number of attempted records."""
    bits: Bitmap = getattr(ledger, name)
    size = -(-ledger.attempted // 8)
    beyond = _count(bits.packed[size:])
    if size and len(bits.packed) >= size:
        beyond += int(bits.packed[size - 1]) >> (ledger.attempted - 8 * (size - 1))
    if beyond:
        raise RecordIncompleteError(f"{ledger.folder}: {name}.bits has records that were never attempted")
    held = bits.packed[:size]
    return held if len(held) == size else np.concatenate([held, np.zeros(size - len(held), dtype=np.uint8)])


def _count(packed: Packed) -> int:
    return int(np.bitwise_count(packed).sum(dtype=np.int64))


def _indices(packed: Packed) -> Sequences:
    # Only bytes with a bit in them are unpacked: the common case is a long bitmap with next to nothing in it.
    places = np.flatnonzero(packed)
    row, bit = np.nonzero(np.unpackbits(packed[places][:, np.newaxis], axis=1, bitorder="little"))
    indices: Sequences = places[row] * 8 + bit
    return indices
