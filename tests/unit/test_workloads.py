"""What is read out of Deployments and StatefulSets, without a cluster."""

from typing import Any

import pytest

from drill.errors import UsageError
from drill.workloads import Workload, _parse
from tests.unit.workload_world import deployment, pod


def workload(kind: Any = "Deployment", status: dict[str, Any] | None = None, **spec: Any) -> Workload:
    """A workload of such a specification."""
    made = deployment(**spec)
    return Workload(kind, "apps", "web", "u", made["spec"], status or made["status"], 1)


@pytest.mark.parametrize(
    ("spec", "down"),
    [
        ({}, 0),  # 25% of 2 is no pod, and one more may come
        ({"replicas": 8}, 2),
        ({"strategy": {"type": "Recreate"}}, 2),
        ({"strategy": {"rollingUpdate": {"maxUnavailable": 5, "maxSurge": 0}}}, 2),
        ({"strategy": {"rollingUpdate": {"maxUnavailable": "25%", "maxSurge": 0}}}, 1),
    ],
)
def test_what_a_rollout_may_take_away(spec: dict[str, Any], down: int) -> None:
    """As Kubernetes counts it: a share is rounded down, and one pod goes where nothing else would."""
    assert workload(**spec).down_by_rollout() == down


def test_a_statefulset_replaces_one_pod_at_a_time() -> None:
    """Its last one first."""
    assert workload("StatefulSet", replicas=5).down_by_rollout() == 1
    assert workload("StatefulSet", replicas=0).down_by_rollout() == 0


@pytest.mark.parametrize(
    ("status", "settled"),
    [
        ({"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2}, True),
        ({"observedGeneration": 0, "replicas": 2, "updatedReplicas": 2}, False),
        ({"observedGeneration": 1, "replicas": 3, "updatedReplicas": 2}, False),
        ({"observedGeneration": 1, "replicas": 2, "updatedReplicas": 1}, False),
        ({}, False),
    ],
)
def test_settled(status: dict[str, Any], settled: bool) -> None:
    """Only when the controller has seen the template, made all of it, and left nothing of before."""
    found = Workload("Deployment", "apps", "web", "u", deployment()["spec"], status, 1)
    assert found.settled is settled


def test_a_partition_keeps_pods_as_they_are() -> None:
    """A StatefulSet that updates some pods only is settled with those."""
    status = {"observedGeneration": 1, "replicas": 2, "updatedReplicas": 1}
    kept = {"updateStrategy": {"rollingUpdate": {"partition": 1}}}
    assert workload("StatefulSet", status, **kept).settled
    assert not workload("StatefulSet", status).settled


def test_whose_a_pod_is() -> None:
    """A Deployment's pods are those of its ReplicaSets, and never those of another whose name begins alike."""
    mine = workload()
    assert mine.owns(pod("a"))
    assert not mine.owns(pod("a", owner="web-api-1"))
    assert not mine.owns(pod("a", owner="web", owner_kind="StatefulSet"))
    assert workload("StatefulSet").owns(pod("a", owner="web", owner_kind="StatefulSet"))


@pytest.mark.parametrize("ref", ["web", "deployment/", "daemonset/web", ""])
def test_a_reference_that_cannot_be_meant(ref: str) -> None:
    """Said with what can be."""
    with pytest.raises(UsageError, match="give deployment/NAME or statefulset/NAME"):
        _parse(ref)


def test_selectors_and_containers_that_are_not_there() -> None:
    """An empty selector would take every pod, and a wrong container is named with the right ones."""
    with pytest.raises(UsageError, match="by expressions only"):
        assert workload(selector={"matchExpressions": []}).selector
    with pytest.raises(UsageError, match="no container 'x', but: main"):
        workload().container("x")
