"""`drill check` on the lab: well is what is whole, and a weakness that was planted is found, by name."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from kubernetes import client, config, utils

import lab
from drill.exits import ExitCode
from experiments._watch import NotSeenError, await_seen
from tests.cluster.drills import DRILL, ROOT
from tests.cluster.scratch import workload

NAMESPACE = "drill-check"
SETTINGS = """
[contexts.drill-lab]
drillable = true
namespaces = ["{namespace}"]
kubeconfig = "{kubeconfig}"
"""
WHOLE = {
    "imagePullPolicy": "Never",
    "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "64Mi"}},
    "readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1},
}


@pytest.fixture
def apps(lab_up: None) -> Iterator[client.ApiClient]:  # noqa: ARG001 - order only
    """A namespace of the test's own, with the lab's administrator."""
    admin = config.new_client_from_config(str(lab.kubeconfig()), context="drill-lab")
    core = client.CoreV1Api(admin)
    core.create_namespace({"metadata": {"name": NAMESPACE}})
    yield admin
    core.delete_namespace(NAMESPACE)

    def gone() -> None:
        if any(each.metadata.name == NAMESPACE for each in core.list_namespace().items):
            raise NotSeenError("it is still there")

    await_seen(gone, within=60)
    admin.rest_client.pool_manager.clear()


def _made(admin: client.ApiClient, name: str, replicas: int, **container: Any) -> None:
    """A Deployment with its pods Ready."""
    made = workload("Deployment", name, replicas, **container)
    made["metadata"]["namespace"] = NAMESPACE
    made["spec"]["template"]["spec"]["topologySpreadConstraints"] = [
        {
            "maxSkew": 1,
            "topologyKey": "kubernetes.io/hostname",
            "whenUnsatisfiable": "DoNotSchedule",
            "labelSelector": {"matchLabels": {"app": name}},
        }
    ]
    utils.create_from_yaml(admin, yaml_objects=[made])
    apps = client.AppsV1Api(admin)

    def ready() -> None:
        status = apps.read_namespaced_deployment(name, NAMESPACE).status
        if (status.ready_replicas or 0) < replicas:
            raise NotSeenError(f"{name}: {status.ready_replicas} are Ready")

    await_seen(ready, within=60)


def _check(tmp_path: Path, *more: str) -> tuple[int, dict[str, Any], str]:
    """Exit code, what was found, and the rest."""
    file = tmp_path / "drill.toml"
    file.write_text(SETTINGS.format(namespace=NAMESPACE, kubeconfig=lab.kubeconfig()))
    done = subprocess.run(
        [DRILL, "check", "--context", "drill-lab", "-o", "json", *more],
        cwd=ROOT,
        env={**os.environ, "DRILL_SETTINGS": str(file), "DRILL_KUBECONFIG": str(lab.kubeconfig())},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, json.loads(done.stdout), done.stderr


def _outcomes(found: dict[str, Any], *checks: str) -> dict[str, set[str]]:
    return {check: {each["outcome"] for each in found["findings"] if each["check"] == check} for check in checks}


def test_a_planted_weakness_is_found_and_what_is_whole_is_well(apps: client.ApiClient, tmp_path: Path) -> None:
    """One Deployment as it should be; then a second one with a single replica, no limits, no probe and no budget."""
    _made(apps, "whole", 2, **WHOLE)
    budget = client.V1PodDisruptionBudget(
        metadata=client.V1ObjectMeta(name="whole"),
        spec=client.V1PodDisruptionBudgetSpec(
            max_unavailable=1, selector=client.V1LabelSelector(match_labels={"app": "whole"})
        ),
    )
    client.PolicyV1Api(apps).create_namespaced_pod_disruption_budget(NAMESPACE, budget)
    own = ("pods-healthy", "workloads-complete", "no-recent-restart", "replicated", "spread", "limited", "probed")

    def settled() -> None:
        _, found, _ = _check(tmp_path)
        if _outcomes(found, "disruption-bounded") != {"disruption-bounded": {"pass"}}:
            raise NotSeenError("the budget's controller has not counted yet")

    await_seen(settled, within=30, each=1)
    code, found, said = _check(tmp_path)
    assert _outcomes(found, *own) == {check: {"pass"} for check in own}
    assert _outcomes(found, "nodes-ready", "resource-use", "backups-fresh") == {
        "nodes-ready": {"pass"},
        "resource-use": {"inconclusive"},  # neither metrics nor a declared Prometheus: unknown, never well
        "backups-fresh": {"inconclusive"},
    }
    assert found["not_checked"] == ["kafka", "postgres", "dolphinscheduler", "prometheus"]
    assert code == ExitCode.INCONCLUSIVE
    assert "looking: pods-healthy" in said

    _made(apps, "weak", 1, resources={})
    junit = tmp_path / "junit.xml"
    code, found, _ = _check(tmp_path, "--junit", str(junit))
    assert code == ExitCode.FAIL
    weak = {each["check"]: each for each in found["findings"] if each["outcome"] == "fail"}
    assert weak.keys() == {"replicated", "limited", "probed"}
    assert {each["object"] for each in weak.values()} == {f"Deployment {NAMESPACE}/weak"}
    assert all(each["weakness"] and each["remedy"] for each in weak.values())
    assert ET.fromstring(junit.read_text()).get("failures") == "3"  # noqa: S314 - our own
    code, found, _ = _check(tmp_path, "--no-weaknesses")
    assert (code, found["outcome"]) == (ExitCode.INCONCLUSIVE, "inconclusive")


def test_the_same_for_a_person(apps: client.ApiClient, tmp_path: Path) -> None:
    """A table on stdout, an image that can't be had named in it with what to do."""
    made = workload("Deployment", "lost", 1, image="drill.local/nothing:1")
    made["metadata"]["namespace"] = NAMESPACE
    utils.create_from_yaml(apps, yaml_objects=[made])

    def seen() -> None:
        _, found, _ = _check(tmp_path)
        reasons = {each["reason"] for each in found["findings"] if each["check"] == "pods-healthy"}
        if reasons != {"ErrImageNeverPull"}:
            raise NotSeenError(str(reasons))

    await_seen(seen, within=60, each=1)
    done = subprocess.run(
        [DRILL, "check", "--context", "drill-lab"],
        cwd=ROOT,
        env={**os.environ, "DRILL_SETTINGS": str(tmp_path / "drill.toml"), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == ExitCode.FAIL
    assert "Bring the image to the node" in " ".join(done.stdout.split())
    assert "not checked: kafka is not declared" in done.stdout
