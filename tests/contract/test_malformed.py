"""Each malformed file of the corpus is bad usage: its field named, with a remedy, and no cluster connected to."""

import csv
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import structlog

from drill import kafka
from drill.cli import main
from drill.exits import ExitCode
from drill.kafka import KafkaUnreachableError

CORPUS = Path(__file__).parents[1] / "corpus"
MISTAKE = re.compile(
    r"(?:drill: )?(?P<file>/[^:]+)(?::(?P<line>\d+))?: (?P<field>[^:]+): (?P<problem>.+?)\. (?P<remedy>\S.+)"
)
KUBECONFIG = """
apiVersion: v1
kind: Config
clusters: [{{name: c, cluster: {{server: "http://127.0.0.1:{port}"}}}}]
users: [{{name: u, user: {{token: t}}}}]
contexts: [{{name: here, context: {{cluster: c, user: u}}}}]
"""
SETTINGS = """
[contexts.here]
drillable = true
namespaces = ["kafka"]
[contexts.here.kafka]
bootstrap = "127.0.0.1:9"
"""
SCENARIO = """
name: good
description: A good scenario of a bad experiment.
owner: me
target: {{namespaces: [kafka]}}
load: {{rate: 100}}
experiment: {{file: "{experiment}"}}
"""


@dataclass(frozen=True)
class Expected:
    """Where the one mistake of a file is; a line where it has one."""

    file: str
    line: str
    field: str

    @property
    def path(self) -> Path:
        """The file itself."""
        return CORPUS / self.file


def _expected() -> list[Expected]:
    with (CORPUS / "expected.csv").open(encoding="utf-8") as table:
        return [Expected(**row) for row in csv.DictReader(table)]


EXPECTED = _expected()


