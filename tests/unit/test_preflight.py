"""A drill refuses to start where its result would mean nothing, and tells every reason at once."""

from dataclasses import replace
from typing import Any

import pytest

import experiments
from drill import kafka, lease, settings
from drill.cluster import ClusterError, Permission, PodState
from drill.errors import RefusedError, UsageError
from drill.kafka import KafkaState, KafkaUnreachableError, Partition
from drill.postgres import PostgresUnreachableError
from drill.settings import Settings
from scenarios import preflight as module
from scenarios import reader
from scenarios._services import postgres
from scenarios.model import Scenario

WHOLE = KafkaState(
    brokers={0: "a:1", 1: "b:1", 2: "c:1"},
    partitions=tuple(Partition("commodities", number, number, (0, 1, 2), (0, 1, 2)) for number in range(3)),
)
PLAN = experiments.Plan(
    targets=({"kind": "Pod", "namespace": "kafka", "name": "pool-0", "broker": 0},),
    permissions=(Permission("delete", "pods", "kafka"),),
)


class _Cluster:
    """Holds every permission but those that it was told to miss, and has one pod a namespace."""

    def __init__(self, *missing: str, ready: bool = True, phase: str = "Running") -> None:
        self._missing = missing
        self._ready, self._phase = ready, phase

    def pods(self, namespace: str, selector: str) -> list[PodState]:
        assert selector  # an empty one takes all, ours too
        state = {"uid": "u", "node": "n", "restarts": 0, "container_ids": {}, "waiting": (), "running": frozenset()}
        one = PodState(namespace, "one", ready=True, phase="Running", owner=None, terminating=False, **state)  # type: ignore[arg-type]
        return [one, replace(one, name="other", ready=self._ready, phase=self._phase)]

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


def test_a_pod_that_is_not_ready_already_refuses(lab: Settings) -> None:
    """What the fault did to it could not be told; one that has ended is nothing to wait for."""
    (refusal,) = _look(lab, _Cluster(ready=False)).refusals
    assert "kafka/other" in refusal
    assert _look(lab, _Cluster(ready=False, phase="Succeeded")).refusals == ()


def _mixed(load: list[dict[str, Any]], namespace: str) -> reader.Drill:
    drill = reader.read(reader.find("broker-kill-leader"))
    content = drill.scenario.model_dump() | {"load": load, "target": {"namespaces": [namespace]}}
    return reader.Drill(Scenario.model_validate(content), drill.experiment)


