"""A broker's volume that is lost, against a cluster that is played."""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from chaoslib.exceptions import ActivityFailed
from kubernetes import client

from drill import record, rollback
from drill.cluster import ExecResult, PodState
from drill.errors import RefusedError, UsageError
from drill.rollback import NotRestoredError
from experiments.kafka import _claims, _voters, lose_volume
from experiments.kafka._brokers import site
from tests.unit.kafka_world import World, dies_and_comes_back, kinds, pod, run, settings_file, world

__all__ = ["run", "settings_file", "world"]  # fixtures

WHOLE_LIFE = ["fault.injected", "fault.effective", "fault.undoing", "fault.undone", "fault.recovered"]
FRUITLESS = ["fault.injected", "fault.ineffective", "fault.undoing", "fault.undone"]
QUORUM = """NodeId\tDirectoryId           \tLogEndOffset\tLag\tLastFetchTimestamp\tLastCaughtUpTimestamp\tStatus  \t
2     \t{directory}\t469         \t0  \t1795560989421     \t1795560989421        \tLeader  \t
0     \t{directory}\t469         \t0  \t1795560989369     \t1795560989369        \tFollower\t
1     \t{directory}\t{end}         \t{lag}  \t1795560989372     \t1795560989372        \t{role}\t
"""
GONE = client.ApiException(404, "Not Found")


class Storage:
    """The claim of broker 1, its volume, and what the containers and the quorum say; a claim goes with its pod."""

    def __init__(self, played: World) -> None:
        self.world = played
        self.claim: tuple[str, str, bool] | None = ("claim-1", "volume-1", False)
        self.volumes = {"volume-1": "Delete"}
        self.directory, self.mount, self.bytes = "old", "/var/lib/kafka", 4096
        self.quorum: dict[str, Any] = {"directory": _voters.NOBODY, "end": 469, "lag": 0, "role": "Follower"}
        self.provisioned, self.emptied, self.reclaimed = True, True, True
        played.core = self  # type: ignore[attr-defined]
        played.exec = self.exec  # type: ignore[method-assign]
        played.on_delete = self.pod_deleted

    def read_namespaced_pod(self, name: str, namespace: str, **_: Any) -> Any:
        """As the client."""
        assert (name, namespace) == ("pool-1", "kafka")
        claim = SimpleNamespace(claim_name="data-pool-1")
        mounts = [
            SimpleNamespace(mount_path=self.mount, name="data"),
            SimpleNamespace(mount_path="/etc", name="config"),
        ]
        volumes = [
            SimpleNamespace(name="data", persistent_volume_claim=claim),
            SimpleNamespace(name="config", persistent_volume_claim=None),
        ]
        containers = [SimpleNamespace(name="kafka", volume_mounts=mounts)]
        return SimpleNamespace(spec=SimpleNamespace(containers=containers, volumes=volumes))

    def read_namespaced_persistent_volume_claim(self, name: str, namespace: str, **_: Any) -> Any:
        """As the client."""
        assert (name, namespace) == ("data-pool-1", "kafka")
        if self.claim is None:
            raise GONE
        uid, volume, terminating = self.claim
        return SimpleNamespace(
            metadata=SimpleNamespace(uid=uid, deletion_timestamp="now" if terminating else None),
            spec=SimpleNamespace(volume_name=volume or None),
            status=SimpleNamespace(phase="Bound" if volume else "Pending"),
        )

    def read_persistent_volume(self, name: str, **_: Any) -> Any:
        """As the client."""
        if name not in self.volumes:
            raise GONE
        return SimpleNamespace(spec=SimpleNamespace(persistent_volume_reclaim_policy=self.volumes[name]))

    def delete_namespaced_persistent_volume_claim(self, name: str, _namespace: str, body: Any, **_: Any) -> None:
        """As the client: it stays as long as a pod uses it."""
        assert self.claim is not None
        assert (name, body.preconditions.uid) == ("data-pool-1", self.claim[0])
        self.claim = (*self.claim[:2], True)

    def pod_deleted(self, played: World, dead: PodState) -> None:
        """The claim goes with the pod that used it, then its volume; with the next pod comes the next claim."""
        assert not dead.terminating
        dies_and_comes_back(played, dead)
        played.pods_[dead.name] = replace(dead, terminating=True)

        def go() -> None:
            if self.claim is not None and self.claim[2]:
                self.claim = None
                self.volumes = {} if self.reclaimed else self.volumes

        def come() -> None:
            if self.claim is None and self.provisioned:
                self.claim, self.volumes["volume-2"] = ("claim-2", "volume-2", False), "Delete"
                self.directory = "new" if self.emptied else "old"
                self.bytes = 512

        played.script += [(played.now + 2, go), (played.now + 3, come)]

    def exec(self, namespace: str, pod: str, container: str, argv: list[str], _timeout: float = 30) -> ExecResult:
        """As the log directories and kafka-metadata-quorum.sh."""
        if argv[2] == _claims._KEPT:
            assert (namespace, pod, container, argv[4]) == ("kafka", "pool-1", "kafka", "/var/lib/kafka")
            return ExecResult(f"/var/lib/kafka/data {self.directory} 5\n{self.bytes}\n", "", 0)
        return ExecResult(QUORUM.format(**self.quorum), "", 0)


