"""Installs Velero by what its own `velero install` prints, with its backups in the lab's MinIO."""

import json
from pathlib import Path
from typing import Any

import yaml

from lab import _buckets
from lab._addresses import kubeconfig
from lab._errors import LabError
from lab._kubectl import kubectl
from lab._run import run

NAMESPACE = "velero"
LOCATION = "default"
CREDENTIALS = "cloud-credentials"
CREDENTIALS_KEY = "cloud"
REPOSITORY = "velero-repo-credentials"
"""Where Velero looks for the password of its repositories; where there is none, it takes one that all the world knows
(pkg/repository/keys/keys.go)."""
REPOSITORY_KEY = "repository-password"

_IN_CLUSTER = "http://minio.minio.svc.cluster.local:9000"
_LOCATION = {
    "region": _buckets.REGION,
    "s3ForcePathStyle": "true",
    "s3Url": _IN_CLUSTER,
    # The AWS SDK sends those of streams only over TLS.
    "checksumAlgorithm": "",
}


def install(kube: Path, programs: Path, images: str, schedules: str) -> None:
    """Apply Velero's resources and the schedules, and wait until it can reach its bucket.

    Args:
        kube: the multi-call binary.
        programs: the folder with `velero`.
        images: what its images are made from; its pods are replaced when that has changed.
        schedules: manifests that need Velero's own kinds.

    Raises:
        LabError: the API server did not take them, or Velero does not get to its bucket.
    """
    # It asks for a cluster though it only prints.
    printed = run(programs / "velero", f"--kubeconfig={kubeconfig()}", *command(images))
    resources = manifests(printed)
    kinds = [each for each in resources if each["kind"] == "CustomResourceDefinition"]
    others = [each for each in resources if each["kind"] != "CustomResourceDefinition"]
    _apply(kube, json.dumps(_list(kinds)))
    names = [f"customresourcedefinition/{each['metadata']['name']}" for each in kinds]
    kubectl(kube, "wait", "--for=condition=Established", *names, "--timeout=1m")
    _apply(kube, json.dumps(_list(others)))
    _apply(kube, schedules)


def await_location(kube: Path) -> None:
    """Wait until Velero says that it reaches its bucket, which it looks at every minute.

    Raises:
        LabError: it does not; the message is Velero's own.
    """
    location = ("--namespace", NAMESPACE, f"backupstoragelocation/{LOCATION}")
    try:
        kubectl(kube, "wait", "--for=jsonpath={.status.phase}=Available", *location, "--timeout=3m")
    except LabError as error:
        said = kubectl(kube, "get", *location, "--output=jsonpath={.status.message}")
        raise LabError(f"Velero does not reach its bucket: {said or error}") from error


def command(images: str) -> list[str]:
    """The arguments of `velero` that print its resources."""
    return [
        "install",
        "--dry-run",
        "--output=yaml",
        f"--namespace={NAMESPACE}",
        "--image=drill.local/velero:lab",
        "--provider=aws",
        "--plugins=drill.local/velero-plugin-for-aws:lab",
        f"--bucket={_buckets.VELERO}",
        "--backup-location-config=" + ",".join(f"{key}={value}" for key, value in _LOCATION.items()),
        "--use-volume-snapshots=false",
        "--use-node-agent",
        "--default-volumes-to-fs-backup",
        "--no-secret",
        f"--pod-annotations=drill.local/images={images}",
        "--velero-pod-cpu-request=20m",
        "--velero-pod-mem-request=96Mi",
        "--velero-pod-cpu-limit=0",
        "--velero-pod-mem-limit=1Gi",
        "--node-agent-pod-cpu-request=10m",
        "--node-agent-pod-mem-request=64Mi",
        "--node-agent-pod-cpu-limit=0",
        "--node-agent-pod-mem-limit=1Gi",
        # A pod an hour for each repository would be seen in what drills measure.
        "--default-repo-maintain-frequency=24h",
    ]


def manifests(printed: str) -> list[dict[str, Any]]:
    """Velero's resources as they are applied, from what `velero install` printed.

    The credentials are named by the storage location, as `velero backup-location create --credential` would: `install`
    knows only a Secret that it makes itself.
    """
    (listed,) = yaml.safe_load_all(printed)
    made: list[dict[str, Any]] = listed["items"]
    for each in made:
        each.pop("status", None)
        if each["kind"] == "BackupStorageLocation":
            each["spec"]["credential"] = {"name": CREDENTIALS, "key": CREDENTIALS_KEY}
    return made


def _list(items: list[dict[str, Any]]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "List", "items": items}


def _apply(kube: Path, text: str) -> None:
    kubectl(kube, "apply", "--server-side", "--force-conflicts", "--filename=-", text=text)
