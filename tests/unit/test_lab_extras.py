"""What is built for parts that few labs have, and when; no compiler runs here."""

import json
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from lab import _cache, _debian, _extras, _go_modules
from lab._errors import LabPreflightError
from lab._parts import KAFKA, MINIO, POSTGRES, VELERO
from lab._tools import Tools

titles: list[str] = []
commands: list[tuple[str, Sequence[str | Path]]] = []


@contextmanager
def step(title: str) -> Iterator[None]:
    """Remembers its title."""
    titles.append(title)
    yield


@pytest.fixture(autouse=True)
def compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache with a base layer, and a compiler that writes a line for each package."""
    titles.clear()
    commands.clear()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    layer = _cache.place("base", _debian.BASE.key()) / _debian.LAYER
    layer.parent.mkdir(parents=True)
    with tarfile.open(layer, "w"):
        pass

    def run(
        _: Tools,
        name: str,
        command: Sequence[str | Path],
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        assert cwd is not None
        assert env is not None
        commands.append((name, command))
        folder = Path(command[command.index("-o") + 1])
        for package in command[command.index("-o") + 2 :]:
            (folder / str(package).rpartition("/")[2]).write_text(f"{package}\n")

    monkeypatch.setattr(Tools, "run", run)


def test_nothing_is_built_that_nobody_asked_for() -> None:
    """Labs of other parts neither compile nor need a compiler."""
    assert _extras.build(step, [KAFKA, POSTGRES]) == ()
    assert (titles, commands) == ([], [])


def test_each_part_is_built_once_by_itself() -> None:
    """MinIO first, Velero when it is asked for too, and nothing a second time."""
    (minio,) = _extras.build(step, [KAFKA, MINIO])
    assert [name for name, _ in commands] == ["go-minio"]
    both = _extras.build(step, [KAFKA, MINIO, VELERO])
    assert [name for name, _ in commands] == ["go-minio", "go-velero"]
    assert [each.part for each in both] == [MINIO, VELERO]
    assert both[0] == minio
    assert _extras.build(step, [KAFKA, MINIO, VELERO]) == both
    assert len(commands) == 2
    assert {path.name for path in both[1].programs.iterdir()} == {
        "velero",
        "velero-restore-helper",
        "velero-plugin-for-aws",
    }


def test_velero_is_told_the_version_that_it_is() -> None:
    """By the linker, from its go.mod: it names images by it."""
    _extras.build(step, [VELERO])
    ((_, command),) = commands
    version = _go_modules.VELERO.version("github.com/vmware-tanzu/velero")
    assert version.startswith("v1.18.")
    assert f"pkg/buildinfo.Version={version}" in str(command[command.index("-ldflags") + 1])
    with pytest.raises(ValueError, match="requires no example"):
        _go_modules.VELERO.version("example.com/other")


def test_images_are_of_the_lab_and_whole() -> None:
    """Each archive has its images by name, with the base below their own layer."""
    for extra, names in zip(
        _extras.build(step, [MINIO, VELERO]),
        (["drill.local/minio:lab"], ["drill.local/velero:lab", "drill.local/velero-plugin-for-aws:lab"]),
        strict=True,
    ):
        with tarfile.open(extra.archive) as archive:
            index = json.load(archive.extractfile("index.json"))  # type: ignore[arg-type]
            assert [each["annotations"]["io.containerd.image.name"] for each in index["manifests"]] == names
            for each in index["manifests"]:
                manifest = json.load(archive.extractfile(f"blobs/{each['digest'].replace(':', '/')}"))  # type: ignore[arg-type]
                assert len(manifest["layers"]) == 2
        assert [path.name for path in extra.archive.parent.iterdir()] == [_extras.ARCHIVE]


def test_another_source_is_another_artifact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A changed go.sum compiles again; what it was made from before stays beside it."""
    (first,) = _extras.build(step, [MINIO])
    source = tmp_path / "build"
    (source / "minio").mkdir(parents=True)
    for file in _go_modules.MINIO.source.iterdir():
        (source / "minio" / file.name).write_text(file.read_text() + "\n")
    changed = replace(_go_modules.MINIO, source=source / "minio")
    recipe = replace(_extras.RECIPES[MINIO.name], key=changed.key, build=changed.build)
    monkeypatch.setitem(_extras.RECIPES, MINIO.name, recipe)
    (second,) = _extras.build(step, [MINIO])
    assert len(commands) == 2
    assert first.programs != second.programs
    assert first.archive != second.archive


def test_compiler_is_asked_for_before_anything_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """And only where something has to be compiled."""
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(LabPreflightError, match="missing: go"):
        _extras.build(step, [MINIO])