@pytest.fixture
def storage(world: World) -> Storage:
    """The volumes of the cluster."""
    return Storage(world)


def test_a_volume_is_lost_and_another_one_takes_its_place(storage: Storage, run: record.RunRecord) -> None:
    """Another claim, another volume, another log directory; and all of it back in sync at the end."""
    said = lose_volume("leader", topic="commodities")
    assert said["targets"][0].items() >= {"broker": 1, "claim": "data-pool-1", "volume": "volume-1"}.items()
    proof = said["proof"]
    assert proof["claim"]["before"]["uid"] == "claim-1"
    assert proof["claim"]["after"] == {
        "name": "data-pool-1",
        "uid": "claim-2",
        "volume": "volume-2",
        "terminating": False,
    }
    assert proof["kept"]["before"]["directories"] == {"/var/lib/kafka/data": "old"}
    assert proof["kept"]["after"]["directories"] == {"/var/lib/kafka/data": "new"}
    assert proof["broker_left"] or proof["leadership_moved"]
    assert storage.world.deleted == [("pool-1", 1)]
    assert storage.volumes == {"volume-2": "Delete"}
    assert kinds(run) == WHOLE_LIFE
    assert not rollback.pending()


def test_the_old_data_on_the_new_volume(storage: Storage, run: record.RunRecord) -> None:
    """A provisioner that hands out the same folder again: nothing was lost, and the fault does not claim to be on."""
    storage.emptied = False
    with pytest.raises(ActivityFailed, match="log directory old is there again: nothing was lost"):
        lose_volume([1], effect_timeout=20)
    assert kinds(run) == FRUITLESS


def test_a_volume_that_does_not_go(storage: Storage, run: record.RunRecord) -> None:
    """Its data may still be there."""
    storage.reclaimed = False
    with pytest.raises(ActivityFailed, match="volume volume-1 is still there, to be reclaimed by Delete"):
        lose_volume([1], effect_timeout=20)
    assert kinds(run) == FRUITLESS


def test_no_new_volume(storage: Storage) -> None:
    """Without a claim the fault stays pending in the log, for whoever comes next."""
    storage.provisioned = False
    with pytest.raises(NotRestoredError, match="claim data-pool-1 is not there"):
        lose_volume([1], effect_timeout=20)
    assert len(rollback.pending()) == 1


def test_a_voter_that_stays_behind(storage: Storage, run: record.RunRecord) -> None:
    """In sync as a broker, and without the quorum's log as a controller: that is no recovery."""
    storage.world.after(5, nothing=0)
    storage.world.script.append((5.0, lambda: storage.quorum.update(lag=4000)))
    with pytest.raises(ActivityFailed, match="controller 1 does not keep up with the quorum"):
        lose_volume([1], recovery_timeout=20)
    assert kinds(run) == [*WHOLE_LIFE[:-1], "fault.unrecovered"]


# -- the undo ------------------------------------------------------------------------------------------------------

UNDO: dict[str, Any] = {
    "context": "here",
    "broker": 1,
    "claim": "data-pool-1",
    "claim_uid": "claim-1",
    "pod_uid": "uid-1-0",
}


def test_nothing_was_deleted_yet(storage: Storage) -> None:
    """The drill died before the fault: there is nothing to undo."""
    assert _claims.bring_back(**UNDO)["claim"]["uid"] == "claim-1"
    assert not storage.world.deleted


def test_the_drill_died_between_the_two_deletions(storage: Storage) -> None:
    """A claim that is being deleted can't be kept: its pod is deleted too, so that both come anew."""
    assert storage.claim is not None
    storage.claim = (*storage.claim[:2], True)
    assert _claims.bring_back(**UNDO)["claim"]["uid"] == "claim-2"
    assert storage.world.deleted == [("pool-1", 1)]


