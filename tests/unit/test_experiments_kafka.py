"""Faults of Kafka against a cluster that is played: whom they hit, what they refuse, what they claim and when."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from chaoslib.exceptions import ActivityFailed

import experiments
from drill import record, rollback
from drill.cluster import ClusterError, ExecResult, Permission, PodState
from drill.errors import RefusedError, UsageError
from drill.rollback import NotRestoredError
from experiments.kafka import _brokers, _recovery, kill_broker, kill_each_broker, plan_kill_broker, probes
from tests.unit.kafka_world import SETTINGS, World, dies_and_comes_back, kinds, pod, run, settings_file, world

__all__ = ["run", "settings_file", "world"]  # fixtures

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
    [("false", '["kafka"]', "is not declared drillable"), ("true", '["kong"]', "is not declared drillable")],
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
