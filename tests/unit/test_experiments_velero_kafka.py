"""Kafka lost whole and restored: what an undo does about what it finds, and when it keeps its hands off."""

from types import SimpleNamespace
from typing import Any

import pytest

from drill import kafka
from drill.kafka import KafkaState, KafkaUnreachableError, Partition
from drill.markers import payload
from drill.rollback import NotRestoredError
from drill.settings import KafkaTarget
from drill.velero import Velero
from experiments.kafka import _recovery
from experiments.runbooks._phases import StepFailedError
from experiments.velero import _kafka_data, _namespace, _objects, _scratch, _stream
from experiments.velero import kafka as losses
from tests.unit.kafka_world import World, run, settings_file, world

__all__ = ["run", "settings_file", "world"]  # fixtures

NAMESPACE = "kafka"


class Lost:
    """A namespace, the topics in it, and a Velero that restores both."""

    def __init__(self, played: World) -> None:
        self.world = played
        self.uid: str | None = "original"
        self.topics: set[str] | None = {"commodities"}
        """None: no broker answers."""
        self.services: list[dict[str, Any]] = []
        self.made: list[str] = []
        self.deleted: list[str] = []
        self.phase, self.brings = "Completed", {"commodities"}

    # as the cluster

    def find(self, _cluster: Any, _namespace: str) -> Any:
        """The namespace."""
        if self.uid is None:
            return None
        return SimpleNamespace(metadata=SimpleNamespace(uid=self.uid, deletion_timestamp=None))

    def delete(self, _cluster: Any, namespace: str) -> None:
        """The namespace."""
        self.deleted.append(namespace)
        self.uid, self.topics = None, None

    def look(self, _cluster: Any, _namespace: str) -> dict[str, Any]:
        """What is in it."""
        ready = {"name": "statefulset/pool", "wanted": 3, "ready": 3 if self.uid else 0}
        return {"claims": [], "workloads": [ready], "services": self.services}

    # as Kafka

    def describe(self, *_: Any, **__: Any) -> KafkaState:
        """Its topics."""
        if self.topics is None:
            raise KafkaUnreachableError("nobody answers")
        return KafkaState({}, tuple(Partition(each, 0, 0, (0,), (0,)) for each in sorted(self.topics)))

    def forget(self, *_: Any) -> dict[str, Any]:
        """The drill's topics."""
        return {"topics": [], "groups": []}

    # as Velero

    def restores(self) -> list[Any]:
        """Those that there are."""
        return [SimpleNamespace(name=each) for each in self.made]

    def create_restore(self, name: str, backup: str, **spec: Any) -> None:
        """It is made at once."""
        assert (backup, spec["namespaces"], spec["preserveNodePorts"]) == ("backup", [NAMESPACE], True)
        self.made.append(name)
        self.uid, self.topics = "restored", set(self.brings)

    def await_restore(self, _name: str, _within: float) -> Any:
        """It has ended."""
        return SimpleNamespace(phase=self.phase, troubles=("a volume failed",))


@pytest.fixture
def lost(world: World, monkeypatch: pytest.MonkeyPatch) -> Lost:
    """A cluster in which things are lost, in played time."""
    played = Lost(world)
    monkeypatch.setattr(_scratch, "find", played.find)
    monkeypatch.setattr(_namespace, "delete", played.delete)
    monkeypatch.setattr(_objects, "look", played.look)
    monkeypatch.setattr(kafka, "describe", played.describe)
    monkeypatch.setattr(_kafka_data, "forget", played.forget)
    monkeypatch.setattr(Velero, "connect", lambda *_: played)
    monkeypatch.setattr(losses, "Brokers", lambda *_: None)
    monkeypatch.setattr(_recovery, "whole", lambda *_: {"isr_full": True})
    return played


def undo(**changes: Any) -> dict[str, Any]:
    """The undo, as it was written down."""
    arguments: dict[str, Any] = {
        "context": "here",
        "namespace": NAMESPACE,
        "uid": "original",
        "backup": "backup",
        "run": "run",
        "topics": ["commodities"],
        "idle": [],
    }
    return losses.restore_kafka(**{**arguments, **changes})


def test_nothing_was_deleted_yet(lost: Lost) -> None:
    """The namespace is the one of before, whatever is in it."""
    lost.topics = set()
    assert undo()["restored"] is None
    assert not lost.deleted


def test_the_drill_restored_it(lost: Lost) -> None:
    """Another namespace, with the topics of before: nothing is left to do, and doing it twice does no harm."""
    lost.uid = "restored"
    assert undo()["restored"] is None
    assert undo()["restored"] is None
    assert not lost.made
    assert not lost.deleted


