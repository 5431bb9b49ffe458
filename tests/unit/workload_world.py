"""A cluster of one Deployment or StatefulSet that is played, in played time, for the tests of the faults on it."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from kubernetes.client import ApiException

from drill import clock, record
from drill.cluster import Cluster, ClusterError, ExecResult, PodState
from experiments import _watch

SETTINGS = """
[contexts.here]
drillable = true
namespaces = ["apps"]
protected_namespaces = ["vault"]
helper_image = "helper"
{more}
"""
REF = {"deployment": "deployment/web", "statefulset": "statefulset/db"}
JsonPatch = list[dict[str, Any]]


def pod(name: str, **changes: Any) -> PodState:
    """A pod of the Deployment `web`."""
    alive = PodState(
        namespace="apps",
        name=name,
        uid=f"uid-{name}",
        node="node1",
        phase="Running",
        ready=True,
        restarts=0,
        container_ids={"main": f"container-{name}"},
        waiting=(),
        running=frozenset({"main"}),
        owner="web-1",
        terminating=False,
        owner_kind="ReplicaSet",
        address=f"198.19.1.{len(name)}",
        revision="1",
    )
    return replace(alive, **changes)


def deployment(**spec: Any) -> dict[str, Any]:
    """The Deployment `web` of two pods, settled."""
    return {
        "metadata": {"name": "web", "namespace": "apps", "uid": "u", "generation": 1},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "main", "image": "i", "args": ["serve"], "x-unknown": 1}]},
            },
            **spec,
        },
        "status": {"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2},
    }


def statefulset(**spec: Any) -> dict[str, Any]:
    """The StatefulSet `db` of two pods, settled."""
    made = deployment(**spec)
    made["metadata"]["name"] = "db"
    made["status"]["updateRevision"] = "db-1"
    return made


@dataclass
class World:
    """What the API server has, and what happens as time passes."""

    workload: dict[str, Any] = field(default_factory=deployment)
    pods_: list[PodState] = field(default_factory=lambda: [pod("web-1-a"), pod("web-1-b")])
    now: float = 0.0
    on_patch: Callable[["World"], None] = lambda _world: None
    on_exec: Callable[[str, list[str]], str] = lambda _pod, _argv: ""
    deleted: list[str] = field(default_factory=list)
    script: list[tuple[float, Callable[[], None]]] = field(default_factory=list)
    made: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    """Objects that were created, by plural and name."""
    groups: set[str] = field(default_factory=set)
    context: str = "here"

    @property
    def objects(self) -> "World":
        """As `Cluster.objects`."""
        return self

    def monotonic(self) -> float:
        """Played time."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Time passes, and what is due happens."""
        self.now += seconds
        due = [happen for at, happen in self.script if at <= self.now]
        self.script = [(at, happen) for at, happen in self.script if at > self.now]
        for happen in due:
            happen()

    def after(self, seconds: float, happen: Callable[[], None]) -> None:
        """Write into the script."""
        self.script.append((self.now + seconds, happen))

    def pods(self, namespace: str, selector: str) -> list[PodState]:
        """As `Cluster.pods`; a stranger has the same labels."""
        assert (namespace, selector) == ("apps", "app=web")
        return [*self.pods_, pod("stranger", owner="other-1"), pod("orphan", owner=None, owner_kind=None)]

    def pod(self, namespace: str, name: str, uid: str) -> PodState | None:
        """As `Cluster.pod`."""
        assert namespace == "apps"
        return next((each for each in self.pods_ if (each.name, each.uid) == (name, uid)), None)

    def delete_pod(self, which: PodState, grace_period: int) -> None:
        """As `Cluster.delete_pod`."""
        assert grace_period >= 1
        self.deleted.append(which.name)
        self.pods_ = [each for each in self.pods_ if each.uid != which.uid]

    def exec(self, namespace: str, pod: str, container: str, argv: list[str], timeout: float = 30) -> ExecResult:
        """As `Cluster.exec`."""
        assert (namespace, timeout > 0, argv[:2]) == ("apps", True, ["sh", "-c"])
        assert container
        try:
            return ExecResult(self.on_exec(pod, argv[2:]), "", 0)
        except ClusterError as error:
            return ExecResult("", str(error), 1)

    def get_namespaced_custom_object(self, group: str, version: str, *place: str, **_: Any) -> dict[str, Any]:
        """As the client has it."""
        assert (group, version, place[0]) == ("apps", "v1", "apps")
        if place[2] != self.workload["metadata"]["name"]:
            raise ApiException(status=404, reason="Not Found")
        return copy.deepcopy(self.workload)

    def patch_namespaced_custom_object(
        self, group: str, version: str, namespace: str, plural: str, name: str, operations: JsonPatch, **more: Any
    ) -> dict[str, Any]:
        """As the API server does it."""
        assert (group, version, namespace, name) == ("apps", "v1", "apps", self.workload["metadata"]["name"])
        assert plural in {"deployments", "statefulsets"}
        assert more["_content_type"] == "application/json-patch+json"
        patched = apply(copy.deepcopy(self.workload), operations)
        patched["metadata"]["generation"] += 1
        self.workload = patched
        self.on_patch(self)
        return copy.deepcopy(self.workload)

    def create_namespaced_custom_object(
        self, group: str, version: str, namespace: str, plural: str, body: dict[str, Any], **_: Any
    ) -> None:
        """As the API server does it."""
        assert (group, version, namespace) == (*body["apiVersion"].split("/"), "apps")
        self.made[plural, body["metadata"]["name"]] = body

    def delete_namespaced_custom_object(
        self, group: str, version: str, namespace: str, plural: str, name: str, **_: Any
    ) -> None:
        """As the API server does it."""
        assert group, version
        assert namespace == "apps"
        if self.made.pop((plural, name), None) is None:
            raise ApiException(status=404, reason="Not Found")

    def get_api_resources(self, group: str, version: str, **_: Any) -> Any:
        """As the API server does it."""
        assert version
        if group not in self.groups:
            raise ApiException(status=404, reason="Not Found")
        return SimpleNamespace(resources=[SimpleNamespace(name="networkchaos")])

    def settle(self) -> None:
        """The controllers have done what is wanted."""
        meta, wanted = self.workload["metadata"], self.workload["spec"]["replicas"]
        self.workload["status"] |= {
            "observedGeneration": meta["generation"],
            "replicas": wanted,
            "updatedReplicas": wanted,
        }


