"""Faults of Kafka against a cluster that is played: whom they hit, what they refuse, what they claim and when."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from chaoslib.exceptions import ActivityFailed

import experiments
from drill import clock, kafka, record, rollback
from drill.cluster import Cluster, ClusterError, ExecResult, Permission, PodState
from drill.errors import RefusedError, UsageError
from drill.kafka import KafkaState, Partition
from drill.rollback import NotRestoredError
from experiments import _watch
from experiments.kafka import _brokers, _recovery, kill_broker, kill_each_broker, plan_kill_broker, probes

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
        self.script.append((self.now + seconds, lambda: [setattr(self, *each) for each in changes.items()] and None))

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

    def exec(self, namespace: str, pod: str, container: str, argv: list[str]) -> ExecResult:
        """As `Cluster.exec` of kafka-metadata-quorum.sh."""
        assert (namespace, container, argv[0]) == ("kafka", "kafka", "sh")
        assert self.pods_[pod].ready
        return ExecResult(f"ClusterId:   x\nLeaderId:    {self.controller}\nLeaderEpoch: 7\n", "", 0)

    def describe(self, *_: Any) -> KafkaState:
        """As `kafka.describe`."""
        partition = Partition("commodities", 0, self.leader, (0, 1, 2), self.isr)
        return KafkaState(dict.fromkeys(self.brokers, "host:1"), (partition,))


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
def world(settings_file: Path, run: record.RunRecord, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
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


# -- whom it hits --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "hit"),
    [
        ({"select": "leader", "topic": "commodities"}, [1]),
        ({"select": "controller"}, [2]),
        ({"select": [0]}, [0]),
        ({"select": "all", "max_brokers_down": 3}, [0, 1, 2]),
    ],
)
def test_selection(world: World, arguments: dict[str, Any], hit: list[int]) -> None:
    """Leader, controller, named brokers and all of them are found, and a plan touches none."""
    planned = plan_kill_broker(**arguments, method="delete")
    assert [target["broker"] for target in planned.targets] == hit
    assert planned.targets[0]["uid"] == f"uid-{hit[0]}-0"
    assert not world.deleted


@pytest.mark.usefixtures("world")
def test_random_choice_follows_its_seed() -> None:
    """The same seed means the same broker; over many seeds every broker is meant."""
    chosen = [plan_kill_broker("any", seed=seed).targets[0]["broker"] for seed in range(30)]
    assert chosen == [plan_kill_broker("any", seed=seed).targets[0]["broker"] for seed in range(30)]
    assert set(chosen) == {0, 1, 2}


def test_pods_of_another_owner_are_never_brokers(world: World) -> None:
    """A pod that matches the selector but does not belong to the StatefulSet is not there for a fault."""
    world.pods_ = {each.name: each for each in (pod(0, owner="another"), pod(1, owner=None), pod(2, name="pool-2-x"))}
    with pytest.raises(RefusedError, match="no pod of StatefulSet 'pool'"):
        plan_kill_broker("all", max_brokers_down=3)


@pytest.mark.usefixtures("world")
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"select": "everything"}, "give any, all, leader"),
        ({"select": []}, "give any, all, leader"),
        ({"select": "leader"}, "needs a topic"),
        ({"select": "any", "count": 0}, "count is 0"),
        ({"select": "any", "count": 4}, "count is 4"),
        ({"select": "any", "method": "nuke"}, "give delete or sigkill"),
        ({"select": "any", "method": "delete", "grace_period": 0}, "grace_period must be 1 s or more"),
    ],
)
def test_what_cannot_be_meant(arguments: dict[str, Any], says: str) -> None:
    """Nothing is guessed."""
    with pytest.raises(UsageError, match=says):
        kill_broker(**arguments)


@pytest.mark.usefixtures("world")
def test_permissions() -> None:
    """A plan names what RBAC has to grant."""
    assert plan_kill_broker("any", method="delete").permissions == (
        Permission("list", "pods", "kafka"),
        Permission("delete", "pods", "kafka"),
    )
    assert Permission("create", "pods", "kafka", subresource="exec") in plan_kill_broker("any").permissions


# -- what it refuses -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("drillable", "namespaces", "says"),
    [("false", '["kafka"]', "is not drillable"), ("true", '["kong"]', "not among the drillable ones")],
)
def test_refuses_where_no_drill_is_allowed(
    world: World, settings_file: Path, drillable: str, namespaces: str, says: str
) -> None:
    """Without the word of the settings nothing is touched."""
    settings_file.write_text(SETTINGS.format(drillable=drillable, namespaces=namespaces))
    with pytest.raises(RefusedError, match=says):
        kill_broker("any", method="delete")
    assert not world.deleted


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"isr": (0, 1)}, "under-replicated already: commodities-0"),
        ({"brokers": {0, 1}}, "broker 2 is down already"),
        ({"pods_": {f"pool-{each}": pod(each, ready=each != 1) for each in range(3)}}, "broker 1 is down already"),
    ],
)
def test_refuses_a_cluster_that_is_not_whole(world: World, changes: dict[str, Any], says: str) -> None:
    """A drill into a degraded cluster would be an incident."""
    for name, value in changes.items():
        setattr(world, name, value)
    with pytest.raises(RefusedError, match=says):
        kill_broker([0], method="delete")
    assert not world.deleted


def test_refuses_beyond_the_blast_radius(world: World) -> None:
    """Two at once need a scenario that says so."""
    with pytest.raises(RefusedError, match="2 brokers would be down at a time, and max_brokers_down is 1"):
        kill_broker("any", count=2, method="delete")
    assert not world.deleted


# -- what it claims ------------------------------------------------------------------------------------------------


def test_kill_the_leader(world: World, run: record.RunRecord) -> None:
    """Injected, seen effective with the proof, seen recovered; and nothing is left to undo."""
    world.on_delete = dies_and_comes_back
    (killed,) = kill_broker("leader", topic="commodities", method="delete")
    assert world.deleted == [("pool-1", 1)]
    assert killed["proof"]["pod_uid"]["before"] == "uid-1-0"
    assert killed["proof"]["leader"] == {"partition": "commodities-0", "before": 1, "after": 2}
    assert killed["since"] == 1e9
    assert [each.undo for each in rollback.pending()] == [_recovery.UNDO]
    assert probes.await_recovery(timeout=60, settle=5)
    assert kinds(run) == ["fault.injected", "fault.effective", "fault.recovered"]
    recovered = record.RunRecord(run.path).first("fault.recovered")
    assert recovered.t == pytest.approx(1e9 + 9, abs=0.3)
    assert not rollback.pending()


def test_kill_the_controller(world: World) -> None:
    """It counts when another controller is active."""
    world.on_delete = dies_and_comes_back
    (killed,) = kill_broker("controller", method="delete")
    assert killed["proof"]["controller"] == {"before": 2, "after": 0, "epoch": {"before": 7, "after": 7}}


def nothing_happens(_world: World, _dead: PodState) -> None:
    """The API server said yes, and that was all."""


def back_before_anyone_noticed(world: World, dead: PodState) -> None:
    """Another pod, but Kafka never showed that the broker was away."""
    world.after_pod(1, pod(int(dead.name[-1]), 1))


def only_the_pod_stays(world: World, dead: PodState) -> None:
    """Kafka lost the broker (a network fault, say), and the pod was never touched."""
    world.after(1, brokers={0, 1, 2} - {int(dead.name[-1])})


@pytest.mark.parametrize(
    ("effect", "says"),
    [
        (nothing_happens, "its container runs on"),
        (back_before_anyone_noticed, "Kafka still shows the broker as alive"),
        (only_the_pod_stays, "its container runs on"),
    ],
)
def test_a_kill_without_its_whole_proof_is_ineffective(
    world: World, run: record.RunRecord, effect: Callable[[World, PodState], None], says: str
) -> None:
    """A fault that was not seen is not claimed."""
    world.on_delete = effect
    with pytest.raises(ActivityFailed, match=says):
        kill_broker([0], method="delete", effect_timeout=30)
    assert kinds(run) == ["fault.injected", "fault.ineffective"]


def test_a_leader_kill_needs_the_leadership_to_move(world: World) -> None:
    """Away from the metadata is not enough where the leader was meant."""

    def leaderless(world: World, dead: PodState) -> None:
        dies_and_comes_back(world, dead)
        world.after(2, leader=-1)

    world.on_delete = leaderless
    with pytest.raises(ActivityFailed, match="the leadership of commodities-0 has not moved"):
        kill_broker("leader", topic="commodities", method="delete")


def test_a_refused_delete_is_ineffective(world: World, run: record.RunRecord) -> None:
    """A call that failed injected nothing."""

    def forbidden(_world: World, _dead: PodState) -> None:
        raise ClusterError("delete pod kafka/pool-0: 403 Forbidden")

    world.on_delete = forbidden
    with pytest.raises(ActivityFailed, match="403 Forbidden"):
        kill_broker([0], method="delete")
    assert kinds(run) == ["fault.injected", "fault.ineffective"]


def test_repeated_kills_wait_for_recovery(world: World, run: record.RunRecord) -> None:
    """The second kill finds a whole cluster."""
    world.on_delete = dies_and_comes_back
    assert len(kill_broker([0], method="delete", times=2, settle=1)) == 2
    cycle = ["fault.injected", "fault.effective"]
    assert kinds(run) == [*cycle, "fault.recovered", *cycle]


def test_each_in_turn(world: World) -> None:
    """A rolling kill takes every broker once, in order, with recovery in between."""
    world.on_delete = dies_and_comes_back
    killed = kill_each_broker(method="delete", settle=1)
    assert [each["target"]["broker"] for each in killed] == [0, 1, 2]


def test_held_down(world: World, run: record.RunRecord) -> None:
    """Whoever comes back during the hold is deleted again; two of three gone need no word from Kafka."""

    def without_quorum(world: World, dead: PodState) -> None:
        life = int(dead.uid.split("-")[-1]) + 1
        world.after_pod(1, pod(int(dead.name[-1]), life))

    world.on_delete = without_quorum
    killed = kill_broker([0, 1], method="delete", max_brokers_down=2, hold=5)
    assert [each["target"]["broker"] for each in killed] == [0, 1]
    assert len(world.deleted) > 4
    said = kinds(run)
    assert said.count("fault.effective") == 2
    assert said[-2:] == ["fault.undone", "fault.undone"]


def test_recovery_that_never_comes(world: World, run: record.RunRecord) -> None:
    """The probe fails, says so, and leaves the wait to the rollback, which fails too."""
    world.on_delete = dies_and_comes_back
    kill_broker([0], method="delete")
    world.script.clear()
    with pytest.raises(ActivityFailed, match="no recovery in 30 s: broker 0 has no pod"):
        probes.await_recovery(timeout=30)
    assert kinds(run)[-1] == "fault.unrecovered"
    with pytest.raises(ActivityFailed, match=NotRestoredError.__name__):
        experiments.undo()
    assert rollback.pending()


def test_stale_metadata_are_no_recovery(world: World) -> None:
    """Kafka shows a crashed broker as alive for some seconds: whole for a moment is not recovered."""
    world.after(2, brokers={1, 2}, isr=(1, 2))
    world.after(20, brokers={0, 1, 2}, isr=(0, 1, 2))
    proof = _recovery.await_whole(_brokers.site(), [0], timeout=60, settle=5)
    assert proof["since"] == pytest.approx(1e9 + 20, abs=0.3)


# -- probes --------------------------------------------------------------------------------------------------------


def test_probes(world: World) -> None:
    """Each says what is there, and none takes an empty cluster for a healthy one."""
    assert (probes.live_brokers(), probes.under_replicated_partitions(), probes.offline_partitions()) == (3, 0, 0)
    assert (probes.isr_full(), probes.all_brokers_live(), probes.active_controller()) == (True, True, 2)
    world.isr, world.leader, world.brokers = (2,), -1, {2}
    assert (probes.live_brokers(), probes.under_replicated_partitions(), probes.offline_partitions()) == (1, 1, 1)
    assert (probes.isr_full(), probes.all_brokers_live()) == (False, False)
    world.pods_.clear()
    assert not probes.all_brokers_live()


def test_a_quorum_that_does_not_answer(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """No controller is invented."""
    monkeypatch.setattr(World, "exec", lambda *_: ExecResult("", "command not found", 127))
    with pytest.raises(ClusterError, match="command not found"):
        probes.active_controller()
    world.pods_ = {name: replace(each, ready=False) for name, each in world.pods_.items()}
    with pytest.raises(ClusterError, match="no broker pod is ready"):
        probes.active_controller()
