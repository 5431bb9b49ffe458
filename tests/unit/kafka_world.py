"""A Kafka cluster on Kubernetes that is played, in played time, for the tests of the faults."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from drill import clock, kafka, record
from drill.cluster import Cluster, ClusterError, ExecResult, PodState
from drill.kafka import KafkaState, Partition
from experiments import _watch

SETTINGS = """
[contexts.here]
drillable = {drillable}
namespaces = {namespaces}
[contexts.here.kafka]
bootstrap = "127.0.0.1:1"
statefulset = "pool"
"""


def pod(broker: int, life: int = 0, **changes: Any) -> PodState:
    """The pod of a broker in one of its lives."""
    alive = PodState(
        namespace="kafka",
        name=f"pool-{broker}",
        uid=f"uid-{broker}-{life}",
        node=f"node-{broker}",
        phase="Running",
        ready=True,
        restarts=0,
        container_ids={"kafka": f"container-{broker}-{life}"},
        waiting=(),
        running=frozenset({"kafka"}),
        owner="pool",
        terminating=False,
    )
    return replace(alive, **changes)


@dataclass
class World:
    """A cluster of three brokers that follows a script as time passes."""

    pods_: dict[str, PodState] = field(default_factory=lambda: {f"pool-{each}": pod(each) for each in range(3)})
    brokers: set[int] = field(default_factory=lambda: {0, 1, 2})
    leader: int = 1
    isr: tuple[int, ...] = (0, 1, 2)
    controller: int = 2
    replicas: tuple[int, ...] = (0, 1, 2)
    other_topics: tuple[str, ...] = ()
    now: float = 0.0
    deleted: list[tuple[str, int]] = field(default_factory=list)
    on_delete: Callable[["World", PodState], None] = lambda _world, _pod: None
    script: list[tuple[float, Callable[[], None]]] = field(default_factory=list)

    def monotonic(self) -> float:
        """Played time."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Time passes, and what is due happens."""
        self.now += seconds
        due = [happen for at, happen in self.script if at <= self.now]
        self.script = [(at, happen) for at, happen in self.script if at > self.now]
        for happen in due:
            happen()

    def after(self, seconds: float, **changes: Any) -> None:
        """Write into the script that attributes change."""

        def happen() -> None:
            for name, value in changes.items():
                setattr(self, name, value)

        self.script.append((self.now + seconds, happen))

    def after_pod(self, seconds: float, now: PodState | None, name: str = "") -> None:
        """Write into the script that a pod changes, or goes."""

        def happen() -> None:
            if now is None:
                del self.pods_[name]
            else:
                self.pods_[now.name] = now

        self.script.append((self.now + seconds, happen))

    def pods(self, namespace: str, selector: str) -> list[PodState]:
        """As `Cluster.pods`."""
        assert (namespace, selector) == ("kafka", "app.kubernetes.io/name=kafka")
        return list(self.pods_.values())

    def delete_pod(self, which: PodState, grace_period: int) -> None:
        """As `Cluster.delete_pod`."""
        if self.pods_.get(which.name, which).uid != which.uid:
            raise ClusterError("409 Conflict")
        self.deleted.append((which.name, grace_period))
        self.on_delete(self, which)

    def signalled(self, name: str, broker: int) -> None:
        """What comes of a signal to a broker's process: nothing, unless a test says so."""

    def exec(self, namespace: str, pod: str, container: str, argv: list[str], _timeout: float = 30) -> ExecResult:
        """As `Cluster.exec` of kafka-metadata-quorum.sh."""
        assert (namespace, container, argv[0]) == ("kafka", "kafka", "sh")
        assert self.pods_[pod].ready
        return ExecResult(f"ClusterId:   x\nLeaderId:    {self.controller}\nLeaderEpoch: 7\n", "", 0)

    def describe(self, *_: Any) -> KafkaState:
        """As `kafka.describe`."""
        topics = ("commodities", *self.other_topics)
        partitions = tuple(Partition(topic, 0, self.leader, self.replicas, self.isr) for topic in topics)
        return KafkaState(dict.fromkeys(self.brokers, "host:1"), partitions)


def dies_and_comes_back(world: World, dead: PodState) -> None:
    """What a pod delete does in a cluster that works."""
    broker = int(dead.name[-1])
    world.after_pod(1, replace(dead, ready=False, terminating=True))
    world.after_pod(2, None, dead.name)
    world.after(2, brokers=world.brokers - {broker}, isr=tuple({0, 1, 2} - {broker}))
    if world.leader == broker:
        world.after(2, leader=(broker + 1) % 3)
    if world.controller == broker:
        world.after(2, controller=(broker + 1) % 3)
    life = int(dead.uid.split("-")[-1]) + 1
    world.after_pod(3, pod(broker, life, ready=False))
    world.after_pod(8, pod(broker, life))
    world.after(9, brokers={0, 1, 2}, isr=(0, 1, 2))


@pytest.fixture
def settings_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A drillable context."""
    file = tmp_path / "drill.toml"
    file.write_text(SETTINGS.format(drillable="true", namespaces='["kafka"]'))
    monkeypatch.setenv("DRILL_SETTINGS", str(file))
    monkeypatch.setenv("DRILL_CONTEXT", "here")
    return file


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> record.RunRecord:
    """A run record to look into."""
    made = record.RunRecord.create(tmp_path / "runs", "test")
    monkeypatch.setenv(record.RECORD_VARIABLE, str(made.path))
    return made


@pytest.fixture
def world(settings_file: Path, run: record.RunRecord, monkeypatch: pytest.MonkeyPatch) -> World:
    """The cluster, in played time."""
    assert settings_file.exists()
    assert run.path.exists()
    played = World()
    monkeypatch.setattr(Cluster, "connect", lambda _settings: played)
    monkeypatch.setattr(kafka, "describe", played.describe)
    monkeypatch.setattr(_watch, "time", played)
    monkeypatch.setattr(clock, "now", lambda: 1e9 + played.now)
    return played


def kinds(run: record.RunRecord) -> list[str]:
    """What the experiment said, in order."""
    return [each.kind for each in record.RunRecord(run.path).events if each.source == "experiment"]
