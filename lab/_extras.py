"""Images of the parts that few labs have: each is compiled and packed only once its part is asked for.

Each has an archive of images of its own, so that nothing of it changes what the other labs are made from.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab import _debian, _go_modules, _images, _trino
from lab._addresses import cache
from lab._cache import content_hash, make, place
from lab._lock import alone
from lab._parts import MINIO, TRINO, VELERO, Part
from lab._progress import Step
from lab._tools import Tools, require

ARCHIVE = "images.tar"

_TINI = ("/usr/bin/tini", "--")
_PATH = "PATH=/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Extra:
    """What was built for a part.

    Attributes:
        part: whose it is.
        programs: the folder with its programs, for use on the host.
        archive: its images, for `ctr --namespace k8s.io images import`.
    """

    part: Part
    programs: Path
    archive: Path


Draw = Callable[[Path, _images.Layer, Path], list[_images.Image]]
"""The images of a part, from the folder of its programs, the base layer and a folder for layers of its own."""


@dataclass(frozen=True)
class Recipe:
    """How a part is made.

    Attributes:
        title: of the step that makes its programs.
        tools: the commands that this takes.
        key: content hash of what they are made from.
        build: fills a folder with them.
        images: what is made from that.
    """

    title: str
    tools: tuple[str, ...]
    key: Callable[[], str]
    build: Callable[[Tools, Path], None]
    images: Draw


def build(step: Step, parts: Iterable[Part]) -> tuple[Extra, ...]:
    """Build what these parts need and the cache lacks, in the order of the parts; parts without anything are left out.

    The base layer of the lab's own images has been made before.

    Raises:
        LabPreflightError: a program that the build needs is missing.
        LabError: a step failed.
    """
    wanted = [(part, RECIPES[part.name]) for part in parts if part.name in RECIPES]
    if not wanted:
        return ()
    lacking = [recipe for part, recipe in wanted if not place(_programs(part), recipe.key()).exists()]
    require({tool for recipe in lacking for tool in recipe.tools})
    tools = Tools(cache() / "logs")
    base = place("base", _debian.BASE.key())
    with alone(step, "build", "build"):
        try:
            return tuple(_made(part, recipe, base, tools, step) for part, recipe in wanted)
        except BaseException:
            tools.stop()
            raise


def _programs(part: Part) -> str:
    return f"programs-{part.name}"


def _made(part: Part, recipe: Recipe, base: Path, tools: Tools, step: Step) -> Extra:
    def compile_(folder: Path) -> None:
        with step(recipe.title):
            recipe.build(tools, folder)

    programs = make(_programs(part), recipe.key(), compile_)

    def pack(folder: Path) -> None:
        with step(f"Writing the images of {part.name}"):
            layers = folder / "layers"
            layers.mkdir()
            images = recipe.images(programs, _images.layer(base / _debian.LAYER), layers)
            _images.write(folder / ARCHIVE, images)
            for file in layers.iterdir():
                file.unlink()
            layers.rmdir()

    key = content_hash(programs.name, base.name, Path(__file__), Path(_images.__file__))
    return Extra(part, programs, make(f"images-{part.name}", key, pack) / ARCHIVE)


def _image(
    name: str, base: _images.Layer, layers: Path, files: dict[str, Path], entrypoint: Sequence[str] = _TINI
) -> _images.Image:
    own = _images.pack(layers / f"{name.replace('/', '-')}.tar", files)
    return _images.Image(name, (base, own), tuple(entrypoint), environment=(_PATH,))


def _minio(programs: Path, base: _images.Layer, layers: Path) -> list[_images.Image]:
    return [_image("drill.local/minio:lab", base, layers, {"/usr/bin/minio": programs / "minio"})]


def _velero(programs: Path, base: _images.Layer, layers: Path) -> list[_images.Image]:
    names = ("velero", "velero-restore-helper")
    plugin = "velero-plugin-for-aws"
    return [
        # A restored pod waits for its volumes in the server's own image (velero.io/docs: restore helper).
        _image("drill.local/velero:lab", base, layers, {f"/{name}": programs / name for name in names}),
        # Velero runs a plugin's image to have the plugin copied to where the server looks for it.
        _image(
            "drill.local/velero-plugin-for-aws:lab",
            base,
            layers,
            {f"/plugins/{plugin}": programs / plugin},
            ("/bin/cp", f"/plugins/{plugin}", "/target/"),
        ),
    ]


def _trino_images(programs: Path, base: _images.Layer, layers: Path) -> list[_images.Image]:
    return [_image("drill.local/trino:lab", base, layers, {f"/opt/{name}": programs / name for name in _trino.FOLDERS})]


RECIPES = {
    MINIO.name: Recipe(
        "Compiling MinIO (once, some 3 minutes)", ("go",), _go_modules.MINIO.key, _go_modules.MINIO.build, _minio
    ),
    VELERO.name: Recipe(
        "Compiling Velero and its AWS plugin (once, some 4 minutes)",
        ("go",),
        _go_modules.VELERO.key,
        _go_modules.VELERO.build,
        _velero,
    ),
    TRINO.name: Recipe(
        "Fetching Trino and a Java for it (once, some 5 minutes)",
        ("mvn", "tar"),
        _trino.key,
        _trino.build,
        _trino_images,
    ),
}
"""By the name of the part."""