def test_nobody_restored_it(lost: Lost) -> None:
    """The same backup is restored, under a name that is free."""
    lost.uid, lost.topics, lost.made = None, None, ["backup-undo-1"]
    assert undo()["restored"] == "backup-undo-2"
    assert lost.topics == {"commodities"}


def test_a_cluster_that_began_anew_on_empty_volumes(lost: Lost) -> None:
    """Ready without a single topic: a restore would skip what is there, so that it has to go first."""
    lost.uid, lost.topics = "restored", set()
    assert undo()["restored"] == "backup-undo-1"
    assert lost.deleted == [NAMESPACE]


def test_topics_that_somebody_may_want_are_never_deleted(lost: Lost) -> None:
    """Some of before are missing, and others are there: a person has to look."""
    lost.uid, lost.topics = "restored", {"prices"}
    with pytest.raises(NotRestoredError, match="Kafka is there with 1 topics, and topic commodities is not there"):
        undo()
    assert not lost.deleted
    assert not lost.made


def test_a_kafka_that_does_not_answer_is_never_deleted(lost: Lost) -> None:
    """Nobody knows what it has."""
    lost.uid, lost.topics = "restored", None
    with pytest.raises(KafkaUnreachableError):
        undo()
    assert not lost.deleted


def test_topics_that_are_late(lost: Lost) -> None:
    """Brokers that have just begun learn of them a little later."""
    lost.uid, lost.topics = "restored", set()
    lost.world.script.append((5.0, lambda: setattr(lost, "topics", {"commodities"})))
    assert undo()["restored"] is None
    assert not lost.deleted


def test_a_restore_that_brings_nothing(lost: Lost) -> None:
    """Then nothing is undone."""
    lost.uid, lost.topics, lost.brings = None, None, set()
    with pytest.raises(NotRestoredError, match="its data is not there"):
        undo()


def test_a_service_that_led_nowhere_before(lost: Lost) -> None:
    """It need not lead anywhere now; another one has to."""
    lost.uid = "restored"
    lost.services = [{"name": "pool-3", "selects": True, "ready": False}]
    assert undo(idle=["pool-3"])["restored"] is None
    with pytest.raises(NotRestoredError, match="is not whole"):
        undo()


def test_topics_of_kafka_itself_are_no_data(lost: Lost, world: World) -> None:
    """An empty cluster may have them."""
    assert world is lost.world
    lost.topics = {"__consumer_offsets"}
    target = KafkaTarget(bootstrap="127.0.0.1:1")
    assert not _kafka_data.has_data(target, ["commodities"])
    assert _kafka_data.has_data(target, [])


# -- the records that are written all the while ----------------------------------------------------------------------


class Brokers:
    """A producer whose records are acknowledged at once, but for every tenth."""

    def __init__(self, _config: Any) -> None:
        self.offsets = [0, 0, 0]

    def produce(self, topic: str, value: bytes, *, key: bytes, partition: int, on_delivery: Any) -> None:
        """As the client."""
        assert (topic, value) == ("own", payload("run", int(key)))
        refused = SimpleNamespace(name=lambda: "_MSG_TIMED_OUT") if int(key) % 10 == 9 else None
        offset = self.offsets[partition]
        self.offsets[partition] += refused is None
        on_delivery(refused, SimpleNamespace(partition=lambda: partition, offset=lambda: offset, key=lambda: key))

    def poll(self, _seconds: float) -> None:
        """As the client."""

    flush = poll


def test_each_acknowledgement_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """By partition, offset and number; what was refused is counted by its reason, and never as acknowledged."""
    monkeypatch.setattr(_stream, "Producer", Brokers)
    stream = _stream.Stream(KafkaTarget(bootstrap="127.0.0.1:1"), "own", 3, "run", rate=100_000)
    stream.begin()
    stream.await_acked(100, within=60)
    stream.end()
    columns = stream.columns()
    assert sum(len(each["offsets"]) for each in columns.values()) == stream.number >= 100
    assert columns["0"]["offsets"][:4] == [0, 1, 2, 3]
    assert columns["0"]["sequences"][:4] == [0, 3, 6, 12]
    assert set(stream.failed) == {"_MSG_TIMED_OUT"}


def test_acknowledgements_that_do_not_come() -> None:
    """A drill that could not write has nothing that a restore could be held to."""
    stream = _stream.Stream(KafkaTarget(bootstrap="127.0.0.1:1"), "own", 3, "run", rate=1)
    with pytest.raises(StepFailedError, match="0 of 5 records were acknowledged in 0 s"):
        stream.await_acked(5, within=0)
