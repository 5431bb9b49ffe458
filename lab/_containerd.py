"""Images unpacked once for all nodes and all later labs, instead of once on each node each time.

A node's /var/lib/containerd is a tree of hard links to the one in the cache. That is safe, because containerd never
changes a blob or the layer of an image in place; the two databases, which it does change, are copied.
"""

import shutil
from pathlib import Path

from lab._cache import content_hash, make, place
from lab._group import Group
from lab._progress import Step
from lab._run import run

_UNPACK = """\
mount -t tmpfs -o mode=755 run /run
mount --bind {folder} /var/lib
# These two would make folders in the host's /etc and /opt.
cat >/run/config.toml <<'END'
version = 2
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]
END
containerd --config /run/config.toml &
until ctr version >/dev/null 2>&1; do sleep 0.1; done
ctr --namespace k8s.io images import {images}
"""


def unpacked(images: Path, step: Step) -> Path:
    """A containerd root that has the images of the archive; made at the first call for this archive."""
    key = content_hash(images.parent.name, _UNPACK)
    done = place("containerd", key)
    if not done.exists():
        with step("Unpacking the images"):
            make("containerd", key, lambda folder: _unpack(images, folder))
    return done / "containerd"


def clone(root: Path, target: Path) -> None:
    """Make `target` a root of its own with the images of `root`, unless it is there."""
    if target.exists():
        return
    partial = target.with_name(f"{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    if root.stat().st_dev == target.parent.stat().st_dev:
        run("cp", "--archive", "--link", root, partial)
        for database in root.rglob("*.db"):
            run("cp", "--archive", "--remove-destination", database, partial / database.relative_to(root))
    else:
        run("cp", "--archive", root, partial)
    partial.rename(target)


def _unpack(images: Path, folder: Path) -> None:
    (folder / "images.tar").hardlink_to(images)
    Group("unpack").run(_UNPACK.format(folder=folder, images="/var/lib/images.tar"))
    (folder / "images.tar").unlink()