def test_a_pod_with_the_only_copy_is_left_alone(storage: Storage) -> None:
    """As long as nobody else is in sync, the pod that uses the claim is all that keeps the records."""
    assert storage.claim is not None
    storage.claim = (*storage.claim[:2], True)
    storage.world.isr = (1,)
    storage.world.after(100, isr=(0, 1))
    assert _claims.bring_back(**UNDO)["claim"]["uid"] == "claim-2"
    assert storage.world.now > 100


def test_records_that_nobody_else_has_are_never_given_up(storage: Storage) -> None:
    """Then it says so and stays pending."""
    assert storage.claim is not None
    storage.claim = (*storage.claim[:2], True)
    storage.world.isr = (1,)
    with pytest.raises(NotRestoredError, match="commodities-0 is in sync on broker 1 only"):
        _claims.bring_back(**UNDO)
    assert not storage.world.deleted


def test_a_pod_that_waits_for_a_claim_in_vain(storage: Storage) -> None:
    """Made before its claim was gone, it never starts: it is deleted, and the next one brings a claim along."""
    storage.claim = None
    storage.volumes.clear()
    storage.world.pods_["pool-1"] = replace(pod(1, 1), ready=False, running=frozenset(), phase="Pending")
    assert _claims.bring_back(**UNDO)["claim"]["uid"] == "claim-2"
    assert storage.world.deleted == [("pool-1", 1)]


# -- what is not lost ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"volumes": {"volume-1": "Retain"}}, "the reclaim policy of volume-1 is Retain"),
        ({"mount": "/data"}, "/var/lib/kafka is not on the volume of a claim"),
        ({"claim": ("claim-1", "volume-1", True)}, "claim data-pool-1 is not whole already"),
        ({"claim": None}, "claim data-pool-1 is not whole already"),
    ],
)
def test_volumes_that_are_not_taken(storage: Storage, changes: dict[str, Any], says: str) -> None:
    """Data that would outlive its claim, no claim, or one that goes already."""
    for name, value in changes.items():
        setattr(storage, name, value)
    with pytest.raises(RefusedError, match=says):
        lose_volume([1])
    assert not storage.world.deleted


@pytest.mark.parametrize(
    ("quorum", "says"),
    [
        ({"directory": "8MFpXY8vcRxKGkWSQsW9RA"}, "a voter of a dynamic quorum"),
        ({"end": 10, "lag": 2000}, "controller 1 is 2000 records of metadata behind already"),
    ],
)
def test_voters_that_could_not_come_back(storage: Storage, quorum: dict[str, Any], says: str) -> None:
    """Where its place belongs to the directory's id, or another voter is behind."""
    storage.quorum.update(quorum)
    with pytest.raises(RefusedError, match=says):
        lose_volume([1])


def test_an_observer_is_no_voter(storage: Storage) -> None:
    """A broker that is no controller can always come back; a quorum of two can't do without one of them."""
    storage.quorum.update(role="Observer", directory="8MFpXY8vcRxKGkWSQsW9RA")
    assert not _voters.ensure_replaceable(site(), 1)
    with pytest.raises(RefusedError, match="broker 0 is one of 2 voters"):
        _voters.ensure_replaceable(site(), 0)


def test_the_only_replica_is_never_taken(storage: Storage) -> None:
    """Nobody could bring it back."""
    storage.world.replicas = storage.world.isr = (1,)
    with pytest.raises(
        RefusedError, match="1 partitions, commodities-0 for one, have their only replica on broker 1, and would"
    ):
        lose_volume([1])


@pytest.mark.usefixtures("storage")
def test_one_at_a_time() -> None:
    """Two volumes of three would be more than a majority can spare."""
    with pytest.raises(UsageError, match="3 brokers are meant"):
        lose_volume.plan("all", max_brokers_down=3)


def test_the_script_reads_what_kafka_wrote(tmp_path: Path) -> None:
    """The real script, on a folder as a broker has it."""
    assert all(shutil.which(each) for each in ("find", "sed", "du"))
    data = tmp_path / "data"
    for each in ("__cluster_metadata-0", "commodities-0", "commodities-1", "gone-0.0f1e2d-delete"):
        (data / each).mkdir(parents=True)
    (data / "meta.properties").write_text("#\nnode.id=0\ndirectory.id=8MFpXY8vcRxKGkWSQsW9RA\nversion=1\n")
    argv = ["sh", "-c", _claims._KEPT, "sh", str(tmp_path)]
    *lines, used = subprocess.run(argv, check=True, capture_output=True, text=True).stdout.splitlines()
    assert lines == [f"{data} 8MFpXY8vcRxKGkWSQsW9RA 3"]
    assert int(used) > 0