@pytest.fixture(autouse=True)
def _nothing_left_behind() -> Iterator[None]:
    """A command speaks to its children by environment and sets up logging: a test must hand both back."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)
    structlog.reset_defaults()


@pytest.fixture
def api_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """What the kubeconfig calls the API server: it answers nothing, and tells whether anybody came."""
    for name in [each for each in os.environ if each.startswith("DRILL_")]:
        monkeypatch.delenv(name)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        (tmp_path / "kubeconfig").write_text(KUBECONFIG.format(port=listener.getsockname()[1]))
        (tmp_path / "drill.toml").write_text(SETTINGS)
        monkeypatch.setenv("DRILL_KUBECONFIG", str(tmp_path / "kubeconfig"))
        monkeypatch.setenv("DRILL_SETTINGS", str(tmp_path / "drill.toml"))
        monkeypatch.setenv("DRILL_RUNS", str(tmp_path / "runs"))
        monkeypatch.setenv("DRILL_CONTEXT", "here")
        yield listener


def _touched(api_server: socket.socket) -> bool:
    try:
        connection, _ = api_server.accept()
    except BlockingIOError:
        return False
    connection.close()
    return True


def _commands(expected: Expected, tmp_path: Path) -> list[list[str]]:
    """The commands that read the file: those that would go on to a cluster, and the one that would not."""
    kind = expected.path.parent.name
    if kind == "settings":
        os.environ["DRILL_SETTINGS"] = str(expected.path)
        os.environ.pop("DRILL_CONTEXT", None)  # or it would stand in for the file's own
        return [["plan", "broker-kill"], ["run", "broker-kill"]]
    scenario = expected.path
    if kind == "experiments":
        scenario = tmp_path / "good.yaml"
        scenario.write_text(SCENARIO.format(experiment=expected.path))
    return [[command, str(scenario)] for command in ("validate", "run")]


def _said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """The exit code of a command and all that it printed."""
    sys.argv = ["drill", *arguments]
    with pytest.raises(SystemExit) as left:
        main()
    captured = capsys.readouterr()
    return int(left.value.code or 0), captured.out + captured.err


def _ensure_told(expected: Expected, said: str) -> None:
    """Just this mistake, with its place and what to do."""
    assert str(expected.path) in said
    mistakes = [each for line in said.splitlines() if (each := MISTAKE.fullmatch(line))]
    if not mistakes:  # a sentence for a person, where no one line of the file is to blame
        assert f"[{expected.field}]" in said
        return
    told = {(each["file"], each["line"] or "", each["field"]) for each in mistakes}
    assert told == {(str(expected.path), expected.line, expected.field)}


def test_the_corpus_is_whole() -> None:
    """A hundred files and more, each in the table."""
    files = {str(path.relative_to(CORPUS)) for path in CORPUS.glob("*/*")}
    assert {each.file for each in EXPECTED} == files
    assert len(files) >= 100


@pytest.mark.parametrize("expected", EXPECTED, ids=lambda each: each.file)
def test_a_malformed_file_is_bad_usage(
    expected: Expected,
    api_server: socket.socket,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """By every command that reads it: exit code 2, its field named, the cluster untouched."""
    monkeypatch.setattr(sys, "argv", sys.argv)
    for command in _commands(expected, tmp_path):
        code, said = _said(capsys, *command)
        assert code == ExitCode.USAGE, said
        _ensure_told(expected, said)
    assert not _touched(api_server)
    assert not (tmp_path / "runs").exists()


def test_a_good_file_reaches_the_cluster(
    api_server: socket.socket, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """So that the looks above could have failed."""
    came, over = threading.Event(), threading.Event()

    def hang_up() -> None:
        while not over.wait(0.01):
            if _touched(api_server):
                came.set()

    def unreachable(*_args: object, **_named: object) -> None:
        raise KafkaUnreachableError("no broker answers")

    monkeypatch.setattr(sys, "argv", sys.argv)
    monkeypatch.setattr(kafka, "describe", unreachable)
    thread = threading.Thread(target=hang_up)
    thread.start()
    code, said = _said(capsys, "plan", "broker-kill")
    over.set()
    thread.join()
    assert code == ExitCode.INCONCLUSIVE, said
    assert came.is_set()


def test_a_mistake_of_another_field_is_noticed(api_server: socket.socket, capsys: pytest.CaptureFixture[str]) -> None:
    """The table is held against what is said."""
    expected = next(each for each in EXPECTED if each.file == "scenarios/rate-zero.yaml")
    _, said = _said(capsys, "validate", str(expected.path))
    _ensure_told(expected, said)
    with pytest.raises(AssertionError):
        _ensure_told(Expected(expected.file, expected.line, "load.topic"), said)
    assert not _touched(api_server)


@pytest.mark.parametrize(
    "file",
    [
        "scenarios/empty.yaml",
        "scenarios/binary.yaml",
        "scenarios/bomb.yaml",
        "experiments/process.yaml",
        "settings/broken.toml",
    ],
)
def test_the_real_command_says_the_same(file: str, api_server: socket.socket, tmp_path: Path) -> None:
    """As a process of its own."""
    expected = next(each for each in EXPECTED if each.file == file)
    for command in _commands(expected, tmp_path):
        done = subprocess.run(
            [str(Path(sys.executable).with_name("drill")), *command], capture_output=True, text=True, check=False
        )
        assert done.returncode == ExitCode.USAGE, done.stderr
        _ensure_told(expected, done.stdout + done.stderr)
    assert not _touched(api_server)


@pytest.mark.parametrize("kind", ["symlink loop", "dangling link", "folder"])
def test_what_is_no_file_is_bad_usage(
    kind: str,
    api_server: socket.socket,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """As a scenario, as its experiment and as settings; git would keep none of them."""
    monkeypatch.setattr(sys, "argv", sys.argv)
    odd = tmp_path / "odd.yaml"
    if kind == "folder":
        odd.mkdir()
    else:
        odd.symlink_to(odd if kind == "symlink loop" else tmp_path / "nowhere")
    scenario = tmp_path / "good.yaml"
    scenario.write_text(SCENARIO.format(experiment=odd))
    for command in (["run", str(odd)], ["run", str(scenario)]):
        code, said = _said(capsys, *command)
        assert code == ExitCode.USAGE, said
        assert "no such" in said or "is a folder" in said
    monkeypatch.setenv("DRILL_SETTINGS", str(odd))
    code, said = _said(capsys, "run", "broker-kill")
    assert code == ExitCode.USAGE, said
    assert ("is a folder" if kind == "folder" else "where no file is") in said
    assert not _touched(api_server)
