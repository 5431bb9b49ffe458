"""The lab's cgroups, on folders that stand for a machine with version 1 and one with version 2."""

import errno
import os
import signal
import subprocess
from pathlib import Path

import pytest

from lab import _cgroups
from lab._errors import LabError

MOUNTINFO = """\
22 21 0:5 / /proc rw,relatime - proc proc rw
30 24 0:26 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory
31 24 0:27 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup rw
"""


@pytest.fixture
def version_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with the cpuset and memory hierarchies of version 1."""
    for name in ("cpuset", "memory"):
        (tmp_path / name).mkdir()
    for name, value in (("cpuset.cpus", "0-1"), ("cpuset.mems", "0")):
        (tmp_path / "cpuset" / name).write_text(value)
    monkeypatch.setattr(_cgroups, "hierarchies", lambda: (tmp_path / "cpuset", tmp_path / "memory"))
    return tmp_path


@pytest.fixture
def version_2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with version 2."""
    (tmp_path / "cgroup.controllers").write_text("cpuset cpu memory pids")
    monkeypatch.setattr(_cgroups, "hierarchies", lambda: (tmp_path,))
    return tmp_path


def test_hierarchies_are_found_among_other_mounts(tmp_path: Path) -> None:
    """Both versions are found, wherever they are mounted."""
    (tmp_path / "mountinfo").write_text(MOUNTINFO)
    expected = (Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup/unified"))
    assert _cgroups.hierarchies(tmp_path / "mountinfo") == expected


def test_machine_without_cgroups_is_refused(tmp_path: Path) -> None:
    """Without cgroups nothing could be taken down again."""
    (tmp_path / "mountinfo").write_text(MOUNTINFO.splitlines()[0])
    with pytest.raises(LabError, match="no cgroup hierarchy"):
        _cgroups.hierarchies(tmp_path / "mountinfo")


def test_group_is_in_every_hierarchy_of_version_1(version_1: Path) -> None:
    """A process can be put into the same group everywhere."""
    leaves = _cgroups.create("node1")
    assert leaves == tuple(version_1 / name / "drill-lab/node1/system" for name in ("cpuset", "memory"))
    assert all(leaf.is_dir() for leaf in leaves)
    assert _cgroups.groups() == {"node1"}


def test_empty_cpuset_is_filled_from_above(tmp_path: Path) -> None:
    """Version 1 gives a new cpuset no processor, and then lets no process in."""
    child = tmp_path / "child"
    child.mkdir()
    (child / "cgroup.clone_children").write_text("0")
    for name, value in (("cpuset.cpus", "0-1"), ("cpuset.mems", "0")):
        (tmp_path / name).write_text(value)
        (child / name).write_text("\n")
    _cgroups._fill_cpuset(child)
    assert (child / "cpuset.cpus").read_text() == "0-1"


def test_version_2_hands_its_controllers_down(version_2: Path) -> None:
    """A pod's limits need every controller in every cgroup above it."""
    (leaf,) = _cgroups.create("node1")
    assert leaf == version_2 / "drill-lab/node1/system"
    assert (version_2 / "cgroup.subtree_control").read_text() == "+cpuset +cpu +memory +pids"


@pytest.mark.parametrize(
    "names",
    [("memory.usage_in_bytes", "total_inactive_file"), ("memory.current", "inactive_file")],
    ids=["version 1", "version 2"],
)
def test_memory_leaves_out_file_pages_that_can_go(version_1: Path, names: tuple[str, str]) -> None:
    """The working set is usage without inactive file pages."""
    folder = version_1 / "memory/drill-lab/node1"
    folder.mkdir(parents=True)
    (folder / names[0]).write_text("1000")
    (folder / "memory.stat").write_text(f"cache 700\n{names[1]} 300\n")
    assert _cgroups.memory("node1") == 700


def test_every_process_of_a_group_is_killed(version_1: Path) -> None:
    """Processes of nested cgroups too; and it returns only when the list is empty."""
    with subprocess.Popen(["sleep", "600"]) as process:
        pod = version_1 / "memory/drill-lab/node1/kubepods/pod1"
        pod.mkdir(parents=True)
        (pod / "cgroup.procs").write_text(f"{process.pid}\n")
        kill = os.kill

        def kernel(pid: int, number: int) -> None:
            kill(pid, number)
            process.wait()
            (pod / "cgroup.procs").write_text("")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "kill", kernel)
            _cgroups.kill("node1")
    assert process.returncode == -signal.SIGKILL
    assert _cgroups.pids("node1") == set()


def test_removal_leaves_nothing(version_1: Path) -> None:
    """All groups are removed from every hierarchy, and a second time is no error."""
    _cgroups.create("node1")
    _cgroups.create("control-plane")
    _cgroups.remove()
    _cgroups.remove()
    assert [folder.name for folder in version_1.rglob("*") if folder.is_dir()] == ["cpuset", "memory"]


def test_removal_of_what_may_not_be_removed_is_an_error(version_1: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a cgroup that is busy for a moment is waited for."""
    _cgroups.create("node1")

    def refused(_: Path) -> None:
        raise PermissionError(errno.EPERM, "not allowed")

    monkeypatch.setattr(Path, "rmdir", refused)
    with pytest.raises(PermissionError):
        _cgroups.remove()
    assert version_1.exists()
