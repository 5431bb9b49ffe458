"""Each check of the daily checklist on a played platform: well when it is whole, and what is wrong is named."""

import copy
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from drill import kafka, postgres, prometheus
from drill import settings as settings_module
from drill.cluster import ClusterError
from drill.kafka import KafkaState, Partition
from drill.postgres import Sessions
from drill.settings import ContextSettings, KafkaTarget, PostgresTarget, PrometheusTarget, Settings
from drill.verdicts import Outcome
from experiments.checklist import Finding, Scene, look, undeclared
from experiments.checklist import _systems as systems
from experiments.checklist._look import TODAY, WEAKNESSES, findings

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
Change = Callable[[dict[str, list[Any]]], None]


def _ago(**past: float) -> str:
    return (NOW - timedelta(**past)).isoformat()


def _node(name: str) -> dict[str, Any]:
    conditions = [{"type": "Ready", "status": "True"}, {"type": "DiskPressure", "status": "False"}]
    return {
        "metadata": {"name": name},
        "spec": {},
        "status": {"conditions": conditions, "allocatable": {"cpu": "4", "memory": "8Gi"}},
    }


def _container() -> dict[str, Any]:
    return {
        "name": "main",
        "image": "registry.example/kafka:4.0",
        "readinessProbe": {"tcpSocket": {"port": 9092}},
        "resources": {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"memory": "2Gi"}},
    }


def _pod(number: int) -> dict[str, Any]:
    return {
        "metadata": {"name": f"pool-{number}", "namespace": "kafka", "labels": {"app": "kafka"}},
        "spec": {"nodeName": f"node{number}", "containers": [_container()]},
        "status": {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [{"name": "main", "restartCount": 0, "state": {"running": {}}}],
        },
    }


def _whole() -> dict[str, list[Any]]:
    """Three nodes, and Kafka with three brokers as it should be."""
    selector = {"matchLabels": {"app": "kafka"}}
    template = {"metadata": {"labels": {"app": "kafka"}}, "spec": {"containers": [_container()]}}
    here = {"name": "pool", "namespace": "kafka"}
    return {
        "nodes": [_node(f"node{number}") for number in range(3)],
        "nodemetrics": [
            {"metadata": {"name": f"node{number}"}, "usage": {"cpu": "1", "memory": "2Gi"}} for number in range(3)
        ],
        "pods": [_pod(number) for number in range(3)],
        "statefulsets": [
            {
                "metadata": here,
                "spec": {"replicas": 3, "selector": selector, "template": template},
                "status": {"readyReplicas": 3},
            }
        ],
        "deployments": [],
        "poddisruptionbudgets": [
            {"metadata": here, "spec": {"selector": selector}, "status": {"expectedPods": 3, "desiredHealthy": 2}}
        ],
        "persistentvolumeclaims": [{"metadata": here, "status": {"phase": "Bound"}}],
        "persistentvolumes": [
            {
                "metadata": {"name": "pv-1"},
                "spec": {"claimRef": {"namespace": "kafka", "name": "data"}, "persistentVolumeReclaimPolicy": "Retain"},
            }
        ],
        "schedules": [{"metadata": {"name": "daily", "namespace": "velero"}, "spec": {}}],
        "backups": [_backup("Completed", _ago(hours=6))],
    }


def _backup(phase: str, began: str) -> dict[str, Any]:
    labels = {"velero.io/schedule-name": "daily"}
    return {
        "metadata": {"name": f"daily-{phase}", "namespace": "velero", "labels": labels},
        "status": {"phase": phase, "startTimestamp": began},
    }


def _settings(**systems_: Any) -> Settings:
    here = ContextSettings(drillable=True, namespaces=("kafka",), **systems_)
    return settings_module.Settings(context="here", contexts={"here": here})


def _scene(change: Change = lambda _world: None, **systems_: Any) -> Scene:
    world: dict[str, Any] = copy.deepcopy(_whole())
    change(world)
    return Scene(_settings(**systems_), None, ("kafka",), NOW, world)  # type: ignore[arg-type]


def _run(name: str, scene: Scene) -> list[Finding]:
    (check,) = [each for each in (*TODAY, *WEAKNESSES) if each.__name__ == name]
    return findings(check, scene)


ALONE = [each.__name__ for each, system in (TODAY | WEAKNESSES).items() if system is None]


@pytest.mark.parametrize("name", ALONE)
def test_a_whole_platform_passes(name: str) -> None:
    """With what was counted."""
    (finding,) = _run(name, _scene())
    assert finding.outcome is Outcome.PASS, finding
    assert not finding.remedy


