"""Contents of a backup's objects: fetched, decompressed, parsed; what goes wrong with that is told, not raised.

Their names and forms: https://github.com/vmware-tanzu/velero/blob/v1.18.0/pkg/persistence/object_store_layout.go.
"""

import gzip
import hashlib
import json
import tarfile
import tempfile
import zlib
from collections import defaultdict
from collections.abc import Callable
from typing import IO, Any

from drill.backup_evidence import ARCHIVE, File
from drill.object_store import ObjectStore, ObjectStoreError, StoredObject

_IN_MEMORY = 16 << 20
"""Bytes of an object that are held in memory; more go to a file."""
_RESOURCES = "resources"
_SCOPES = ("namespaces", "cluster")
_DAMAGE = (OSError, EOFError, zlib.error, tarfile.TarError, UnicodeDecodeError, ValueError, KeyError, TypeError)
"""What reading a damaged gzip, tar or JSON raises."""


def fetched(store: ObjectStore, bucket: str, stored: StoredObject, name: str) -> File:
    """An object of the bucket with its content."""
    known = {"name": name, "size": stored.size, "etag": stored.etag, "modified": stored.modified}
    digest = hashlib.md5(usedforsecurity=False)  # what an ETag is
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as body:
        try:
            for part in store.parts(stored.key, bucket):
                digest.update(part)
                body.write(part)
        except ObjectStoreError as error:
            return File(**known, unread=str(error))
        known |= {"read": True, "md5": digest.hexdigest()}
        body.seek(0)
        try:
            return File(**known, content=_reader(name)(body))
        except _DAMAGE as error:
            return File(**known, damage=f"{type(error).__name__}: {error}")


def _reader(name: str) -> Callable[[Any], Any]:
    if name.endswith(ARCHIVE):
        return _archive
    if name.endswith("-logs.gz"):
        return _log
    if name.endswith(".gz"):
        return lambda body: json.loads(gzip.decompress(body.read()))
    return lambda body: json.loads(body.read())


def _log(body: IO[bytes]) -> dict[str, int]:
    with gzip.open(body) as text:
        return {"lines": sum(1 for _ in text)}


def _archive(body: IO[bytes]) -> dict[str, Any]:
    """The objects of a backup by their kind, each parsed; an object is there once for each version of its API."""
    objects: dict[str, list[str]] = defaultdict(list)
    files = 0
    with tarfile.open(fileobj=body, mode="r:gz") as archive:
        for member in archive:
            if not member.isfile():
                continue
            content = archive.extractfile(member)
            if content is None:  # never of a file
                raise tarfile.TarError(f"{member.name}: no content")
            text, path = content.read(), member.name.removeprefix("./").split("/")
            files += 1
            if path[0] == _RESOURCES and path[2] in _SCOPES:
                found = json.loads(text)
                meta = found["metadata"]
                name = "/".join(filter(None, (meta.get("namespace"), meta["name"])))
                objects[f"{found['apiVersion']}/{found['kind']}"].append(name)
        _to_the_end(body)
    return {"files": files, "objects": {kind: sorted(names) for kind, names in sorted(objects.items())}}


def _to_the_end(body: IO[bytes]) -> None:
    """Have gzip check its own checksum, which comes after the last file of the archive."""
    body.seek(0)
    with gzip.open(body) as whole:
        while whole.read(1 << 20):
            pass
