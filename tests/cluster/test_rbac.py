"""The shipped RBAC manifest is enough for a drill, and without it a drill is refused."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from kubernetes import client, config, utils

from drill.exits import ExitCode
from drill.settings import Settings
from tests.cluster.drills import ROOT, run

MANIFEST = ROOT / "docs" / "rbac" / "kafka-drills.yaml"


@pytest.fixture
def admin(lab_kafka: Settings) -> client.ApiClient:
    """The lab's administrator."""
    return config.new_client_from_config(str(lab_kafka.kubeconfig_file), context=lab_kafka.context)


@pytest.fixture
def identity(admin: client.ApiClient, lab_kafka: Settings, tmp_path: Path) -> Iterator[Path]:
    """A kubeconfig of the manifest's service account, which may nothing yet."""
    core = client.CoreV1Api(admin)
    account = client.V1ServiceAccount(metadata=client.V1ObjectMeta(name="drill"))
    core.create_namespaced_service_account("kafka", account)
    request = client.AuthenticationV1TokenRequest(spec=client.V1TokenRequestSpec(audiences=[]))
    token = core.create_namespaced_service_account_token("drill", "kafka", request).status.token
    content = yaml.safe_load(lab_kafka.kubeconfig_file.read_text())  # type: ignore[union-attr]
    for user in content["users"]:
        user["user"] = {"token": token}
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(content))
    yield path
    core.delete_namespaced_service_account("drill", "kafka")


def _objects() -> list[dict[str, object]]:
    """The manifest without the service account, which the test made."""
    return [each for each in yaml.safe_load_all(MANIFEST.read_text()) if each["kind"] != "ServiceAccount"]


@pytest.fixture
def allowed(admin: client.ApiClient, identity: Path) -> Iterator[Path]:
    """The same, with what the manifest grants."""
    utils.create_from_yaml(admin, yaml_objects=_objects())
    yield identity
    rbac = client.RbacAuthorizationV1Api(admin)
    for namespace, name in (("kafka", "drill-kafka"), ("default", "drill-lease")):
        rbac.delete_namespaced_role_binding(name, namespace)
        rbac.delete_namespaced_role(name, namespace)
    rbac.delete_cluster_role_binding("drill-identity")
    rbac.delete_cluster_role("drill-identity")


def test_the_manifest_is_enough(allowed: Path, tmp_path: Path) -> None:
    """Preflight resolves the targets and holds every permission."""
    code, out, err = run(tmp_path / "runs", "plan", "broker-kill-leader", "--kubeconfig", str(allowed))
    assert code == ExitCode.PASS, f"{out}\n{err}"
    assert "REFUSED" not in out


def test_without_it_a_drill_is_refused(identity: Path, tmp_path: Path) -> None:
    """Before anything is touched, and every missing permission is named."""
    code, out, _err = run(tmp_path / "runs", "plan", "broker-kill-leader", "--kubeconfig", str(identity))
    assert code == ExitCode.INCONCLUSIVE
    assert "REFUSED permissions: not allowed: list pods in kafka" in out
