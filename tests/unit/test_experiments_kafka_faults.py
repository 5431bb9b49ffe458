"""Leadership moved, a broker that flaps, a log volume without space, against a cluster that is played."""

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from chaoslib.exceptions import ActivityFailed

from drill import kafka, record, rollback
from drill.cluster import ClusterError, ExecResult
from drill.errors import RefusedError, UsageError
from drill.rollback import NotRestoredError
from experiments import _signals
from experiments.kafka import _leaders, _log_volume, fill_log_volume, flap_broker, flaps, move_leadership
from experiments.pods._disk import Disk
from tests.unit.kafka_world import World, kinds, pod, run, settings_file, world

__all__ = ["run", "settings_file", "world"]  # fixtures

WHOLE_LIFE = ["fault.injected", "fault.effective", "fault.undoing", "fault.undone", "fault.recovered"]
FRUITLESS = ["fault.injected", "fault.ineffective", "fault.undoing", "fault.undone"]

# -- leadership ----------------------------------------------------------------------------------------------------


class Elections:
    """Kafka's answers to a new order of replicas, and to an election."""

    def __init__(self, played: World) -> None:
        self.world, self.deaf, self.orders = played, False, list[tuple[int, ...]]()

    def exec(self, _namespace: str, _pod: str, _container: str, argv: list[str], _timeout: float) -> ExecResult:
        """As kafka-reassign-partitions.sh."""
        for each in json.loads(argv[-1])["partitions"]:
            self.world.replicas = tuple(each["replicas"])
            self.orders.append(self.world.replicas)
        return ExecResult("", "", 0)

    def elect_leaders(self, _type: Any, partitions: list[Any]) -> "Elections":
        """As the admin client."""
        if not self.deaf:
            self.world.leader = self.world.replicas[0]
        self.partitions = partitions
        return self

    def result(self) -> dict[Any, None]:
        """Of the future."""
        return dict.fromkeys(self.partitions)


@pytest.fixture
def elections(world: World, monkeypatch: pytest.MonkeyPatch) -> Elections:
    """Kafka, which does what it is told."""
    played = Elections(world)
    monkeypatch.setattr(world, "exec", played.exec)
    monkeypatch.setattr(kafka, "admin", lambda _target: played)
    world.leader = 0
    return played


def test_leadership_moves_and_comes_back(elections: Elections, run: record.RunRecord) -> None:
    """The broker becomes the last replica and leads nothing; then the old order and the old leader are there again."""
    said = move_leadership("leader", topic="commodities", hold=0)
    assert elections.orders == [(1, 2, 0), (0, 1, 2)]
    assert said["proof"] == {"broker": 0, "leads": 0, "led_before": 1, "leadership_moved": {"commodities-0": 1}}
    assert elections.world.leader == 0
    assert kinds(run) == WHOLE_LIFE
    assert not rollback.pending()


def test_an_election_that_moves_nothing(elections: Elections, run: record.RunRecord) -> None:
    """Kafka does not elect: the fault does not claim to be on, and the order is put back."""
    elections.deaf = True
    with pytest.raises(ActivityFailed, match="broker 0 still leads 1 partitions"):
        move_leadership([0], hold=0, effect_timeout=3)
    assert elections.orders == [(1, 2, 0), (0, 1, 2)]
    assert kinds(run) == FRUITLESS


def test_a_leader_that_was_not_preferred_is_not_asked_for(elections: Elections) -> None:
    """What was not the preferred leader before can't be elected, and is not awaited."""
    elections.world.leader = 1
    move_leadership([1], hold=0)
    assert elections.world.replicas == (0, 1, 2)


def test_the_old_order_that_does_not_come_back(elections: Elections, monkeypatch: pytest.MonkeyPatch) -> None:
    """An undo that Kafka ignores is none, and stays pending."""
    monkeypatch.setattr(_leaders, "reorder", lambda *_: None)
    elections.world.replicas = (1, 2, 0)
    before = _leaders.Led(topic="commodities", partition=0, replicas=[0, 1, 2], leader=0)
    with pytest.raises(NotRestoredError, match="1 partitions have their replicas in another order"):
        _leaders.restore_leaders("here", 0, [before])


def test_a_topic_that_is_gone_needs_no_undo(elections: Elections) -> None:
    """Deleted meanwhile, there is nothing to put back."""
    before = _leaders.Led(topic="deleted", partition=0, replicas=[2, 1, 0], leader=2)
    assert _leaders.restore_leaders("here", 0, [before])["replicas_in_order"] == 0
    assert not elections.orders


@pytest.mark.parametrize(
    ("changes", "arguments", "says"),
    [
        ({}, {"select": [1]}, "broker 1 leads nothing"),
        ({"replicas": (0,), "isr": (0,)}, {"select": [0]}, "nobody else has a replica of commodities-0"),
        ({"isr": (0, 1)}, {"select": [0]}, "under-replicated already"),
        ({}, {"select": [0], "max_brokers_down": 0}, "max_brokers_down is 0"),
    ],
)
def test_leadership_that_is_not_taken(
    elections: Elections, changes: dict[str, Any], arguments: dict[str, Any], says: str
) -> None:
    """Nothing to take, nobody to take it, a cluster that is not whole, a blast radius that forbids it."""
    for name, value in changes.items():
        setattr(elections.world, name, value)
    with pytest.raises(RefusedError, match=says):
        move_leadership(**arguments)
    assert not elections.orders


