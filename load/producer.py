"""A producer that keeps to a schedule and accounts for every record, and stands in nobody's way."""

import math
import time
from collections import Counter
from typing import Any

import numpy as np
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from drill import clock
from drill.ledger import Ledger
from drill.series import SeriesWriter
from load._answers import is_definite_failure
from load._codec import Encoder, sequences_of
from load.plan import LoadPlan

_MOST_AT_ONCE = 2_000
"""Arrivals sent without looking at answers in between, when the schedule is behind; and answers taken without sending
in between, when those of a whole outage come at once."""


def producer_settings(plan: LoadPlan, rate: float) -> dict[str, str | int | float]:
    """The librdkafka settings of a producer that takes `rate` of the plan's records/s.

    The local queue holds what arrives in a delivery timeout and a half, so that an outage fills it with indeterminate
    records instead of turning the load into a closed loop.
    """
    return {
        "acks": plan.acks,
        "enable.idempotence": plan.idempotence,
        "linger.ms": plan.linger_ms,
        "delivery.timeout.ms": round(plan.delivery_timeout * 1000),
        "compression.type": plan.compression,
        "batch.size": 1_000_000,
        "queue.buffering.max.messages": max(100_000, round(rate * plan.delivery_timeout * 1.5)),
        "queue.buffering.max.kbytes": 2_097_151,
        # Back to a broker soon after it returns: librdkafka's 10 s would be measured as the platform's outage.
        "reconnect.backoff.ms": 50,
        "reconnect.backoff.max.ms": 1000,
    }


class AccountedProducer:
    """Sends the records of one ledger when they are due, and never waits for an answer.

    Args:
        connection: librdkafka's settings of the connection and the producer.
        ledger, series: where every record's fate and time are written.
        encoder: makes the records.
    """

    def __init__(self, connection: dict[str, Any], ledger: Ledger, series: SeriesWriter, encoder: Encoder) -> None:
        self.ledger = ledger
        self._series = series
        self._encoder = encoder
        self._delivered: list[Message] = []
        self._refused: list[tuple[KafkaError, Message]] = []
        self.refusals: Counter[str] = Counter()
        """Records that were not acknowledged, by the client's or the broker's reason."""
        self._offering = True
        self._producer = Producer(connection)
        self._on_delivery = self._callback()
        (self._stage,) = ledger.header.stages[-1:]

    @property
    def outstanding(self) -> int:
        """Records handed to the client whose answer is still to come."""
        return len(self._producer)

    def offer(self) -> bool:
        """Send what is due by now; returns whether that was all, or more is due at once."""
        stage, first = self._stage, self.ledger.attempted
        due = math.floor((clock.now() - stage.t) * stage.rate) + 1 - (first - stage.first_seq)
        count = min(due, _MOST_AT_ONCE)
        if count <= 0:
            return True
        sequences = np.arange(first, first + count)
        intended = self.ledger.intended_time(sequences)
        values = self._encoder.encode(sequences, intended)
        self.ledger.attempt(count)
        self._series.sent(clock.now(), intended)
        partitions = self.ledger.header.partitions
        for offset in range(min(partitions, count)):
            sent = self._send(values[offset::partitions], (first + offset) % partitions)
            self._never_sent(sequences[offset::partitions][sent:])
        return count == due

    def settle(self) -> int:
        """Take the answers that have come, and account for them; returns how many came.

        All of them came before now, and count as that: to take those of an outage in parts would make it look longer.
        They may take half a second, in which what is due is sent.
        """
        at = clock.now()
        self._producer.poll(0)
        delivered, refused = self._delivered, self._refused
        if delivered:
            sequences = sequences_of([message.value() for message in delivered], self._encoder.size)
            self.ledger.acked.set(sequences)
            self._series.acked(at, self.ledger.partition_of(sequences), self.ledger.intended_time(sequences))
        if refused:
            sequences = sequences_of([message.value() for _, message in refused], self._encoder.size)
            definite = np.array([is_definite_failure(error.code()) for error, _ in refused])
            self.refusals.update(error.name() for error, _ in refused)
            self.ledger.failed.set(sequences[definite])
            self._series.failed(at, self.ledger.partition_of(sequences))
        count = len(delivered) + len(refused)
        delivered.clear()
        refused.clear()
        return count

    def flush(self, timeout: float) -> int:
        """Send no more, wait at most `timeout` seconds for the answers still to come, and close the ledger if all came.

        Returns how many did not come.
        """
        self._offering = False
        deadline = clock.now() + timeout
        while self.outstanding and clock.now() < deadline:
            self.settle()
            time.sleep(0.005)  # under Locust this is gevent's, and lets other greenlets run
        self.settle()
        if not self.outstanding:
            self.ledger.close()
        return self.outstanding

    def _send(self, values: list[bytes], partition: int) -> int:
        """Hand records to the client; returns how many it took."""
        # Positional arguments, and no look at the queue's length: this is the loop that a record pays for.
        produce, topic, on_delivery = self._producer.produce, self.ledger.header.topic, self._on_delivery
        sent = 0
        try:
            for value in values:
                produce(topic, value, None, partition, on_delivery)
                sent += 1
        except (BufferError, KafkaException) as error:
            # The queue is full, or the client has failed for good: the others would fare no better.
            self.refusals[f"never sent: {error}"] += len(values) - sent
        return sent

    def _never_sent(self, sequences: np.ndarray[Any, np.dtype[np.int64]]) -> None:
        if sequences.size:
            self.ledger.failed.set(sequences)
            self._series.failed(clock.now(), self.ledger.partition_of(sequences))

    def _callback(self) -> Any:
        delivered, refused = self._delivered, self._refused

        def on_delivery(error: KafkaError | None, message: Message) -> None:
            if error is None:
                delivered.append(message)
            else:
                refused.append((error, message))
            if self._offering and (len(delivered) + len(refused)) % _MOST_AT_ONCE == 0:
                self.offer()

        return on_delivery
