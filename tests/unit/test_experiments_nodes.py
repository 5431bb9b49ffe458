"""Faults of nodes against nodes that are played: whom they hit, what they refuse, what they claim, what they undo."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from chaoslib.exceptions import ActivityFailed
from kubernetes.client import ApiException

from drill import clock, nodes, record, rollback
from drill.cluster import Cluster, ClusterError, PodState
from drill.errors import RefusedError, UsageError
from drill.nodes import NodeState
from drill.rollback import NotRestoredError
from experiments import _watch
from experiments.nodes import cordon_node, drain_node, lose_node, loss
from tests.unit.workload_world import SETTINGS, kinds, pod, run

__all__ = ["run"]  # fixtures

TAINT = "node.kubernetes.io/unschedulable"
HOOKS = """
[contexts.here.hooks]
node_down = ["power", "off", "{node}", "{seconds}"]
node_up = ["power", "on", "{node}"]
"""
WHOLE = ["fault.injected", "fault.effective", "fault.undoing", "fault.undone", "fault.recovered"]
FRUITLESS = ["fault.injected", "fault.ineffective", "fault.undoing", "fault.undone"]


def node(name: str, **changes: Any) -> NodeState:
    """A node that takes pods."""
    whole = NodeState(name, f"uid-{name}", ready=True, unschedulable=False, control_plane=False, taints=())
    return replace(whole, **changes)


@dataclass
class Nodes:
    """Three nodes, and what runs on them."""

    nodes_: dict[str, NodeState] = field(default_factory=lambda: {name: node(name) for name in ("n1", "n2", "n3")})
    pods_: list[PodState] = field(
        default_factory=lambda: [
            pod("a", node="n1"),
            pod("b", node="n1"),
            pod("agent", node="n1", owner_kind="DaemonSet"),
            pod("dns", node="n1", namespace="kube-system"),
            pod("c", node="n2"),
            pod("dns2", node="n3", namespace="kube-system"),
        ]
    )
    refuse: Callable[[PodState], str | None] = lambda _pod: None
    evicted: list[str] = field(default_factory=list)
    hooks: list[list[str]] = field(default_factory=list)
    now: float = 0.0
    context: str = "here"

    def monotonic(self) -> float:
        """Played time."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Time passes."""
        self.now += seconds

    def nodes(self, _cluster: Any) -> dict[str, NodeState]:
        """As `nodes.nodes`."""
        return dict(self.nodes_)

    def pods_on(self, _cluster: Any, name: str) -> list[PodState]:
        """As `nodes.pods_on`."""
        return [each for each in self.pods_ if each.node == name]

    def node_of(self, _cluster: Any, namespace: str, name: str) -> str | None:
        """As `nodes.node_of`."""
        return next(each.node for each in self.pods_ if (each.namespace, each.name) == (namespace, name))

    def ready_by_owner(self, _cluster: Any, namespaces: Any) -> dict[str, int]:
        """As `nodes.ready_by_owner`."""
        return {"apps/x": sum(each.ready for each in self.pods_ if each.namespace in namespaces)}

    def set_unschedulable(self, _cluster: Any, name: str, *, unschedulable: bool) -> None:
        """As `nodes.set_unschedulable`."""
        taints = (TAINT,) if unschedulable else ()
        self.nodes_[name] = replace(self.nodes_[name], unschedulable=unschedulable, taints=taints)

    def evict(self, _cluster: Any, which: PodState, _grace: int | None = None) -> str | None:
        """As `nodes.evict`; an evicted pod is made anew elsewhere."""
        if (reason := self.refuse(which)) is not None:
            return reason
        self.evicted.append(which.name)
        self.pods_ = [each for each in self.pods_ if each.uid != which.uid]
        self.pods_.append(pod(f"{which.name}2", node="n2"))
        return None

    def run(self, argv: list[str]) -> None:
        """As `loss._run`."""
        self.hooks.append(argv)
        up = argv[1] == "on"
        self.nodes_[argv[2]] = replace(self.nodes_[argv[2]], ready=up)
        self.pods_ = [replace(each, ready=up) if each.node == argv[2] else each for each in self.pods_]


@pytest.fixture
def world(tmp_path: Path, run: record.RunRecord, monkeypatch: pytest.MonkeyPatch) -> Nodes:
    """The nodes, in played time."""
    assert run.path.exists()
    (tmp_path / "drill.toml").write_text(SETTINGS.format(more=HOOKS))
    monkeypatch.setenv("DRILL_SETTINGS", str(tmp_path / "drill.toml"))
    monkeypatch.setenv("DRILL_CONTEXT", "here")
    played = Nodes()
    monkeypatch.setattr(Cluster, "connect", lambda _settings: played)
    for name in ("nodes", "pods_on", "node_of", "ready_by_owner", "set_unschedulable", "evict"):
        monkeypatch.setattr(nodes, name, getattr(played, name))
    monkeypatch.setattr(loss, "_run", played.run)
    monkeypatch.setattr(_watch, "time", played)
    monkeypatch.setattr("experiments._fault.time", played)
    monkeypatch.setattr(clock, "now", lambda: 1e9 + played.now)
    return played


