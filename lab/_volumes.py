"""Bounded file systems for the local volumes of each node, so that a volume can be full while the machine is not.

Each is a sparse file on a loop device that goes by itself when its last mount does, which is when the node's last
process ends.
"""

import os
from pathlib import Path

from lab._run import run, until

SIZE = 8 << 30

FOLDERS = ("local-path-provisioner", "local-path-apart", "local-path-objects")
"""Where they are mounted below a node's /var/lib: for the volumes of StorageClass `local-path`, and for those of
`local-path-apart`, which are not to suffer when somebody fills the others, and for the object store's."""

# No journal: the lab does not outlive the machine. No inode tables to be written behind everybody's back either.
_MAKE = ("mkfs.ext4", "-q", "-F", "-m", "0", "-O", "^has_journal", "-i", "65536", "-E", "nodiscard,lazy_itable_init=1")
MOUNT_OPTIONS = "loop,noatime,discard,noinit_itable"


def create(image: Path) -> None:
    """Make the file with an empty file system in it, unless it is there."""
    if image.exists():
        return
    partial = image.with_name(f"{image.name}.partial")
    with partial.open("wb") as file:
        os.truncate(file.fileno(), SIZE)
    run(*_MAKE, partial)
    partial.rename(image)


def await_detached(folder: Path, timeout: float = 30) -> None:
    """Wait until no loop device holds a file below `folder`: a file system must not be mounted by two devices.

    Raises:
        LabError: one still does after `timeout` seconds.
    """
    until(lambda: not attached(folder), timeout=timeout, what=f"the release of the loop devices of {folder}")


def attached(folder: Path) -> list[str]:
    """The files below `folder` that loop devices hold."""
    found = []
    for backing in Path("/sys/block").glob("loop*/loop/backing_file"):
        try:
            file = backing.read_text().strip()
        except OSError:  # detached while we look
            continue
        if Path(file.removesuffix(" (deleted)")).is_relative_to(folder):
            found.append(file)
    return found