@pytest.fixture
def no_kafka(lab: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A context that declares PostgreSQL and nothing else."""
    target = settings.ContextSettings(
        drillable=True, namespaces=("kong",), postgres=settings.PostgresTarget(dsn="host=127.0.0.1 port=1")
    )
    plan = experiments.Plan(({"kind": "Pod", "namespace": "kong", "name": "one"},), ())
    monkeypatch.setattr(experiments, "plan", lambda _experiment: plan)
    monkeypatch.setattr(postgres.Postgres, "sample", lambda _self: {"used": 3, "max_connections": 300})
    return lab.model_copy(update={"contexts": {"lab": target}})


def test_a_drill_without_kafka_asks_no_kafka(no_kafka: Settings) -> None:
    """Neither in settings nor on the network: a context that declares none will do."""
    drill = _mixed([{"profile": "postgres_transactions"}], "kong")
    module.guard(drill.scenario, no_kafka)
    found = module.preflight(drill, no_kafka, _Cluster())  # type: ignore[arg-type]
    assert found.refusals == ()
    assert [check.name for check in found.checks][:2] == ["postgres-reachable", "pods-ready"]
    assert found.as_dict()["postgres"] == {"used": 3, "max_connections": 300}
    assert Permission("list", "pods", "kong") in found.permissions


def test_a_postgres_that_lets_nobody_in_refuses(no_kafka: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before any load."""
    monkeypatch.setattr(postgres.Postgres, "sample", _raising(PostgresUnreachableError("connection refused")))
    drill = _mixed([{"profile": "postgres_transactions"}], "kong")
    (refusal,) = module.preflight(drill, no_kafka, _Cluster()).refusals  # type: ignore[arg-type]
    assert refusal == "postgres-reachable: connection refused"


def test_a_load_on_what_the_context_does_not_declare_is_bad_input(lab: Settings) -> None:
    """With what to add to the settings."""
    with pytest.raises(UsageError, match=r"contexts\.lab\.postgres"):
        module.guard(_mixed([{"profile": "postgres_transactions"}], "kafka").scenario, lab)


def test_a_mix_asks_every_service_that_it_loads(lab: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one whose namespace the experiment does not touch: its pods are looked at, too."""
    target = lab.target.model_copy(update={"postgres": settings.PostgresTarget(dsn="host=127.0.0.1")})
    monkeypatch.setattr(postgres.Postgres, "sample", lambda _self: {"used": 3, "max_connections": 300})
    chosen = lab.model_copy(update={"contexts": {"lab": target}})
    drill = _mixed([{"profile": "commodity_prices"}, {"profile": "postgres_transactions"}], "kafka")
    found = module.preflight(drill, chosen, _Cluster())  # type: ignore[arg-type]
    assert [check.name for check in found.checks][:5] == [
        "kafka-reachable",
        "fully-replicated",
        "topic",
        "postgres-reachable",
        "pods-ready",
    ]
    assert {Permission("list", "pods", namespace) for namespace in ("kafka", "kong")} <= set(found.permissions)


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


def test_another_drill_that_runs_refuses(lab: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan says so before a run is refused; the run that holds the Lease itself is not refused by it."""

    def taken(_cluster: Any, _namespace: str, holder: str | None) -> str | None:
        return None if holder == "me" else "another drill is running on this cluster: me"

    monkeypatch.setattr(lease, "taken", taken)
    assert _look(lab).refusals == ("no-other-drill: another drill is running on this cluster: me",)
    drill = reader.read(reader.find("broker-kill-leader"))
    assert module.preflight(drill, lab, _Cluster(), holder="me").refusals == ()  # type: ignore[arg-type]


def test_a_lease_that_cannot_be_read_refuses(lab: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody knows whether another drill runs."""
    monkeypatch.setattr(lease, "taken", _raising(ClusterError("lease default/drill: forbidden")))
    assert _look(lab).refusals == ("no-other-drill: lease default/drill: forbidden",)


def test_an_object_is_held_to_the_scenarios_buckets(lab: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is in no namespace; one of another bucket is refused."""
    drill = reader.read(reader.find("object-store-loss"))
    for bucket, ok in (("lakehouse", True), ("raw", False)):
        target = {"kind": "Object", "bucket": bucket, "name": "data/a.parquet"}
        monkeypatch.setattr(experiments, "plan", lambda _, target=target: experiments.Plan((target,), ()))
        found = module.preflight(drill, lab, _Cluster())  # type: ignore[arg-type]
        (check,) = [each for each in found.checks if each.name == "targets"]
        assert check.ok is ok
        assert f"{bucket}/data/a.parquet" in check.detail
    with pytest.raises(UsageError, match="object_store"):
        module.guard(drill.scenario, _with(lab, namespaces=("data-platform",)))
    store = settings.ObjectStoreTarget(bucket="velero", drillable=("raw",))
    with pytest.raises(UsageError, match="bucket 'lakehouse' is not declared drillable"):
        module.guard(drill.scenario, _with(lab, namespaces=("data-platform",), object_store=store))


def _with(lab: Settings, **changes: Any) -> Settings:
    return lab.model_copy(update={"contexts": {"lab": lab.target.model_copy(update=changes)}})


def test_a_whole_cluster_is_lost_by_no_scenario_that_does_not_say_so(
    lab: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever experiment it names."""
    target = {"kind": "Cluster", "namespace": None, "name": "lab"}
    monkeypatch.setattr(experiments, "plan", lambda _: experiments.Plan((target, *PLAN.targets), ()))
    (refusal,) = _look(lab).refusals
    assert "the whole cluster would be lost" in refusal
