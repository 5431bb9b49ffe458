"""The manifests of scheduled drills: one at a time, never repeated by themselves, with the least that they need."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from drill.settings import PublishTarget
from scenarios import reader

DEPLOY = Path(__file__).parents[2] / "deploy"
SCHEDULES = [path for path in sorted((DEPLOY / "base").glob("*.yaml")) if "kind: CronJob" in path.read_text()]


def _cronjob(path: Path) -> dict[str, Any]:
    found = yaml.safe_load(path.read_text())
    assert found["kind"] == "CronJob"
    return dict(found)


def test_there_is_a_schedule() -> None:
    """Otherwise what follows would hold of nothing."""
    assert [path.stem for path in SCHEDULES] == ["broker-kill"]


@pytest.mark.parametrize("path", SCHEDULES, ids=lambda path: path.stem)
def test_a_schedule_runs_its_scenario_once_and_has_time_to_undo(path: Path) -> None:
    """Not beside itself, not again by itself, and not later than it was meant."""
    spec = _cronjob(path)["spec"]
    job = spec["jobTemplate"]["spec"]
    pod = job["template"]["spec"]
    scenario = reader.read(reader.find(path.stem)).scenario
    assert spec["concurrencyPolicy"] == "Forbid"
    assert spec["startingDeadlineSeconds"]
    assert job["backoffLimit"] == 0
    assert pod["restartPolicy"] == "Never"
    assert job["activeDeadlineSeconds"] > scenario.load[0].duration + scenario.experiment.timeout
    assert pod["terminationGracePeriodSeconds"] >= 120, "90 s for the undo, and the drain"
    (args,) = pod["containers"][0]["args"]
    assert f"drill run {scenario.name} " in args


STAND_IN = """#!/bin/sh
# What `drill` does when it is told to end: it undoes for a while, and then leaves its record and 130.
case "$3" in
run) trap 'sleep 0.5; echo undone >>told; mkdir -p runs/$4/20261123T060000Z; exit 130' TERM
     echo begun >>told
     for each in $(seq 400); do sleep 0.05; done ;;
publish) echo "published $4" >>told ;;
esac
"""


@pytest.mark.parametrize("path", SCHEDULES, ids=lambda path: path.stem)
def test_a_schedule_that_is_told_to_end_undoes_and_publishes(path: Path, tmp_path: Path) -> None:
    """As the kubelet tells it, by SIGTERM to the container's first process: the shell of the script outlives it."""
    (container,) = _cronjob(path)["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    (script,) = container["args"]
    tini, shell = container["command"][:3], container["command"][3:]
    assert tini == ["/usr/bin/tini", "-g", "--"]
    found = shutil.which("tini")
    stand_in = tmp_path / "python3"
    stand_in.write_text(STAND_IN)
    stand_in.chmod(0o755)
    job = subprocess.Popen(
        [*([found, *tini[1:]] if found else []), *shell, script.replace("/runs", "runs")],
        cwd=tmp_path,
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        process_group=0,
    )
    told = tmp_path / "told"
    try:
        deadline = time.monotonic() + 10
        while not told.exists():
            assert time.monotonic() < deadline, "it did not begin"
            time.sleep(0.02)
        # With -g tini tells its child's group; where there is no tini, that is done here.
        (os.kill if found else os.killpg)(job.pid, signal.SIGTERM)
        assert job.wait(10) == 130
    finally:
        job.kill()
        job.wait()
    run = f"runs/{path.stem}/20261123T060000Z/"
    assert told.read_text().splitlines() == ["begun", "undone", f"published {run}"]


@pytest.mark.parametrize("path", SCHEDULES, ids=lambda path: path.stem)
def test_a_schedule_has_no_more_rights_than_it_needs(path: Path) -> None:
    """On the cluster an account of its own; in the pod none at all."""
    pod = _cronjob(path)["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["serviceAccountName"] == f"drill-{path.stem}"
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    granted = [each for each in yaml.safe_load_all((DEPLOY / "lab" / f"rbac-{path.stem}.yaml").read_text()) if each]
    (account,) = (each["metadata"] for each in granted if each["kind"] == "ServiceAccount")
    assert account == {"name": pod["serviceAccountName"], "namespace": "drill"}
    rules = [rule for each in granted for rule in each.get("rules", ())]
    assert rules
    assert not any("*" in values for rule in rules for values in rule.values())
    assert not any(resource == "secrets" for rule in rules for resource in rule["resources"])


def test_the_lab_has_settings_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """No secret is in them: the keys are in a Secret that the pod has as variables."""
    from drill import settings  # noqa: PLC0415 - with its file set

    monkeypatch.setenv(settings.FILE_VARIABLE, str(DEPLOY / "lab" / "drill.toml"))
    chosen = settings.load(context="in-cluster")
    assert isinstance(chosen.publish, PublishTarget)
    assert chosen.publish.access_key is None
    kubeconfig = yaml.safe_load((DEPLOY / "base" / "kubeconfig").read_text())
    assert kubeconfig["users"][0]["user"] == {"tokenFile": "/var/run/secrets/kubernetes.io/serviceaccount/token"}
