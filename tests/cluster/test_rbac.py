"""The shipped manifests are what scenarios need, no more and no less: drills run with exactly them, and not without."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client, config, utils

from drill.exits import ExitCode
from drill.settings import Settings
from drill.verdicts import Outcome
from experiments._watch import NotSeenError, await_seen
from scenarios import rbac
from tests.cluster.drills import ROOT, run, the_record, verdicts

DOCS = ROOT / "docs" / "rbac"
ACCOUNT, NAMESPACE = "drill", "default"
ELSEWHERE = {"trino", "velero"}
"""Families whose targets only a lab with parts for recovery has: test_dr_trino and test_dr_restore hold them."""
Objects = list[dict[str, Any]]
Bound = Callable[[Objects], Any]


def _manifest(family: str) -> Objects:
    return list(yaml.safe_load_all((DOCS / f"{family}-drills.yaml").read_text()))


@pytest.fixture
def bound(lab_platform: Settings, tmp_path: Path) -> Iterator[Bound]:
    """Puts a manifest in force for the time of a context."""
    admin = config.new_client_from_config(str(lab_platform.kubeconfig_file), context=lab_platform.context)
    yield lambda objects: in_force(admin, lab_platform, tmp_path, objects)
    admin.rest_client.pool_manager.clear()


@contextmanager
def in_force(admin: client.ApiClient, settings: Settings, folder: Path, objects: Objects) -> Iterator[Path]:
    """A manifest is in force; gives a kubeconfig of its account."""
    core = client.CoreV1Api(admin)
    utils.create_from_yaml(admin, yaml_objects=deepcopy(objects))
    try:
        request = client.AuthenticationV1TokenRequest(spec=client.V1TokenRequestSpec(audiences=[]))
        token = core.create_namespaced_service_account_token(ACCOUNT, NAMESPACE, request).status.token
        content = yaml.safe_load(settings.kubeconfig_file.read_text())  # type: ignore[union-attr]
        for user in content["users"]:
            user["user"] = {"token": token}
        path = folder / "kubeconfig"
        path.write_text(yaml.safe_dump(content))
        yield path
    finally:
        for each in objects:
            _delete(admin, each)


def _delete(admin: client.ApiClient, made: dict[str, Any]) -> None:
    name, namespace = made["metadata"]["name"], made["metadata"].get("namespace")
    if made["kind"] == "ServiceAccount":
        client.CoreV1Api(admin).delete_namespaced_service_account(name, namespace)
        return
    objects = client.CustomObjectsApi(admin)
    kind = ("rbac.authorization.k8s.io", "v1")
    plural = f"{made['kind'].lower()}s"
    if namespace:
        objects.delete_namespaced_custom_object(*kind, namespace, plural, name)
    else:
        objects.delete_cluster_custom_object(*kind, plural, name)


def _await_plan(scenario: str, kubeconfig: Path, runs: Path, wanted: ExitCode) -> str:
    """What `drill plan` says, as soon as the API server has taken note of the roles."""
    said = ""

    def look() -> None:
        nonlocal said
        code, out, err = run(runs, "plan", scenario, "--kubeconfig", str(kubeconfig))
        said = out
        if code != wanted:
            raise NotSeenError(f"{code}: {out}\n{err}")

    await_seen(look, within=30, each=1)
    return said


@pytest.mark.parametrize("family", [each for each in rbac.families() if each not in ELSEWHERE])
def test_the_shipped_manifest_is_what_its_scenarios_need(family: str, lab_platform: Settings, tmp_path: Path) -> None:
    """To the letter; after a change `drill rbac` writes it anew."""
    assert lab_platform.target.drillable
    code, out, err = run(tmp_path, "rbac", family)
    assert code == ExitCode.PASS, err
    path = DOCS / f"{family}-drills.yaml"
    remedy = f"make it anew: `drill rbac {family} --context drill-lab > docs/rbac/{path.name}`"
    assert out == path.read_text(), remedy


@pytest.mark.parametrize(
    "scenario",
    [
        pytest.param("broker-kill-leader", marks=pytest.mark.slow),
        pytest.param("postgres-pool-exhausted", marks=pytest.mark.slow),
        pytest.param("runbook-pool-exhausted", marks=pytest.mark.slow),
        pytest.param("node-drain", marks=pytest.mark.slow),
        pytest.param("client-isolation", marks=pytest.mark.slow),
        pytest.param("platform-down-self-heal", marks=pytest.mark.slow),
    ],
)
def test_a_drill_runs_with_exactly_its_manifest(scenario: str, bound: Bound, tmp_path: Path) -> None:
    """From preflight to the verdicts: the fault, its undo, the load and the drain.

    Whether the machine that offers the load kept up beside the whole platform is not what is tried here.
    """
    (family,) = [family for family, scenarios in rbac.families().items() if scenario in scenarios]
    with bound(_manifest(family)) as kubeconfig:
        _await_plan(scenario, kubeconfig, tmp_path, ExitCode.PASS)
        code, out, err = run(tmp_path / "runs", "run", scenario, "--kubeconfig", str(kubeconfig))
    assert code in {ExitCode.PASS, ExitCode.INCONCLUSIVE}, f"{out}\n{err}"
    record = the_record(tmp_path / "runs")
    unproven = {name for name, verdict in verdicts(record).items() if verdict.outcome is not Outcome.PASS}
    assert unproven <= {"baseline-sane", "offered-load-achieved"}, f"{out}\n{err}"
    assert record.events_of("fault.effective")
    assert "Forbidden" not in (record.path / "events.jsonl").read_text()


@pytest.mark.parametrize(
    ("family", "scenario", "namespace", "resource", "told"),
    [
        ("kafka", "broker-kill-leader", "kafka", "pods/exec", {"create pods/exec in kafka", "get pods/exec in kafka"}),
        ("kafka", "broker-kill", None, "nodes", {"list nodes in all namespaces"}),
        ("postgres", "postgres-pool-exhausted", "kong", "secrets", {"get secrets kong-postgres in kong"}),
    ],
)
def test_without_one_permission_a_drill_is_refused(
    family: str, scenario: str, namespace: str | None, resource: str, told: set[str], bound: Bound, tmp_path: Path
) -> None:
    """Before anything is touched, and it is named; nothing else is missing."""
    objects = _manifest(family)
    for each in objects:
        if each["metadata"].get("namespace") == namespace and "rules" in each:
            each["rules"] = [rule for rule in each["rules"] if rule["resources"] != [resource]]
    with bound(objects) as kubeconfig:
        said = _await_plan(scenario, kubeconfig, tmp_path, ExitCode.INCONCLUSIVE)

        def only_this() -> None:
            nonlocal said
            said = _await_plan(scenario, kubeconfig, tmp_path, ExitCode.INCONCLUSIVE)
            (line,) = [line for line in said.splitlines() if "REFUSED permissions" in line]
            missing = line.partition("not allowed: ")[2].partition(" (docs/rbac")[0]
            if set(missing.split(", ")) != told:
                raise NotSeenError(said)

        await_seen(only_this, within=30, each=1)


def test_without_a_manifest_a_drill_is_refused(bound: Bound, tmp_path: Path) -> None:
    """The account alone may do nothing."""
    with bound(_manifest("kafka")[:1]) as kubeconfig:
        said = _await_plan("broker-kill-leader", kubeconfig, tmp_path, ExitCode.INCONCLUSIVE)
    assert "not allowed: list pods in kafka" in said
