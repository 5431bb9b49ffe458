"""A drill refuses to start where its result would mean nothing, and tells every reason at once."""

from typing import Any

import pytest

import experiments
from drill import kafka, settings
from drill.cluster import Permission
from drill.errors import RefusedError
from drill.kafka import KafkaState, KafkaUnreachableError, Partition
from drill.settings import Settings
from scenarios import preflight as module
from scenarios import reader

WHOLE = KafkaState(
    brokers={0: "a:1", 1: "b:1", 2: "c:1"},
    partitions=tuple(Partition("commodities", number, number, (0, 1, 2), (0, 1, 2)) for number in range(3)),
)
PLAN = experiments.Plan(
    targets=({"kind": "Pod", "namespace": "kafka", "name": "pool-0", "broker": 0},),
    permissions=(Permission("delete", "pods", "kafka"),),
)


class _Cluster:
    """Holds every permission but those that it was told to miss."""

    def __init__(self, *missing: str) -> None:
        self._missing = missing

    def missing_permissions(self, wanted: tuple[Permission, ...]) -> list[Permission]:
        return [each for each in wanted if each.verb in self._missing]


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A whole cluster on which the plan resolves."""
    monkeypatch.setattr(kafka, "describe", lambda *_args, **_named: WHOLE)
    monkeypatch.setattr(experiments, "plan", lambda _experiment: PLAN)
    return settings.Settings(
        context="lab",
        contexts={
            "lab": settings.ContextSettings(
                drillable=True, namespaces=("kafka",), kafka=settings.KafkaTarget(bootstrap="127.0.0.1:1")
            )
        },
    )


def _look(lab: Settings, cluster: _Cluster | None = None, scenario: str = "broker-kill-leader") -> module.Preflight:
    return module.preflight(reader.read(reader.find(scenario)), lab, cluster or _Cluster())  # type: ignore[arg-type]


def test_a_whole_cluster_with_a_target_may_be_drilled(lab: Settings) -> None:
    """And the record keeps what was looked at."""
    found = _look(lab)
    assert found.refusals == ()
    assert found.as_dict()["targets"] == PLAN.targets
    assert Permission("delete", "pods", "kafka") in found.permissions


def _raising(error: Exception) -> Any:
    def function(*_args: Any, **_named: Any) -> Any:
        raise error

    return function


def test_under_replicated_partitions_refuse(lab: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """By name: a fault now could take the last copy."""
    short = KafkaState(WHOLE.brokers, (*WHOLE.partitions[:2], Partition("commodities", 2, 1, (0, 1, 2), (1,))))
    monkeypatch.setattr(kafka, "describe", lambda *_args, **_named: short)
    (refusal,) = _look(lab).refusals
    assert "commodities-2 (ISR [1])" in refusal


@pytest.mark.parametrize(
    ("name", "replacement", "expected"),
    [
        ("describe", _raising(KafkaUnreachableError("no broker answers")), "no broker answers"),
        ("describe", lambda *_args, **_named: KafkaState(WHOLE.brokers, ()), "no topic 'commodities'"),
    ],
)
def test_kafka_or_the_topic_not_there_refuses(
    lab: Settings, monkeypatch: pytest.MonkeyPatch, name: str, replacement: Any, expected: str
) -> None:
    """Before any load."""
    monkeypatch.setattr(kafka, name, replacement)
    assert any(expected in refusal for refusal in _look(lab).refusals)


def test_a_topic_that_the_drill_makes_may_be_missing(lab: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The experiment's own ensure_topic brings it about."""
    monkeypatch.setattr(kafka, "describe", lambda *_args, **_named: KafkaState(WHOLE.brokers, ()))
    assert _look(lab, scenario="durability-control").refusals == ()


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        (lambda _experiment: experiments.Plan((), ()), "would hit nothing"),
        (_raising(RefusedError("broker 1 is down already")), "broker 1 is down already"),
    ],
)
def test_no_target_refuses(lab: Settings, monkeypatch: pytest.MonkeyPatch, plan: Any, expected: str) -> None:
    """A fault that selects nothing never reports success."""
    monkeypatch.setattr(experiments, "plan", plan)
    assert any(expected in refusal for refusal in _look(lab).refusals)


def test_missing_permissions_are_named(lab: Settings) -> None:
    """All of them, and where the manifests are."""
    (refusal,) = _look(lab, _Cluster("delete", "update")).refusals
    assert "delete pods in kafka" in refusal
    assert "update leases" in refusal
    assert "docs/rbac" in refusal
