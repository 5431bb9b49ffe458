"""Manifests say just what permissions say, in as few rules as they can."""

import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from drill import settings as settings_module
from drill.cli import app
from drill.cluster import Permission
from drill.errors import InputError, RefusedError
from drill.settings import ContextSettings, KafkaTarget
from scenarios import rbac, reader
from scenarios._services import Check
from scenarios.preflight import Preflight


def _rules(*permissions: Permission) -> dict[str, Any]:
    """The rules by kind and namespace."""
    made = rbac.manifest(permissions, "drill-x", "drill", "ops")
    return {
        f"{each['kind']} {each['metadata'].get('namespace', '')}".strip(): each["rules"]
        for each in made
        if "rules" in each
    }


def test_verbs_on_the_same_objects_are_one_rule() -> None:
    """And objects with the same verbs."""
    assert _rules(
        Permission("get", "deployments", "a", group="apps", name="api"),
        Permission("patch", "deployments", "a", group="apps", name="api"),
        Permission("get", "deployments", "a", group="apps", name="worker"),
        Permission("patch", "deployments", "a", group="apps", name="worker"),
        Permission("create", "pods", "a", subresource="exec"),
    ) == {
        "Role a": [
            {"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["create"]},
            {
                "apiGroups": ["apps"],
                "resources": ["deployments"],
                "resourceNames": ["api", "worker"],
                "verbs": ["get", "patch"],
            },
        ]
    }


def test_what_is_granted_for_all_needs_no_name() -> None:
    """A narrower rule beside a wider one would say nothing; another verb keeps its own."""
    assert _rules(
        Permission("get", "pods", "a"),
        Permission("get", "pods", "a", name="one"),
        Permission("delete", "pods", "a", name="one"),
    ) == {
        "Role a": [
            {"apiGroups": [""], "resources": ["pods"], "resourceNames": ["one"], "verbs": ["delete"]},
            {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]},
        ]
    }


def test_only_what_has_no_namespace_is_of_the_whole_cluster() -> None:
    """A ClusterRole for nodes, a Role in each namespace, and the same account bound to all of them."""
    made = rbac.manifest(
        (Permission("list", "nodes"), Permission("list", "pods", "a"), Permission("list", "pods", "b")),
        *("drill-x", "me", "ops"),
    )
    kinds = [(each["kind"], each["metadata"].get("namespace")) for each in made]
    assert kinds == [
        ("ServiceAccount", "ops"),
        ("ClusterRole", None),
        ("ClusterRoleBinding", None),
        ("Role", "a"),
        ("RoleBinding", "a"),
        ("Role", "b"),
        ("RoleBinding", "b"),
    ]
    subjects = [each["subjects"] for each in made if "subjects" in each]
    assert subjects == [[{"kind": "ServiceAccount", "name": "me", "namespace": "ops"}]] * 3
    assert list(yaml.safe_load_all(yaml.safe_dump_all(made))) == made


def test_a_family_is_the_system_whose_fault_it_is() -> None:
    """Whatever is made ready before it."""
    assert rbac.family(reader.read(reader.find("broker-kill"))) == "kafka"
    assert rbac.family(reader.read(reader.find("durability-control"))) == "kafka"
    assert {each.scenario.name for each in rbac.find(["kafka"])} == set(rbac.families()["kafka"])


def test_a_name_is_found_once_and_an_unknown_one_is_told_the_families() -> None:
    """As elsewhere, with the nearest name."""
    assert [each.scenario.name for each in rbac.find(["broker-kill", "broker-kill"])] == ["broker-kill"]
    with pytest.raises(InputError, match=r"Did you mean broker-kill\?.*Families: kafka"):
        rbac.find(["broker-kil"])


@pytest.mark.parametrize("resolved", [True, False])
def test_no_manifest_is_made_of_targets_that_are_not_there(monkeypatch: pytest.MonkeyPatch, resolved: bool) -> None:
    """Half of the permissions would look like all of them."""
    permission = Permission("list", "pods", "kafka")
    checks = (Check("targets", ok=resolved, detail="broker 1 is down already"),)
    monkeypatch.setattr(rbac, "preflight", lambda *_: Preflight(checks, (), (permission,), {}))
    here = ContextSettings(drillable=True, namespaces=("kafka",), kafka=KafkaTarget(bootstrap="127.0.0.1:1"))
    settings = settings_module.Settings(context="here", contexts={"here": here})
    drill = reader.read(reader.find("broker-kill"))
    if resolved:
        assert rbac.needed(drill, settings, None) == (permission,)  # type: ignore[arg-type]
    else:
        with pytest.raises(RefusedError, match="broker 1 is down already"):
            rbac.needed(drill, settings, None)  # type: ignore[arg-type]


@pytest.mark.parametrize(("configured", "name"), [("node2", "node2"), ("kafka", "")])
def test_a_node_that_a_run_chose_is_not_nailed_down(
    monkeypatch: pytest.MonkeyPatch, configured: str, name: str
) -> None:
    """The next run may choose another one; one that the scenario names is named in the manifest too."""
    target = {"kind": "Node", "namespace": "kafka", "name": "node2"}
    asked = (Permission("patch", "nodes", name="node2"), Permission("get", "secrets", "kafka", name="node2"))
    checks = (Check("targets", ok=True, detail="Node node2"),)
    monkeypatch.setattr(rbac, "preflight", lambda *_: Preflight(checks, (target,), asked, {}))
    here = ContextSettings(drillable=True, namespaces=("kafka",), kafka=KafkaTarget(bootstrap="127.0.0.1:1"))
    settings = settings_module.Settings(context="here", contexts={"here": here})
    drill = reader.read(reader.find("broker-kill"))
    drill.experiment["configuration"]["node"] = configured
    needed = rbac.needed(drill, settings, None)  # type: ignore[arg-type]
    assert needed == (Permission("patch", "nodes", name=name), asked[1])


def test_what_a_checklist_needs_is_read_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`drill rbac check` asks no cluster, and grants nothing that could change one."""
    access = {
        "clusters": [{"name": "here", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "me", "user": {"token": "t"}}],
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
    }
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(access))
    (tmp_path / "drill.toml").write_text(f'[contexts.here]\nkubeconfig = "{tmp_path}/kubeconfig"\n')
    monkeypatch.setenv(settings_module.FILE_VARIABLE, str(tmp_path / "drill.toml"))
    monkeypatch.setattr("os.environ", dict(os.environ))
    result = CliRunner().invoke(app, ["rbac", "check", "--context", "here"])
    assert result.exit_code == 0, result.output
    rules = [rule for each in yaml.safe_load_all(result.stdout) for rule in each.get("rules", [])]
    assert rules
    assert {verb for rule in rules for verb in rule["verbs"]} <= {"get", "list"}