def _set(path: str, value: Any) -> Change:
    """A change of one place: `pods.0.status.phase`."""

    def change(world: dict[str, list[Any]]) -> None:
        node: Any = world
        *parents, last = path.split(".")
        for step in parents:
            node = node[int(step)] if isinstance(node, list) else node.setdefault(step, {})
        if isinstance(node, list):
            node[int(last)] = value
        elif value is None:
            del node[last]
        else:
            node[last] = value

    return change


def _add(kind: str, made: dict[str, Any]) -> Change:
    return lambda world: world[kind].append(made)


def _on_one_node(world: dict[str, list[Any]]) -> None:
    for pod in world["pods"]:
        pod["spec"]["nodeName"] = "node0"


CONTAINER = "statefulsets.0.spec.template.spec.containers.0"
DIED = {"finishedAt": _ago(minutes=5), "reason": "OOMKilled"}
WRONG: list[tuple[str, Change, str, str]] = [
    ("nodes_ready", _set("nodes.1.status.conditions.0.status", "Unknown"), "node node1", "Ready is Unknown"),
    ("nodes_ready", _set("nodes.1.status.conditions.1.status", "True"), "node node1", "DiskPressure"),
    ("nodes_ready", _set("nodes.2.spec.unschedulable", value=True), "node node2", "cordoned"),
    ("resource_use", _set("nodemetrics.0.usage.memory", "7.9Gi"), "node node0", "of its memory is used"),
    ("requests_fit", _set("pods.0.spec.containers.0.resources.requests.cpu", "3900m"), "node node0", "of its cpu"),
    ("a_node_may_be_lost", _set("pods.0.spec.containers.0.resources.requests.cpu", "8"), "nodes", "more cpu"),
    ("pods_healthy", _set("pods.0.status.conditions.0.status", "False"), "pod kafka/pool-0", "not Ready"),
    ("pods_healthy", _set("pods.0.status.phase", "Pending"), "pod kafka/pool-0", "Pending"),
    *(
        (
            "pods_healthy",
            _set("pods.1.status.containerStatuses.0.state", {"waiting": {"reason": reason}}),
            "pod kafka/pool-1",
            reason,
        )
        for reason in ("CrashLoopBackOff", "ImagePullBackOff", "ErrImagePull", "CreateContainerConfigError")
    ),
    ("workloads_complete", _set("statefulsets.0.status.readyReplicas", 2), "StatefulSet kafka/pool", "2 of 3"),
    ("workloads_complete", _set("statefulsets.0.spec.replicas", 0), "StatefulSet kafka/pool", "scaled to zero"),
    (
        "no_recent_restart",
        _set("pods.0.status.containerStatuses.0.lastState", {"terminated": DIED}),
        "pod kafka/pool-0",
        "5 min ago (OOMKilled)",
    ),
    ("claims_bound", _set("persistentvolumeclaims.0.status.phase", "Pending"), "claim kafka/pool", "Pending"),
    ("replicated", _set("statefulsets.0.spec.replicas", 1), "StatefulSet kafka/pool", "single replica"),
    ("spread", _on_one_node, "StatefulSet kafka/pool", "all 3 replicas are on node node0"),
    ("disruption_bounded", _set("poddisruptionbudgets", []), "StatefulSet kafka/pool", "no PodDisruptionBudget"),
    (
        "disruption_bounded",
        _set("poddisruptionbudgets.0.status.desiredHealthy", 3),
        "budget kafka/pool",
        "allows no disruption",
    ),
    ("disruption_bounded", _set("poddisruptionbudgets.0.status.desiredHealthy", 0), "budget kafka/pool", "allows all"),
    ("limited", _set(f"{CONTAINER}.resources.limits", {}), "StatefulSet kafka/pool", "no limit of memory"),
    ("limited", _set(f"{CONTAINER}.resources", {}), "StatefulSet kafka/pool", "no request of cpu"),
    ("probed", _set(f"{CONTAINER}.readinessProbe", None), "StatefulSet kafka/pool", "no readiness probe"),
    ("images_pinned", _set(f"{CONTAINER}.image", "kafka:latest"), "StatefulSet kafka/pool", "latest"),
    ("images_pinned", _set(f"{CONTAINER}.image", "registry.example:5000/kafka"), "StatefulSet kafka/pool", "latest"),
    (
        "volumes_kept",
        _set("persistentvolumes.0.spec.persistentVolumeReclaimPolicy", "Delete"),
        "volume pv-1",
        "with its claim",
    ),
    ("backups_fresh", _set("schedules", []), "backups", "no schedule"),
    ("backups_fresh", _set("schedules.0.spec.paused", value=True), "schedule velero/daily", "paused"),
    ("backups_fresh", _set("backups.0", _backup("Completed", _ago(hours=40))), "schedule velero/daily", "40 h ago"),
    ("backups_fresh", _set("backups.0.status.phase", "PartiallyFailed"), "schedule velero/daily", "is Completed"),
    ("backups_fresh", _set("backups", []), "schedule velero/daily", "has made no backup"),
    (
        "backups_fresh",
        _add("backups", _backup("InProgress", _ago(hours=8))),
        "backup velero/daily-InProgress",
        "in progress for 8 h",
    ),
]


