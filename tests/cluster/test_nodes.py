"""Each fault of nodes on the lab, seen to be on and seen to be undone, and each in a case where it does not bite."""

from collections.abc import Iterator
from typing import Any

import pytest
from chaoslib.exceptions import ActivityFailed

from drill import rollback
from drill.errors import RefusedError
from drill.nodes import nodes, pods_on
from experiments._watch import NotSeenError
from experiments.nodes import cordon_node, drain_node, lose_node, loss
from tests.cluster.scratch import FRUITLESS, NAMESPACE, WHOLE_LIFE, Scratch, namespace, scratch, workload

__all__ = ["namespace", "scratch"]  # fixtures

WEB = "deployment/web"
NODE = f"pod:{NAMESPACE}/"
HOOKS = """
[contexts.drill-lab.hooks]
node_down = ["drill", "lab", "node", "stop", "{node}", "--for", "{seconds}"]
node_up = ["drill", "lab", "node", "start", "{node}"]
"""


@pytest.fixture
def web(scratch: Scratch) -> Iterator[Scratch]:
    """A Deployment of two pods."""
    with scratch.having(workload("Deployment", "web", 2)):
        yield scratch


def budget(minimum: int) -> dict[str, Any]:
    """A PodDisruptionBudget of the Deployment."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "web", "namespace": NAMESPACE},
        "spec": {"minAvailable": minimum, "selector": {"matchLabels": {"app": "web"}}},
    }


def all_ready(scratch: Scratch, node: str) -> None:
    """Look whether all pods on a node are Ready, whoever's they are."""
    if left := [pod.name for pod in pods_on(scratch.cluster, node) if not pod.ready]:
        raise NotSeenError(f"{left[0]} is not Ready")


def node_of(scratch: Scratch) -> str:
    """The node of the first pod, as a fault is told it."""
    return NODE + scratch.pods(WEB)[0].name


def test_cordon(web: Scratch) -> None:
    """The node takes no new pods for a while, and those on it stay."""
    before = {pod.uid for pod in web.pods(WEB)}
    said = cordon_node(node_of(web), hold=1)
    name = said["targets"][0]["name"]
    assert said["proof"]["unschedulable"]
    assert web.kinds() == WHOLE_LIFE
    assert nodes(web.cluster)[name].available
    assert before == {pod.uid for pod in web.pods(WEB)}


def test_a_cordon_that_somebody_lifts(web: Scratch, monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that takes pods is not cordoned, whatever was asked for."""
    monkeypatch.setattr("drill.nodes.set_unschedulable", lambda *_, **__: None)
    with pytest.raises(ActivityFailed, match="is not cordoned"):
        cordon_node(node_of(web), effect_timeout=2)
    assert web.kinds() == FRUITLESS


def test_drain(web: Scratch) -> None:
    """The node's pods of the drillable namespace go, those of others stay, and as many are Ready afterwards."""
    said = drain_node(node_of(web), hold=1)
    proof = said["proof"]
    assert proof["outcome"] == "drained"
    assert proof["evicted"] == [f"{each['namespace']}/{each['name']}" for each in said["targets"][1:]]
    assert not proof["refused"]
    assert all(not name.startswith(NAMESPACE) for name in proof["left_alone"])
    assert list(dict.fromkeys(web.kinds())) == WHOLE_LIFE


def test_a_drain_that_a_budget_refuses(web: Scratch) -> None:
    """Its refusal is the outcome, with the budget's own words; no pod goes, and the node takes pods again."""
    before = {pod.uid for pod in web.pods(WEB)}
    with web.having(budget(2)):
        said = drain_node(node_of(web), patience=2, hold=0)
    assert said["proof"]["outcome"] == "refused"
    assert "disruption budget" in next(iter(said["proof"]["refused"].values()))
    assert before == {pod.uid for pod in web.pods(WEB)}
    assert list(dict.fromkeys(web.kinds())) == WHOLE_LIFE
    assert nodes(web.cluster)[said["targets"][0]["name"]].available


def test_a_node_of_nobody_s_is_refused(web: Scratch) -> None:
    """Without a pod of a drillable namespace, beyond the blast radius, or without a hook: in the plan as in the run."""
    used = {pod.node for pod in web.pods(WEB)}
    web.scale(WEB, 1)
    web.await_ready(WEB)
    (pod,) = web.pods(WEB)
    idle = min(set(nodes(web.cluster)) - {pod.node})
    with pytest.raises(RefusedError, match="runs no pod of a drillable namespace"):
        drain_node.plan(idle)
    with pytest.raises(RefusedError, match=r"1 of . nodes would be broken at once, and the blast radius is 0"):
        drain_node(NODE + pod.name, max_nodes=0)
    with pytest.raises(RefusedError, match="declares no hooks node_down and node_up"):
        lose_node.plan(NODE + pod.name)
    assert used
    assert not web.kinds()


@pytest.mark.slow
def test_node_loss(web: Scratch) -> None:
    """Kubernetes calls the node NotReady and its pods with it; the same node comes back, and they are Ready again."""
    web.settings_file.write_text(web.settings_file.read_text() + HOOKS)
    said = lose_node(node_of(web), hold=0)
    assert said["proof"]["node"] == "NotReady"
    assert said["proof"]["pods_not_ready"] >= 1
    assert list(dict.fromkeys(web.kinds())) == WHOLE_LIFE
    name = said["targets"][0]["name"]
    assert nodes(web.cluster)[name].available
    assert not rollback.pending()
    web.await_(lambda: all_ready(web, name))


@pytest.mark.slow
def test_a_hook_that_stops_nothing(web: Scratch, monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that stays Ready was not lost."""
    monkeypatch.setattr(loss, "_run", lambda _argv: None)
    web.settings_file.write_text(web.settings_file.read_text() + HOOKS)
    with pytest.raises(ActivityFailed, match="is Ready"):
        lose_node(node_of(web), effect_timeout=2)
    assert list(dict.fromkeys(web.kinds())) == FRUITLESS


@pytest.mark.slow
def test_a_lost_node_comes_back_by_itself(web: Scratch) -> None:
    """The dead man: with nobody left to undo it, the lab starts the node again."""
    web.settings_file.write_text(web.settings_file.read_text() + HOOKS)
    name = web.pods(WEB)[0].node
    loss._run(["drill", "lab", "node", "stop", name, "--for", "3"])
    with pytest.raises(NotSeenError):
        web.lab_node_runs(name)
    web.await_(lambda: web.lab_node_runs(name))
    web.await_ready(WEB)
    web.await_(lambda: all_ready(web, name))
