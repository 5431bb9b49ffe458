"""Stopping brokers, and losing records by it, against the played cluster."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from chaoslib.exceptions import ActivityFailed

import experiments
from drill import kafka, record, rollback
from drill.errors import RefusedError
from experiments import _signals
from experiments.kafka import (
    _brokers,
    _pause,
    force_unclean_election,
    pause_brokers,
    pauses,
    plan_force_unclean_election,
    plan_pause_brokers,
    unclean,
)
from experiments.kafka._brokers import Broker
from tests.unit.kafka_world import World, kinds, pod, run, settings_file, world

__all__ = ["run", "settings_file", "world"]  # fixtures

UNSAFE = {"replication_factor": "2", "min.insync.replicas": "1", "unclean.leader.election.enable": "true"}


class Processes:
    """The brokers' processes, which armed signals reach."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.states = dict.fromkeys(range(3), "S")
        self.fired: list[tuple[float, str, int]] = []
        self.deaf: set[int] = set()
        """Brokers whose process no signal reaches."""

    @contextmanager
    def armed(
        self, cluster: World, broker: Broker, process: str, script: str, dead_man: float = 0
    ) -> Iterator["PlayedSignal"]:
        """As `_signals.armed`."""
        assert cluster is self.world
        assert process == "kafka.Kafka"
        assert (dead_man > 0) == (script == _signals.STOP)
        yield PlayedSignal(self, broker.id, script)


class PlayedSignal:
    """As `_signals.Armed`."""

    def __init__(self, processes: Processes, broker: int, script: str) -> None:
        self.processes, self.broker, self.script, self.pid = processes, broker, script, 7

    def fire(self) -> None:
        """The signal arrives, unless the process is deaf."""
        if self.script == _signals.LOOK:
            return
        name = {_signals.STOP: "stop", _signals.CONTINUE: "continue", _signals.KILL: "kill"}[self.script]
        self.processes.fired.append((self.processes.world.now, name, self.broker))
        if self.broker not in self.processes.deaf:
            self.processes.states[self.broker] = "T" if name == "stop" else "S"
            self.processes.world.signalled(name, self.broker)

    def state(self) -> str:
        """The process's state."""
        return self.processes.states[self.broker]


@pytest.fixture
def processes(world: World, monkeypatch: pytest.MonkeyPatch) -> Processes:
    """The processes of the played cluster; every wait passes played time."""
    made = Processes(world)
    monkeypatch.setattr(_signals, "armed", made.armed)
    for module in (pauses, unclean):
        monkeypatch.setattr(module, "time", world)
    return made


# -- pause_brokers -------------------------------------------------------------------------------------------------


def test_all_stop_and_continue_together(world: World, run: record.RunRecord, processes: Processes) -> None:
    """The pause is as long as it was meant to be, proven by the process state, and nothing stays stopped."""
    paused = pause_brokers("all", seconds=5, max_brokers_down=3)
    assert [each["proof"] for each in paused] == [{"process_state": "T", "pid": 7}] * 3
    assert [name for _, name, _ in processes.fired] == ["stop"] * 3 + ["continue"] * 3
    undone = record.RunRecord(run.path).first("fault.undone")
    assert undone.t - paused[0]["since"] == pytest.approx(5)
    assert kinds(run).count("fault.effective") == kinds(run).count("fault.undone") == 3
    assert {each.undo for each in rollback.pending()} == {"experiments.kafka._recovery.await_recovered"}
    assert world.now == pytest.approx(5)


def test_a_process_that_does_not_stop_is_no_pause(run: record.RunRecord, processes: Processes) -> None:
    """It is not claimed, and those that did stop continue."""
    processes.deaf = {2}
    with pytest.raises(ActivityFailed, match="in state S after SIGSTOP"):
        pause_brokers("all", seconds=5, max_brokers_down=3)
    assert set(processes.states.values()) == {"S"}
    assert "fault.effective" not in kinds(run)


def test_a_pause_that_somebody_ends_is_told(world: World, run: record.RunRecord, processes: Processes) -> None:
    """It was on, and did not stay so: what was measured under it is not that of five seconds."""

    def end() -> None:
        processes.states[1] = "S"

    world.script.append((2.0, end))
    with pytest.raises(ActivityFailed, match="lapsed while it was held: the process is in state S"):
        pause_brokers("all", seconds=5, max_brokers_down=3)
    assert kinds(run).count("fault.ineffective") == 1
    assert kinds(run).count("fault.undone") == 3


