"""PostgreSQL lost with its namespace, or restored beside it: what an undo does about what it finds."""

from types import SimpleNamespace
from typing import Any

import pytest

from drill import postgres, settings
from drill.cluster import Cluster
from drill.rollback import NotRestoredError
from drill.velero import Backup, PodVolume, Velero, VeleroTimeoutError
from experiments import _watch
from experiments.velero import _backups, _data, _namespace, _objects, _scratch
from experiments.velero.loss import restore_namespace

SETTINGS = """
[contexts.here]
drillable = true
restore_drills = true
namespaces = ["kong"]
[contexts.here.postgres]
dsn = "host=x"
namespace = "kong"
statefulset = "pg"
[contexts.here.velero]
namespace = "velero"
"""
OURS, ANEW = "7713625652448768017", "7713625652448768018"
SCRATCH = "drill-restore-kong"


class _World:
    """A cluster with its Velero and its PostgreSQL, and a clock."""

    def __init__(self) -> None:
        self.now = 0.0
        self.uid: str | None = "original"
        """Of the namespace; None: it is not there."""
        self.run: str | None = "r"
        self.server = OURS
        self.idle_too = False
        self.made: list[str] = []
        self.deleted: list[str] = []
        self.phases: dict[str, str] = {}
        self.ends = True
        """Whether a restore that is under way ends when it is awaited."""
        self.volumes: dict[str, str] = {}
        """Reclaim policies by name."""

    # -- the clock

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    # -- the cluster

    @property
    def core(self) -> Any:
        return self

    def find(self, _cluster: Any, _namespace: str) -> Any:
        if self.uid is None:
            return None
        labels = {} if self.run is None else {"drill/run": self.run}
        return SimpleNamespace(metadata=SimpleNamespace(uid=self.uid, deletion_timestamp=None, labels=labels))

    def delete(self, _cluster: Any, namespace: str) -> None:
        self.delete_namespace(namespace)

    def delete_namespace(self, namespace: str, **_: Any) -> None:
        self.deleted.append(namespace)
        self.uid = None
        self.volumes = {name: policy for name, policy in self.volumes.items() if policy != "Delete"}

    def look(self, _cluster: Any, _namespace: str) -> dict[str, Any]:
        ready = {"name": "statefulset/pg", "wanted": 1, "ready": 1 if self.uid else 0}
        services = [{"name": "spare", "selects": True, "ready": not self.idle_too}]
        return {"claims": [], "workloads": [ready], "services": services}

    def list_persistent_volume(self, **_: Any) -> Any:
        def volume(name: str, policy: str) -> Any:
            claim = SimpleNamespace(namespace=SCRATCH)
            spec = SimpleNamespace(claim_ref=claim, persistent_volume_reclaim_policy=policy)
            return SimpleNamespace(metadata=SimpleNamespace(name=name), spec=spec)

        return SimpleNamespace(items=[volume(name, policy) for name, policy in self.volumes.items()])

    def patch_persistent_volume(self, name: str, body: Any, **_: Any) -> None:
        self.volumes[name] = body["spec"]["persistentVolumeReclaimPolicy"]

    # -- Velero

    def restores(self) -> list[Any]:
        return [
            SimpleNamespace(name=name, phase=phase, run="r", ended=phase == "Completed")
            for name, phase in self.phases.items()
        ]

    def create_restore(self, name: str, _backup: str, **_: Any) -> None:
        self.made.append(name)
        self.uid, self.server = "restored", OURS

    def await_restore(self, name: str, _within: float, each: float = 1) -> Any:  # noqa: ARG002 - as Velero's
        if not self.ends:
            raise VeleroTimeoutError(name)
        self.phases[name] = "Completed"
        return SimpleNamespace(phase="Completed", troubles=())

    def delete_restore(self, name: str) -> None:
        del self.phases[name]

    # -- the undos

    def restore(self) -> dict[str, Any]:
        """That of a lost namespace."""
        return restore_namespace("here", "kong", "original", "b", "r", OURS, ["spare"])


