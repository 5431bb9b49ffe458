"""The connection to a cluster, against an API server that is played by a local HTTP server."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

import pytest
from kubernetes.client import ApiException

from drill import settings
from drill.cluster import Cluster, ClusterError, MissingError, Permission, _exit_code, answering
from drill.errors import UsageError

KUBECONFIG = """
apiVersion: v1
kind: Config
clusters: [{{name: c, cluster: {{server: "{server}"}}}}]
users: [{{name: u, user: {{token: t}}}}]
contexts: [{{name: here, context: {{cluster: c, user: u}}}}]
"""
POD = {
    "metadata": {
        "name": "pool-0",
        "namespace": "kafka",
        "uid": "u1",
        "ownerReferences": [
            {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "pool", "uid": "s", "controller": True}
        ],
    },
    "spec": {"nodeName": "node-1", "containers": [{"name": "kafka"}]},
    "status": {
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": "False"}],
        "containerStatuses": [
            {
                "name": "kafka",
                "ready": False,
                "restartCount": 3,
                "image": "i",
                "imageID": "i",
                "containerID": "containerd://abc",
                "state": {"waiting": {"reason": "CrashLoopBackOff"}},
            }
        ],
    },
}


class ApiServer(BaseHTTPRequestHandler):
    """Answers what the tests ask."""

    requests: ClassVar[list[tuple[str, str, Any]]] = []

    def do_GET(self) -> None:
        """Lists of pods."""
        self.requests.append(("GET", self.path, None))
        self._answer(200, {"apiVersion": "v1", "kind": "PodList", "items": [POD]})

    def do_DELETE(self) -> None:
        """Refused: another pod has the name by now."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.requests.append(("DELETE", self.path, body))
        self._answer(409, {"kind": "Status", "status": "Failure", "message": "the UID in the precondition differs"})

    def do_POST(self) -> None:
        """Access reviews: we may only list."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        allowed = body["spec"]["resourceAttributes"]["verb"] == "list"
        self._answer(201, {**body, "status": {"allowed": allowed}})

    def log_message(self, *_: Any) -> None:
        """Be quiet."""

    def _answer(self, status: int, content: Any) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def connect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: str, context: str = "here") -> Cluster:
    """Connect by a kubeconfig and a settings file, as every command does."""
    (tmp_path / "kubeconfig").write_text(KUBECONFIG.format(server=server))
    (tmp_path / "drill.toml").write_text(f'[contexts.{context}]\nkubeconfig = "{tmp_path}/kubeconfig"\n')
    monkeypatch.setenv("DRILL_SETTINGS", str(tmp_path / "drill.toml"))
    return Cluster.connect(settings.load(context=context))


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """A cluster of one pod."""
    ApiServer.requests.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), ApiServer) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        connected = connect(tmp_path, monkeypatch, f"http://127.0.0.1:{server.server_port}")
        yield connected
        connected._api.rest_client.pool_manager.clear()
        server.shutdown()
        thread.join()


def test_pods(cluster: Cluster) -> None:
    """What Kubernetes says of a pod is all there."""
    (pod,) = cluster.pods("kafka", "app=kafka")
    assert (pod.name, pod.uid, pod.node, pod.owner) == ("pool-0", "u1", "node-1", "pool")
    assert (pod.ready, pod.restarts, pod.waiting, pod.running) == (False, 3, ("CrashLoopBackOff",), frozenset())
    assert pod.container_ids == {"kafka": "containerd://abc"}
    assert ApiServer.requests == [("GET", "/api/v1/namespaces/kafka/pods?labelSelector=app%3Dkafka", None)]
    assert json.loads(json.dumps(pod.as_dict()))["waiting"] == ["CrashLoopBackOff"]


@pytest.mark.parametrize("selector", ["", "  "])
def test_no_pods_without_a_selector(cluster: Cluster, selector: str) -> None:
    """An empty selector takes every pod: refused before anything is asked."""
    with pytest.raises(UsageError, match="would take every pod"):
        cluster.pods("kafka", selector)
    assert not ApiServer.requests


def test_delete_means_one_pod_only(cluster: Cluster) -> None:
    """Its UID goes along, so that a later pod of the same name is never deleted instead."""
    (pod,) = cluster.pods("kafka", "app=kafka")
    with pytest.raises(ClusterError, match="409 Conflict: the UID in the precondition differs"):
        cluster.delete_pod(pod, grace_period=1)
    _, path, body = ApiServer.requests[-1]
    assert path == "/api/v1/namespaces/kafka/pods/pool-0"
    assert (body["gracePeriodSeconds"], body["preconditions"]) == (1, {"uid": "u1"})


def test_missing_permissions(cluster: Cluster) -> None:
    """What we may not do is told before it is tried."""
    may, may_not = Permission("list", "pods", "kafka"), Permission("create", "pods", "kafka", subresource="exec")
    assert cluster.missing_permissions([may, may_not]) == [may_not]
    assert str(may_not) == "create pods/exec in kafka"


def test_an_api_server_that_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence is an error of its own, in one line."""
    cluster = connect(tmp_path, monkeypatch, "http://127.0.0.1:1")
    with pytest.raises(ClusterError, match="pods of kafka with app=kafka"):
        cluster.pods("kafka", "app=kafka")
    with pytest.raises(ClusterError, match="exec in kafka/pool-0/kafka"):
        cluster.exec("kafka", "pool-0", "kafka", ["true"])


def test_a_context_that_the_kubeconfig_does_not_have(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another context is never used instead."""
    with pytest.raises(UsageError, match="context 'elsewhere'"):
        connect(tmp_path, monkeypatch, "http://127.0.0.1:1", context="elsewhere")


def test_a_kubeconfig_that_is_no_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As what it is: nothing, a folder, no YAML."""
    connect(tmp_path, monkeypatch, "http://127.0.0.1:1")
    (tmp_path / "broken").write_text("a: [")
    for name, problem in (("none", "no such file"), (".", "is a folder"), ("broken", "can't be read")):
        file = tmp_path / name
        with pytest.raises(UsageError, match=f"kubeconfig {file}: {problem}"):
            Cluster.connect(settings.load(context="here", kubeconfig=file))


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ("", None),
        ('{"status": "Success"}', 0),
        ('{"status": "Failure", "details": {"causes": [{"reason": "ExitCode", "message": "137"}]}}', 137),
    ],
)
def test_exit_code(status: str, code: int | None) -> None:
    """The exit code is read from the status that ends an exec; no status is no code."""
    assert _exit_code(status) == code


def test_a_command_that_could_not_start_has_no_exit_code() -> None:
    """A failure without an exit code is an error, not a code."""
    with pytest.raises(ClusterError, match="container not found"):
        _exit_code('{"status": "Failure", "message": "container not found"}')


@pytest.mark.parametrize(("status", "missing"), [(404, True), (403, False), (None, False)])
def test_what_is_not_there_is_told_apart(status: int | None, missing: bool) -> None:
    """Being refused, and not being answered, are not the same as there being none."""
    with pytest.raises(ClusterError) as told, answering("pod kafka/pool-0"):
        raise ApiException(status=status, reason="because")
    assert isinstance(told.value, MissingError) is missing
