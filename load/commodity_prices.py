"""Commodity prices into a Kafka topic, at a rate that no outage slows down; also runs by itself.

    locust -f load/commodity_prices.py --headless -u 1 -t 20s --kafka-bootstrap localhost:9092

Each Locust user is one producer with an equal share of the rate, so `-u` is the number of producers; with `--master`
and `--worker` they spread over workers. Accounting is in the record's load/<producer id>/, not in Locust's statistics.
"""

import gc
import itertools
import os
from pathlib import Path
from typing import Any

import gevent
import gevent.event
from confluent_kafka.admin import AdminClient
from locust import User, task

from drill import clock, record
from drill.errors import DrillError
from drill.kafka import client_config
from drill.ledger import Ledger, LedgerHeader
from drill.series import SeriesWriter
from load import _lifecycle, _session
from load._codec import Encoder
from load.plan import LoadPlan
from load.producer import AccountedProducer, producer_settings

_SPARE_TIME = 5.0
"""What a flush may take beyond the delivery timeout, s."""
_ids = itertools.count()


class NoSuchTopicError(DrillError):
    """The topic is not there; creating it is the platform's business."""


_lifecycle.attend(LoadPlan)


class CommodityPrices(User):  # type: ignore[misc]
    """One producer: sends what is due each tick, and never waits for an answer."""

    def on_start(self) -> None:
        """Open the ledger and begin the schedule."""
        options = self.environment.parsed_options
        os.environ[record.RECORD_VARIABLE] = options.record
        plan, target = _session.plan(options), _session.target(options)
        rate = plan.rate / options.producers
        worker = max(0, getattr(self.environment.runner, "worker_index", 0))
        self.producer_id = worker << 16 | next(_ids)
        settings = producer_settings(plan, rate)
        encoder = Encoder(options.run_id, self.producer_id, plan.record_bytes)
        header = LedgerHeader(
            run_id=options.run_id,
            producer_id=self.producer_id,
            topic=plan.topic,
            partitions=_partitions(client_config(target), plan.topic),
            record_size=encoder.size,
            producer_settings=settings,
        )
        seconds = (options.run_time or plan.duration) + plan.delivery_timeout
        folder = Path(options.record) / "load" / str(self.producer_id)
        ledger = Ledger.create(folder, header, capacity=round(rate * seconds))
        self._plan = plan
        started = clock.now()
        ledger.begin_stage(started, rate)
        series = SeriesWriter(folder, started, header.partitions, seconds)
        self.producer = AccountedProducer({**client_config(target), **settings}, ledger, series, encoder)
        self._finished = gevent.event.Event()
        _lifecycle.unfinished.append(self._finished)
        self._told, self._answered, self._on_time = started, 0, True
        # Each answer is an object, and none is part of a cycle: looking for cycles so often costs a tenth of it all.
        gc.freeze()
        gc.set_threshold(100_000)
        record.emit("load", "load.started", producer_id=self.producer_id, pid=os.getpid(), rate=rate)
        record.emit("load", "load.stage", producer_id=self.producer_id, first_seq=0, rate=rate)

    @task  # type: ignore[untyped-decorator]
    def tick(self) -> None:
        """Take the answers that have come, and send what is due."""
        self._answered += self.producer.settle()
        self._on_time = self.producer.offer()
        if clock.now() - self._told >= 1:
            self._each_second()

    def wait_time(self) -> float:
        """Until the next tick; at once when behind."""
        return _lifecycle.until_next_tick() if self._on_time else 0.0

    def on_stop(self) -> None:
        """Wait for the last answers, no longer than the delivery timeout allows, and close the ledger."""
        try:
            self._finish()
        finally:
            self._finished.set()

    def _finish(self) -> None:
        record.emit("load", "load.flushing", producer_id=self.producer_id)
        outstanding = self._flush()
        ledger = self.producer.ledger
        record.emit(
            "load",
            "load.stopped",
            producer_id=self.producer_id,
            attempted=ledger.attempted,
            acked=ledger.acked.count(),
            failed=ledger.failed.count(),
            outstanding=outstanding,
            refusals=dict(self.producer.refusals),
        )

    def _flush(self) -> int:
        deadline = clock.now() + self._plan.delivery_timeout + _SPARE_TIME
        while True:
            try:
                return self.producer.flush(deadline - clock.now())
            except gevent.GreenletExit:
                continue  # stopped once more while stopping (duration over, then SIGTERM): the deadline bounds it still

    def _each_second(self) -> None:
        self._told = clock.now()
        name = f"{self._plan.topic}: records"
        _lifecycle.tell_and_look_around(self.environment, "PRODUCE", name, self._answered)
        self._answered = 0


def _partitions(connection: dict[str, Any], topic: str) -> int:
    """How many partitions the topic has."""
    found = AdminClient(connection).list_topics(timeout=10).topics
    if topic not in found or not found[topic].partitions:
        raise NoSuchTopicError(f"no topic {topic!r}: create it first (load sends to existing topics only)")
    return len(found[topic].partitions)
