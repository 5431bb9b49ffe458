"""Records that a drill writes into a topic of its own on and on, and of which it knows when each was acknowledged."""

import threading
import time
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from drill import clock, kafka
from drill.markers import payload, payload_digest
from drill.settings import KafkaTarget
from experiments.runbooks._phases import StepFailedError

_DELIVERY = 5.0
"""Seconds after which a record that nobody has acknowledged is given up; it may be there all the same."""
_PATIENCE = 60.0
"""Seconds without a record after which reading back is given up."""
_BATCH = 1000


@dataclass(frozen=True)
class Acked:
    """A record that was acknowledged."""

    offset: int
    sequence: int
    time: float
    """When it was, epoch seconds."""


@dataclass
class Found:
    """What was read in one partition, in the order of its offsets."""

    offsets: list[int] = field(default_factory=list)
    sequences: list[int | None] = field(default_factory=list)
    """None: its key is no number, so that the drill did not write it."""
    digests: list[str] = field(default_factory=list)


class Stream:
    """A producer in a thread of its own, which ends with the drill at the latest.

    Args:
        target: Which Kafka.
        topic: A topic of the drill's own.
        partitions: How many it has.
        run: Of the drill: what is in a record is made of it and of its number.
        rate: Records a second.
    """

    def __init__(self, target: KafkaTarget, topic: str, partitions: int, run: str, rate: float) -> None:
        self._target, self._topic, self._partitions, self._run, self._rate = target, topic, partitions, run, rate
        self.acked: dict[int, list[Acked]] = {each: [] for each in range(partitions)}
        """By partition, in the order of offsets."""
        self.failed: dict[str, int] = {}
        """How many were not acknowledged, by the reason."""
        self._sent = 0
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def number(self) -> int:
        """How many are acknowledged."""
        return sum(map(len, self.acked.values()))

    def columns(self) -> dict[str, dict[str, list[Any]]]:
        """What is acknowledged so far, as plain JSON types."""
        rows = {str(partition): list(acked) for partition, acked in self.acked.items()}
        return {
            partition: {
                "offsets": [each.offset for each in acked],
                "sequences": [each.sequence for each in acked],
                "times": [each.time for each in acked],
            }
            for partition, acked in rows.items()
        }

    def begin(self) -> None:
        """Write on and on, until `end`."""
        self._thread = threading.Thread(target=self._write, name="stream", daemon=True)
        self._thread.start()

    def await_acked(self, number: int, within: float) -> None:
        """Wait until so many are acknowledged.

        Raises:
            StepFailedError: not in time.
        """
        ends = time.monotonic() + within
        while self.number < number:
            if time.monotonic() > ends:
                said = {"acked": self.number, "failed": dict(self.failed)}
                raise StepFailedError(f"{self.number} of {number} records were acknowledged in {within:g} s", said)
            time.sleep(0.1)

    def end(self) -> None:
        """Write no more, and take what is still acknowledged of what was sent."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()

    def _write(self) -> None:
        producer = Producer(
            {
                **kafka.client_config(self._target),
                "acks": "all",
                "enable.idempotence": True,
                "delivery.timeout.ms": int(_DELIVERY * 1000),
                "log_level": 2,
            }
        )
        began = time.monotonic()
        while not self._over.is_set():
            due = int((time.monotonic() - began) * self._rate)
            while self._sent < due:
                try:
                    producer.produce(
                        self._topic,
                        payload(self._run, self._sent),
                        key=str(self._sent).encode(),
                        partition=self._sent % self._partitions,
                        on_delivery=self._delivered,
                    )
                except BufferError:  # nobody answers, and the queue is full: it goes on where it was
                    break
                except KafkaException as error:  # the producer itself has given up for good
                    self._fail(str(error.args[0].name()))
                    return
                self._sent += 1
            producer.poll(0.02)
        producer.flush(_DELIVERY + 1)

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        partition, offset, key = message.partition(), message.offset(), message.key()
        if error is not None or partition is None or offset is None or key is None:
            self._fail("unknown" if error is None else str(error.name()))
            return
        self.acked[partition].append(Acked(offset, int(key), clock.now()))

    def _fail(self, reason: str) -> None:
        self.failed[reason] = self.failed.get(reason, 0) + 1


def read(target: KafkaTarget, topic: str, ends: dict[int, tuple[int, int]]) -> dict[int, Found]:
    """All records of a topic, partition by partition, by a consumer that commits nothing.

    Args:
        target: Which Kafka.
        topic: Its name.
        ends: Of each partition the first offset, and the one after the last.

    Raises:
        StepFailedError: nothing came for a minute.
        KafkaException: the client gave up.
    """
    consumer = Consumer(
        {
            **kafka.client_config(target),
            "group.id": "drill-restore-reader",
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "check.crcs": True,
            "log_level": 2,
        }
    )
    try:
        return {
            partition: _read(consumer, TopicPartition(topic, partition, first), after)
            for partition, (first, after) in ends.items()
        }
    finally:
        consumer.close()


def _read(consumer: Consumer, place: TopicPartition, after: int) -> Found:
    found = Found()
    reached, last = place.offset, time.monotonic()
    consumer.assign([place])
    while reached < after:
        messages = consumer.consume(_BATCH, 0.5)
        for message in messages:
            if (error := message.error()) is not None:
                if error.fatal() or not error.retriable():
                    raise KafkaException(error)
                continue
            offset, key, value = message.offset(), message.key(), message.value()
            found.offsets.append(int(offset or 0))
            found.sequences.append(_number(key))
            found.digests.append(payload_digest(value if isinstance(value, bytes) else b""))
            reached, last = int(offset or 0) + 1, time.monotonic()
        if time.monotonic() - last > _PATIENCE:
            raise StepFailedError(
                f"nothing came for {_PATIENCE:g} s at offset {reached} of {after} in partition {place.partition}", {}
            )
    return found


def _number(key: Any) -> int | None:
    text = key.decode(errors="replace") if isinstance(key, bytes) else ""
    return int(text) if text.isdecimal() else None
