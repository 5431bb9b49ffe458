"""Whole drills on the real lab, by the real command: the verdicts that the catalogue promises."""

import itertools
import json
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from confluent_kafka import Producer

import recovery
from drill import clock, kafka, lease, ledger, rollback
from drill.cluster import Cluster
from drill.exits import ExitCode
from drill.record import RunRecord
from drill.settings import Settings
from drill.verdicts import Outcome
from tests.cluster.drills import DRILL, Command, run, the_record, verdicts


def _whole(settings: Settings) -> bool:
    state = kafka.describe(settings.kafka)
    return len(state.brokers) == 3 and not state.under_replicated and not state.offline


def test_broker_kill_leader_passes_with_every_record_accounted_for(lab_kafka: Settings, tmp_path: Path) -> None:
    """The leader is really gone, clients of its partition see an outage, nothing acknowledged is lost."""
    code, out, err = run(tmp_path, "run", "broker-kill-leader")
    record = the_record(tmp_path)
    assert code == ExitCode.PASS, f"{out}\n{err}"
    accounting = ledger.account(ledger.ledgers(record))
    assert accounting.attempted > 7153 * 20
    assert accounting.attempted == accounting.acked + accounting.failed + accounting.indeterminate
    assert accounting.lost == 0
    proof = record.first("fault.effective").data["proof"]
    # Seen stopped, or seen to be another one already: a container may be back before anybody looks.
    assert proof.keys() & {"container_stopped", "container_id", "restart_count"}
    assert proof["leader"]["before"] != proof["leader"]["after"]
    outage = recovery.timeline(record).outage
    assert outage is not None
    assert outage > 0
    assert (record.path / "report.html").stat().st_size > 10_000
    assert record.altered_files() == ()
    assert _whole(lab_kafka)


def test_two_brokers_down_stops_writes_and_loses_nothing(lab_kafka: Settings, tmp_path: Path) -> None:
    """Below min.insync.replicas an acknowledgement would be a lie; the outage is expected, and it ends."""
    code, out, err = run(tmp_path, "run", "two-brokers-down")
    record = the_record(tmp_path)
    assert code == ExitCode.PASS, f"{out}\n{err}"
    assert verdicts(record)["client-outage"].outcome is Outcome.PASS
    # Not of Kafka's metadata: without a quorum nobody is left to take the dead brokers out of it.
    ready = [sum(pod["ready"] for pod in event.data["pods"]) for event in record.events_of("observed.pods")]
    assert min(ready) == 1
    assert ledger.account(ledger.ledgers(record)).lost == 0
    assert _whole(lab_kafka)


def test_durability_control_fails_with_the_losses_listed(lab_kafka: Settings, tmp_path: Path) -> None:
    """The proof that the harness can see a loss."""
    code, out, err = run(tmp_path, "run", "durability-control", "-o", "json")
    record = the_record(tmp_path)
    assert code == ExitCode.FAIL, f"{out}\n{err}"
    verdict = verdicts(record)["no-acked-record-lost"]
    assert verdict.outcome is Outcome.FAIL
    accounting = ledger.account(ledger.ledgers(record))
    assert accounting.lost > 0
    assert sum(interval.count for interval in accounting.lost_intervals) == accounting.lost
    printed = json.loads(out)
    assert printed["outcome"] == "fail"
    assert f"{accounting.lost:,}" in (record.path / "report.html").read_text()
    assert _whole(lab_kafka)


@contextmanager
def _independent_client(settings: Settings) -> Iterator[list[list[float]]]:
    """When a plain client of its own, one record every 10 ms a partition, had its answers; by partition."""
    answered: list[list[float]] = [[], [], []]
    done = threading.Event()

    def produce() -> None:
        producer = Producer(kafka.client_config(settings.kafka, acks=1, linger_ms=0))
        while not done.is_set():
            for partition, times in enumerate(answered):
                producer.produce(
                    "commodities",
                    b"not of a drill",
                    partition=partition,
                    on_delivery=lambda error, _message, times=times: None if error else times.append(clock.now()),
                )
            producer.poll(0.01)
        producer.flush(10)

    thread = threading.Thread(target=produce)
    thread.start()
    try:
        yield answered
    finally:
        done.set()
        thread.join()


