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
from drill.cluster import Cluster
from drill.kafka import client_config
from drill.ledger import account, ledgers, streams
from drill.postgres import PostgresUnreachableError, connected, conninfo, ensure_answers
from drill.record import RECORD_VARIABLE, RunRecord
from drill.series import client_series
from drill.settings import Settings
from load._bounded import Session
from load.drain import drain
from load.plan import DolphinSchedulerPlan, LoadPlan, PostgresPlan
from recovery._outages import Bins, outages
from scenarios._loads import Loads
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


@pytest.fixture
def transactions() -> PostgresPlan:
    """More of them than the test needs: it ends them itself."""
    return PostgresPlan(
        profile="postgres_transactions", rate=50, warm_up=0, baseline=1, duration=150, connections=10, timeout=3
    )


def _acked(record: RunRecord) -> int:
    return sum(ledger.acked.count() for ledger in ledgers(record))


@pytest.mark.slow
def test_committed_rows_outlive_their_server(lab_platform: Settings, transactions: PostgresPlan) -> None:
    """The server's pod is deleted with no grace: clients are out, and every row that was promised is there."""
    cluster, target = Cluster.connect(lab_platform), lab_platform.postgres
    load = Load(transactions, lab_platform)
    load.await_start()
    _await("transactions before", lambda: _acked(load.record) > 200)
    (pod,) = cluster.pods(target.namespace, target.selector)
    deleted = clock.now()
    cluster.delete_pod(pod, 0)
    _await("a refusal", lambda: sum(each.failed.count() for each in ledgers(load.record)) > 0)
    _await("the server's return", lambda: _answers(lab_platform), 120)
    back = clock.now()
    before = _acked(load.record)
    _await("transactions after", lambda: _acked(load.record) > before + 200)
    load.stop()
    assert _drain(load.record, lab_platform)

    (stream,) = streams(load.record)
    result, series = account(stream.ledgers), client_series(load.record)
    assert (stream.system, stream.paths, stream.noun) == ("postgres", ("postgres",), "transaction")
    assert result.lost == result.failed_seen == result.seen_twice == 0
    assert result.failed > 0
    assert result.attempted == result.acked + result.failed + result.indeterminate
    assert series.acked.sum() == result.acked
    # The outage that the clients measured is the one that was made.
    gap, *_ = outages(
        series.acked[0],
        series.failed[0],
        Bins(series.start, series.bin),
        t_from=deleted - 1,
        t_to=series.start + series.acked.shape[1] * series.bin,
        threshold=0.5,
        sustained=2.0,
    )
    assert deleted - 1 <= gap.start < back
    assert gap.seen_until > deleted


def test_rows_that_are_gone_are_told_by_their_numbers(lab_platform: Settings, transactions: PostgresPlan) -> None:
    """Deleted, changed and doubled behind the load's back: the drain sees each."""
    load = Load(transactions, lab_platform)
    load.await_start()
    _await("some transactions", lambda: _acked(load.record) > 60)
    load.stop()
    run = load.record.path.name
    columns = "run, producer, sequence, due_ns, checksum, payload"
    with connected(conninfo(lab_platform, dbname=lab_platform.postgres.database)) as session:
        session.execute("delete from drill_ledger where run = %s and sequence in (5, 6, 7, 20)", (run,))
        session.execute(
            f"insert into drill_ledger ({columns}) select {columns} from drill_ledger where run = %s and sequence = 9",  # type: ignore[arg-type]  # noqa: S608 - our own names
            (run,),
        )
        session.execute("update drill_ledger set payload = payload || '!' where run = %s and sequence = 11", (run,))
    assert _drain(load.record, lab_platform)
    result = account(ledgers(load.record))
    assert [(each.first_seq, each.last_seq) for each in result.lost_intervals] == [(5, 7), (11, 11), (20, 20)]
    assert (result.lost, result.seen_twice) == (5, 1)
    assert load.record.evidence("drain-postgres")["partitions"]["0"]["corrupt"] == 1


def test_each_start_of_a_workflow_is_found_once(lab_platform: Settings) -> None:
    """And reads, of which nothing can be found, are of a stream of their own."""
    plan = DolphinSchedulerPlan(
        profile="dolphinscheduler_api", rate=6, starts=0.5, lasts=0.2, warm_up=0, baseline=1, duration=100
    )
    load = Load(plan, lab_platform)
    load.await_start()
    _await("some starts", lambda: sum(each.attempted for each in ledgers(load.record)) > 40)
    load.stop()
    assert drain(load.record, lab_platform, clock.now() + 120)
    reads, starts = streams(load.record)
    assert (reads.name, starts.name) == ("dolphinscheduler-api", "workflows")
    assert reads.ledgers[0].acked.count() > 0
    result = account(starts.ledgers)
    assert result.seen >= result.acked > 5
    assert result.lost == result.seen_twice == result.failed_seen == 0
    assert load.record.evidence("drain-workflows")["partitions"]["0"]["failed"] == 0


def test_a_session_waits_no_longer_than_its_patience(lab_platform: Settings) -> None:
    """Whatever the server is at: it need not even be there to be given up."""
    where = conninfo(lab_platform, dbname=lab_platform.postgres.database)
    with pytest.raises(PostgresUnreachableError), Session.asking(where, 0.2) as session:
        session.execute("select pg_sleep(30)")
    with Session.asking(where, 10) as session:
        assert session.execute("select 1").fetchall() == [(1,)]


def test_two_loads_share_one_record(lab_platform: Settings, transactions: PostgresPlan, tmp_path: Path) -> None:
    """Side by side, each with its own streams: what is read back of one is none of the other's business."""
    api = DolphinSchedulerPlan(profile="dolphinscheduler_api", rate=4, warm_up=0, baseline=1, duration=100)
    record = RunRecord.create(tmp_path, "mix")
    record.emit("runner", "run.started")
    loads = Loads((transactions, api), record, lab_platform, record.path.name)
    loads.start()
    try:
        _await("both", lambda: loads.begun)
        _await("transactions", lambda: _acked(record) > 100)
    finally:
        loads.stop()
    loads.ensure_unbroken("the end", running=False)
    assert loads.over
    loads.drain(120)
    assert [stream.name for stream in streams(record)] == ["postgres", "dolphinscheduler-api", "workflows"]
    for stream in streams(record):
        assert all(ledger.closed for ledger in stream.ledgers)
        if stream.header.accounted:
            assert account(stream.ledgers).lost == 0


def _answers(settings: Settings) -> bool:
    try:
        ensure_answers(conninfo(settings, pooled=True), 2)
    except PostgresUnreachableError:
        return False
    return True