@pytest.mark.parametrize(("name", "change", "object_", "reason"), WRONG)
def test_what_is_wrong_is_named_with_its_remedy(name: str, change: Change, object_: str, reason: str) -> None:
    """The object, the reason and what to do."""
    found = _run(name, _scene(change))
    assert {each.outcome for each in found} == {Outcome.FAIL}
    assert (object_, True) in {(each.object, reason in each.reason) for each in found}, found
    assert all(each.remedy.endswith(".") for each in found)


def test_every_check_can_fail() -> None:
    """None of those on Kubernetes' objects is without a negative control."""
    assert {name for name, *_ in WRONG} == set(ALONE)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("resource_use", _set("nodemetrics", None)),
        ("resource_use", _set("nodemetrics", [])),
        ("backups_fresh", lambda world: world.update(backups=None, schedules=None)),
        ("pods_healthy", _set("pods", [])),
        ("workloads_complete", _set("statefulsets", [])),
    ],
)
def test_what_is_not_there_is_never_well(name: str, change: Change) -> None:
    """No metrics, no Velero, no pods: inconclusive, with what to do about it."""

    class Bare:
        def listed(self, *_: str) -> None:
            return None

    scene = _scene(change)
    scene.cluster = Bare()  # type: ignore[assignment]
    (finding,) = _run(name, scene)
    assert finding.outcome is Outcome.INCONCLUSIVE
    assert finding.remedy


def test_a_new_schedule_is_judged_as_drill_backups_judges_it() -> None:
    """Its first backup is not due: nothing is wrong, and nothing is proven. One that is old has no such excuse."""

    def made(hours: float) -> Change:
        def change(world: dict[str, list[Any]]) -> None:
            world["schedules"][0]["metadata"]["creationTimestamp"] = _ago(hours=hours)
            world["backups"] = []

        return change

    (new,) = _run("backups_fresh", _scene(made(1)))
    assert (new.outcome, new.reason) == (
        Outcome.INCONCLUSIVE,
        "it is new, and its first backup is not due yet; there is nothing to restore",
    )
    (old,) = _run("backups_fresh", _scene(made(24 * 30)))
    assert old.outcome is Outcome.FAIL
    assert "describe daily" in old.remedy


def test_a_check_that_breaks_is_inconclusive_and_stops_no_other() -> None:
    """The API server refuses everything, and each check says so."""

    class Refusing:
        def listed(self, plural: str, *_: str) -> None:
            raise ClusterError(f"all {plural}: 403 Forbidden")

    found = list(look(_settings(), Refusing(), lambda _name: None))  # type: ignore[arg-type]
    assert {each.outcome for each in found} == {Outcome.INCONCLUSIVE}
    assert {each.check for each in found} == {name.replace("_", "-") for name in ALONE}
    assert all("403 Forbidden" in each.reason for each in found)


def test_what_is_not_declared_is_not_looked_at_and_said() -> None:
    """By its name in the settings."""
    assert undeclared(_settings()) == ("kafka", "postgres", "dolphinscheduler", "prometheus")
    assert "kafka" not in undeclared(_settings(kafka=KAFKA))


KAFKA = KafkaTarget(bootstrap="127.0.0.1:1", statefulset="pool")
DURABLE = {"replication_factor": "3", "min.insync.replicas": "2", "unclean.leader.election.enable": "false"}


def _kafka(monkeypatch: pytest.MonkeyPatch, partition: Partition, brokers: int = 3) -> Scene:
    state = KafkaState(dict.fromkeys(range(brokers), "h:1"), (partition,))
    monkeypatch.setattr(kafka, "describe", lambda *_: state)
    monkeypatch.setattr(kafka, "topic_settings", lambda *_: DURABLE)
    return _scene(kafka=KAFKA)


FULL = Partition("t", 0, 1, (0, 1, 2), (0, 1, 2))


