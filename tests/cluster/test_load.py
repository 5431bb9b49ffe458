"""The load and the drain on a real cluster: nobody waits, nothing is forgotten, and a real loss is found."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from drill import clock
from drill.kafka import client_config
from drill.ledger import account, ledgers
from drill.record import RECORD_VARIABLE, RunRecord
from drill.series import client_series
from drill.settings import Settings
from load.drain import drain
from load.plan import LoadPlan
from tests.bench import _kafka
from tests.bench._kafka import Load

ROOT = Path(__file__).parents[2]
LOCUST_FILE = ROOT / "load" / "commodity_prices.py"


@pytest.fixture
def plan(lab_kafka: Settings) -> Iterator[LoadPlan]:
    """Five seconds of load on a topic of its own."""
    with _kafka.topic(lab_kafka) as topic:
        yield LoadPlan(topic=topic, rate=5000, warm_up=0, baseline=1, duration=5, delivery_timeout=20)


def _await(what: str, condition: Callable[[], bool], within: float = 60) -> None:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError(f"not seen within {within} s: {what}")


def _drain(record: RunRecord, settings: Settings) -> bool:
    return drain(record, settings, clock.now() + 60)


def test_every_record_comes_back(lab_kafka: Settings, plan: LoadPlan) -> None:
    """A load that ends by itself is acked and seen to the last record, in order."""
    load = Load(plan, lab_kafka)
    load.finish()
    assert _drain(load.record, lab_kafka)
    result = account(ledgers(load.record))
    assert result.attempted == result.acked == result.seen > 5000
    assert result.lost == result.failed == result.seen_twice == 0
    assert all(ledger.closed for ledger in ledgers(load.record))
    found = load.record.evidence("drain")["partitions"].values()
    assert {(each["reordered"], each["corrupt"], each["duplicates"]) for each in found} == {(0, 0, 0)}
    assert client_series(load.record).acked.sum() == result.acked


def test_a_real_loss_is_found(lab_kafka: Settings, plan: LoadPlan) -> None:
    """Records that are deleted behind the load's back are lost, and listed by partition: the negative control."""
    load = Load(plan, lab_kafka)
    load.finish()
    admin = AdminClient(client_config(lab_kafka.kafka))
    admin.delete_records([TopicPartition(plan.topic, 1, 700)])[TopicPartition(plan.topic, 1)].result()
    assert _drain(load.record, lab_kafka)
    result = account(ledgers(load.record))
    assert result.lost == 700
    assert [(each.partition, each.first_seq, each.count) for each in result.lost_intervals] == [(1, 1, 700)]


def test_a_drain_without_time_is_incomplete(lab_kafka: Settings, plan: LoadPlan) -> None:
    """A drain that is cut off says so, and why."""
    load = Load(plan, lab_kafka)
    load.finish()
    assert not drain(load.record, lab_kafka, clock.now())
    evidence = load.record.evidence("drain")
    assert not evidence["complete"]
    assert "unread" in evidence["reason"]


def test_a_killed_producer_keeps_its_acks(lab_kafka: Settings, plan: LoadPlan) -> None:
    """After SIGKILL every ack that was noted is still there, each one is in the log, and the ledger is not closed."""
    load = Load(plan.model_copy(update={"duration": 60.0}), lab_kafka)
    _kafka.wait_until(load.await_start() + 4)
    load.kill()
    assert _drain(load.record, lab_kafka)
    (ledger,) = ledgers(load.record)
    result = account([ledger])
    assert not ledger.closed
    assert result.acked > 5000
    assert result.attempted == result.acked + result.indeterminate
    assert result.lost == 0


def test_sigterm_ends_the_load_in_order(lab_kafka: Settings, plan: LoadPlan) -> None:
    """Told to stop, the load flushes, closes its ledger and exits 0."""
    load = Load(plan.model_copy(update={"duration": 60.0}), lab_kafka)
    _kafka.wait_until(load.await_start() + 3)
    load.stop()
    (ledger,) = ledgers(load.record)
    assert ledger.closed
    assert ledger.acked.count() == ledger.attempted < 60 * plan.rate
    assert load.record.first("load.stopped").data["outstanding"] == 0


def test_the_load_does_not_outlive_its_runner(lab_kafka: Settings, plan: LoadPlan, tmp_path: Path) -> None:
    """A runner that is killed leaves no load behind; the load still closes its ledger."""
    record = RunRecord.create(tmp_path, "orphan")
    program = (
        "import subprocess, sys; from pathlib import Path; from drill import settings;"
        "from drill.record import RunRecord;"
        "from load.plan import LoadPlan; from load.process import command;"
        "plan, record = LoadPlan.model_validate_json(sys.argv[1]), RunRecord(Path(sys.argv[2]));"
        "argv, env = command(plan, record, settings.load(), 'r');"
        "subprocess.run(argv, env=env | {'DRILL_LOAD_KAFKA_BOOTSTRAP': sys.argv[3]})"
    )
    plan_json = plan.model_copy(update={"duration": 120.0}).model_dump_json()
    arguments = [sys.executable, "-c", program, plan_json, str(record.path), lab_kafka.kafka.bootstrap]
    runner = subprocess.Popen(arguments, cwd=ROOT, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        _await("the load's start", (record.path / "load" / "0" / "lag.u32").exists)
        pid = record.first("load.started").data["pid"]
    finally:
        runner.kill()
        runner.wait()
    _await("the load's end", lambda: not Path(f"/proc/{pid}").exists())
    assert all(ledger.closed for ledger in ledgers(record))


def test_two_workers_share_the_rate_and_their_ledgers_merge(
    lab_kafka: Settings, plan: LoadPlan, tmp_path: Path
) -> None:
    """Locust's own distributed mode: two producers, one accounting."""
    record = RunRecord.create(tmp_path, "workers")
    locust = [sys.executable, "-m", "locust", "-f", str(LOCUST_FILE), "--headless"]
    asked = ["--kafka-bootstrap", lab_kafka.kafka.bootstrap, "--topic", plan.topic, "--rate", "4000"]
    master = [
        *locust,
        "--master",
        "--master-bind-port",
        "15557",
        "--expect-workers",
        "2",
        "-u",
        "2",
        "-t",
        "5s",
        *asked,
    ]
    worker = [*locust, "--worker", "--master-port", "15557", *asked]
    environment = {**os.environ, RECORD_VARIABLE: str(record.path)}
    processes = [
        subprocess.Popen(argv, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for argv in (master, worker, worker)
    ]
    try:
        assert [process.wait(60) for process in processes] == [0, 0, 0]
    finally:
        for process in processes:
            process.kill()
    found = ledgers(record)
    assert [ledger.header.stages[0].rate for ledger in found] == [2000, 2000]
    assert _drain(record, lab_kafka)
    result = account(found)
    assert result.attempted == result.acked == result.seen == sum(ledger.attempted for ledger in found) > 4000


def test_a_load_that_stood_still_admits_it(lab_kafka: Settings, plan: LoadPlan) -> None:
    """A stopped generator can't be taken for a platform's outage: its lag says how late it was."""
    load = Load(plan.model_copy(update={"duration": 60.0}), lab_kafka)
    _kafka.wait_until(load.await_start() + 3)
    stopped = clock.now()
    load.signal(signal.SIGSTOP)
    _kafka.wait_until(stopped + 2)
    load.signal(signal.SIGCONT)
    stood_still = clock.now() - stopped
    _kafka.wait_until(clock.now() + 1)
    load.stop()
    assert client_series(load.record).max_lag >= 0.98 * stood_still