def apply(document: dict[str, Any], operations: JsonPatch) -> dict[str, Any]:
    """A JSON patch (RFC 6902), as far as the faults use it."""
    for operation in operations:
        *path, last = [int(part) if part.isdigit() else part for part in operation["path"].strip("/").split("/")]
        holder: Any = document
        for part in path:
            holder = holder[part]
        match operation["op"]:
            case "test":
                assert holder[last] == operation["value"]
            case "remove":
                del holder[last]
            case "add":
                holder[last] = operation["value"]
    return document


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> record.RunRecord:
    """A run record to look into."""
    made = record.RunRecord.create(tmp_path / "runs", "test")
    monkeypatch.setenv(record.RECORD_VARIABLE, str(made.path))
    return made


@pytest.fixture
def world(tmp_path: Path, run: record.RunRecord, monkeypatch: pytest.MonkeyPatch) -> World:
    """The cluster, in played time."""
    assert run.path.exists()
    file = tmp_path / "drill.toml"
    file.write_text(SETTINGS.format(more=""))
    monkeypatch.setenv("DRILL_SETTINGS", str(file))
    monkeypatch.setenv("DRILL_CONTEXT", "here")
    played = World()
    monkeypatch.setattr(Cluster, "connect", lambda _settings: played)
    monkeypatch.setattr(_watch, "time", played)
    monkeypatch.setattr("experiments._fault.time", played)
    monkeypatch.setattr(clock, "now", lambda: 1e9 + played.now)
    return played


def kinds(run: record.RunRecord) -> list[str]:
    """What the experiment said, in order, each thing once."""
    said = [each.kind for each in record.RunRecord(run.path).events if each.source == "experiment"]
    return list(dict.fromkeys(said))
