"""Images unpacked once for all nodes and all later labs, instead of once on each node each time.

A node's /var/lib/containerd is a tree of hard links to the one in the cache. That is safe, because containerd never
changes a blob or the layer of an image in place; the two databases, which it does change, are copied.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

from lab._cache import content_hash, make
from lab._errors import LabError
from lab._group import Group
from lab._progress import Step
from lab._run import run, until

_COMMON = ("images", "platform-images")
"""The kinds of archives that most labs have."""

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
ctr --namespace k8s.io images import /var/lib/images.tar
"""


def unpacked(archives: Sequence[Path], step: Step) -> Path:
    """A containerd root that has the images of these archives; made at the first call for them, one on the other."""
    *others, last = archives
    below = unpacked(others, step) if others else None
    key = content_hash(*map(identity, archives), _UNPACK)

    def unpack(folder: Path) -> None:
        with step("Unpacking the images"):
            _unpack(last, below, folder)

    # Roots for rare parts have shelves of their own: they are not to push out those that most labs start from.
    kind = last.parent.parent.name
    return make("containerd" if kind in _COMMON else f"containerd-{kind}", key, unpack) / "containerd"


def identity(archive: Path) -> str:
    """What an archive of images is made from, as a hash."""
    return archive.parent.name


def load(process: int, archive: Path) -> None:
    """Import an archive of images into the containerd that runs in the mount namespace of that process.

    Raises:
        LabError: it does not run, or did not take it.
    """
    ctr = ("ctr", "--address", f"/proc/{process}/root/run/containerd/containerd.sock", "--namespace", "k8s.io")

    def answers() -> bool:
        try:
            run(*ctr, "version", timeout=10)
        except LabError:
            return False
        return True

    until(answers, timeout=60, what=f"containerd of process {process}")
    run(*ctr, "images", "import", archive)


def clone(root: Path, target: Path) -> None:
    """Make `target` a root of its own with the images of `root`."""
    partial = target.with_name(f"{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    if root.stat().st_dev == target.parent.stat().st_dev:
        run("cp", "--archive", "--link", root, partial)
        for database in root.rglob("*.db"):
            run("cp", "--archive", "--remove-destination", database, partial / database.relative_to(root))
    else:
        run("cp", "--archive", root, partial)
    partial.rename(target)


def _unpack(archive: Path, below: Path | None, folder: Path) -> None:
    if below is not None:
        clone(below, folder / "containerd")
    (folder / "images.tar").hardlink_to(archive)
    Group("unpack").run(_UNPACK.format(folder=folder))
    (folder / "images.tar").unlink()
