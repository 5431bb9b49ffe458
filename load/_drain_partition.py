"""Reads one partition to its end in a process of its own: `python -m load._drain_partition`, job and result by pipe."""

import io
import json
import os
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from confluent_kafka import OFFSET_INVALID, Consumer, KafkaError, KafkaException, Message, TopicPartition
from pydantic import BaseModel, ConfigDict

from drill import clock
from load._codec import HEADER_BYTES, Decoded

_BATCH = 10_000


class Writer(BaseModel):
    """A producer whose records are looked for."""

    model_config = ConfigDict(frozen=True)

    producer_id: int
    run_id: str
    attempted: int


class Job(BaseModel):
    """What one process reads: [start, end) of a partition, no longer than until `deadline` (epoch seconds)."""

    model_config = ConfigDict(frozen=True)

    connection: dict[str, str | int | float | bool]
    topic: str
    partition: int
    partitions: int
    start: int
    end: int
    deadline: float
    record_size: int
    parent: int
    """Process id of the drain: its death ends the reading."""
    writers: tuple[Writer, ...]


class Tally(BaseModel):
    """What was found; `ours` = records of this run that are intact, repetitions included."""

    start: int
    end: int
    reached: int
    read: int = 0
    ours: int = 0
    foreign: int = 0
    corrupt: int = 0
    duplicates: int = 0
    reordered: int = 0


class Sightings:
    """How often each record of one producer in one partition was seen, and in which order."""

    def __init__(self, writer: Writer, partition: int, partitions: int) -> None:
        self.writer, self._partition, self._partitions = writer, partition, partitions
        self._times = np.zeros(-(-writer.attempted // partitions), dtype=np.uint8)
        self._highest = -1

    def add(self, sequences: npt.NDArray[np.int64]) -> tuple[int, int, int]:
        """Note a batch in the order of the log; returns how many are duplicates, reordered, and impossible.

        Reordered is a record seen for the first time after one with a higher number. Impossible is a number that was
        never sent to this partition.
        """
        possible = (sequences < self.writer.attempted) & (sequences % self._partitions == self._partition)
        sequences = sequences[possible]
        places, first, times = np.unique(sequences // self._partitions, return_index=True, return_counts=True)
        fresh = sequences[np.sort(first[self._times[places] == 0])]
        self._times[places] = np.minimum(self._times[places] + times, 2)  # twice is as good as any more
        before = np.maximum.accumulate(np.concatenate([[self._highest], fresh]))
        self._highest = int(before[-1])
        return len(sequences) - len(fresh), int((fresh < before[:-1]).sum()), int((~possible).sum())

    def at_least(self, times: int) -> npt.NDArray[np.uint8]:
        """The bits, by sequence number, of records seen at least so often."""
        bits = np.zeros(len(self._times) * self._partitions, dtype=np.bool_)
        bits[self._partition :: self._partitions] = self._times >= times
        return np.packbits(bits, bitorder="little")


def tally_batch(values: Sequence[bytes], job: Job, tally: Tally, sightings: Sequence[Sightings]) -> None:
    """Add a batch of values, in the order of the log, to the tally and the sightings."""
    tally.read += len(values)
    if other_sizes := set(map(len, values)) - {job.record_size}:
        for value in (each for each in values if len(each) in other_sizes):
            damaged = _is_damaged(value)
            tally.corrupt += damaged
            tally.foreign += not damaged
        values = [value for value in values if len(value) == job.record_size]
    if not values:
        return
    decoded = Decoded(values, job.record_size)
    tally.corrupt += int((decoded.marked & ~decoded.intact).sum())
    ours = np.zeros(len(values), dtype=np.bool_)
    for each in sightings:
        mine = decoded.intact & decoded.by(each.writer.run_id, each.writer.producer_id)
        duplicates, reordered, impossible = each.add(decoded.sequences[mine])
        tally.duplicates += duplicates
        tally.reordered += reordered
        tally.corrupt += impossible
        tally.ours -= impossible
        ours |= mine
    tally.ours += int(ours.sum())
    tally.foreign += int((~ours & (~decoded.marked | decoded.intact)).sum())


def _is_damaged(value: bytes) -> bool:
    """Whether a record of another size carries a drill header, and a checksum that is wrong."""
    if len(value) <= HEADER_BYTES:
        return False
    decoded = Decoded([value], len(value))
    return bool(decoded.marked[0] and not decoded.intact[0])


def read(job: Job) -> tuple[Tally, list[Sightings]]:
    """Read the partition until its end, the deadline, or the death of the parent process.

    Raises:
        KafkaException: the partition can't be read on; what was read is lost, and the drain incomplete.
    """
    tally = Tally(start=job.start, end=job.end, reached=job.start)
    sightings = [Sightings(writer, job.partition, job.partitions) for writer in job.writers]
    consumer = Consumer(job.connection)
    consumer.assign([TopicPartition(job.topic, job.partition, job.start)])
    try:
        while tally.reached < job.end and clock.now() < job.deadline and os.getppid() == job.parent:
            batch = consumer.consume(_BATCH, 0.2)
            values = [message.value() or b"" for message in batch if _is_record(message)]
            if values:
                tally_batch(values, job, tally, sightings)
            # The position also passes what is no record, such as transaction markers.
            (position,) = consumer.position([TopicPartition(job.topic, job.partition)])
            if position.offset != OFFSET_INVALID:
                tally.reached = position.offset
    finally:
        consumer.close()
    return tally, sightings


def _is_record(message: Message) -> bool:
    error = message.error()
    if error is None:
        return True
    if error.code() in {KafkaError.OFFSET_OUT_OF_RANGE, KafkaError._AUTO_OFFSET_RESET} or error.fatal():  # noqa: SLF001
        raise KafkaException(error)
    return False  # a broker that is away for a moment: the client goes on by itself, and the deadline bounds it


def main() -> None:
    """Do the job on stdin; the result is an .npz on stdout."""
    job = Job.model_validate_json(sys.stdin.buffer.read())
    tally, sightings = read(job)
    result: dict[str, Any] = {"tally": np.frombuffer(tally.model_dump_json().encode(), dtype=np.uint8)}
    for each in sightings:
        result[f"seen-{each.writer.producer_id}"] = each.at_least(1)
        result[f"twice-{each.writer.producer_id}"] = each.at_least(2)
    buffer = io.BytesIO()
    np.savez(buffer, **result)
    sys.stdout.buffer.write(buffer.getvalue())


def parse_result(output: bytes) -> tuple[Tally, dict[str, npt.NDArray[np.uint8]]]:
    """What `main` wrote: the tally, and bits by `seen-<producer id>` and `twice-<producer id>`."""
    with np.load(io.BytesIO(output)) as arrays:
        bits = {name: arrays[name] for name in arrays.files}
    return Tally.model_validate(json.loads(bits.pop("tally").tobytes())), bits


if __name__ == "__main__":
    main()