def test_the_node_of_a_pod(world: Nodes) -> None:
    """A scenario names a pod, since nodes are called differently everywhere; the plan names its node and its pods."""
    (target,) = cordon_node.plan("pod:apps/c").targets
    assert (target["kind"], target["name"], target["pods"]) == ("Node", "n2", ["apps/c"])
    assert world.nodes_["n2"].available


@pytest.mark.parametrize(
    ("name", "changes", "says"),
    [
        ("n9", {}, "there is no node n9, but: n1, n2, n3"),
        ("n1", {"control_plane": True}, "is of the control plane"),
        ("n1", {"unschedulable": True}, "n1 is cordoned already"),
        ("n1", {"ready": False}, "n1 is not Ready already"),
        ("n3", {}, "runs no pod of a drillable namespace"),
    ],
)
def test_refused(world: Nodes, name: str, changes: dict[str, Any], says: str) -> None:
    """Whatever the fault, in the plan and in the action alike."""
    world.nodes_["n1"] = replace(world.nodes_["n1"], **changes)
    for fault in (cordon_node, drain_node, lose_node, cordon_node.plan, drain_node.plan, lose_node.plan):
        with pytest.raises(RefusedError, match=says):
            fault(name)
    assert not world.evicted
    assert not world.hooks


def test_nodes_that_are_away_already_count(world: Nodes) -> None:
    """One is cordoned by somebody: another one is one too many."""
    world.nodes_["n2"] = replace(world.nodes_["n2"], unschedulable=True)
    with pytest.raises(RefusedError, match="2 of 3 nodes would be broken at once, and the blast radius is 1"):
        drain_node("n1")


def test_a_protected_namespace_protects_its_node(world: Nodes) -> None:
    """Whatever else runs there."""
    world.pods_.append(pod("secrets", node="n1", namespace="vault"))
    with pytest.raises(RefusedError, match="runs vault/secrets, whose namespace is protected"):
        lose_node("n1")


@pytest.mark.usefixtures("world")
def test_a_pod_that_cannot_be_meant() -> None:
    """Said with what can be."""
    with pytest.raises(UsageError, match="pod:NAMESPACE/NAME"):
        cordon_node("pod:c")


def test_cordon(world: Nodes, run: record.RunRecord) -> None:
    """It is on while it is held, and off afterwards."""
    said = cordon_node("n1", hold=1)
    assert said["proof"] == {"unschedulable": True, "taint": TAINT}
    assert world.nodes_["n1"].available
    assert kinds(run) == WHOLE


def test_a_cordon_that_does_not_bite(world: Nodes, run: record.RunRecord, monkeypatch: pytest.MonkeyPatch) -> None:
    """Something takes it back at once."""
    monkeypatch.setattr(nodes, "set_unschedulable", lambda *_, **__: None)
    with pytest.raises(ActivityFailed, match="n1 is not cordoned"):
        cordon_node("n1")
    assert kinds(run) == FRUITLESS
    assert world.nodes_["n1"].available


@pytest.mark.usefixtures("world")
def test_drain(run: record.RunRecord) -> None:
    """Pods of drillable namespaces go, but not a DaemonSet's; what is left alone is named."""
    planned = drain_node.plan("n1")
    assert [each["name"] for each in planned.targets] == ["n1", "a", "b"]
    assert any(each.subresource == "eviction" for each in planned.permissions)
    proof = drain_node("n1", hold=0)["proof"]
    assert proof == {
        "outcome": "drained",
        "evicted": ["apps/a", "apps/b"],
        "refused": {},
        "left_alone": ["apps/agent", "kube-system/dns"],
    }
    assert kinds(run) == WHOLE


@pytest.mark.parametrize(("refused", "outcome"), [({"a", "b"}, "refused"), ({"a"}, "refused in part")])
def test_a_refused_eviction_is_an_outcome(world: Nodes, run: record.RunRecord, refused: set[str], outcome: str) -> None:
    """It is tried again for as long as patience lasts, and then said; the node takes pods again."""
    world.refuse = lambda which: "429: the budget" if which.name in refused else None
    proof = drain_node("n1", patience=5, hold=0)["proof"]
    assert proof["outcome"] == outcome
    assert proof["refused"] == {f"apps/{name}": "429: the budget" for name in sorted(refused)}
    assert world.now >= 5
    assert world.nodes_["n1"].available
    assert kinds(run) == WHOLE