@pytest.mark.usefixtures("world")
def test_interrupted_in_the_pause(processes: Processes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever ends the wait, the brokers continue."""

    def interrupt(_seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(processes.world, "sleep", interrupt)
    with pytest.raises(KeyboardInterrupt):
        pause_brokers("all", seconds=5, max_brokers_down=3)
    assert set(processes.states.values()) == {"S"}


def test_the_rollback_log_ends_a_pause(world: World, processes: Processes) -> None:
    """What a killed harness left stopped continues, and only in the very container that was stopped."""
    broker = Broker(1, world.pods_["pool-1"], "kafka")
    _pause.register(_brokers.site(), "pause_brokers", broker)
    processes.states[1] = "T"
    assert [result["ok"] for result in experiments.undo()] == [True]
    assert processes.states[1] == "S"

    _pause.register(_brokers.site(), "pause_brokers", broker)
    world.pods_["pool-1"] = pod(1, life=1)
    processes.fired.clear()
    assert [result["ok"] for result in experiments.undo()] == [True]
    assert not processes.fired


@pytest.mark.usefixtures("world")
def test_a_pause_that_cannot_be_ended_is_a_failed_rollback(world: World, processes: Processes) -> None:
    """A process that is still stopped is said so."""
    _pause.register(_brokers.site(), "pause_brokers", Broker(1, world.pods_["pool-1"], "kafka"))
    processes.states[1], processes.deaf = "T", {1}
    with pytest.raises(ActivityFailed, match="pool-1 is still stopped after SIGCONT"):
        experiments.undo()
    assert rollback.pending()


def test_plan_stops_nothing(processes: Processes) -> None:
    """The plan names all three and touches none; with the default radius it refuses."""
    assert len(plan_pause_brokers("all", max_brokers_down=3).targets) == 3
    with pytest.raises(RefusedError, match="3 brokers would be down"):
        plan_pause_brokers("all")
    assert not processes.fired


# -- force_unclean_election ----------------------------------------------------------------------------------------


@pytest.fixture
def unsafe(world: World, processes: Processes, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A topic of replicas 1 (leader) and 2, which an unclean election may hit; returns its settings, to be spoilt."""
    found: dict[str, Any] = dict(UNSAFE)
    monkeypatch.setattr(kafka, "topic_settings", lambda _target, topic: found if topic == "commodities" else UNSAFE)
    world.replicas, world.isr = (1, 2), (1, 2)

    def signalled(world: World, name: str, broker: int) -> None:
        if (name, broker) == ("stop", 2):
            world.after(9, isr=(1,), brokers={0, 1})
        if (name, broker) == ("kill", 1):
            world.after_pod(1, pod(1, ready=False, running=frozenset()))
        if (name, broker) == ("continue", 2):
            world.after(4, brokers={0, 1, 2})
            world.after(10, leader=2, isr=(2,), brokers={0, 2})

    monkeypatch.setattr(World, "signalled", signalled)
    assert processes.world is world
    return found


@pytest.mark.usefixtures("unsafe")
def test_the_stale_follower_leads(run: record.RunRecord, processes: Processes) -> None:
    """Stopped, left behind, the leader killed, and only then continued; t0 is the kill of the leader."""
    (lost,) = force_unclean_election("commodities", max_brokers_down=2, writes=5)
    assert [(name, broker) for _, name, broker in processes.fired] == [("stop", 2), ("kill", 1), ("continue", 2)]
    stopped, killed, _ = (at for at, _, _ in processes.fired)
    assert killed - stopped >= 9 + 5
    assert lost["proof"]["leader"] == {"partition": "commodities-0", "before": 1, "after": 2}
    assert lost["since"] == 1e9 + killed
    assert kinds(run) == ["fault.prepared", "fault.injected", "fault.undone", "fault.effective", "fault.undone"]


@pytest.mark.usefixtures("unsafe")
def test_a_follower_that_stays_in_sync_loses_nothing(processes: Processes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then nobody is killed, and the follower continues."""
    monkeypatch.setattr(World, "signalled", lambda *_: None)
    with pytest.raises(ActivityFailed, match=r"led by 1 with the ISR \[1, 2\]"):
        force_unclean_election("commodities", max_brokers_down=2, effect_timeout=20)
    assert [name for _, name, _ in processes.fired] == ["stop", "continue"]


@pytest.mark.parametrize("name", UNSAFE)
def test_only_a_topic_made_for_it(unsafe: dict[str, Any], processes: Processes, name: str) -> None:
    """A topic that is meant to be safe is never chosen."""
    unsafe[name] = "3"
    with pytest.raises(RefusedError, match="an unclean election needs"):
        force_unclean_election("commodities", max_brokers_down=2)
    assert not processes.fired


def test_no_other_topic_may_lose(world: World, unsafe: dict[str, Any], processes: Processes) -> None:
    """Another unsafe topic on the same two brokers is a reason to refuse."""
    assert unsafe
    world.other_topics = ("prices",)
    with pytest.raises(RefusedError, match="topic 'prices' would lose records too"):
        force_unclean_election("commodities", max_brokers_down=2)
    assert not processes.fired


@pytest.mark.usefixtures("unsafe")
def test_it_takes_two_brokers_down(processes: Processes) -> None:
    """With the default blast radius it refuses."""
    with pytest.raises(RefusedError, match="max_brokers_down is 1"):
        force_unclean_election("commodities")
    assert not processes.fired


@pytest.mark.usefixtures("unsafe")
def test_plan_of_a_topic_that_is_not_there_yet() -> None:
    """The first two brokers are those that `ensure_topic` would put it on."""
    assert [each["broker"] for each in plan_force_unclean_election("new", max_brokers_down=2).targets] == [0, 1]
    assert [each["broker"] for each in plan_force_unclean_election("commodities", max_brokers_down=2).targets] == [1, 2]
