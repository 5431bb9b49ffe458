"""What the rest of the house asks of an S3 object store: how to reach it, what it holds, and to keep records."""

import base64
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Self

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from drill.cluster import Cluster, Permission
from drill.errors import DrillError
from drill.settings import ObjectStoreTarget, SecretKey, Settings

_MISSING = {"404", "NoSuchKey", "NoSuchBucket", "NotFound"}
_REFUSED = {"401", "403", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"}
_PART = 1 << 20
"""Bytes that are read at once of an object's content."""


class ObjectStoreError(DrillError):
    """The store refused or did not answer; the message is the client's own."""


class ObjectStoreRefusedError(ObjectStoreError):
    """The store answered, and does not let us in: wrong keys, or no right to this."""


class ObjectMissingError(ObjectStoreError):
    """The bucket or the object is not there."""


@dataclass(frozen=True)
class StoredObject:
    """One object as a bucket's listing has it."""

    key: str
    size: int
    """Bytes."""
    etag: str
    """Without its quotes: the MD5 of an object that was put in one part; `<hash>-<parts>` of others."""
    modified: datetime

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON types, for evidence."""
        return {**asdict(self), "modified": self.modified.isoformat()}


def permissions(target: ObjectStoreTarget) -> tuple[Permission, ...]:
    """What reading the store's keys takes; nothing where no Secret has them."""
    secrets = {
        (each.namespace or target.namespace, each.name) for each in (target.access_key, target.secret_key) if each
    }
    return tuple(Permission("get", "secrets", namespace, name=name) for namespace, name in sorted(secrets))


def client(target: ObjectStoreTarget, access_key: str | None = None, secret_key: str | None = None) -> Any:
    """A boto3 client of S3, which asks again for some seconds and then gives up; None: boto3's own ways to keys."""
    return boto3.client(
        "s3",
        endpoint_url=target.endpoint,
        region_name=target.region,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        verify=str(target.ca_file.expanduser()) if target.ca_file else None,
        config=Config(
            s3={"addressing_style": "path" if target.path_style else "auto"},
            connect_timeout=5,
            read_timeout=30,
            retries={"mode": "standard", "total_max_attempts": 3},
        ),
    )


class ObjectStore:
    """One store, with the keys of one user; safe for use by several threads."""

    def __init__(self, target: ObjectStoreTarget, s3: Any) -> None:
        self.target = target
        self.s3 = s3
        """The boto3 client, for what is not here."""

    @classmethod
    def connect(
        cls, settings: Settings, cluster: Cluster | None = None, target: ObjectStoreTarget | None = None
    ) -> Self:
        """Make a client of an object store; asks the cluster for the keys, and no store yet.

        Args:
            settings: whose context it is.
            cluster: the same; None: connected where a Secret holds the keys.
            target: which store; None: the context's own.

        Raises:
            UsageError: the context declares no object store.
            ClusterError: the Secret that holds a key can't be read.
        """
        target = target or settings.object_store
        if target.access_key is None or target.secret_key is None:
            return cls(target, client(target))
        cluster = cluster or Cluster.connect(settings)
        keys = [_value(cluster, target, each) for each in (target.access_key, target.secret_key)]
        return cls(target, client(target, *keys))

    def listed(self, prefix: str = "", bucket: str | None = None) -> Iterator[StoredObject]:
        """All objects whose key begins so, in the order of their keys; `bucket`: default Velero's.

        Raises:
            ObjectStoreRefusedError: wrong keys, or no right to list.
            ObjectMissingError: no such bucket.
            ObjectStoreError: no answer, or another refusal.
        """
        bucket = bucket or self.target.bucket
        with answering(f"objects of {bucket}/{prefix}"):
            for page in self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
                for each in page.get("Contents", []):
                    yield StoredObject(each["Key"], each["Size"], each["ETag"].strip('"'), each["LastModified"])

    def read(self, key: str, bucket: str | None = None) -> bytes:
        """The content of an object, all at once.

        Raises:
            ObjectMissingError: no such bucket or object.
            ObjectStoreError: no answer, or another refusal.
        """
        return b"".join(self.parts(key, bucket))

    def read_part(self, key: str, offset: int, length: int, bucket: str | None = None) -> bytes:
        """So many bytes of an object, from an offset on; fewer where it ends before.

        Raises:
            ObjectMissingError: no such bucket or object.
            ObjectStoreError: no answer, or another refusal.
        """
        bucket = bucket or self.target.bucket
        with answering(f"object {bucket}/{key}"):
            span = f"bytes={offset}-{offset + length - 1}"
            body = self.s3.get_object(Bucket=bucket, Key=key, Range=span)["Body"]
            try:
                return b"".join(body.iter_chunks(_PART))
            finally:
                body.close()

    def parts(self, key: str, bucket: str | None = None) -> Iterator[bytes]:
        """The content of an object in parts of 1 MiB, for what is too much to hold.

        Raises:
            ObjectMissingError: no such bucket or object.
            ObjectStoreError: no answer, or another refusal; also in the middle, when the connection ends too early.
        """
        bucket = bucket or self.target.bucket
        with answering(f"object {bucket}/{key}"):
            body = self.s3.get_object(Bucket=bucket, Key=key)["Body"]
            try:
                yield from body.iter_chunks(_PART)
            finally:
                body.close()

    def put(self, key: str, body: bytes, content_type: str, bucket: str | None = None) -> None:
        """Keep an object, whole or not at all; one of the same name is replaced. S3 checks the content's MD5.

        Raises:
            ObjectMissingError: no such bucket.
            ObjectStoreError: no answer, or another refusal.
        """
        bucket = bucket or self.target.bucket
        digest = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
        with answering(f"put {bucket}/{key}"):
            self.s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType=content_type, ContentMD5=digest)

    def delete(self, key: str, bucket: str | None = None) -> None:
        """Delete an object; one that is gone is no error.

        Raises:
            ObjectStoreError: no answer, or a refusal.
        """
        bucket = bucket or self.target.bucket
        with answering(f"delete {bucket}/{key}"):
            self.s3.delete_object(Bucket=bucket, Key=key)


@contextmanager
def answering(request: str) -> Iterator[None]:
    """Turn what the client raises when the store refuses or stays silent into an ObjectStoreError."""
    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        kind = (
            ObjectMissingError
            if code in _MISSING
            else ObjectStoreRefusedError
            if code in _REFUSED
            else ObjectStoreError
        )
        raise kind(f"{request}: {error}") from error
    except BotoCoreError as error:
        raise ObjectStoreError(f"{request}: {error}") from error


def _value(cluster: Cluster, target: ObjectStoreTarget, key: SecretKey) -> str:
    return cluster.secret(key.namespace or target.namespace, key.name, key.key)
