"""A cluster that is lost: what keeps it from being destroyed, what is kept outside of it, and every way back."""

import base64
import json
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from kubernetes.client import ApiException

from drill import nodes, settings
from drill.cluster import Cluster, ClusterError, MissingError
from drill.errors import DrillError, RefusedError
from drill.nodes import NodeState
from drill.rollback import NotRestoredError
from drill.velero import DEFAULT_PASSWORD, Backup, Location, Restore, Server, Velero
from experiments import _hooks, _watch
from experiments.velero import _backups, _data, _fresh, _safe, _site, _systems
from experiments.velero.cluster import _Drill, _look, _needed, _qualified, _stages
from experiments.velero.comeback import bring_cluster_back

SETTINGS = """
[contexts.here]
drillable = true
namespaces = ["kong", "kafka", "apps"]
protected_namespaces = ["vault"]
cluster_loss = true
[contexts.here.postgres]
dsn = "host=x"
[contexts.here.kafka]
bootstrap = "x:1"
[contexts.here.dolphinscheduler]
url = "http://x"
namespace = "apps"
[contexts.here.velero]
namespace = "velero"
[contexts.here.object_store]
bucket = "velero"
access_key = { name = "store", key = "a" }
secret_key = { name = "store", key = "s" }
[contexts.here.hooks]
cluster_lose = ["lose"]
cluster_rebuild = ["rebuild"]
velero_install = ["install"]
rebuilt_namespaces = ["minio", "velero"]
"""
OLD, NEW = "uid-old", "uid-new"
STAGES = [["kong", "kafka"], ["apps"]]
NEEDED: Any = {
    space: {"claims": [], "workloads": ["w"], "idle_services": ["idle"]} for space in ("kong", "kafka", "apps")
}
BACKUP = "drill-cluster-r"


def _node(name: str, *, ready: bool = True) -> NodeState:
    return NodeState(name, f"uid-{name}", ready=ready, unschedulable=False, control_plane=False, taints=())


