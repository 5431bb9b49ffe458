"""Writes container images as one archive that containerd imports, in the OCI image layout.

Format: https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md. Layers are not compressed, because
they travel no further than this machine, and the same layer of several images is stored once.
"""

import io
import json
import platform
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import file_digest, sha256
from pathlib import Path

from lab._cache import COMPILED

EPOCH = "1970-01-01T00:00:00Z"
ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


@dataclass(frozen=True)
class Layer:
    """A layer of an image: an uncompressed tar file, its digest and its size in bytes."""

    path: Path
    digest: str
    size: int


@dataclass(frozen=True)
class Image:
    """An image: its full name, its layers from the bottom up, and what it runs."""

    name: str
    layers: tuple[Layer, ...]
    entrypoint: tuple[str, ...]
    command: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()


def layer(path: Path) -> Layer:
    """Describe the tar file at `path` as a layer."""
    with path.open("rb") as file:
        return Layer(path, f"sha256:{file_digest(file, 'sha256').hexdigest()}", path.stat().st_size)


def pack(path: Path, files: Mapping[str, Path]) -> Layer:
    """Write a layer to `path` from files and folders, by their names in the image; same contents, same bytes."""

    def plain(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
        if member.name.rpartition("/")[2] == COMPILED:
            return None
        member.uid = member.gid = member.mtime = 0
        member.uname = member.gname = "root"
        return member

    with tarfile.open(path, "w") as tar:
        for name, source in sorted(files.items()):
            tar.add(source, name.lstrip("/"), filter=plain)
    return layer(path)


def write(path: Path, images: list[Image]) -> None:
    """Write the images into one archive at `path`."""
    with tarfile.open(path, "w") as archive:
        _add(archive, "oci-layout", json.dumps({"imageLayoutVersion": "1.0.0"}).encode())
        for stored in {part.digest: part for image in images for part in image.layers}.values():
            archive.add(stored.path, _blob(stored.digest))
        manifests = [_manifest(archive, image) for image in images]
        _add(archive, "index.json", json.dumps({"schemaVersion": 2, "manifests": manifests}).encode())


def _manifest(archive: tarfile.TarFile, image: Image) -> dict[str, object]:
    """Add the image's configuration and manifest to the archive; return the manifest's descriptor."""
    config = {
        "created": EPOCH,
        "architecture": ARCHITECTURE,
        "os": "linux",
        "config": {"Entrypoint": image.entrypoint, "Cmd": image.command, "Env": image.environment},
        "rootfs": {"type": "layers", "diff_ids": [part.digest for part in image.layers]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": _store(archive, "application/vnd.oci.image.config.v1+json", config),
        "layers": [
            {"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": part.digest, "size": part.size}
            for part in image.layers
        ],
    }
    # containerd names an imported image by this annotation of its own.
    names = {"io.containerd.image.name": image.name, "org.opencontainers.image.ref.name": image.name.rpartition(":")[2]}
    return {**_store(archive, "application/vnd.oci.image.manifest.v1+json", manifest), "annotations": names}


def _store(archive: tarfile.TarFile, media_type: str, value: object) -> dict[str, object]:
    content = json.dumps(value, sort_keys=True).encode()
    digest = f"sha256:{sha256(content).hexdigest()}"
    if _blob(digest) not in archive.getnames():
        _add(archive, _blob(digest), content)
    return {"mediaType": media_type, "digest": digest, "size": len(content)}


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


def _blob(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/")
