"""Objects of a bucket that keeps versions: what each is now, damage that loses nothing, and the version of before.

A delete without a version puts a marker over what is there, and a write a newer version: both are taken away again by
their own ids. No version that the drill did not make is ever deleted.
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/Versioning.html; MinIO has the same on a single disk.)
"""

import hashlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

from drill.errors import DrillError
from drill.object_store import ObjectMissingError, ObjectStore, answering
from drill.rollback import NotRestoredError

How = Literal["deleted", "corrupted"]
RUN = "drill-run"
"""Name of the metadata by which what a drill has written is known."""


@dataclass(frozen=True)
class Kept:
    """An object as it is when nothing is wrong with it."""

    key: str
    version: str
    """Its id; `null` of what was written before the bucket kept versions."""
    size: int
    etag: str
    sha256: str

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON types."""
        return asdict(self)


@dataclass(frozen=True)
class Version:
    """One version of an object, or a marker that says that it was deleted."""

    id: str
    marker: bool
    etag: str | None
    size: int | None
    modified: float
    """Epoch seconds."""
    current: bool
    """Whether it is what a reader of the key gets."""


@dataclass(frozen=True)
class Bucket:
    """A bucket of the selected context's object store."""

    store: ObjectStore
    name: str

    @classmethod
    def of(cls, store: ObjectStore, name: str) -> Self:
        """The bucket, which keeps the versions of its objects.

        Raises:
            DrillError: it does not, so that nothing could bring back what is lost.
            ObjectStoreError: the store did not answer, or refused.
        """
        with answering(f"versioning of {name}"):
            status = store.s3.get_bucket_versioning(Bucket=name).get("Status")
        if status != "Enabled":
            raise DrillError(
                f"bucket {name} does not keep versions of its objects ({status or 'never did'}), so that nothing could "
                f"bring back what is lost: enable its versioning (mc version enable ALIAS/{name})"
            )
        return cls(store, name)

    def read(self, key: str) -> Kept:
        """The object as it is now, its content read.

        Raises:
            ObjectMissingError: it is not there.
        """
        with answering(f"object {self.name}/{key}"):
            found = self.store.s3.get_object(Bucket=self.name, Key=key)
            content = found["Body"].read()
        digest = hashlib.sha256(content).hexdigest()
        return Kept(key, str(found.get("VersionId", "null")), len(content), found["ETag"].strip('"'), digest)

    def look(self, key: str) -> Kept | None:
        """The same; None: it is not there."""
        try:
            return self.read(key)
        except ObjectMissingError:
            return None

    def versions(self, key: str) -> list[Version]:
        """All versions and markers of an object, the current one first and then the newest first."""
        return sorted(self._versions(key), key=lambda each: (not each.current, -each.modified))

    def damage(self, key: str, how: How, run: str) -> None:
        """Delete the object, or write other bytes over its first half; the version that was there stays."""
        with answering(f"{how} object {self.name}/{key}"):
            if how == "deleted":
                self.store.s3.delete_object(Bucket=self.name, Key=key)
                return
            content = self.store.s3.get_object(Bucket=self.name, Key=key)["Body"].read()
            half = (len(content) + 1) // 2
            other = bytes(each ^ 0xFF for each in content[:half]) + content[half:]
            self.store.s3.put_object(Bucket=self.name, Key=key, Body=other, Metadata={RUN: run})

    def bring_back(self, key: str, version: str, run: str) -> list[str]:
        """Make this version the current one again, and say what that took; nothing where it is.

        Markers over it are taken away, and what this run has written. Where somebody else has written over it, the
        version is copied on top, and theirs stays below.

        Raises:
            NotRestoredError: that version is not there any more.
            ObjectStoreError: the store did not answer, or refused.
        """
        done: list[str] = []
        found = self.versions(key)
        if not any(each.id == version and not each.marker for each in found):
            raise NotRestoredError(f"{self.name}/{key}: version {version} is not there any more")
        for each in found:
            if each.id == version:
                return done
            if not each.marker and not self._ours(key, each.id, run):
                break
            with answering(f"version {each.id} of {self.name}/{key}"):
                self.store.s3.delete_object(Bucket=self.name, Key=key, VersionId=each.id)
            done.append("the marker of its deletion removed" if each.marker else "what was written over it removed")
        source = {"Bucket": self.name, "Key": key, "VersionId": version}
        with answering(f"object {self.name}/{key}"):
            self.store.s3.copy_object(Bucket=self.name, Key=key, CopySource=source)
        return [*done, "its version copied over what another hand has written"]

    def _ours(self, key: str, version: str, run: str) -> bool:
        with answering(f"version {version} of {self.name}/{key}"):
            found = self.store.s3.head_object(Bucket=self.name, Key=key, VersionId=version)
        return bool(found.get("Metadata", {}).get(RUN) == run)

    def _versions(self, key: str) -> Iterator[Version]:
        with answering(f"versions of {self.name}/{key}"):
            pages = self.store.s3.get_paginator("list_object_versions").paginate(Bucket=self.name, Prefix=key)
            for page in pages:
                for name, marker in (("Versions", False), ("DeleteMarkers", True)):
                    for each in page.get(name, ()):
                        if each["Key"] == key:
                            etag = None if marker else each["ETag"].strip('"')
                            at = each["LastModified"].timestamp()
                            yield Version(each["VersionId"], marker, etag, each.get("Size"), at, each["IsLatest"])
