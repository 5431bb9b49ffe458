"""How artifacts are cached, built together and wrapped as images; no tool of a real build runs here."""

import json
import os
import select
import signal
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from threading import Event

import pytest
import stamina

from lab import _artifacts, _cache, _debian, _go, _images, _kafka, _lock
from lab._errors import LabError, LabPreflightError
from lab._tools import Tools, require

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="tools run in a process namespace of their own, as root")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "drill" / "lab"


class Steps:
    """Remembers the titles of the steps that were opened."""

    def __init__(self) -> None:
        self.titles: list[str] = []
        self.opened = Event()

    @contextmanager
    def __call__(self, title: str) -> Iterator[None]:
        """Open a step."""
        self.titles.append(title)
        self.opened.set()
        yield


def test_content_hash_tells_names_and_contents_apart(tmp_path: Path) -> None:
    """Renaming a file, changing one, or moving text between two inputs gives another hash."""
    (tmp_path / "a").write_text("1")
    hashes = [_cache.content_hash(tmp_path)]
    (tmp_path / "a").write_text("2")
    hashes.append(_cache.content_hash(tmp_path))
    (tmp_path / "a").rename(tmp_path / "b")
    hashes.append(_cache.content_hash(tmp_path))
    hashes += [_cache.content_hash("ab", "c"), _cache.content_hash("a", "bc")]
    assert len(set(hashes)) == len(hashes)
    assert _cache.content_hash(tmp_path) == _cache.content_hash(tmp_path)


def test_failed_build_is_never_taken_for_a_finished_one() -> None:
    """A build that breaks off leaves nothing at the artifact's place, and the next one starts clean."""

    def breaks_off(folder: Path) -> None:
        (folder / "half").touch()
        raise LabError("broken off")

    with pytest.raises(LabError):
        _cache.make("thing", "key", breaks_off)
    assert not _cache.place("thing", "key").exists()
    made = _cache.make("thing", "key", lambda folder: (folder / "whole").touch())
    assert [path.name for path in made.iterdir()] == ["whole"]


def test_finished_build_is_not_repeated() -> None:
    """What is in the cache is taken from there."""
    _cache.make("thing", "key", lambda folder: (folder / "first").touch())
    made = _cache.make("thing", "key", lambda _: pytest.fail("built again"))
    assert [path.name for path in made.iterdir()] == ["first"]


def test_old_versions_and_leavings_are_pruned(cache: Path) -> None:
    """The two newest versions stay; older ones and what killed builds left go."""
    (cache / "thing" / "other.partial").mkdir(parents=True)
    for time, key in enumerate(("oldest", "middle", "newest")):
        made = _cache.make("thing", key, lambda folder: (folder / "it").touch())
        os.utime(made, (time, time))
    assert sorted(path.name for path in (cache / "thing").iterdir()) == ["middle", "newest"]


def test_second_build_waits_for_the_first() -> None:
    """Only one build at a time holds the cache; the second says that it waits."""
    second = Steps()
    went_on = Event()

    def build_too() -> None:
        with _lock.alone(second, "build", "build"):
            went_on.set()

    with ThreadPoolExecutor() as pool:
        with _lock.alone(Steps(), "build", "build"):
            waiting = pool.submit(build_too)
            assert second.opened.wait(10)
            assert not went_on.is_set()
        waiting.result(10)
    assert went_on.is_set()


@as_root
def test_failed_tool_shows_its_last_words(tmp_path: Path) -> None:
    """The error has what the tool said and where the rest is."""
    with pytest.raises(LabError, match=r"(?s)exit code 3.*name\.log.*no such luck"):
        Tools(tmp_path).run("name", ["sh", "-c", "echo no such luck >&2; exit 3"])


@as_root
def test_stopped_tools_end_and_no_other_starts(tmp_path: Path) -> None:
    """After `stop` the running tool is ended and the next is refused."""
    tools = Tools(tmp_path)
    with ThreadPoolExecutor() as pool:
        running = pool.submit(tools.run, "long", ["sh", "-c", f"touch {tmp_path}/runs; exec sleep 60"])
        _await((tmp_path / "runs").exists)
        tools.stop()
        with pytest.raises(LabError, match="exit code"):
            running.result(10)
    with pytest.raises(LabError, match="not started"):
        tools.run("next", ["true"])