@pytest.mark.usefixtures("elections")
def test_one_at_a_time() -> None:
    """All brokers at once can't lead nothing."""
    with pytest.raises(UsageError, match="3 brokers are selected"):
        move_leadership.plan("all", max_brokers_down=3)


# -- flapping ------------------------------------------------------------------------------------------------------


@pytest.fixture
def mortal(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """Brokers that die of SIGKILL and come back after some seconds."""

    @contextmanager
    def armed(_cluster: Any, broker: Any, _process: str, _script: str, _dead_man: float = 0) -> Iterator[Any]:
        class Armed:
            def fire(self) -> None:
                dead, id_ = broker.pod, broker.id
                life = dead.restarts + 1
                world.after_pod(0.5, replace(dead, ready=False, running=frozenset()))
                world.after(0.5, brokers={0, 1, 2} - {id_}, isr=tuple({0, 1, 2} - {id_}), leader=2)
                back = replace(pod(id_, life), uid=dead.uid, restarts=life)
                world.after_pod(4, back)
                world.after(5, brokers={0, 1, 2})

        yield Armed()

    monkeypatch.setattr(_signals, "armed", armed)
    monkeypatch.setattr(flaps, "time", world)
    return world


def test_it_dies_again_and_again(mortal: World, run: record.RunRecord) -> None:
    """Each time in another container, and always the same broker, whoever leads meanwhile."""
    killed = flap_broker("leader", topic="commodities", times=3, interval=2)
    assert [each["target"]["broker"] for each in killed] == [1, 1, 1]
    assert kinds(run) == ["fault.injected", "fault.effective"] * 3
    assert mortal.pods_["pool-1"].restarts == 2 or not mortal.pods_["pool-1"].running


def test_one_that_stays_down_is_not_killed_again(mortal: World, run: record.RunRecord) -> None:
    """A broker that does not come back does not flap."""
    mortal.script.append((0.0, lambda: None))
    original = mortal.after_pod

    def never_back(seconds: float, now: Any, name: str = "") -> None:
        if now is None or now.running != frozenset({"kafka"}):
            original(seconds, now, name)

    mortal.after_pod = never_back  # type: ignore[method-assign]
    with pytest.raises(ActivityFailed, match="broker 1 did not come back in 20 s: broker 1 is not Ready again"):
        flap_broker([1], times=2, recovery_timeout=20)
    assert kinds(run) == ["fault.injected", "fault.effective"]


@pytest.mark.usefixtures("mortal")
@pytest.mark.parametrize(
    ("arguments", "says"), [({"select": [1], "times": 0}, "times is 0"), ({"select": [0, 1]}, "2 brokers are meant")]
)
def test_flapping_that_cannot_be_meant(arguments: dict[str, Any], says: str) -> None:
    """Nothing is guessed."""
    with pytest.raises(UsageError, match=says):
        flap_broker(**arguments)


# -- a volume without space ----------------------------------------------------------------------------------------

GIB = 1 << 30


class Volume:
    """A broker's log volume, and what becomes of the broker when it is full."""

    def __init__(self, played: World) -> None:
        self.world, self.free, self.of_node, self.robust = played, 4 * GIB, False, False

    def look(self, *_: Any) -> Disk:
        """As `volume` and `look_at`."""
        return Disk(8 * GIB - self.free, self.free, self.of_node)

    def fill(self, *_: Any, **__: Any) -> tuple[int, int]:
        """As `fill`: the broker halts."""
        self.free = 0
        if not self.robust:
            self.world.after_pod(1, replace(pod(1), ready=False, running=frozenset()))
            self.world.after(1, brokers={0, 2}, isr=(0, 2), leader=2)
            self.world.after_pod(3, replace(pod(1), restarts=1, container_ids={"kafka": "container-1-1"}))
            self.world.after(4, brokers={0, 1, 2}, isr=(0, 1, 2))
        return 8 * GIB, 0

    def shell(self, *_: Any, **__: Any) -> str:
        """As the script that ends the holder."""
        self.free = 4 * GIB
        return "0\n"


@pytest.fixture
def volume(world: World, monkeypatch: pytest.MonkeyPatch) -> Volume:
    """The volume of broker 1."""
    played = Volume(world)
    for name in ("volume", "look_at"):
        monkeypatch.setattr(_log_volume, name, played.look)
    monkeypatch.setattr(_log_volume, "fill", played.fill)
    monkeypatch.setattr(_log_volume, "shell", played.shell)
    return played


def test_a_broker_dies_of_its_full_volume(volume: Volume, run: record.RunRecord) -> None:
    """Its end is the proof; its space and its place in the ISR are the undo's."""
    said = fill_log_volume("leader", topic="commodities")
    assert said["proof"]["filled"] == {"used": 8 * GIB, "free": 0}
    assert said["proof"]["container_stopped"]
    assert said["proof"]["leadership_moved"] == {"commodities-0": 2}
    assert volume.free == 4 * GIB
    assert kinds(run) == WHOLE_LIFE


def test_a_broker_that_does_not_mind(volume: Volume, run: record.RunRecord) -> None:
    """Full or not: where the broker goes on in sync the fault does not claim to be on."""
    volume.robust = True
    with pytest.raises(ActivityFailed, match="the broker is in sync, with /var/lib/kafka as it is"):
        fill_log_volume([1], effect_timeout=5)
    assert volume.free == 4 * GIB
    assert kinds(run) == FRUITLESS


def test_a_broker_that_lives_on_without_its_log_is_restarted(volume: Volume) -> None:
    """With several log directories Kafka goes on without the failed one, until its next start."""
    world = volume.world
    world.isr = (0, 2)
    world.on_delete = lambda played, _pod: played.after(5, isr=(0, 1, 2))
    undone = _log_volume.release("here", 1, "/var/lib/kafka", "drill-fill-1", "container-1-0", 4 * GIB)
    assert undone["restarted"]
    assert world.deleted == [("pool-1", 30)]


def test_space_that_does_not_come_back(volume: Volume, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then nothing is undone."""
    monkeypatch.setattr(_log_volume, "shell", lambda *_, **__: "1\n")
    volume.free = 0
    with pytest.raises(NotRestoredError, match="0 bytes are free, and 1 holders left"):
        _log_volume.release("here", 1, "/var/lib/kafka", "drill-fill-1", "container-1-0", 4 * GIB)


@pytest.mark.parametrize(
    ("changes", "arguments", "says"),
    [
        ({"of_node": True}, {}, "is on the disk of its node"),
        ({}, {"floor_mib": 512}, "100% would leave less than 512 MiB"),
        ({}, {"share": "40%"}, "is 50% full; 40% would leave"),
    ],
)
def test_volumes_that_are_not_filled(
    volume: Volume, changes: dict[str, Any], arguments: dict[str, Any], says: str
) -> None:
    """The node's own disk, one below its floor, one that is fuller than is meant."""
    for name, value in changes.items():
        setattr(volume, name, value)
    with pytest.raises(RefusedError, match=says):
        fill_log_volume.plan([1], **arguments)


def test_an_exec_that_the_broker_took_with_it(volume: Volume, monkeypatch: pytest.MonkeyPatch) -> None:
    """The container ended before `df` answered: what happened to the broker counts."""

    def fill(*_: Any, **__: Any) -> tuple[int, int]:
        volume.fill()
        raise ClusterError("the connection is gone")

    monkeypatch.setattr(_log_volume, "fill", fill)
    proof = fill_log_volume([1])["proof"]
    assert proof["filled"] == {"trouble": "the connection is gone"}
    assert proof["container_stopped"]


def test_the_file_has_no_name_and_goes_with_its_holder(tmp_path: Path) -> None:
    """The real scripts: some MiB are held without a name, and are free as soon as the holder is ended."""
    size, mark = 4 << 20, "drill-fill-0123abcd"
    argv = ["sh", "-c", _log_volume._FILL, "sh", str(tmp_path), str(size), "30", mark, "part"]
    said = subprocess.run(argv, check=True, capture_output=True, text=True).stdout.split()
    assert len(said) == 2
    assert not list(tmp_path.iterdir())
    _until(lambda: _held(mark) == size)
    free = ["sh", "-c", _log_volume._FREE, "sh", f"[{mark[0]}]{mark[1:]}"]
    _until(lambda: subprocess.run(free, check=True, capture_output=True, text=True).stdout == "0\n")
    _until(lambda: _held(mark) == 0)


def test_the_holder_ends_at_its_deadline(tmp_path: Path) -> None:
    """Without anybody's help."""
    mark = "drill-fill-4567cdef"
    argv = ["sh", "-c", _log_volume._FILL, "sh", str(tmp_path), "4096", "1", mark, "part"]
    subprocess.run(argv, check=True, capture_output=True)
    _until(lambda: _held(mark) == 0)


def _until(holds: Callable[[], bool], within: float = 20) -> None:
    """A process that was told to begin or to end does so a moment later."""
    deadline = time.monotonic() + within
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _held(mark: str) -> int:
    """Bytes of nameless files that processes with this mark keep open."""
    sizes = [0]
    for each in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() not in (each / "cmdline").read_bytes():
                continue
            sizes += [fd.stat().st_size for fd in (each / "fd").iterdir() if str(fd.readlink()).endswith("(deleted)")]
        except OSError:
            continue
    return max(sizes)


def test_the_tools_of_the_scripts_are_here() -> None:
    """Else the two tests above would prove nothing."""
    assert all(shutil.which(each) for each in ("fallocate", "setsid", "timeout", "df"))
