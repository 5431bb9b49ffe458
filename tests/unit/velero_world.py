"""A Velero with one backup, its bucket and its API made of plain objects, in the forms of Velero v1.18."""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from kubernetes import client

from drill import kopia
from drill.backup_evidence import BackupEvidence
from drill.cluster import MissingError
from drill.object_store import ObjectStore
from drill.settings import ContextSettings, ObjectStoreTarget, Settings, VeleroTarget
from drill.verdicts import Outcome, Verdict
from experiments.backups import collect
from recovery.backups import judge
from tests.unit.kopia_world import PASSWORD, SECOND, blobs, key_of

NOW = datetime.now(UTC).replace(microsecond=0)
NAME = "kong-daily-20261124010000"
PREFIX = f"backups/{NAME}/"
UID = "5f0f1f5e-0d3b-4c5f-9d9b-6a5d1f6b8f10"
CLAIM = "kong/data-kong-postgres-0"
LISTED = {
    "apps/v1/StatefulSet": ["kong/kong-postgres"],
    "v1/ConfigMap": ["kong/kube-root-ca.crt"],
    "v1/Namespace": ["kong"],
    "v1/PersistentVolume": ["pv-1"],
    "v1/PersistentVolumeClaim": [CLAIM],
    "v1/Pod": ["kong/kong-postgres-0"],
    "v1/Service": ["kong/kong-postgres"],
}