@as_root
def test_tools_end_with_a_harness_that_is_killed(tmp_path: Path) -> None:
    """A build killed outright leaves nothing running, not even what a tool started and what shrugs off SIGTERM."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    tool = ["sh", "-c", f"trap '' TERM; sleep 600 >{pipe} & wait"]
    script = (
        f"from pathlib import Path; from lab._tools import Tools; Tools(Path({str(tmp_path)!r})).run('long', {tool})"
    )
    harness = subprocess.Popen([sys.executable, "-c", script], cwd=Path(__file__).parents[2])
    # The pipe opens once the tool's child has it open too, and is at its end when nobody has any more.
    with harness, pipe.open("rb", buffering=0) as reader:
        assert select.select([reader], [], [], 0)[0] == []
        harness.send_signal(signal.SIGKILL)
        assert select.select([reader], [], [], 20)[0] == [reader]
        assert reader.read() == b""


@as_root
def test_what_a_tool_mounts_is_gone_with_it(tmp_path: Path) -> None:
    """Nobody else sees it, so that a folder in which a build was killed can be cleared away."""
    folder = tmp_path / "root"
    folder.mkdir()
    Tools(tmp_path).run("mounts", ["sh", "-c", f"mount -t tmpfs none {folder} && touch {folder}/inside {tmp_path}/was"])
    assert (tmp_path / "was").exists()
    assert not folder.is_mount()
    assert not list(folder.iterdir())


def test_missing_tool_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line says what is missing and what installs it; what is there is not named."""
    require(["sh"])
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(LabPreflightError, match=r"^missing: mvn; to install: apt-get install --yes maven$"):
        require(["mvn"])


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Replace the real parts by small ones; call with the name of the part that shall fail."""

    def replaced(failing: str) -> None:
        def build(name: str) -> Callable[[Tools, Path], None]:
            def fill(tools: Tools, folder: Path) -> None:
                if failing and name != failing:
                    tools.run(name, ["sleep", "60"])
                elif failing:
                    raise LabError(f"{name} failed")
                for file in ("kube", "coredns", "pause", "local-path-provisioner", _debian.LAYER):
                    (folder / file).write_text(name)

            return fill

        for name in ("_GO", "_BASE", "_KAFKA", "_PLATFORM"):
            part = getattr(_artifacts, name)
            monkeypatch.setattr(_artifacts, name, replace(part, programs=(), key=lambda: "key", build=build(name)))

    return replaced


def test_artifacts_are_built_once(parts: Callable[[str], None]) -> None:
    """The first build makes everything; the second finds it, with no step to show."""
    parts("")
    first, second = Steps(), Steps()
    built = _artifacts.build(first)
    assert built.kube.read_text() == "_GO"
    assert [archive.exists() for archive in built.images] == [True]
    assert len(first.titles) == 4
    assert _artifacts.build(second) == built
    assert second.titles == []


def test_platform_is_built_only_when_it_is_asked_for(parts: Callable[[str], None]) -> None:
    """What Kafka alone needs is made first and stays what it was; the platform's image is a second archive."""
    parts("")
    few = _artifacts.build(Steps())
    more = Steps()
    built = _artifacts.build(more, platform=True)
    assert built.images[:1] == few.images
    assert [archive.exists() for archive in built.images] == [True, True]
    assert more.titles == [_artifacts._PLATFORM.title, "Writing the platform's image"]


def test_what_python_compiles_is_no_source(tmp_path: Path) -> None:
    """Neither the name nor the image of the stand-in changes because somebody has run its tests."""
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "module.py").write_text("1")
    before = _cache.content_hash(tmp_path / "package"), _images.pack(tmp_path / "a.tar", {"/opt": tmp_path / "package"})
    (tmp_path / "package" / "__pycache__").mkdir()
    (tmp_path / "package" / "__pycache__" / "module.pyc").write_text("compiled")
    after = _cache.content_hash(tmp_path / "package"), _images.pack(tmp_path / "b.tar", {"/opt": tmp_path / "package"})
    assert (after[0], after[1].digest) == (before[0], before[1].digest)


@as_root
@pytest.mark.parametrize("failing", ["_GO", "_BASE"])
def test_part_that_fails_ends_the_others(failing: str, parts: Callable[[str], None]) -> None:
    """Nobody waits six minutes to be told of what failed in the first."""
    parts(failing)
    with pytest.raises(LabError, match=r"failed$"):
        _artifacts.build(Steps())


