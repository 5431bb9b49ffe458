"""Each fault of the network on the lab, seen to be on and to be undone, and each in a case where it does not bite."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from chaoslib.exceptions import ActivityFailed
from kubernetes import client

from drill import record, rollback
from drill.errors import RefusedError
from drill.helpers import Helper
from drill.record import RunRecord
from drill.settings import Settings
from experiments import kafka, network
from experiments.network import _partition
from experiments.network._helpers import Attempt, await_running, see
from tests.cluster.scratch import NAMESPACE, WHOLE_LIFE, Scratch, namespace, scratch, workload

__all__ = ["namespace", "scratch"]  # fixtures

WEB, DB = "deployment/web", "statefulset/db"


@pytest.fixture
def both(scratch: Scratch) -> Iterator[Scratch]:
    """Two workloads that call each other."""
    with scratch.having(workload("Deployment", "web", 2), workload("StatefulSet", "db", 2)):
        yield scratch


@pytest.mark.parametrize("direction", ["in", "out", "both"])
def test_pods_are_cut_off(both: Scratch, direction: str) -> None:
    """What worked before times out and is dropped, something else works on, and afterwards all works again."""
    said = network.isolate_pods(DB, NAMESPACE, WEB, [8080], direction=direction, hold=1, seed=1)  # type: ignore[arg-type]
    (cut,) = said["targets"]
    assert cut["drops"]["direction"] == direction
    assert sum(said["proof"]["packets_dropped"].values()) > 0
    calls = [attempt.startswith(cut["name"]) for attempt in said["proof"]["timed_out"]]
    assert {"in": calls == [False], "out": calls == [True], "both": sorted(calls) == [False, True]}[direction]
    assert both.kinds() == WHOLE_LIFE
    (undone,) = both.events("fault.undone")
    assert set(undone.data["proof"]["connections"].values()) == {"connected"}
    assert undone.data["proof"]["pods"] == {cut["name"]: "no rules left"}


def test_a_port_that_nobody_uses(both: Scratch) -> None:
    """A connection that does not work before proves nothing, and nothing is claimed."""
    with pytest.raises(ActivityFailed, match="no connection works before it"):
        network.isolate_pods(DB, NAMESPACE, WEB, [8081])
    assert both.kinds() == ["fault.ineffective", "fault.undoing", "fault.undone"]


def test_rules_that_drop_nothing(both: Scratch, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rules about an address that nobody has cut nobody off, and the fault says so."""
    monkeypatch.setattr("experiments.network.partitions.addresses", lambda _pods: ("198.19.255.254",))
    with pytest.raises(ActivityFailed, match="8080: connected"):
        network.isolate_pods(DB, NAMESPACE, WEB, [8080], effect_timeout=5)
    assert both.kinds() == ["fault.injected", "fault.ineffective", "fault.undoing", "fault.undone"]


def test_the_undo_of_a_harness_that_died(both: Scratch) -> None:
    """From the log alone, by a second helper container where the first has ended."""
    pods = both.pods(DB)
    injection = network.isolate_pods.injection(DB, NAMESPACE, WEB, [8080], count=2, max_pods=2)
    identity = rollback.register(f"{injection.undo.__module__}.{injection.undo.__qualname__}", injection.undo_arguments)
    injection.prepare()
    injection.inject()
    injection.effect()
    helper = Helper(pods[0], injection.undo_arguments["name"])
    helper.exec(both.cluster, "kill -9 $(grep -ls sleep /proc/[0-9]*/comm | cut -d/ -f3)")  # its sleep, not its rules
    (result,) = rollback.undo_pending()
    assert (result.id, result.ok, result.error) == (identity, True, None)
    assert injection.recovered()["connects"]