def test_a_refusal_that_does_not_last(world: Nodes) -> None:
    """A budget lets the next pod go when the one before is back."""
    world.refuse = lambda which: "429" if which.name == "b" and world.now < 3 else None
    assert drain_node("n1", patience=60, hold=0)["proof"]["outcome"] == "drained"
    assert 3 <= world.now < 60


def test_a_pod_that_nobody_would_make_anew(world: Nodes) -> None:
    """It is not evicted, as kubectl would not without --force."""
    world.pods_.append(pod("bare", node="n1", owner=None, owner_kind=None))
    with pytest.raises(RefusedError, match="apps/bare has no controller"):
        drain_node("n1")
    assert not world.evicted


@pytest.mark.parametrize(("status", "answer"), [(429, "refused"), (404, None), (409, None), (500, ClusterError)])
def test_what_an_eviction_is_answered(status: int, answer: Any) -> None:
    """429 is a budget's refusal; a pod that is gone went; anything else is an error."""

    class Core:
        """Refuses."""

        def create_namespaced_pod_eviction(self, *_: Any, **__: Any) -> None:
            """With this status."""
            raise ApiException(status=status, reason="refused")

    cluster: Any = type("Played", (), {"core": Core()})()
    if answer is ClusterError:
        with pytest.raises(ClusterError):
            nodes.evict(cluster, pod("a"))
    else:
        said = nodes.evict(cluster, pod("a"))
        assert (answer is None) == (said is None)
        assert answer is None or answer in str(said)


def test_node_loss(world: Nodes, run: record.RunRecord) -> None:
    """The hooks get the node's name, and when it has to come back whatever becomes of us."""
    said = lose_node("n1", hold=10, effect_timeout=100)
    assert world.hooks == [["power", "off", "n1", "170"], ["power", "on", "n1"]]
    assert said["proof"]["node"] == "NotReady"
    assert {each["name"] for each in said["targets"]} == {"n1", "a", "agent", "b"}
    assert kinds(run) == WHOLE


def test_a_node_that_stays_ready(world: Nodes, run: record.RunRecord, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hook that stops nothing is no loss, and its undo runs all the same."""
    monkeypatch.setattr(loss, "_run", world.hooks.append)
    with pytest.raises(ActivityFailed, match="n1 is Ready"):
        lose_node("n1")
    assert world.hooks[-1] == ["power", "on", "n1"]
    assert kinds(run) == FRUITLESS


def test_a_node_that_is_gone_and_pods_that_still_count(world: Nodes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kubernetes still sends requests to them, so it has not noticed yet."""

    def hook(argv: list[str]) -> None:
        world.nodes_[argv[2]] = replace(world.nodes_[argv[2]], ready=argv[1] == "on")

    monkeypatch.setattr(loss, "_run", hook)
    with pytest.raises(ActivityFailed, match="its pod apps/a still counts as Ready"):
        lose_node("n1")


def test_a_hook_that_fails(world: Nodes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Down failed: ineffective; up failed: the undo stays pending."""

    def fails(argv: list[str]) -> None:
        raise ClusterError(f"hook {' '.join(argv)}: exit code 1")

    monkeypatch.setattr(loss, "_run", fails)
    with pytest.raises(ClusterError, match="power on n1"):
        lose_node("n1")
    assert [each.undo for each in rollback.pending()] == ["experiments.nodes.loss.bring_back"]
    assert world.nodes_["n1"].ready


def test_a_node_that_does_not_come_back(world: Nodes, monkeypatch: pytest.MonkeyPatch) -> None:
    """The undo says so, and stays pending."""

    def hook(argv: list[str]) -> None:
        world.run([*argv[:1], "off", *argv[2:]])

    monkeypatch.setattr(loss, "_run", hook)
    with pytest.raises(NotRestoredError, match="n1 is not Ready"):
        lose_node("n1")
    assert rollback.pending()


def test_without_hooks_no_node_is_lost(world: Nodes, tmp_path: Path) -> None:
    """Kubernetes itself can stop none."""
    (tmp_path / "drill.toml").write_text(SETTINGS.format(more=""))
    with pytest.raises(RefusedError, match="declares no hooks node_down and node_up"):
        lose_node.plan("n1")
    assert not world.hooks


def test_hooks_are_run_and_their_failure_is_told(tmp_path: Path) -> None:
    """With what they said; a program that is not there is a failure too."""
    loss._run(["sh", "-c", f"touch {tmp_path}/done"])
    assert (tmp_path / "done").exists()
    with pytest.raises(ClusterError, match="exit code 3: no such node"):
        loss._run(["sh", "-c", "echo no such node >&2; exit 3"])
    with pytest.raises(ClusterError, match="hook no-such-program"):
        loss._run(["no-such-program"])
