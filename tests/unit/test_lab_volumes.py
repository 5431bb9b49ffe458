"""The bounded file systems of the nodes' volumes: they fill up, and nothing holds them once nobody is in them."""

import os
import subprocess
from pathlib import Path

import pytest

from lab import _volumes
from lab._errors import LabError

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")

FILL = "head --bytes={size} /dev/zero >{folder}/fill"


@pytest.fixture
def image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small one."""
    monkeypatch.setattr(_volumes, "SIZE", 16 << 20)
    _volumes.create(tmp_path / "volumes.img")
    (tmp_path / "mounted").mkdir()
    return tmp_path / "volumes.img"


def inside(image: Path, script: str) -> "subprocess.CompletedProcess[str]":
    """Run a script while the file system is mounted, in a mount namespace that ends with it, as a node's does."""
    mount = f"mount -o {_volumes.MOUNT_OPTIONS} {image} {image.parent}/mounted"
    command = ["unshare", "--mount", "sh", "-c", f"{mount} && {script}"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_volume_is_full_when_its_file_system_is(image: Path) -> None:
    """What fits is written; what does not is refused with the kernel's own words, wherever the machine stands."""
    folder = image.parent / "mounted"
    assert inside(image, FILL.format(size=8 << 20, folder=folder)).returncode == 0
    done = inside(image, FILL.format(size=32 << 20, folder=folder))
    assert done.returncode != 0
    assert "No space left on device" in done.stderr


def test_file_system_keeps_what_is_in_it(image: Path) -> None:
    """A second `create` is of no effect, and the next mount finds the file."""
    folder = image.parent / "mounted"
    assert inside(image, f"echo kept >{folder}/file").returncode == 0
    _volumes.create(image)
    assert inside(image, f"cat {folder}/file").stdout == "kept\n"


def test_loop_device_goes_with_the_last_process(image: Path) -> None:
    """While somebody is in the mount namespace it is there, and waiting for its end is in vain."""
    mount = f"mount -o {_volumes.MOUNT_OPTIONS} {image} {image.parent}/mounted"
    command = ["unshare", "--mount", "sh", "-c", f"{mount} && echo mounted && exec cat"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "mounted\n"
        assert _volumes.attached(image.parent) == [str(image)]
        with pytest.raises(LabError, match="release of the loop devices"):
            _volumes.await_detached(image.parent, timeout=0.1)
    _volumes.await_detached(image.parent)
    assert _volumes.attached(image.parent) == []


def test_space_that_is_freed_goes_back_to_the_machine(image: Path) -> None:
    """The file is sparse, and stays so when files in it are removed."""
    folder = image.parent / "mounted"
    assert inside(image, FILL.format(size=8 << 20, folder=folder)).returncode == 0
    full = image.stat().st_blocks
    assert inside(image, f"rm {folder}/fill").returncode == 0
    assert image.stat().st_blocks < full - (8 << 20) // 512 // 2
