"""The fault on a workload that is played: whom it hits, what it refuses, how its effect is seen."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import example_name
import pytest

from drill.cluster import PodState
from drill.errors import RefusedError
from experiments.authoring import NotSeenError
from scenarios import reader

NODES = ("a", "b", "a", "c")


def pod(number: int, node: str) -> PodState:
    """A pod that is Ready."""
    identity: dict[str, Any] = {"namespace": "apps", "name": f"web-{number}", "uid": f"uid-{number}", "node": node}
    state: dict[str, Any] = {"phase": "Running", "ready": True, "restarts": 0, "terminating": False, "owner": "web"}
    return PodState(**identity, **state, container_ids={}, waiting=(), running=frozenset({"main"}))


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A workload of four pods, two of them on node `a`; deleting one takes it away."""
    pods = [pod(number, node) for number, node in enumerate(NODES)]
    here = SimpleNamespace(
        pods=lambda: list(pods),
        cluster=SimpleNamespace(delete_pod=lambda which, _grace_period: pods.remove(which)),
        workload=SimpleNamespace(replicas=len(NODES), ref="deployment/web"),
        permissions=lambda **_: (),
        arguments={"context": "here", "namespace": "apps", "workload": "deployment/web"},
        recovered=dict,
    )
    monkeypatch.setattr(example_name, "drillable_site", lambda *_: here)
    return here


def test_a_plan_names_the_targets_and_touches_nothing(played: SimpleNamespace) -> None:
    """Those on the node that has the most."""
    plan = example_name.example_name.plan("deployment/web", "apps", max_pods=2)
    assert [target["name"] for target in plan.targets] == ["web-0", "web-2"]
    assert len(played.pods()) == len(NODES)


def test_its_effect_is_seen_when_it_is_there_and_not_before(played: SimpleNamespace) -> None:
    """A fault that did not bite must not pass for one that did."""
    injection = example_name.example_name.injection("deployment/web", "apps", max_pods="50%")
    with pytest.raises(NotSeenError, match="web-0 is still there"):
        injection.effect()
    injection.inject()
    assert injection.effect() == {"node": "a", "gone": ["web-0", "web-2"]}
    assert [each.name for each in played.pods()] == ["web-1", "web-3"]


@pytest.mark.usefixtures("played")
def test_it_stays_within_the_blast_radius() -> None:
    """Refused before anything is touched."""
    with pytest.raises(RefusedError, match="2 of 4 pods"):
        example_name.example_name.plan("deployment/web", "apps", max_pods=1)


def test_its_scenario_is_valid() -> None:
    """With its experiment, whose arguments are held to the fault's own types."""
    drill = reader.read(Path(__file__).with_name("example-name.yaml"))
    assert drill.scenario.name == "example-name"