def test_the_dead_man(both: Scratch, monkeypatch: pytest.MonkeyPatch) -> None:
    """With nobody left to undo it, the helper itself takes the rules away."""
    monkeypatch.setattr(_partition, "_START", 10)
    monkeypatch.setattr(_partition, "DEAD_MAN", 1)
    injection = network.isolate_pods.injection(DB, NAMESPACE, WEB, [8080], hold=1, effect_timeout=5)
    injection.prepare()
    injection.inject()
    injection.effect()
    peer, name = both.pods(WEB)[0], injection.targets[0]["name"]
    watcher = Helper(peer, "drill-watcher")
    watcher.add(both.cluster, "drill.local/helper:lab", 60)
    await_running(both.cluster, [watcher])
    (cut,) = [pod for pod in both.pods(DB) if pod.name == name]
    see(both.cluster, [Attempt(watcher, cut.address, 8080)], "timed out")
    both.await_(lambda: see(both.cluster, [Attempt(watcher, cut.address, 8080)], "connected"))


def test_refused_where_no_helper_can_be(both: Scratch) -> None:
    """A namespace whose pod security forbids it says so in the plan, before anything is touched."""
    label = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "baseline"}}}
    both.core.patch_namespace(NAMESPACE, label, _content_type="application/merge-patch+json")
    try:
        with pytest.raises(RefusedError, match="no helper container is accepted"):
            network.isolate_pods.plan(DB, NAMESPACE, WEB, [8080])
    finally:
        label["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] = None  # type: ignore[assignment]
        both.core.patch_namespace(NAMESPACE, label, _content_type="application/merge-patch+json")
    assert not both.kinds()


def test_policies_are_tried_before_they_are_relied_on(both: Scratch) -> None:
    """This lab's network plugin enforces none, so the fault is refused, and nothing of the trial is left."""
    with pytest.raises(RefusedError, match="partitions by NetworkPolicy are unavailable"):
        network.deny_by_policy.plan(DB, NAMESPACE, WEB, [8080])
    assert not both.kinds()
    assert not rollback.pending()
    assert not [pod for pod in both.core.list_namespaced_pod(NAMESPACE).items if "probe" in pod.metadata.name]
    assert not client.NetworkingV1Api(both.admin).list_namespaced_network_policy(NAMESPACE).items


def test_latency_and_loss_are_unavailable(both: Scratch) -> None:
    """Without Chaos Mesh the plan says so, and so does the run."""
    for build in (network.delay_network.plan, network.lose_packets):
        with pytest.raises(RefusedError, match="Chaos Mesh is not installed"):
            build(DB, NAMESPACE, "web:8080")
    assert not both.kinds()


@pytest.fixture
def kafka_run(lab_kafka: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunRecord:  # noqa: ARG001 - order only
    """A run record for faults of the lab's Kafka, which is whole."""
    kafka.await_recovery(120)
    made = RunRecord.create(tmp_path / "runs", "test")
    monkeypatch.setenv(record.RECORD_VARIABLE, str(made.path))
    return made


def said_by(run: RunRecord) -> list[str]:
    """What the experiment said, each thing once."""
    events = RunRecord(run.path).events
    return list(dict.fromkeys(each.kind for each in events if each.source == "experiment"))


@pytest.mark.slow
def test_a_broker_is_cut_off_from_its_peers(kafka_run: RunRecord) -> None:
    """It and its peers can't call each other, they can; afterwards every replica is in sync again."""
    said = network.isolate_broker([2], hold=1)
    assert [attempt.split()[0].rpartition("-")[2] for attempt in said["proof"]["timed_out"]] == ["2", "0"]
    assert said_by(kafka_run) == WHOLE_LIFE
    assert not rollback.pending()


@pytest.mark.slow
def test_clients_are_cut_off_from_brokers(kafka_run: RunRecord) -> None:
    """From here to where Kafka sends its clients, nothing passes; between brokers it does."""
    said = network.isolate_clients("all", hold=1, max_brokers_down=3)
    assert [attempt.split()[0] for attempt in said["proof"]["timed_out"]] == ["client"] * 3
    assert said_by(kafka_run) == WHOLE_LIFE
    assert not rollback.pending()


@pytest.mark.slow
def test_a_listener_that_is_not_the_clients(kafka_run: RunRecord) -> None:
    """Rules about another port cut nobody off, and the fault says so."""
    with pytest.raises(ActivityFailed, match="connected"):
        network.isolate_clients([0], port=9999, effect_timeout=5)
    assert said_by(kafka_run) == ["fault.injected", "fault.ineffective", "fault.undoing", "fault.undone"]