def test_archive_holds_named_images_with_true_digests(tmp_path: Path) -> None:
    """Every blob has the digest that it is named by, and a shared layer is there once."""
    (tmp_path / "file").write_text("content")
    (tmp_path / "other").write_text("other")
    shared = _images.pack(tmp_path / "shared.tar", {"/shared": tmp_path / "file"})
    own = _images.pack(tmp_path / "own.tar", {"/opt/own": tmp_path / "other"})
    images = [
        _images.Image("test.local/one:lab", (shared,), ("/shared",)),
        _images.Image("test.local/two:lab", (shared, own), ("/opt/own",), ("argument",), ("PATH=/opt",)),
    ]
    _images.write(tmp_path / "images.tar", images)
    with tarfile.open(tmp_path / "images.tar") as archive:
        names = archive.getnames()
        contents = {name: file.read() for name in names if (file := archive.extractfile(name))}
    blobs = [name for name in names if name.startswith("blobs/")]
    assert len(blobs) == len(set(blobs)) == 6
    assert all(sha256(contents[name]).hexdigest() == name.rpartition("/")[2] for name in blobs)
    manifests = json.loads(contents["index.json"])["manifests"]
    assert [entry["annotations"]["io.containerd.image.name"] for entry in manifests] == [image.name for image in images]
    manifest = json.loads(contents[manifests[1]["digest"].replace("sha256:", "blobs/sha256/")])
    config = json.loads(contents[manifest["config"]["digest"].replace("sha256:", "blobs/sha256/")])
    assert config["rootfs"]["diff_ids"] == [layer["digest"] for layer in manifest["layers"]]
    assert config["config"] == {"Entrypoint": ["/opt/own"], "Cmd": ["argument"], "Env": ["PATH=/opt"]}


def test_same_files_give_the_same_layer(tmp_path: Path) -> None:
    """Neither the time nor the owner of a file is in its layer."""
    (tmp_path / "file").write_text("content")
    first = _images.pack(tmp_path / "first.tar", {"/file": tmp_path / "file"})
    os.utime(tmp_path / "file", (0, 0))
    second = _images.pack(tmp_path / "second.tar", {"/file": tmp_path / "file"})
    assert first.digest == second.digest


def test_kafka_has_the_commands_that_runbooks_use() -> None:
    """Every command has a main class in the launcher, which is no command itself."""
    commands = _kafka.commands()
    wanted = """server-start storage topics broker-api-versions configs console-producer console-consumer
        consumer-groups metadata-quorum reassign-partitions leader-election log-dirs producer-perf-test
        consumer-perf-test get-offsets dump-log"""
    assert {f"kafka-{name}.sh" for name in wanted.split()} <= set(commands)
    assert _kafka.LAUNCHER not in commands


def test_launcher_refuses_a_name_that_it_does_not_know(tmp_path: Path) -> None:
    """A link of another name is no command."""
    (tmp_path / "kafka-nothing.sh").symlink_to(_kafka.SOURCE / "bin" / _kafka.LAUNCHER)
    done = subprocess.run([tmp_path / "kafka-nothing.sh"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "no main class" in done.stderr


def test_kubernetes_is_told_its_version() -> None:
    """The linker sets the version of go.mod in both packages that hold one."""
    flags = _go._linker_flags()
    for package in ("component-base/version", "client-go/pkg/version"):
        assert f"-X k8s.io/{package}.gitVersion={_go.kubernetes_version()}" in flags


def test_staging_modules_are_of_the_same_release() -> None:
    """Every replaced module of Kubernetes is v0.y.z where Kubernetes is v1.y.z."""
    lines = (_go.SOURCE / "go.mod").read_text().splitlines()
    replaced = [line.split()[-1] for line in lines if "=>" in line]
    assert set(replaced) == {_go.kubernetes_version().replace("v1.", "v0.", 1)}


def test_machine_with_no_debian_source_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """No package source is an error that says what to look at, not an empty image."""
    monkeypatch.setattr(_debian, "run", lambda *_: "")
    with pytest.raises(LabError, match=r"sources\.list"):
        _debian._sources()


def test_base_layer_is_named_by_its_contents_not_by_the_mirror(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another package list gives another layer; another way to the same packages does not."""
    before = _debian.BASE.key()
    monkeypatch.setattr(_debian, "run", lambda *_: "deb http://mirror.test/debian stable main")
    assert _debian.BASE.key() == before
    assert replace(_debian.BASE, packages=(*_debian.BASE.packages, "postgresql")).key() != before


def _await(condition: Callable[[], bool]) -> None:
    for attempt in stamina.retry_context(on=AssertionError, attempts=None, timeout=20, wait_initial=0.01, wait_max=0.1):
        with attempt:
            assert condition()
