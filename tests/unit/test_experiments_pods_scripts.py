"""The scripts that use up a container's processors, memory and disk, run here by a plain shell, in small."""

import subprocess
import uuid
from pathlib import Path
from typing import Any, cast

import pytest

from drill.cluster import Cluster, ClusterError, ExecResult
from drill.errors import UsageError
from experiments._watch import NotSeenError, await_seen
from experiments.pods import _disk, _processes, resources
from experiments.pods._site import Container, shell
from tests.unit.workload_world import pod

TARGET = Container(pod("here"), "main")


class Here:
    """A cluster whose only container is this machine."""

    def exec(self, _namespace: str, _pod: str, _container: str, argv: list[str], timeout: float) -> ExecResult:
        """Run it here."""
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=timeout)
        return ExecResult(done.stdout, done.stderr, done.returncode)


CLUSTER = cast("Cluster", Here())


def running(marked: str) -> int:
    """How many processes have the mark."""
    found = 0
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found += marked.encode() in file.read_bytes()
        except OSError:  # it ended meanwhile
            continue
    return found


def gone(marked: str) -> None:
    """Look whether they are gone."""
    if count := running(marked):
        raise NotSeenError(f"{count} are left")


def test_loops_run_and_are_found_again_by_their_mark() -> None:
    """As many as were asked for, until they are killed, and nothing else is."""
    marked, other = (f"drill-burn-{uuid.uuid4().hex}" for _ in range(2))
    shell(CLUSTER, TARGET, resources._BURN, marked, 2, 30)
    shell(CLUSTER, TARGET, resources._BURN, other, 1, 30)
    assert running(marked) >= 2
    _processes._kill(CLUSTER, TARGET, marked)
    await_seen(lambda: gone(marked), 5)  # a process that was killed is there for a moment more
    assert _processes._kill(CLUSTER, TARGET, marked) == 0
    assert running(other)
    _processes._kill(CLUSTER, TARGET, other)


def test_loops_end_by_themselves() -> None:
    """The dead man."""
    marked = f"drill-burn-{uuid.uuid4().hex}"
    shell(CLUSTER, TARGET, resources._BURN, marked, 1, 0.3)
    await_seen(lambda: gone(marked), 10)


def test_memory_is_really_taken() -> None:
    """Each piece is in the memory of a process of its own, until they are killed."""
    marked = f"drill-hog-{uuid.uuid4().hex}"
    shell(CLUSTER, TARGET, resources._HOG, marked, 1 << 22, 2, 30)

    def resident() -> None:
        sizes = []
        for file in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = file.read_bytes().split(b"\0")
                if marked.encode() in words and words[0] == b"sh":
                    status = (file.parent / "status").read_text()
                    sizes.append(int(status.partition("VmRSS:")[2].split()[0]))
            except (OSError, IndexError):  # it ended, or is about to
                continue
        if sum(size > 4096 for size in sizes) < 2:
            raise NotSeenError(f"{sizes} KiB")

    await_seen(resident, 15)
    _processes._kill(CLUSTER, TARGET, marked)
    await_seen(lambda: gone(marked), 5)
    assert _processes._kill(CLUSTER, TARGET, marked) == 0


def test_the_account_of_processors() -> None:
    """Whatever this machine has: a time, an amount that only grows, and its unit."""
    first, second = (shell(CLUSTER, TARGET, resources._USAGE).split() for _ in range(2))
    assert len(first) == 4
    assert float(second[0]) >= float(first[0])
    assert int(first[2]) in {100, 1_000_000, 1_000_000_000}


def test_a_file_fills_and_is_removed(tmp_path: Path) -> None:
    """As large as was said; the undo's script removes it, and does nothing where there is none."""
    file = tmp_path / ".drill-fill"
    _disk.start_filling(CLUSTER, TARGET, str(file), 1 << 20, 30)
    await_seen(lambda: _is(file, 1 << 20), 10)
    for _ in range(2):
        shell(CLUSTER, TARGET, _disk._EMPTY, file)
        assert not file.exists()


def test_a_file_goes_by_itself(tmp_path: Path) -> None:
    """The dead man."""
    file = tmp_path / ".drill-fill"
    _disk.start_filling(CLUSTER, TARGET, str(file), 1 << 20, 0.2)
    await_seen(lambda: _is_not(file), 10)


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    """Said in the shell's own words."""
    with pytest.raises(ClusterError, match="nowhere"):
        _disk.start_filling(CLUSTER, TARGET, str(tmp_path / "nowhere" / "file"), 1, 1)


def test_what_df_says(tmp_path: Path) -> None:
    """Of a folder on this machine's own disk it is known that it is; of one that is not there, that it is not."""
    disk = _disk.look_at(CLUSTER, TARGET, str(tmp_path))
    assert disk.free > 0
    assert 0 <= disk.used_share <= 1
    with pytest.raises(ClusterError, match="nowhere"):
        _disk.look_at(CLUSTER, TARGET, str(tmp_path / "nowhere"))


@pytest.mark.parametrize("share", ["90", "0%", "101%", "full%"])
def test_a_share_that_cannot_be_meant(share: str) -> None:
    """Said with what can be."""
    with pytest.raises(UsageError, match="give 90%"):
        _disk.Disk(1, 1, of_node=False).share(share)


def _is(file: Path, size: int) -> None:
    now: Any = file.stat().st_size if file.exists() else None
    if now != size:
        raise NotSeenError(f"{now} bytes")


def _is_not(file: Path) -> None:
    if file.exists():
        raise NotSeenError("it is there")
