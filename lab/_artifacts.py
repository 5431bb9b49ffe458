"""Builds what the lab runs from source packages, once: the Kubernetes binary, the images, Kafka's commands."""

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from lab import _debian, _go, _images, _kafka, _standin
from lab._addresses import cache
from lab._cache import content_hash, make, place
from lab._lock import alone
from lab._progress import Step
from lab._tools import Tools, require

ARCHIVE = "images.tar"

_SYSTEM_PATH = "PATH=/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Artifacts:
    """Paths of what was built.

    Attributes:
        kube: The multi-call binary; its first argument is one of etcd, kube-apiserver, kube-controller-manager,
            kube-scheduler, kubelet, kube-proxy, kubeadm, kubectl.
        images: Archives of images, for `ctr --namespace k8s.io images import`.
        kafka: The folder with bin/kafka-*.sh and what they need, for use on the host.
    """

    kube: Path
    images: tuple[Path, ...]
    kafka: Path


@dataclass(frozen=True)
class _Part:
    """One thing to build: its folder in the cache, the title of its step, the programs that build it, and how."""

    kind: str
    title: str
    programs: tuple[str, ...]
    key: Callable[[], str]
    build: Callable[[Tools, Path], None]

    def made(self, tools: Tools, step: Step) -> Path:
        """Return the part's folder, having built it if need be."""

        def build(folder: Path) -> None:
            with step(self.title):
                self.build(tools, folder)

        return make(self.kind, self.key(), build)


_GO = _Part("programs", "Compiling Kubernetes and CoreDNS (once, some 6 minutes)", ("go",), _go.key, _go.build)
_BASE = _Part("base", "Making the images' base layer", ("apt-get", "mmdebstrap"), _debian.BASE.key, _debian.BASE.build)
_KAFKA = _Part("kafka", "Fetching Kafka", ("java", "mvn"), _kafka.key, _kafka.build)
_PLATFORM = _Part(
    "platform",
    "Making the platform's layer: PostgreSQL, Prometheus, Python",
    ("apt-get", "mmdebstrap"),
    _debian.PLATFORM.key,
    _debian.PLATFORM.build,
)


def build(step: Step, platform: bool = False) -> Artifacts:
    """Build what is not in the cache yet, and say where everything is. Steps overlap: they come from two threads.

    Args:
        step: opens a step.
        platform: the images of what is not Kafka, too.

    Raises:
        LabPreflightError: a program that the build needs is missing.
        LabError: a step failed.
    """
    parts = (_GO, _BASE, _KAFKA, *([_PLATFORM] if platform else []))
    require({program for part in parts if not place(part.kind, part.key()).exists() for program in part.programs})
    tools = Tools(cache() / "logs")
    with alone(step, "build", "build"), ThreadPoolExecutor(max_workers=2) as pool:
        try:
            # Go first, because it takes longest; the other thread makes one after the other of the rest meanwhile.
            waiting = [pool.submit(part.made, tools, step) for part in parts]
            for finished in as_completed(waiting):
                finished.result()  # the first that fails ends them all
        except BaseException:
            tools.stop()
            raise
        programs, base, kafka, *roots = (part.result() for part in waiting)
        archives = [_images_part(programs, base, kafka), *map(_platform_part, roots)]
        images = tuple(part.made(tools, step) / ARCHIVE for part in archives)
    return Artifacts(kube=programs / "kube", images=images, kafka=kafka)


def _images_part(programs: Path, base: Path, kafka: Path) -> _Part:
    def key() -> str:
        return content_hash(programs.name, base.name, kafka.name, Path(__file__), Path(_images.__file__))

    def build(_: Tools, folder: Path) -> None:
        layers = folder / "layers"
        layers.mkdir()
        _images.write(folder / ARCHIVE, _lab_images(programs, base, kafka, layers))
        shutil.rmtree(layers)

    return _Part("images", "Writing the images", (), key, build)


def _platform_part(root: Path) -> _Part:
    def key() -> str:
        return content_hash(root.name, _standin.SOURCE, Path(__file__), Path(_images.__file__))

    def build(_: Tools, folder: Path) -> None:
        own = _images.pack(folder / "standin.tar", {_standin.TARGET: _standin.SOURCE})
        image = _images.Image(
            "drill.local/platform:lab",
            (_images.layer(root / _debian.LAYER), own),
            ("/usr/bin/tini", "--"),
            environment=(
                "PATH=/usr/lib/postgresql/15/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                f"PYTHONPATH={_standin.TARGET}",
                "PYTHONDONTWRITEBYTECODE=1",
            ),
        )
        _images.write(folder / ARCHIVE, [image])
        (folder / "standin.tar").unlink()

    return _Part("platform-images", "Writing the platform's image", (), key, build)


def _lab_images(programs: Path, base: Path, kafka: Path, layers: Path) -> list[_images.Image]:
    debian = _images.layer(base / _debian.LAYER)

    def program(name: str) -> _images.Layer:
        return _images.pack(layers / f"{name}.tar", {f"/{name}": programs / name})

    return [
        _images.Image("drill.local/pause:lab", (program("pause"),), ("/pause",)),
        _images.Image("drill.local/coredns:lab", (program("coredns"),), ("/coredns",)),
        _images.Image("drill.local/helper:lab", (debian,), ("/usr/bin/tini", "--"), environment=(_SYSTEM_PATH,)),
        _images.Image(
            "drill.local/local-path-provisioner:lab",
            (debian, program("local-path-provisioner")),
            ("/local-path-provisioner",),
            environment=(_SYSTEM_PATH,),
        ),
        _images.Image(
            "drill.local/kafka:lab",
            (debian, _images.pack(layers / "kafka.tar", {"/opt/kafka": kafka})),
            # tini is process 1: the kernel shields that one from SIGKILL and SIGSTOP sent within its own namespace.
            ("/usr/bin/tini", "--"),
            ("/opt/kafka/bin/kafka-server-start.sh", "/etc/kafka/server.properties"),
            ("PATH=/opt/kafka/bin:/usr/sbin:/usr/bin:/sbin:/bin",),
        ),
    ]