def test_kafka_whole_and_durable_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three brokers, three replicas in sync, two of them needed."""
    scene = _kafka(monkeypatch, FULL)
    assert [each.outcome for name in ("kafka_whole", "topics_durable") for each in _run(name, scene)] == ["pass"] * 2


@pytest.mark.parametrize(
    ("partition", "brokers", "reason"),
    [
        (FULL, 2, "2 of 3 brokers"),
        (Partition("t", 0, -1, (0, 1, 2), (0,)), 3, "nobody leads it"),
        (Partition("t", 0, 1, (0, 1, 2), (0, 1)), 3, "2 of 3 replicas are in sync"),
    ],
)
def test_kafka_not_whole(monkeypatch: pytest.MonkeyPatch, partition: Partition, brokers: int, reason: str) -> None:
    """By broker and by partition."""
    (finding,) = _run("kafka_whole", _kafka(monkeypatch, partition, brokers))
    assert (finding.outcome, reason in finding.reason) == (Outcome.FAIL, True)


@pytest.mark.parametrize(
    ("setting", "value", "reason"),
    [
        ("replication_factor", "2", "replication factor 2"),
        ("min.insync.replicas", "1", "min.insync.replicas 1"),
        ("unclean.leader.election.enable", "true", "unclean"),
    ],
)
def test_a_topic_that_is_not_durable(monkeypatch: pytest.MonkeyPatch, setting: str, value: str, reason: str) -> None:
    """Each of the three ways."""
    scene = _kafka(monkeypatch, FULL)
    monkeypatch.setattr(kafka, "topic_settings", lambda *_: DURABLE | {setting: value})
    (finding,) = _run("topics_durable", scene)
    assert (finding.outcome, finding.object, reason in finding.reason) == (Outcome.FAIL, "topic t", True)


@pytest.mark.parametrize(("idle", "outcome"), [(30, Outcome.PASS), (290, Outcome.FAIL)])
def test_postgres_connections(monkeypatch: pytest.MonkeyPatch, idle: int, outcome: Outcome) -> None:
    """Of those that clients may have."""
    monkeypatch.setattr(postgres, "conninfo", lambda *_: "")
    monkeypatch.setattr(postgres, "connected", lambda _dsn: open("/dev/null"))  # noqa: PTH123, SIM115 - closed by with
    monkeypatch.setattr(postgres, "sessions", lambda _connection: Sessions({"idle": idle}, 300, 3))
    (finding,) = _run("postgres_connections", _scene(postgres=PostgresTarget(dsn="host=h")))
    assert (finding.outcome, f"{idle} of 297" in finding.reason) == (outcome, True)


FIRING = {"state": "firing", "labels": {"alertname": "Down", "job": "kafka"}, "activeAt": "12:00"}
RULE = {"name": "Down", "health": "ok"}


@pytest.mark.parametrize(
    ("name", "answers", "outcome"),
    [
        ("alerts_quiet", {"groups": [{"rules": [RULE]}], "alerts": []}, Outcome.PASS),
        ("alerts_quiet", {"groups": [{"rules": [RULE]}], "alerts": [FIRING]}, Outcome.FAIL),
        ("alerts_quiet", {"groups": [{"rules": [RULE | {"health": "err"}]}], "alerts": []}, Outcome.FAIL),
        ("alerts_quiet", {"groups": [], "alerts": []}, Outcome.INCONCLUSIVE),
        ("targets_scraped", {"activeTargets": [{"health": "up", "labels": {}}]}, Outcome.PASS),
        ("targets_scraped", {"activeTargets": [{"health": "down", "labels": {"job": "k"}}]}, Outcome.FAIL),
        ("targets_scraped", {"activeTargets": []}, Outcome.INCONCLUSIVE),
        ("dolphinscheduler_healthy", {"status": "UP"}, Outcome.PASS),
        ("dolphinscheduler_healthy", {"status": "DOWN"}, Outcome.FAIL),
        ("dolphinscheduler_healthy", {}, Outcome.FAIL),
    ],
)
def test_what_systems_answer(monkeypatch: pytest.MonkeyPatch, name: str, answers: Any, outcome: Outcome) -> None:
    """And silence of a Prometheus without rules is no answer."""
    monkeypatch.setattr(systems, "_data", lambda _url: answers)
    monkeypatch.setattr(systems, "_json", lambda _url: answers)
    declared = {
        "prometheus": PrometheusTarget(url="http://127.0.0.1:1"),
        "dolphinscheduler": settings_module.DolphinSchedulerTarget(url="http://127.0.0.1:1"),
    }
    assert {each.outcome for each in _run(name, _scene(**declared))} == {outcome}


def test_a_system_that_does_not_answer_is_inconclusive() -> None:
    """A refused connection, for one."""
    scene = _scene(prometheus=PrometheusTarget(url="http://127.0.0.1:1"))
    (finding,) = _run("alerts_quiet", scene)
    assert finding.outcome is Outcome.INCONCLUSIVE


def test_use_is_asked_of_prometheus_where_there_are_no_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that is missing from the answer is unknown."""
    nodes = ["node0", "node1", "node2"]
    monkeypatch.setattr(prometheus, "query", lambda *_: tuple(prometheus.Sample(1.0, {"node": node}) for node in nodes))
    scene = _scene(_set("nodemetrics", []), prometheus=PrometheusTarget(url="http://127.0.0.1:1"))
    assert _run("resource_use", scene)[0].outcome is Outcome.PASS
    nodes.pop()
    assert _run("resource_use", scene)[0].outcome is Outcome.INCONCLUSIVE