@pytest.fixture
def world(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> _World:
    """All of it whole, in played time."""
    (tmp_path / "drill.toml").write_text(SETTINGS)
    monkeypatch.setenv("DRILL_SETTINGS", str(tmp_path / "drill.toml"))
    monkeypatch.delenv("DRILL_RECORD", raising=False)
    played = _World()
    monkeypatch.setattr(Cluster, "connect", lambda _settings: played)
    monkeypatch.setattr(Velero, "connect", lambda *_: played)
    monkeypatch.setattr(_scratch, "find", played.find)
    monkeypatch.setattr(_namespace, "delete", played.delete)
    monkeypatch.setattr(_objects, "look", played.look)
    monkeypatch.setattr(_watch, "time", played)
    monkeypatch.setattr(postgres, "identity", lambda _: played.server)
    monkeypatch.setattr(_data, "forget", lambda _connect, _run: 20)
    return played


def test_a_namespace_that_was_not_lost_is_left_alone(world: _World) -> None:
    """The drill died before the disaster; a Service of it leads nowhere now, which is not the drill's business."""
    world.idle_too = True
    assert world.restore() == {"namespace": "kong", "backup": "b", "restored": None, "markers_removed": 20}
    assert (world.made, world.deleted) == ([], [])


def test_a_namespace_that_is_gone_is_restored(world: _World) -> None:
    """A Service that led nowhere before need not now."""
    world.uid, world.idle_too = None, True
    assert world.restore()["restored"] == "b-undo-1"
    assert world.deleted == []


def test_a_restore_that_was_whole_is_not_done_again(world: _World) -> None:
    """By the drill itself."""
    world.uid = "restored"
    assert world.restore()["restored"] is None


def test_a_server_that_began_anew_is_not_the_one_that_was_lost(world: _World) -> None:
    """It is Ready and answers, and its volume was empty: the namespace is deleted, and restored once more."""
    world.uid, world.server = "another", ANEW
    assert world.restore()["restored"] == "b-undo-1"
    assert world.deleted == ["kong"]


def test_a_restore_without_the_data_is_said(world: _World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stays pending."""
    world.uid = None
    monkeypatch.setattr(postgres, "identity", lambda _: ANEW)
    with pytest.raises(NotRestoredError, match="its data is not there"):
        world.restore()


# -- a copy beside its original


def _undo() -> dict[str, Any]:
    return _scratch.delete_scratch("here", SCRATCH, "r")


def test_a_copy_goes_with_its_volumes_also_where_those_of_the_original_are_kept(world: _World) -> None:
    """Velero gives a copy its original's reclaim policy."""
    world.volumes = {"pv-1": "Retain", "pv-2": "Delete"}
    assert _undo() == {"namespace": SCRATCH, "gone": True}
    assert (world.deleted, world.volumes) == ([SCRATCH], {})


def test_a_volume_that_outlives_the_copy_is_said(world: _World) -> None:
    """The namespace is gone, and the data is not."""
    world.uid, world.volumes = None, {"pv-1": "Retain"}
    with pytest.raises(NotRestoredError, match="volume pv-1, with a copy of the data, is still there"):
        _undo()


def test_a_restore_that_was_not_begun_makes_no_namespace_later(world: _World) -> None:
    """It is deleted first; one of which Velero has said nothing yet, too."""
    world.phases = {"a": "", "b": "New", "c": "Completed"}
    _undo()
    assert world.phases == {"c": "Completed"}


def test_a_restore_that_is_under_way_is_awaited(world: _World) -> None:
    """One that does not end may make the namespace anew, so that nothing is called undone."""
    world.phases = {"a": "InProgress"}
    _undo()
    assert world.phases == {"a": "Completed"}
    world.phases, world.ends, world.uid = {"b": "InProgress"}, False, "again"
    with pytest.raises(NotRestoredError, match="restore b has not ended"):
        _undo()
    assert world.deleted == [SCRATCH, SCRATCH]


def test_a_namespace_of_somebody_else_stays(world: _World) -> None:
    """Of another run, or of nobody."""
    for world.run in ("s", None):
        with pytest.raises(NotRestoredError, match="was not made by run r"):
            _undo()
    assert world.deleted == []


# -- what there is to restore


def test_a_claim_that_was_not_copied_is_still_one_that_must_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pod uses two claims, and the backup has the files of one."""
    copied = PodVolume.of(
        {
            "metadata": {"name": "a", "annotations": {"velero.io/pvc-name": "data"}},
            "spec": {"pod": {"namespace": "kong", "name": "pg-0"}, "volume": "data"},
            "status": {"phase": "Completed", "progress": {"bytesDone": 64, "totalBytes": 64}},
        }
    )
    claims = [SimpleNamespace(claim_name=each) for each in ("data", "tablespace")]
    volumes = [*(SimpleNamespace(persistent_volume_claim=each) for each in claims)]
    volumes.append(SimpleNamespace(persistent_volume_claim=None))
    pod = SimpleNamespace(spec=SimpleNamespace(volumes=volumes))
    site: Any = SimpleNamespace(
        velero=SimpleNamespace(
            backup=lambda name: Backup.of({"metadata": {"name": name}, "status": {"phase": "Completed"}}),
            pod_volume_backups=lambda _: [copied],
        ),
        cluster=SimpleNamespace(core=SimpleNamespace(read_namespaced_pod=lambda *_, **__: pod)),
        stored=lambda *_: {"v1/PersistentVolumeClaim": ["kong/data"], "v1/Pod": ["kong/pg-0"]},
    )
    monkeypatch.setattr(_backups, "keep", lambda *_: None)
    described = _backups.describe(site, "b", "kong", ["pg-0"])
    assert described["claims"] == ["data", "tablespace"]
    assert [each["claim"] for each in described["volumes"]] == ["data"]


def test_the_settings_are_those_of_the_test(world: _World) -> None:
    """So that the undos above are of this StatefulSet."""
    assert world.uid
    assert settings.load(context="here").postgres.statefulset == "pg"