@dataclass
class _World:
    """A cluster with its Velero, and a clock; it is lost and built as the hooks are run."""

    tmp: Path
    uid: str | None = OLD
    """None: nobody answers."""
    spaces: set[str] = field(default_factory=lambda: {"kong", "kafka", "apps", "velero", "minio"})
    broken: set[str] = field(default_factory=set)
    """Namespaces that are there and not whole."""
    secrets: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)
    installed: bool = True
    known: bool = True
    restores_: dict[str, str] = field(default_factory=dict)
    mode: list[str] = field(default_factory=list)
    hooks: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    fails: Callable[[str], bool] = lambda _: False
    now: float = 0.0
    context: str = "here"
    namespace: str = "velero"

    # -- the clock, and the hooks

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def hook(self, argv: tuple[str, ...], _within: float, *, leashed: bool = False) -> None:
        assert leashed
        self.hooks.append(argv[0])
        if argv[0] == "rebuild" and self.uid is None:
            self.uid, self.spaces, self.installed, self.known = NEW, set(), False, False
        if argv[0] == "install":
            assert ("velero", "velero-repo-credentials") in self.secrets, "Velero would make up a password of its own"
            self.installed = self.known = True

    # -- the cluster

    @property
    def core(self) -> Any:
        return self

    def read_namespace(self, name: str, **_: Any) -> Any:
        self._answers()
        if name != "kube-system" and name not in self.spaces:
            raise ApiException(status=404)
        return SimpleNamespace(metadata=SimpleNamespace(uid=self.uid, labels={}))

    def delete_namespace(self, name: str, **_: Any) -> None:
        assert self.uid == NEW, "a namespace of the cluster that was not lost"
        self.deleted.append(name)
        self.spaces.discard(name)
        self.broken.discard(name)

    def create_namespace(self, body: Any, **_: Any) -> None:
        if body.metadata.name in self.spaces:
            raise ApiException(status=409)
        self.spaces.add(body.metadata.name)

    def list_namespace(self, **_: Any) -> Any:
        return SimpleNamespace(items=[SimpleNamespace(metadata=SimpleNamespace(name=each)) for each in self.spaces])

    def read_namespaced_secret(self, name: str, namespace: str, **_: Any) -> Any:
        self._answers()
        if (namespace, name) not in self.secrets:
            raise ApiException(status=404)
        metadata = SimpleNamespace(labels={"owner": "lab"})
        return SimpleNamespace(type="Opaque", metadata=metadata, data=self.secrets[namespace, name])

    def create_namespaced_secret(self, namespace: str, body: Any, **_: Any) -> None:
        assert namespace in self.spaces
        self.secrets[namespace, body.metadata.name] = body.data

    def replace_namespaced_secret(self, name: str, namespace: str, body: Any, **_: Any) -> None:
        self.secrets[namespace, name] = body.data

    def listed(self, kind: str) -> Any:
        return [{"metadata": {"namespace": each}} for each in sorted(self.spaces)] if kind == "pods" else []

    def nodes(self, _: Any) -> dict[str, Any]:
        """As `nodes.nodes`."""
        if self.uid is None:
            raise ClusterError("nobody answers")
        return {name: _node(name) for name in ("n1", "n2")}

    def _answers(self) -> None:
        if self.uid is None:
            raise ApiException(status=503)

    # -- Velero

    @property
    def velero(self) -> Any:
        return self

    def server(self) -> Server:
        if not self.installed:
            raise MissingError("no Velero")
        return Server("velero", 1, 1, 2, 2, ())

    def location(self, name: str) -> Location:
        return Location.of({"metadata": {"name": name}, "status": {"phase": "Available"}})

    def locations(self) -> list[Location]:
        return [Location.of({"metadata": {"name": "default"}, "spec": {"credential": {"name": "cloud", "key": "k"}}})]

    def backup(self, name: str) -> Backup:
        self._answers()
        if not self.known:
            raise MissingError(f"no backup {name}")
        spec = {"storageLocation": "default"}
        return Backup.of({"metadata": {"name": name}, "spec": spec, "status": {"phase": "Completed"}})

    def pod_volume_backups(self, _: str) -> list[Any]:
        return []

    def set_access_mode(self, _location: str, mode: str) -> None:
        self.mode.append(mode)

    def restores(self) -> list[Restore]:
        return [self._restore(name) for name in sorted(self.restores_)]

    def await_restore(self, name: str, _within: float) -> Restore:
        return self._restore(name)

    def create_restore(self, name: str, _backup: str, *, labels: Any, includedNamespaces: list[str], **_: Any) -> None:  # noqa: N803 - Velero's
        assert labels == {"drill/run": "r"}
        assert name not in self.restores_
        failed = self.fails(name)
        self.restores_[name] = "PartiallyFailed" if failed else "Completed"
        self.spaces |= set(includedNamespaces)
        if failed:
            self.broken |= set(includedNamespaces)

    def repository_password(self) -> str:
        if (found := self.secrets.get(("velero", "velero-repo-credentials"))) is None:
            raise MissingError("no such secret")
        return found["key"]

    def _restore(self, name: str) -> Restore:
        return Restore.of({"metadata": {"name": name}, "status": {"phase": self.restores_[name]}})

    # -- what the test asks

    @property
    def safe(self) -> Path:
        return self.tmp / "safe" / "r.json"

    @property
    def site(self) -> Any:
        return _site.Site(settings.load(context="here"), self, self, "r")  # type: ignore[arg-type]

    def look(self, _: Any, namespace: str) -> dict[str, Any]:
        """As `_objects.look`: what is broken is not Ready; a Service has led nowhere from the beginning."""
        workloads = [{"name": "w", "wanted": 1, "ready": int(namespace not in self.broken)}]
        services = [{"name": "idle", "selects": True, "ready": False}, {"name": "used", "selects": True, "ready": True}]
        return {"claims": [], "workloads": workloads, "services": services}

    def back(self) -> dict[str, Any]:
        """Run the undo."""
        return bring_cluster_back("here", OLD, 2, BACKUP, STAGES, NEEDED, str(self.safe), "r")

    def lose(self) -> None:
        """What the drill does before the disaster, and the disaster."""
        _safe.take(self.site, self.safe)
        self.uid, self.secrets = None, {}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> _World:
    """A whole cluster, in played time."""
    (tmp_path / "drill.toml").write_text(SETTINGS)
    monkeypatch.setenv("DRILL_SETTINGS", str(tmp_path / "drill.toml"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("DRILL_RECORD", raising=False)
    played = _World(tmp_path)
    wanted = (("velero", "velero-repo-credentials"), ("velero", "cloud"), ("minio", "store"))
    played.secrets = {each: {"key": base64.b64encode(f"s3cret-{each[1]}".encode()).decode()} for each in wanted}
    monkeypatch.setattr(Cluster, "connect", lambda _settings: played)
    monkeypatch.setattr(Velero, "connect", lambda *_: played)
    monkeypatch.setattr(_hooks, "run", played.hook)
    monkeypatch.setattr(_watch, "time", played)
    monkeypatch.setattr("experiments.velero._objects.look", played.look)
    monkeypatch.setattr(_data, "forget", lambda _connect, _run: 20)
    monkeypatch.setattr(nodes, "nodes", played.nodes)
    return played


def test_secrets_are_kept_where_nobody_else_reads_them(world: _World) -> None:
    """And what is told of them is their names."""
    told = _safe.take(world.site, world.safe)
    assert told == ["velero/velero-repo-credentials", "velero/cloud", "minio/store"]
    assert stat.S_IMODE(world.safe.stat().st_mode) == 0o600
    assert stat.S_IMODE(world.safe.parent.stat().st_mode) == 0o700
    assert {each["name"] for each in json.loads(world.safe.read_text())} == {
        "velero-repo-credentials",
        "cloud",
        "store",
    }
    with pytest.raises(DrillError, match="can't be kept"):
        _safe.take(world.site, world.safe)  # never over those of before


def test_without_the_repositorys_password_nothing_is_destroyed(world: _World) -> None:
    """No backup could be opened."""
    del world.secrets["velero", "velero-repo-credentials"]
    with pytest.raises(MissingError, match="velero-repo-credentials"):
        _safe.take(world.site, world.safe)
    assert not world.safe.exists()


def test_secrets_come_back_as_they_were(world: _World) -> None:
    """In namespaces that are made for them; one that somebody made up meanwhile is replaced, a right one stays."""
    before = dict(world.secrets)
    world.lose()
    world.uid, world.spaces = NEW, {"velero"}
    world.secrets["velero", "cloud"] = {"key": "other"}
    assert _safe.put_back(world, world.safe) == ["velero/velero-repo-credentials", "velero/cloud", "minio/store"]  # type: ignore[arg-type]
    assert world.secrets == before
    assert _safe.put_back(world, world.safe) == []  # type: ignore[arg-type]
    _safe.forget(world.safe)
    with pytest.raises(DrillError, match="can't be read"):
        _safe.put_back(world, world.safe)  # type: ignore[arg-type]


def test_what_would_be_lost_for_good_keeps_the_cluster_from_being_destroyed(world: _World) -> None:
    """Every namespace is restored, brought back by a hook, or Kubernetes' own; and none is protected."""
    loaded = settings.load(context="here")
    spaces = ["kong", "kafka", "apps"]
    world.spaces |= {"kube-system"}
    _fresh.ensure_restored_whole(loaded, world, spaces)  # type: ignore[arg-type]
    with pytest.raises(RefusedError, match="namespace kafka, which would be lost for good"):
        _fresh.ensure_restored_whole(loaded, world, ["kong", "apps"])  # type: ignore[arg-type]
    world.spaces |= {"vault"}
    with pytest.raises(RefusedError, match="namespace vault, which is protected"):
        _fresh.ensure_restored_whole(loaded, world, [*spaces, "vault"])  # type: ignore[arg-type]


def test_a_cluster_that_answers_as_before_is_not_lost(world: _World) -> None:
    """Another one in its place is, and so is silence."""
    with pytest.raises(_watch.NotSeenError, match="still answers"):
        _fresh.lost(world, OLD)  # type: ignore[arg-type]
    world.uid = NEW
    assert _fresh.lost(world, OLD) == {"cluster": OLD, "now": NEW}  # type: ignore[arg-type]
    world.uid = None
    assert _fresh.lost(world, OLD)["cluster"] == OLD  # type: ignore[arg-type]


def test_data_first_then_its_clients(world: _World) -> None:
    """By the namespaces that the settings have."""
    assert world.uid == OLD
    loaded = settings.load(context="here")
    assert _stages(loaded, ["dolphinscheduler", "postgres", "kafka"], ["monitoring"]) == [
        ["kong", "kafka"],
        ["apps", "monitoring"],
    ]
    assert _stages(loaded, ["postgres"], []) == [["kong"]]


def test_what_is_called_the_same_in_two_namespaces_is_told_apart() -> None:
    """Claims, pods and volumes; a volume without a claim has none."""
    volumes = [{"namespace": "kong", "pod": "p", "claim": "c"}, {"namespace": "kong", "pod": "q", "claim": None}]
    described = {"claims": ["c"], "pods": ["p", "q"], "workloads": ["w"], "idle_services": ["s"], "volumes": volumes}
    found = _qualified(described, "kong")
    assert (found["claims"], found["workloads"], found["idle_services"]) == (["kong/c"], ["kong/w"], ["kong/s"])
    assert [(each["pod"], each["claim"]) for each in found["volumes"]] == [("kong/p", "kong/c"), ("kong/q", None)]


def test_a_service_that_led_nowhere_need_not_lead_anywhere(world: _World) -> None:
    """It may be of a pod that there is not yet; and what is of a namespace is called so."""
    assert _needed(world, "kong") == {"claims": [], "workloads": ["w"], "idle_services": ["idle"]}  # type: ignore[arg-type]
    seen = _look(world, ["kong"])  # type: ignore[arg-type]
    assert [each["name"] for each in seen["services"]] == ["kong/idle", "kong/used"]
    assert [each["name"] for each in seen["workloads"]] == ["kong/w"]


def test_a_later_backup_of_a_schedule_does_not_stand_in_the_way(world: _World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is restored is the drill's own, whose markers are known; the evidence says so."""
    kept: dict[str, Any] = {}
    monkeypatch.setattr(_site, "keep", kept.__setitem__)
    monkeypatch.setattr(_backups, "inventory", lambda *_: {"chosen": "kong-daily", "backups": [{}, {}]})
    drill = object.__new__(_Drill)
    drill.site, drill.name, drill._spaces, drill._backup = world.site, BACKUP, ["kong"], {"volumes": []}
    assert drill.sync(10) == {"backup": BACKUP, "backups": 2}
    assert kept["inventory"]["chosen"] == BACKUP
    world.known = False
    with pytest.raises(_watch.GivenUpError, match="no backup"):
        drill.sync(10)


# -- the way back


def test_a_cluster_that_was_not_lost_is_left_alone(world: _World) -> None:
    """The drill died before the disaster: only its markers and its file go."""
    _safe.take(world.site, world.safe)
    proof = world.back()
    assert (proof["restored"], proof["markers_removed"]) == ([], 20)
    assert [*world.hooks, *world.restores_, *world.deleted, *world.mode] == []
    assert not world.safe.exists()


@pytest.mark.parametrize("harm", ["namespace", "workload", "secret"])
def test_a_loss_that_was_cut_short_is_said_and_the_secrets_stay_kept(world: _World, harm: str) -> None:
    """The hook died half-way: the cluster is the one of before, and something of it is gone."""
    _safe.take(world.site, world.safe)
    if harm == "namespace":
        world.spaces.discard("apps")
    elif harm == "workload":
        world.broken = {"kong"}
    else:
        del world.secrets["velero", "cloud"]
    with pytest.raises(NotRestoredError, match=r"namespace apps is not there|kong: w is not Ready|secret velero/cloud"):
        world.back()
    assert not world.restores_
    assert world.safe.exists()


def test_a_cluster_with_a_node_down_is_not_taken_for_a_lost_one(world: _World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What builds clusters mends it, and nothing is restored over what is there."""
    _safe.take(world.site, world.safe)
    down, up = _node("n2", ready=False), _node("n1")
    monkeypatch.setattr(nodes, "nodes", lambda _: {"n1": up, "n2": up if world.hooks else down})
    assert world.back()["restored"] == []
    assert world.hooks == ["rebuild"]
    assert [*world.deleted, *world.restores_] == []


def test_all_the_way_back(world: _World) -> None:
    """The drill died right after the disaster: a fresh cluster, the Secrets, Velero, and each restore in its order."""
    world.lose()
    proof = world.back()
    assert world.hooks == ["rebuild", "install"]
    assert proof["restored"] == [f"{BACKUP}-1", f"{BACKUP}-2"]
    assert proof["now"] == NEW
    assert world.mode == ["ReadOnly", "ReadWrite"]
    assert not world.deleted
    assert not world.safe.exists()


def test_a_restore_that_was_under_way_is_gone_on_with(world: _World) -> None:
    """The drill died in the middle: what is whole stays, and what was not begun is restored."""
    world.lose()
    world.hook(("rebuild",), 0, leashed=True)
    world.spaces |= {"velero", "minio", "kong", "kafka"}
    world.restores_[f"{BACKUP}-1"] = "Completed"
    proof = world.back()
    assert proof["restored"] == [f"{BACKUP}-1", f"{BACKUP}-2"]
    assert world.restores_.keys() == {f"{BACKUP}-1", f"{BACKUP}-2"}
    assert not world.deleted


def test_after_a_whole_drill_nothing_is_done_again(world: _World) -> None:
    """No hook, no restore; the bucket may be written to again."""
    world.lose()
    world.back()
    world.hooks.clear()
    world.mode.clear()
    world.safe.write_text("[]")
    assert world.back()["restored"] == [f"{BACKUP}-1", f"{BACKUP}-2"]
    assert world.hooks == []
    assert world.mode[-1] == "ReadWrite"


def test_what_came_back_broken_is_restored_once_more(world: _World) -> None:
    """Of the fresh cluster, and of the namespaces of that restore only."""
    world.lose()
    world.hook(("rebuild",), 0, leashed=True)
    world.spaces |= {"velero", "minio", "kong", "kafka"}
    world.broken = {"kafka"}
    world.restores_[f"{BACKUP}-1"] = "PartiallyFailed"
    proof = world.back()
    assert proof["restored"] == [f"{BACKUP}-1", f"{BACKUP}-1-again-1", f"{BACKUP}-2"]
    assert world.deleted == ["kong", "kafka"]


def test_an_empty_platform_that_somebody_started_is_not_the_one_that_was_lost(world: _World) -> None:
    """`drill lab up` in a fresh cluster: all is Ready, and nothing of it came from the backup."""
    world.lose()
    world.hook(("rebuild",), 0, leashed=True)
    world.spaces |= {"velero", "minio", "kong", "kafka", "apps"}
    world.installed = world.known = True
    assert world.back()["restored"] == [f"{BACKUP}-1", f"{BACKUP}-2"]
    assert world.deleted == ["kong", "kafka", "apps"]


def test_what_does_not_come_back_is_said(world: _World) -> None:
    """It stays pending, and the Secrets stay kept."""
    world.lose()
    world.fails = lambda name: name.endswith("-1")
    with pytest.raises(DrillError, match="restore drill-cluster-r-1 is PartiallyFailed"):
        world.back()
    assert world.safe.exists()
    assert world.mode == ["ReadOnly", "ReadWrite"]


def test_a_cluster_that_is_not_built_is_said(world: _World, monkeypatch: pytest.MonkeyPatch) -> None:
    """After as long as it may take."""
    world.lose()
    monkeypatch.setattr(_hooks, "run", lambda *_, **__: None)
    with pytest.raises(NotRestoredError, match="after 900 s"):
        world.back()


def test_on_another_machine_the_secrets_must_be_in_the_cluster(world: _World) -> None:
    """Without them Velero would make up a password, and no backup could be opened."""
    world.lose()
    world.safe.unlink()
    with pytest.raises(DrillError, match=r"neither in the cluster nor in .*: put them back"):
        world.back()
    world.secrets["velero", "velero-repo-credentials"] = {"key": DEFAULT_PASSWORD}
    with pytest.raises(DrillError, match="put them back"):
        world.back()
    world.secrets["velero", "velero-repo-credentials"] = {"key": "own"}
    assert world.back()["now"] == NEW


def test_a_hook_on_a_leash_dies_with_us(tmp_path: Path) -> None:
    """And is told by its own words where it fails."""
    _hooks.run(["sh", "-c", f"touch {tmp_path}/done"], 10, leashed=True)
    assert (tmp_path / "done").exists()
    with pytest.raises(ClusterError, match="hook sh -c echo no >&2; exit 3: exit code 3: no"):
        _hooks.run(["sh", "-c", "echo no >&2; exit 3"], 10, leashed=True)
    with pytest.raises(ClusterError, match="timed out"):
        _hooks.run(["sleep", "10"], 0.1, leashed=True)


@pytest.mark.parametrize("declared", [False, True])
def test_what_was_not_looked_into_is_kept_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, declared: bool
) -> None:
    """What nothing declares is left out; what the settings declare and the cluster lacks is missing."""

    def absent(*_: Any, **__: Any) -> None:
        raise ApiException(status=404, reason="Not Found")

    kept: dict[str, Any] = {}
    monkeypatch.setattr(_systems, "keep", lambda _, content: kept.update(content))
    trino = '[contexts.here.trino]\nurl = "http://trino:8080"\n' if declared else ""
    (tmp_path / "drill.toml").write_text(SETTINGS + trino)
    monkeypatch.setenv("DRILL_SETTINGS", str(tmp_path / "drill.toml"))
    loaded = settings.load(context="here")
    cluster = SimpleNamespace(apps=SimpleNamespace(read_namespaced_deployment=absent))
    site: Any = SimpleNamespace(settings=loaded, cluster=cluster)
    told = _systems.Systems(site, None, 0).take()
    assert (told["left_out"], told["missing"]) == (kept["left_out"], kept["missing"])
    assert kept["left_out"].keys() == {"kafka", "lakehouse"} | (set() if declared else {"iceberg"})
    assert kept["missing"].keys() == ({"iceberg"} if declared else set())
    if declared:
        assert "deployment data-platform/trino-coordinator: 404" in kept["missing"]["iceberg"]
