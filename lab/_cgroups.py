"""The lab's cgroups, in every hierarchy of the machine, version 1 or 2.

Each process of the lab is in a cgroup under `/drill-lab`, so that the kernel itself keeps the list of what belongs to
the lab: `down` needs no pid file, and finds the children of what was killed half-way too.
"""

import errno
import os
import signal
from collections.abc import Iterator
from pathlib import Path

from lab._addresses import NAME
from lab._errors import LabError
from lab._run import until

SYSTEM = "system"
"""The leaf with the node's own processes; its pods are beside it, because version 2 allows processes in leaves only."""


def hierarchies(mountinfo: Path = Path("/proc/self/mountinfo")) -> tuple[Path, ...]:
    """Where the machine's cgroup hierarchies are mounted (proc_pid_mountinfo(5)): one with version 2, else several."""
    mounts = []
    for line in mountinfo.read_text().splitlines():
        mount, _, source = line.partition(" - ")
        if source.split()[0] in {"cgroup", "cgroup2"}:
            mounts.append(Path(mount.split()[4]))
    if not mounts:
        raise LabError("no cgroup hierarchy is mounted: mount /sys/fs/cgroup")
    return tuple(mounts)


def create(group: str) -> tuple[Path, ...]:
    """Make the cgroup of `group` for its own processes; returns its folder in each hierarchy."""
    leaves = []
    for root in hierarchies():
        folder = root
        for name in (NAME, group, SYSTEM):
            _delegate(folder)
            folder /= name
            folder.mkdir(exist_ok=True)
            _fill_cpuset(folder)
        leaves.append(folder)
    return tuple(leaves)


def pids(group: str = "") -> set[int]:
    """The processes of `group` (such as `node1` or `node1/system`); without one, of the whole lab."""
    found = set()
    for folder in _folders(group):
        try:
            found |= {int(pid) for pid in (folder / "cgroup.procs").read_text().split()}
        except OSError as error:  # a pod's cgroup may go away while we look
            if error.errno not in {errno.ENOENT, errno.ENODEV, errno.EOPNOTSUPP}:
                raise
    return found - {0}


def kill(group: str = "") -> None:
    """Kill every process of `group` (or of the lab), and return when there is none.

    Raises:
        LabError: some are still there after 30 s.
    """

    def killed() -> bool:
        alive = pids(group)
        for pid in alive:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        return not alive

    until(killed, timeout=30, what=f"the end of every process in cgroup {NAME}/{group}")


def remove(group: str = "") -> None:
    """Remove the cgroups of `group` (or all of the lab's); their processes must be gone.

    Raises:
        LabError: the kernel still holds one after 10 s.
    """

    def removed() -> bool:
        for folder in sorted(_folders(group), key=lambda each: len(each.parts), reverse=True):
            try:
                folder.rmdir()
            except OSError as error:  # busy for a moment after the last process has ended
                if error.errno not in {errno.EBUSY, errno.ENOENT}:
                    raise
        return not any(_folders(group))

    until(removed, timeout=10, what=f"the removal of cgroup {NAME}/{group}")


def memory(group: str = "") -> int:
    """Working set of `group` (or of the lab) in bytes, as Kubernetes defines it: usage without inactive file pages."""
    for root in hierarchies():
        folder = root / NAME / group
        for usage, inactive in (("memory.usage_in_bytes", "total_inactive_file"), ("memory.current", "inactive_file")):
            if (folder / usage).exists():
                stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
                return max(0, int((folder / usage).read_text()) - int(stat[inactive]))
    return 0


def groups() -> set[str]:
    """The names of the groups that have a cgroup."""
    return {child.name for root in hierarchies() for child in (root / NAME).glob("*/")}


def _folders(group: str) -> Iterator[Path]:
    for root in hierarchies():
        for folder, _, _ in os.walk(root / NAME / group):
            yield Path(folder)


def _delegate(folder: Path) -> None:
    """Version 2: let the children of `folder` have every controller that it has."""
    controllers = folder / "cgroup.controllers"
    if controllers.exists() and (names := controllers.read_text().split()):
        (folder / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in names))


def _fill_cpuset(folder: Path) -> None:
    """Version 1: a cpuset takes no process before its processors and memory nodes are named."""
    for name in ("cpuset.cpus", "cpuset.mems"):
        here, above = folder / name, folder.parent / name
        if here.exists() and (folder / "cgroup.clone_children").exists() and not here.read_text().strip():
            here.write_text(above.read_text())
