"""Reads back, with fresh consumers, everything that a topic holds of a run."""

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from confluent_kafka import Consumer, KafkaException, TopicPartition

from drill import clock
from drill.errors import RecordIncompleteError
from drill.kafka import client_config
from drill.ledger import Ledger, Stream
from drill.record import RunRecord
from drill.settings import Settings
from load._drain_partition import Job, Tally, Writer, parse_result
from load._drained import Drained

_MARGIN = 300.0
"""How long before the first arrival the reading starts, s: the log's time index is no sharper than its segments."""
_SETTLE = 1.0
"""End offsets are taken twice, this long apart (s), and the later ones used: a leader learns with its followers' next
fetch, half a second at most, that they have a record, and shows it to consumers only then."""
_CONSUMER = {
    "group.id": "drill-drain",  # librdkafka wants one, though nothing joins it: partitions are assigned
    "enable.auto.commit": False,
    "auto.offset.reset": "error",  # a log that is cut while it's read must be noticed, not skipped over
    "isolation.level": "read_uncommitted",
    "queued.max.messages.kbytes": 131_072,
    "fetch.message.max.bytes": 8_388_608,
    "fetch.queue.backoff.ms": 10,
}


def drain_topic(record: RunRecord, stream: Stream, settings: Settings, deadline: float) -> Drained:
    """Read every partition to the end offset that it has now, and fill the ledgers' seen and twice bits.

    Raises:
        RecordIncompleteError: the producers do not agree on what they sent.
    """
    found = stream.ledgers
    if len({each.header.record_size for each in found}) > 1:
        raise RecordIncompleteError(f"{record.path}: the producers of {stream.name} disagree on the record size")
    connection = client_config(settings.kafka) | _CONSUMER
    started = reading = clock.now()
    tallies: dict[int, Tally] = {}
    reasons: list[str] = []
    try:
        jobs = _jobs(connection, found, deadline)
    except KafkaException as error:
        reasons.append(f"no offsets: {error.args[0].str()}")
    else:
        record.emit("drain", "drain.started", end_offsets={str(job.partition): job.end for job in jobs})
        reading = clock.now()
        tallies, reasons = _read(found, jobs)
    return Drained(
        started=started,
        reading=reading,
        partitions={str(partition): tally.model_dump() for partition, tally in tallies.items()},
        reasons=tuple(reasons),
    )


def _jobs(connection: dict[str, Any], found: tuple[Ledger, ...], deadline: float) -> list[Job]:
    """What to read of each partition, by the log as it is now."""
    header = found[0].header
    partitions = range(header.partitions)
    first = min(float(each.intended_time(np.array([0]))[0]) for each in found)
    begin = round((first - _MARGIN) * 1000)
    timeout = max(1.0, min(30.0, deadline - clock.now()))
    consumer = Consumer(connection)
    try:
        for each in partitions:
            consumer.get_watermark_offsets(TopicPartition(header.topic, each), timeout=timeout)
        time.sleep(_SETTLE)
        marks = [consumer.get_watermark_offsets(TopicPartition(header.topic, each), timeout) for each in partitions]
        asked = consumer.offsets_for_times([TopicPartition(header.topic, each, begin) for each in partitions], timeout)
    finally:
        consumer.close()
    for place in asked:
        if place.error:
            raise KafkaException(place.error)
    return [
        Job(
            connection=connection,
            topic=header.topic,
            partition=place.partition,
            partitions=header.partitions,
            # No offset (-1): nothing is that young. Reading all there is costs time, and misses nothing.
            start=max(place.offset, marks[place.partition][0]),
            end=marks[place.partition][1],
            deadline=deadline,
            record_size=header.record_size,
            parent=os.getpid(),
            writers=tuple(
                Writer(producer_id=each.header.producer_id, run_id=each.header.run_id, attempted=each.attempted)
                for each in found
            ),
        )
        for place in asked
    ]


def _read(found: tuple[Ledger, ...], jobs: list[Job]) -> tuple[dict[int, Tally], list[str]]:
    """Read all partitions at once and fill the ledgers' bits; returns the tallies, and why any is incomplete."""
    tallies, reasons = {}, []
    writable = {each.header.producer_id: Ledger.open(each.folder, writable=True) for each in found}
    for ledger in writable.values():
        ledger.forget_seen()
    with ThreadPoolExecutor(len(jobs)) as readers:
        for job, reader in zip(jobs, readers.map(_read_partition, jobs), strict=True):
            if reader.returncode != 0:
                last_line = reader.stderr.decode().strip().rpartition("\n")[2]
                reasons.append(f"partition {job.partition}: its reader failed: {last_line}")
                continue
            tally, bits = parse_result(reader.stdout)
            tallies[job.partition] = tally
            if tally.reached < tally.end:
                reasons.append(f"partition {job.partition}: {tally.end - tally.reached} offsets unread at the deadline")
            for producer_id, ledger in writable.items():
                ledger.seen.merge(bits[f"seen-{producer_id}"])
                ledger.twice.merge(bits[f"twice-{producer_id}"])
    return tallies, reasons


def _read_partition(job: Job) -> subprocess.CompletedProcess[bytes]:
    """Read one partition in a process of its own: one core alone can't keep up with a broker."""
    return subprocess.run(
        [sys.executable, "-m", "load._drain_partition"],
        input=job.model_dump_json().encode(),
        capture_output=True,
        check=False,
        start_new_session=True,  # Ctrl-C ends the drill, which drains what can be drained
    )