def ago(hours: float) -> str:
    """So many hours before now, as the API writes it; a suite may have run for long since this was imported."""
    return (datetime.now(UTC) - timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ")


def zipped(content: Any) -> bytes:
    """JSON in gzip, as Velero keeps most."""
    return gzip.compress(json.dumps(content).encode())


def archive(listed: dict[str, list[str]]) -> bytes:
    """A backup's archive: each object once, and once more under its version."""
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w:gz") as tar:
        _add(tar, "metadata/version", b"1.1.0")
        for kind, names in listed.items():
            version, _, its_kind = kind.rpartition("/")
            group = version.rpartition("/")[0]
            folder = ".".join(filter(None, (f"{its_kind.lower()}s", group)))
            for each in names:
                namespace, _, name = each.rpartition("/")
                metadata = {"name": name, "namespace": namespace} if namespace else {"name": name}
                text = json.dumps({"apiVersion": version, "kind": its_kind, "metadata": metadata}).encode()
                scope = f"namespaces/{namespace}" if namespace else "cluster"
                for where in ("", f"{version.rpartition('/')[2]}-preferredversion/"):
                    _add(tar, f"resources/{folder}/{where}{scope}/{name}.json", text)
    return body.getvalue()


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


def _backup() -> dict[str, Any]:
    return {
        "apiVersion": "velero.io/v1",
        "kind": "Backup",
        "metadata": {
            "name": NAME,
            "namespace": "velero",
            "uid": UID,
            "creationTimestamp": ago(8),
            "labels": {"velero.io/schedule-name": "kong-daily", "velero.io/storage-location": "default"},
        },
        "spec": {
            "includedNamespaces": ["kong"],
            "storageLocation": "default",
            "defaultVolumesToFsBackup": True,
            "ttl": "168h0m0s",
        },
        "status": {
            "version": 1,
            "formatVersion": "1.1.0",
            "phase": "Completed",
            "startTimestamp": ago(8),
            "completionTimestamp": ago(7.99),
            "expiration": ago(-160),
            "progress": {"totalItems": 7, "itemsBackedUp": 7},
            "hookStatus": {},
        },
    }


def _moved() -> dict[str, Any]:
    return {
        "metadata": {
            "name": f"{NAME}-x7k2p",
            "labels": {"velero.io/backup-name": NAME},
            "annotations": {"velero.io/pvc-name": "data-kong-postgres-0"},
        },
        "spec": {
            "node": "node1",
            "pod": {"kind": "Pod", "namespace": "kong", "name": "kong-postgres-0"},
            "volume": "data",
            "backupStorageLocation": "default",
            "uploaderType": "kopia",
        },
        "status": {
            "phase": "Completed",
            "snapshotID": SECOND,
            "progress": {"totalBytes": 40_123_456, "bytesDone": 40_123_456},
            "startTimestamp": ago(8),
            "completionTimestamp": ago(7.995),
        },
    }


def _info() -> dict[str, Any]:
    return {
        "pvcName": "data-kong-postgres-0",
        "pvcNamespace": "kong",
        "pvName": "pv-1",
        "backupMethod": "PodVolumeBackup",
        "snapshotDataMoved": False,
        "preserveLocalSnapshot": False,
        "skipped": False,
        "result": "succeeded",
        "pvbInfo": {
            "snapshotHandle": SECOND,
            "size": 40_123_456,
            "uploaderType": "kopia",
            "volumeName": "data",
            "podName": "kong-postgres-0",
            "podNamespace": "kong",
            "nodeName": "node1",
            "Phase": "Completed",
        },
    }


def moved_snapshot(**its: Any) -> dict[str, Any]:
    """What a backup tells of a volume whose snapshot a data mover moved into the bucket."""
    movement = {"dataMover": "velero", "uploaderType": "kopia", "snapshotHandle": SECOND, "size": 40_123_456, **its}
    unknown = {"snapshotHandle": "unknown", "vscName": "unknown", "size": 0, "driver": "csi.example.com"}
    info = {key: value for key, value in _info().items() if key != "pvbInfo"}
    return info | {
        "backupMethod": "CSISnapshot",
        "snapshotDataMoved": True,
        "csiSnapshotInfo": unknown,
        "snapshotDataMovementInfo": movement,
    }


def kept_snapshot(**its: Any) -> dict[str, Any]:
    """What a backup tells of a volume of which the storage has a snapshot."""
    return {key: value for key, value in _info().items() if key != "pvbInfo"} | its


class S3:
    """What of boto3's client of S3 is asked, with one bucket in memory."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.error: Exception | None = None
        """What every request is answered with."""

    def get_paginator(self, operation: str) -> Any:
        """Of the listing."""
        assert operation == "list_objects_v2"
        return SimpleNamespace(paginate=self._pages)

    def get_object(self, **asked: str) -> dict[str, Any]:
        """Of one object."""
        self._answer(asked["Bucket"])
        content = self.objects[asked["Key"]]
        if span := asked.get("Range"):
            first, _, last = span.removeprefix("bytes=").partition("-")
            content = content[int(first) : int(last) + 1]
        return {"Body": SimpleNamespace(iter_chunks=lambda size: iter([content[:size], content[size:]]), close=int)}

    def _pages(self, **asked: str) -> Iterator[dict[str, Any]]:
        self._answer(asked["Bucket"])
        for key, content in sorted(self.objects.items()):
            if key.startswith(asked["Prefix"]):
                etag = f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'
                yield {"Contents": [{"Key": key, "Size": len(content), "ETag": etag, "LastModified": NOW}]}
        yield {}

    def _answer(self, bucket: str) -> None:
        if self.error:
            raise self.error
        if bucket != "velero":
            raise ClientError({"Error": {"Code": "NoSuchBucket", "Message": "?"}}, "ListObjectsV2")


@dataclass
class World:
    """What there is; change it, then `evidence` or `verdicts`."""

    s3: S3 = field(default_factory=S3)
    schedule: dict[str, Any] = field(
        default_factory=lambda: {
            "metadata": {"name": "kong-daily", "creationTimestamp": ago(400)},
            "spec": {"schedule": "0 1 * * *", "template": {"includedNamespaces": ["kong"], "ttl": "168h0m0s"}},
            "status": {"phase": "Enabled", "lastBackup": ago(8)},
        }
    )
    location: dict[str, Any] = field(
        default_factory=lambda: {
            "metadata": {"name": "default"},
            "spec": {"provider": "aws", "default": True, "objectStorage": {"bucket": "velero"}},
            "status": {"phase": "Available", "lastValidationTime": ago(0.01)},
        }
    )
    backup: dict[str, Any] = field(default_factory=_backup)
    in_bucket: dict[str, Any] | None = None
    """The Backup as the bucket has it; None: the same."""
    more: list[dict[str, Any]] = field(default_factory=list)
    """More Backups in the cluster."""
    moved: dict[str, Any] = field(default_factory=_moved)
    infos: list[dict[str, Any]] = field(default_factory=lambda: [_info()])
    listed: dict[str, list[str]] = field(default_factory=lambda: {**LISTED})
    results: dict[str, Any] = field(default_factory=lambda: {"errors": {}, "warnings": {}})
    operations: list[dict[str, Any]] = field(default_factory=list)
    repository: dict[str, Any] = field(
        default_factory=lambda: {
            "metadata": {"name": "kong-default-kopia"},
            "spec": {"volumeNamespace": "kong", "backupStorageLocation": "default", "repositoryType": "kopia"},
            "status": {"phase": "Ready"},
        }
    )
    password: str | None = PASSWORD
    ready: int = 1
    rules: VeleroTarget = field(default_factory=VeleroTarget)
    there: dict[str, list[str]] = field(default_factory=lambda: {"pod": ["kong-postgres-0"], "statefulsets": []})
    namespaces: tuple[str, ...] = ("kong",)
    """Those that the settings declare."""
    no_keys: bool = False
    """The Secret with the store's keys is not there."""
    refused: set[str] = field(default_factory=set)
    """Plurals that may not be listed."""
    agents: bool = True
    """There is a DaemonSet of node agents."""

    def shut(self, how: str) -> None:
        """Have the store refuse us, or not answer."""
        refusal = ClientError({"Error": {"Code": "InvalidAccessKeyId", "Message": "?"}}, "ListObjectsV2")
        self.s3.error = refusal if how == "refused" else EndpointConnectionError(endpoint_url="http://nobody")

    def put_again(self) -> None:
        """Put all into the bucket as it is now."""
        for name, content in {
            "velero-backup.json": json.dumps(self.in_bucket or self.backup).encode(),
            f"{NAME}.tar.gz": archive(self.listed),
            f"{NAME}-logs.gz": gzip.compress(b'time="2026-11-24T01:00:00Z" level=info msg="Setting up backup"\n'),
            f"{NAME}-podvolumebackups.json.gz": zipped([self.moved] if self.moved else None),
            f"{NAME}-volumesnapshots.json.gz": zipped(None),
            f"{NAME}-itemoperations.json.gz": zipped(self.operations or None),
            f"{NAME}-resource-list.json.gz": zipped(self.listed),
            f"{NAME}-results.gz": zipped(self.results),
            f"{NAME}-volumeinfo.json.gz": zipped(self.infos),
        }.items():
            self.set(name, content)
        for name, content in blobs().items():
            self.s3.objects[f"kopia/kong/{name}"] = content

    def set(self, name: str, content: bytes) -> None:
        """Put one object of the backup."""
        self.s3.objects[f"{PREFIX}{name}"] = content

    def get(self, name: str) -> bytes:
        """One object of the backup."""
        return self.s3.objects[f"{PREFIX}{name}"]

    def delete(self, *keys: str) -> None:
        """Delete objects of the bucket."""
        for key in keys:
            del self.s3.objects[key]

    def evidence(self, monkeypatch: pytest.MonkeyPatch, **how: Any) -> BackupEvidence:
        """What is seen of it."""
        target = ObjectStoreTarget(bucket="velero")
        context = ContextSettings(namespaces=self.namespaces, object_store=target, velero=self.rules)
        settings = Settings(context="here", contexts={"here": context})

        def connect(*_: Any) -> ObjectStore:
            if self.no_keys:
                raise MissingError("no key of it")
            return ObjectStore(target, self.s3)

        monkeypatch.setattr(ObjectStore, "connect", connect)
        monkeypatch.setattr(kopia, "_from_password", key_of)
        cluster: Any = _Cluster(self)
        return collect(settings, cluster, **how)

    def verdicts(self, monkeypatch: pytest.MonkeyPatch, **how: Any) -> dict[str, Verdict]:
        """The verdicts by their checks; of several of one check, the worst."""
        order = [Outcome.PASS, Outcome.INCONCLUSIVE, Outcome.FAIL]
        found = sorted(judge(self.evidence(monkeypatch, **how)), key=lambda each: order.index(each.outcome))
        return {each.check: each for each in found}


def world(**parts: Any) -> World:
    """A Velero with one good backup, but for `parts`."""
    made = World(**parts)
    made.put_again()
    return made


class _Cluster:
    """What of a Cluster the collecting asks."""

    context = "here"

    def __init__(self, world: World) -> None:
        self.world = world
        self.objects = self.apps = self.core = self

    def secret(self, namespace: str, name: str, key: str) -> str:
        assert (namespace, name, key) == ("velero", "velero-repo-credentials", "repository-password")
        if self.world.password is None:
            raise MissingError("secret velero/velero-repo-credentials: 404")
        return self.world.password

    def list_namespaced_custom_object(
        self, group: str, _version: str, _namespace: str, plural: str, **_: Any
    ) -> dict[str, Any]:
        world = self.world
        if plural in world.refused:
            raise client.ApiException(status=403, reason="Forbidden")
        if group != "velero.io":
            names = world.there.get(plural, [])
            return {"items": [{"metadata": {"name": name, "creationTimestamp": ago(300)}} for name in names]}
        found = {
            "schedules": [world.schedule] if world.schedule else [],
            "backupstoragelocations": [world.location] if world.location else [],
            "backups": [each for each in (world.backup, *world.more) if each],
            "backuprepositories": [world.repository],
            "podvolumebackups": [world.moved] if world.moved else [],
        }
        return {"items": found[plural]}

    def read_namespaced_deployment(self, *_: Any, **__: Any) -> Any:
        container = SimpleNamespace(name="velero", image="velero:v1.18.0", args=["server"])
        template = SimpleNamespace(spec=SimpleNamespace(containers=[container]))
        spec, status = SimpleNamespace(replicas=1, template=template), SimpleNamespace(ready_replicas=self.world.ready)
        return SimpleNamespace(spec=spec, status=status)

    def read_namespaced_daemon_set(self, *_: Any, **__: Any) -> Any:
        if not self.world.agents:
            raise client.ApiException(status=404, reason="Not Found")
        return SimpleNamespace(status=SimpleNamespace(desired_number_scheduled=3, number_ready=3))

    def __getattr__(self, name: str) -> Any:
        kind = name.removeprefix("list_namespaced_")
        assert kind != name, name
        items = [
            SimpleNamespace(
                metadata=SimpleNamespace(
                    name=each, labels=None, creation_timestamp=NOW - timedelta(hours=300), deletion_timestamp=None
                )
            )
            for each in self.world.there.get(kind, [])
        ]
        return lambda *_, **__: SimpleNamespace(items=items)
