"""The accounted producer on librdkafka's in-process mock brokers, and what each answer means for a record."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from confluent_kafka import KafkaError

from drill import clock
from drill.ledger import Ledger, LedgerHeader
from drill.record import RunRecord
from drill.series import SeriesWriter, client_series
from load._answers import is_definite_failure
from load._codec import Encoder
from load.plan import LoadPlan
from load.producer import AccountedProducer, producer_settings

RATE = 1000.0


def _producer(record: Path, due_since: float, **settings: Any) -> AccountedProducer:
    header = LedgerHeader(run_id="run", producer_id=0, topic="t", partitions=3)
    ledger = Ledger.create(record / "load" / "0", header, 1000)
    started = clock.now() - due_since
    ledger.begin_stage(started, RATE)
    series = SeriesWriter(ledger.folder, started, 3, 1)
    mock = {"test.mock.num.brokers": 1, "log_level": 0}
    connection = {**producer_settings(LoadPlan(), RATE), **mock, **settings}
    return AccountedProducer(connection, ledger, series, Encoder("run", 0, 200))


def test_every_due_record_is_sent_and_acked(tmp_path: Path) -> None:
    """What was due is attempted at once, acked after the flush, and in the series."""
    producer = _producer(tmp_path, 0.5)
    assert producer.offer()
    assert producer.flush(30) == 0
    ledger = Ledger.open(producer.ledger.folder)
    assert ledger.attempted >= 500
    assert ledger.closed
    assert ledger.acked.indices().tolist() == list(range(ledger.attempted))
    series = client_series(RunRecord(tmp_path))
    assert series.acked.sum() == series.offered.sum() == ledger.attempted
    assert series.max_lag >= 0.49
    assert series.latency_between(1.0, 0, 1e12) >= 0.49


def test_the_schedule_is_kept_while_the_answers_of_an_outage_are_taken(tmp_path: Path) -> None:
    """They come all at once, and what is due meanwhile is sent in between, and accounted for as all else."""
    producer = _producer(tmp_path, 7.5, **{"linger.ms": 500})  # so that each partition's are one request
    while not producer.offer():
        pass
    first, sent_meanwhile = producer.ledger.attempted, 0
    while producer.ledger.acked.count() < first:
        before = producer.ledger.attempted
        producer.settle()
        sent_meanwhile += producer.ledger.attempted - before
    assert sent_meanwhile > 0
    assert producer.flush(30) == 0
    assert producer.ledger.acked.count() == producer.ledger.attempted == first + sent_meanwhile


def test_a_full_queue_fails_records_and_holds_up_none(tmp_path: Path) -> None:
    """Arrivals that find no room are attempted and failed: never sent, and never waited for."""
    producer = _producer(tmp_path, 0.5, **{"queue.buffering.max.messages": 90, "linger.ms": 900})
    producer.offer()
    ledger = producer.ledger
    assert producer.outstanding == 90
    assert ledger.failed.count() == ledger.attempted - 90
    assert producer.refusals.total() == ledger.failed.count()
    assert producer.flush(30) == 0
    assert ledger.acked.count() == 90
    assert not np.intersect1d(ledger.acked.indices(), ledger.failed.indices()).size


def test_a_timeout_is_neither_acked_nor_failed(tmp_path: Path) -> None:
    """With no broker to answer, every record ends indeterminate, and the ledger is closed."""
    nowhere = {"test.mock.num.brokers": 0, "bootstrap.servers": "127.0.0.1:9", "delivery.timeout.ms": 50}
    producer = _producer(tmp_path, 0.05, **nowhere, **{"linger.ms": 1})
    producer.offer()
    assert producer.flush(30) == 0
    ledger = producer.ledger
    assert (ledger.acked.count(), ledger.failed.count(), ledger.closed) == (0, 0, True)
    assert producer.refusals.keys() == {"_MSG_TIMED_OUT"}
    assert client_series(RunRecord(tmp_path)).failed.sum() == ledger.attempted


def test_a_flush_that_runs_out_of_time_leaves_the_ledger_open(tmp_path: Path) -> None:
    """Records still under way are reported, and nothing claims that all was settled."""
    producer = _producer(tmp_path, 0.05, **{"test.mock.num.brokers": 0, "bootstrap.servers": "127.0.0.1:9"})
    producer.offer()
    assert producer.flush(0.01) == producer.ledger.attempted
    assert not producer.ledger.closed


@pytest.mark.parametrize(
    "name",
    ["MSG_SIZE_TOO_LARGE", "RECORD_LIST_TOO_LARGE", "TOPIC_AUTHORIZATION_FAILED", "INVALID_RECORD", "POLICY_VIOLATION"],
)
def test_refusals_before_writing_are_definite(name: str) -> None:
    """The broker looked, and did not write."""
    assert is_definite_failure(getattr(KafkaError, name))


@pytest.mark.parametrize(
    "name",
    [
        "_MSG_TIMED_OUT",
        "_TRANSPORT",
        "_ALL_BROKERS_DOWN",
        "_PURGE_QUEUE",
        "_PURGE_INFLIGHT",
        "_TIMED_OUT",
        "_UNKNOWN_PARTITION",
        "_FATAL",
        "REQUEST_TIMED_OUT",
        "NOT_LEADER_FOR_PARTITION",
        "LEADER_NOT_AVAILABLE",
        "NOT_ENOUGH_REPLICAS",
        "NOT_ENOUGH_REPLICAS_AFTER_APPEND",
        "UNKNOWN_TOPIC_OR_PART",
        "OUT_OF_ORDER_SEQUENCE_NUMBER",
        "KAFKA_STORAGE_ERROR",
        "NETWORK_EXCEPTION",
        "UNKNOWN",
    ],
)
def test_silence_and_last_tries_are_indeterminate(name: str) -> None:
    """An earlier try of the record may have been stored."""
    assert not is_definite_failure(getattr(KafkaError, name))
