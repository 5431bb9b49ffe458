"""drill's own image, for drills that run inside the lab: the platform's layer, which has Python, and drill beside it.

It is no part: nothing of the platform needs it. It is made from the checkout, loaded into the nodes that run, and made
anew when the checkout has changed.
"""

import shutil
import sys
import tomllib
from pathlib import Path

from lab import _debian, _images
from lab._addresses import cache
from lab._cache import content_hash, make, place
from lab._errors import LabPreflightError
from lab._lock import alone
from lab._progress import progress
from lab._tools import Tools
from lab.node import existing

NAME = "drill.local/drill:lab"
_ARCHIVE = "images.tar"
_ROOMS = ("drill", "experiments", "load", "recovery", "scenarios", "reports", "lab")
_SOURCES = (*_ROOMS, "pyproject.toml", "README.md")
_ROOT = Path(__file__).parent.parent


def load_own_image(root: Path = _ROOT) -> str:
    """Make drill's image from the checkout, and import it into the nodes; returns its name.

    Raises:
        LabPreflightError: this is no checkout, the lab is not up, or it has no part with Python.
        LabError: pip or a node's containerd refused.
    """
    if not (root / "pyproject.toml").is_file():
        raise LabPreflightError(f"{root}: not a checkout of drill, which its image is made from")
    base = place("platform", _debian.PLATFORM.key()) / _debian.LAYER
    if not base.is_file():
        raise LabPreflightError("the lab has no image with Python yet: drill lab up --with postgres")
    nodes = [node for node in existing() if node.group.running]
    if not nodes:
        raise LabPreflightError("the lab is not up: drill lab up --with postgres,minio")
    with progress() as step, alone(step, "build", "build"):
        tools = Tools(cache() / "logs")

        def depend(folder: Path) -> None:
            with step("Installing what drill needs (pip, once, some minutes)"):
                project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
                _pip(tools, root, folder / "site", *project["dependencies"])

        def install(folder: Path) -> None:
            with step("Installing drill (pip)"):
                source = folder / "source"  # a build writes into the folder of what it builds
                source.mkdir()
                for name in _SOURCES:
                    _copy(root / name, source / name)
                _pip(tools, root, folder / "site", "--no-deps", str(source))
                shutil.rmtree(source)

        def pack(folder: Path) -> None:
            with step("Writing drill's image"):
                layers = [
                    _images.pack(folder / f"{number}.tar", {target: site / "site"})
                    for number, (target, site) in enumerate(sites.items())
                ]
                environment = (
                    *("PATH=/usr/sbin:/usr/bin:/sbin:/bin", f"PYTHONPATH={':'.join(reversed(sites))}"),
                    *("PYTHONDONTWRITEBYTECODE=1", "PYTHONUNBUFFERED=1"),
                )
                entry = ("/usr/bin/tini", "--", "/usr/bin/python3", "-m", "drill")
                image = _images.Image(NAME, (_images.layer(base), *layers), entry, environment=environment)
                _images.write(folder / _ARCHIVE, [image])
                for each in layers:
                    each.path.unlink()

        needs = content_hash(root / "pyproject.toml", root / "constraints.txt")
        own = content_hash(*(root / name for name in _SOURCES))
        sites = {
            "/opt/python": make("drill-needs", needs, depend),
            "/opt/drill": make("drill-own", own, install),
        }
        key = content_hash(needs, own, base.parent.name, Path(_images.__file__), Path(__file__))
        archive = make("images-drill", key, pack) / _ARCHIVE
        with step("Importing it into the nodes"):
            for node in nodes:
                node.load([archive])
    return NAME


def _pip(tools: Tools, root: Path, target: Path, *what: str) -> None:
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile")
    tools.run("pip", [*pip, "--constraint", root / "constraints.txt", "--target", target, *what])


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copyfile(source, target)