def test_outage_is_measured_to_a_tenth_of_a_second(lab_kafka: Settings, tmp_path: Path) -> None:
    """Against a pause of known length: all brokers stopped for 5 s, and an independent client that saw them return.

    The brokers need a moment of their own after SIGCONT, which is a part of the outage: the client tells how long.
    """
    with _independent_client(lab_kafka) as answered:
        _code, out, err = run(tmp_path, "run", str(Path(__file__).with_name("pause-brokers.yaml")))
    record = the_record(tmp_path)
    # The clock is on trial, not the platform: brokers that have just been started are slow in any baseline.
    assert verdicts(record)["client-outage"].outcome is Outcome.PASS, f"{out}\n{err}"
    stopped, resumed = record.first("fault.injected").t, record.first("fault.undone").t
    assert resumed - stopped == pytest.approx(5, abs=0.1)
    outages = {outage.path: outage for outage in recovery.timeline(record).outages}
    for partition, times in enumerate(answered):
        outage = outages[f"commodities-{partition}"]
        assert outage.t1 == pytest.approx(stopped, abs=0.1)
        assert outage.t5 is not None
        assert outage.t5 >= resumed
        silence = max(after - before for before, after in itertools.pairwise(times))
        assert outage.seconds == pytest.approx(silence, abs=0.1)
    assert _whole(lab_kafka)


def test_ctrl_c_undoes_drains_and_leaves_a_readable_record(lab_kafka: Settings, tmp_path: Path) -> None:
    """In the middle of the fault; exit 130, and the verdict is inconclusive, never a pass."""
    command = Command(tmp_path, "run", str(Path(__file__).with_name("pause-brokers.yaml")))
    record = command.await_event("fault.effective")
    command.process.send_signal(signal.SIGINT)
    code, out, err = command.finish()
    assert code == ExitCode.INTERRUPTED, f"{out}\n{err}"
    record = RunRecord.open(record.path)
    assert rollback.pending(record.path / rollback.FILE) == []
    assert verdicts(record)["run-complete"].outcome is Outcome.INCONCLUSIVE
    assert Outcome.INCONCLUSIVE.upper() in out
    assert (record.path / "report.html").is_file()
    api = Cluster.connect(lab_kafka).coordination
    assert not api.read_namespaced_lease(lease.NAME, "default").spec.holder_identity
    assert _whole(lab_kafka)


def test_a_killed_harness_leaves_nothing_that_is_not_undone(lab_kafka: Settings, tmp_path: Path) -> None:
    """SIGKILL in the middle of the fault: load and experiment end with it, `drill rollback` undoes the rest."""
    command = Command(tmp_path, "run", str(Path(__file__).with_name("pause-brokers.yaml")))
    record = command.await_event("fault.effective")
    command.process.kill()
    command.finish()
    code, out, err = run(tmp_path, "rollback", str(record.path))
    assert code == ExitCode.PASS, f"{out}\n{err}"
    assert rollback.pending(record.path / rollback.FILE) == []
    assert _whole(lab_kafka)
    code, out, _err = run(tmp_path, "judge", str(record.path))
    assert code != ExitCode.PASS
    assert "report:" in out
    # What the dead harness held expires by itself; the next test need not wait for that.
    Cluster.connect(lab_kafka).coordination.delete_namespaced_lease(lease.NAME, "default")


def test_a_second_drill_on_the_cluster_is_refused(lab_kafka: Settings, tmp_path: Path) -> None:
    """And is told who runs; nothing is recorded."""
    api = Cluster.connect(lab_kafka).coordination
    with lease.held(api, "default", "ana@elsewhere", on_lost=pytest.fail):
        code, _out, err = run(tmp_path, "run", "broker-kill")
    assert code == ExitCode.INCONCLUSIVE
    assert "ana@elsewhere" in err
    assert not list(tmp_path.iterdir())


def test_plan_names_the_pods_and_touches_nothing(lab_kafka: Settings, tmp_path: Path) -> None:
    """The same pods before and after, by uid."""
    cluster = Cluster.connect(lab_kafka)
    target = lab_kafka.kafka
    before = cluster.pods(target.namespace, target.selector)
    code, out, err = run(tmp_path, "plan", "broker-kill-leader", "-o", "json")
    assert code == ExitCode.PASS, err
    planned = json.loads(out)
    leader = kafka.describe(target).partition("commodities", 0).leader
    assert [each["name"] for each in planned["targets"]] == [f"{target.statefulset}-{leader}"]
    assert cluster.pods(target.namespace, target.selector) == before


def test_a_context_that_is_not_drillable_is_refused_before_anything(tmp_path: Path, lab_kafka: Settings) -> None:  # noqa: ARG001
    """Exit code 2, and the remedy."""
    code, _out, err = run(tmp_path, "run", "broker-kill", "--context", "production")
    assert code == ExitCode.USAGE
    assert "drill.toml" in err


def test_the_command_is_installed() -> None:
    """The tests run what a user runs."""
    assert Path(DRILL).is_file()
