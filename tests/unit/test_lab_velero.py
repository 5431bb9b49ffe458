"""What `up` makes of Velero's own installation, and of the buckets."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab import _buckets, _manifests, _secrets, _velero
from lab._errors import LabError
from lab._parts import MINIO, VELERO

LOCATION = {
    "apiVersion": "velero.io/v1",
    "kind": "BackupStorageLocation",
    "metadata": {"name": "default", "namespace": "velero"},
    "spec": {"provider": "aws", "objectStorage": {"bucket": "velero"}},
    "status": {},
}
KIND = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "backups.velero.io"},
    "status": {"conditions": None},
}
PRINTED = yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": [KIND, LOCATION]})


def test_location_names_the_secret_that_up_makes() -> None:
    """The credentials are not Velero's to make; nothing that the API server owns is applied."""
    kind, location = _velero.manifests(PRINTED)
    reference = location["spec"]["credential"]
    made = _secrets.contents([MINIO, VELERO], {})
    assert reference["key"] in made["velero", reference["name"]]
    assert "status" not in kind
    assert "status" not in location


def test_kinds_are_there_before_what_is_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """The API server knows no BackupStorageLocation and no Schedule before."""
    asked: list[tuple[str, str]] = []

    def kubectl(_: Path, *arguments: object, text: str = "") -> str:
        kinds = [each["kind"] for each in json.loads(text)["items"]] if text.startswith("{") else [text[:9]]
        asked.append((str(arguments[0]), ",".join(kinds)))
        return ""

    monkeypatch.setattr(_velero, "run", lambda *_: PRINTED)
    monkeypatch.setattr(_velero, "kubectl", kubectl)
    _velero.install(Path("kube"), Path("programs"), "abc", "schedules")
    assert asked == [
        ("apply", "CustomResourceDefinition"),
        ("wait", ""),
        ("apply", "BackupStorageLocation"),
        ("apply", "schedules"),
    ]


def test_location_that_is_not_reached_is_told_with_what_velero_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """And not with kubectl's timeout."""

    def kubectl(_: Path, *arguments: object) -> str:
        if arguments[0] == "wait":
            raise LabError("timed out")
        return "AccessDenied"

    monkeypatch.setattr(_velero, "kubectl", kubectl)
    with pytest.raises(LabError, match="Velero does not reach its bucket: AccessDenied"):
        _velero.await_location(Path("kube"))


def test_schedules_are_of_namespaces_that_the_lab_has() -> None:
    """With their volumes, and not all at the same minute."""
    found = list(yaml.safe_load_all((_manifests.MANIFESTS / "velero.yaml").read_text()))
    namespaces = [name for each in found for name in each["spec"]["template"]["includedNamespaces"]]
    assert namespaces == ["kong", "data-platform", "kafka"]
    assert all(each["spec"]["template"]["defaultVolumesToFsBackup"] for each in found)
    assert len({each["spec"]["schedule"] for each in found}) == len(found)


class Store:
    """An S3 client that has buckets."""

    def __init__(self, *there: str) -> None:
        self.buckets = list(there)
        self.closed = False
        self.versioned: set[str] = set()

    def put_bucket_versioning(self, Bucket: str, VersioningConfiguration: dict[str, str]) -> None:  # noqa: N803
        """Of a bucket that is there."""
        assert Bucket in self.buckets
        assert VersioningConfiguration == {"Status": "Enabled"}
        self.versioned.add(Bucket)

    def list_buckets(self) -> dict[str, Any]:
        """As the API has it."""
        return {"Buckets": [{"Name": name} for name in self.buckets]}

    def create_bucket(self, Bucket: str) -> None:  # noqa: N803 - the API's own name
        """Refuses one that is there, as MinIO does."""
        assert Bucket not in self.buckets
        self.buckets.append(Bucket)

    def close(self) -> None:
        """Its connections are closed."""
        self.closed = True


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """What is behind boto3."""
    made = Store("velero")
    secret = {"data": {"access-key": "YQ==", "secret-key": "Yg=="}}
    monkeypatch.setattr(_buckets, "kubectl", lambda *_: json.dumps(secret))

    def client(service: str, **given: Any) -> Store:
        assert (service, given["aws_access_key_id"], given["aws_secret_access_key"]) == ("s3", "a", "b")
        return made

    monkeypatch.setattr("boto3.client", client)
    yield made
    assert made.closed


def test_buckets_that_lack_are_made(store: Store) -> None:
    """And those that are there are left alone; only the lakehouse's keeps what is deleted."""
    _buckets.create_buckets(Path("kube"))
    assert store.buckets == ["velero", "lakehouse"]
    assert store.versioned == {"lakehouse"}
    _buckets.create_buckets(Path("kube"))


def test_store_that_refuses_is_named(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its address and what it said."""
    from botocore.exceptions import ClientError  # noqa: PLC0415 - what boto3 raises

    def refuse(**_: str) -> None:
        raise ClientError({"Error": {"Code": "XMinioStorageFull"}}, "CreateBucket")

    monkeypatch.setattr(store, "create_bucket", refuse)
    with pytest.raises(LabError, match=r"MinIO at http://198\.18\.0\.11:30900 did not .*XMinioStorageFull"):
        _buckets.create_buckets(Path("kube"))
