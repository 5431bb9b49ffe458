"""Workloads of the tests' own in a namespace of their own, so that faults on them disturb nobody."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client, config, utils

import lab
from drill import record, settings, workloads
from drill.cluster import Cluster
from drill.record import Event, RunRecord
from experiments._watch import NotSeenError, await_seen

NAMESPACE = "drill-scratch"
IMAGE = "drill.local/kafka:lab"
SETTINGS = """
[contexts.drill-lab]
drillable = true
namespaces = ["{namespace}"]
kubeconfig = "{kubeconfig}"
helper_image = "{helper}"
"""
WHOLE_LIFE = ["fault.injected", "fault.effective", "fault.undoing", "fault.undone", "fault.recovered"]
FRUITLESS = ["fault.injected", "fault.ineffective", "fault.undoing", "fault.undone"]
_READY = """
perl -MIO::Socket::INET -e 'my $s = IO::Socket::INET->new(Listen => 9, LocalPort => 8080, ReuseAddr => 1) or die $!;
  while (my $c = $s->accept) { print $c "ok\\n"; close $c }' &
exec sleep 1000000
"""


def workload(kind: str, name: str, replicas: int, script: str = _READY, **container: Any) -> dict[str, Any]:
    """A small Deployment or StatefulSet whose pods listen on port 8080 and do nothing else."""
    labels = {"app": name}
    spec: dict[str, Any] = {
        "replicas": replicas,
        "selector": {"matchLabels": labels},
        "template": {
            "metadata": {"labels": labels},
            "spec": {
                "terminationGracePeriodSeconds": 1,
                "automountServiceAccountToken": False,
                "enableServiceLinks": False,
                "containers": [
                    {
                        "name": "main",
                        "image": IMAGE,
                        "imagePullPolicy": "Never",
                        "command": ["/usr/bin/tini", "--", "sh", "-c", 'eval "$SCRIPT"'],
                        "env": [{"name": "SCRIPT", "value": script}],
                        "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}},
                        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
                        **container,
                    }
                ],
                "volumes": [{"name": "data", "emptyDir": {"medium": "Memory", "sizeLimit": "64Mi"}}],
            },
        },
    }
    if kind == "StatefulSet":
        spec["serviceName"] = name
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": spec,
    }


@pytest.fixture(scope="module")  # not the session's: the lab's own tests come last, and leave another lab
def namespace(lab_up: None) -> Iterator[client.ApiClient]:  # noqa: ARG001 - order only
    """The namespace, empty, and gone after the tests; with the lab's administrator."""
    admin = config.new_client_from_config(str(lab.kubeconfig()), context="drill-lab")
    core = client.CoreV1Api(admin)
    _gone(core)
    core.create_namespace({"metadata": {"name": NAMESPACE}})
    yield admin
    core.delete_namespace(NAMESPACE)
    admin.rest_client.pool_manager.clear()


@pytest.fixture
def scratch(namespace: client.ApiClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> "Scratch":
    """The namespace declared drillable, and nothing else; with a run record to look into."""
    file = tmp_path / "drill.toml"
    file.write_text(SETTINGS.format(namespace=NAMESPACE, kubeconfig=lab.kubeconfig(), helper=helper_image()))
    monkeypatch.setenv(settings.FILE_VARIABLE, str(file))
    for name, value in settings.load(context="drill-lab").environment().items():
        monkeypatch.setitem(os.environ, name, value)
    made = RunRecord.create(tmp_path / "runs", "test")
    monkeypatch.setenv(record.RECORD_VARIABLE, str(made.path))
    return Scratch(namespace, made)


def helper_image() -> str:
    """The lab's image for helper containers."""
    return "drill.local/helper:lab"


class Scratch:
    """What a test has of the cluster."""

    def __init__(self, admin: client.ApiClient, run: RunRecord) -> None:
        self.admin, self._run = admin, run
        self.core = client.CoreV1Api(admin)
        self.cluster = Cluster.connect(settings.load())

    @contextmanager
    def having(self, *made: dict[str, Any]) -> Iterator[None]:
        """These objects, and the pods of those that have any Ready; gone afterwards."""
        refs = [f"{each['kind'].lower()}/{each['metadata']['name']}" for each in made if "replicas" in each["spec"]]
        utils.create_from_yaml(self.admin, yaml_objects=list(made))
        try:
            for ref in refs:
                self.await_ready(ref)
            yield
        finally:
            for each in made:
                group, version = each["apiVersion"].split("/")
                client.CustomObjectsApi(self.admin).delete_namespaced_custom_object(
                    group, version, NAMESPACE, f"{each['kind'].lower()}s", each["metadata"]["name"]
                )

    def await_ready(self, ref: str) -> None:
        """All pods of a workload are Ready."""

        def look() -> None:
            found = workloads.read(self.cluster, NAMESPACE, ref)
            pods = workloads.pods(self.cluster, found)
            if not (found.settled and len(pods) == found.replicas and all(pod.ready for pod in pods)):
                raise NotSeenError(f"{ref}: {[(pod.name, pod.phase, pod.waiting) for pod in pods]}")

        await_seen(look, within=90)

    @property
    def settings_file(self) -> Path:
        """The settings of the test."""
        return settings.settings_file()

    def lab_node_runs(self, name: str) -> None:
        """Look whether a node of the lab has processes."""
        if not any(each.name == name and each.running for each in lab.status().nodes):
            raise NotSeenError(f"{name} does not run")

    def await_(self, look: Callable[[], Any], within: float = 60) -> Any:
        """Look until it does not raise NotSeenError."""
        return await_seen(look, within)

    def kinds(self) -> list[str]:
        """What the experiment said, in order."""
        if not (self._run.path / "events.jsonl").exists():
            return []
        return [each.kind for each in RunRecord(self._run.path).events if each.source == "experiment"]

    def events(self, kind: str) -> tuple[Event, ...]:
        """What the experiment said of this kind."""
        return RunRecord(self._run.path).events_of(kind)

    def scale(self, ref: str, replicas: int) -> None:
        """As somebody else would."""
        found = workloads.read(self.cluster, NAMESPACE, ref)
        workloads.patch(self.cluster, found, [{"op": "add", "path": "/spec/replicas", "value": replicas}])

    def processes(self, ref: str, text: str) -> int:
        """How many processes of the first pod have this text in their command line."""
        pod = self.pods(ref)[0]
        argv = ["sh", "-c", f"grep -als '[{text[0]}]{text[1:]}' /proc/[0-9]*/cmdline | grep -c ."]
        return int(self.cluster.exec(NAMESPACE, pod.name, "main", argv).stdout)

    def pods(self, ref: str) -> list[Any]:
        """A workload's pods."""
        return workloads.pods(self.cluster, workloads.read(self.cluster, NAMESPACE, ref))

    def template(self, ref: str) -> dict[str, Any]:
        """A workload's pod template."""
        return dict(workloads.read(self.cluster, NAMESPACE, ref).spec["template"])


def _gone(core: client.CoreV1Api, within: float = 90) -> None:
    """What an earlier, killed test has left is gone."""

    def look() -> None:
        if any(each.metadata.name == NAMESPACE for each in core.list_namespace().items):
            raise NotSeenError(f"namespace {NAMESPACE} is still there")

    if any(each.metadata.name == NAMESPACE for each in core.list_namespace().items):
        core.delete_namespace(NAMESPACE)
    await_seen(look, within)
