"""drill's own image: made of the checkout, or it is said at once why not."""

import json
import tarfile
from pathlib import Path

import pytest

from lab import LabPreflightError, _own_image, load_own_image
from lab._tools import Tools


class _Node:
    """A node that runs, and notes what it is given."""

    class group:  # noqa: N801 - a property of the real one
        """Its processes."""

        running = True

    def __init__(self) -> None:
        self.given: list[Path] = []

    def load(self, archives: list[Path]) -> None:
        """Take them."""
        self.given += archives


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> _Node:
    """One node, the platform's layer in an empty cache, and a pip that installs one file."""
    one = _Node()
    layer = tmp_path / "platform" / "layer.tar"
    layer.parent.mkdir()
    tarfile.open(layer, "w").close()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(_own_image, "existing", lambda: [one])
    monkeypatch.setattr(_own_image, "place", lambda *_: layer.parent)

    def pip(_self: Tools, _name: str, command: list[object], **_: object) -> None:
        target = Path(str(command[command.index("--target") + 1]))
        target.mkdir()
        (target / ("needs.py" if "--no-deps" not in command else "drill.py")).write_text("")

    monkeypatch.setattr(Tools, "run", pip)
    return one


def test_the_image_has_drill_before_what_it_needs_and_runs_it(node: _Node) -> None:
    """Two layers on the platform's, which has Python; nothing of how it was built is in them."""
    assert load_own_image() == "drill.local/drill:lab"
    (archive,) = node.given
    with tarfile.open(archive) as images:
        index = json.load(images.extractfile("index.json"))  # type: ignore[arg-type]
        blob = {each.name.rpartition("/")[2]: each for each in images.getmembers() if "/blobs/" in f"/{each.name}"}

        def content(digest: str) -> dict[str, object]:
            return dict(json.load(images.extractfile(blob[digest.partition(":")[2]])))  # type: ignore[arg-type]

        manifest = content(index["manifests"][0]["digest"])
        config = content(manifest["config"]["digest"])["config"]  # type: ignore[index]
    assert len(manifest["layers"]) == 3  # type: ignore[arg-type]
    assert config["Entrypoint"][-3:] == ["/usr/bin/python3", "-m", "drill"]  # type: ignore[index]
    assert "PYTHONPATH=/opt/drill:/opt/python" in config["Env"]  # type: ignore[index]
    assert [path.name for path in archive.parent.iterdir()] == ["images.tar"]


def test_without_a_checkout_or_a_lab_it_says_what_to_do(
    node: _Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is installed."""
    with pytest.raises(LabPreflightError, match="not a checkout"):
        _own_image.load_own_image(tmp_path)
    monkeypatch.setattr(_own_image, "existing", list)
    with pytest.raises(LabPreflightError, match="drill lab up --with postgres,minio"):
        load_own_image()
    monkeypatch.setattr(_own_image, "place", lambda *_: tmp_path)
    with pytest.raises(LabPreflightError, match="no image with Python yet"):
        load_own_image()
    assert node.given == []
