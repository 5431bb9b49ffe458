"""What `up` refuses before it starts anything, and how waiting, steps and files behave."""

import fcntl
import os
import stat
from pathlib import Path

import pytest

import lab
from lab import _cgroups, _files, _lock, _manifests, _progress, _up
from lab._doctor import Finding
from lab._errors import LabError, LabPreflightError
from lab._run import run, until
from lab.node import Node


@pytest.fixture(autouse=True)
def no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user's cache is left alone."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


@pytest.fixture
def healthy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which nothing is wrong, and where building would be the next thing to happen."""
    monkeypatch.setattr(_up, "doctor", lambda _: [Finding("system", ok=True, detail="Linux")])
    monkeypatch.setattr(_up, "existing", list)
    monkeypatch.setattr(_up, "recorded", tuple)


class BuildStartedError(Exception):
    """Preflight let it pass."""


@pytest.fixture(autouse=True)
def no_build(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first thing after preflight."""

    def build(*_: object, **__: object) -> None:
        raise BuildStartedError

    monkeypatch.setattr(_up, "build", build)


@pytest.mark.usefixtures("healthy")
def test_up_on_a_healthy_machine_goes_on_to_build() -> None:
    """The control of the tests below: preflight can pass."""
    with pytest.raises(BuildStartedError):
        lab.up(3)


def test_up_names_everything_that_is_wrong_and_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each finding that is bad is in the message, with its remedy; good ones are not."""
    findings = [
        Finding("root", ok=False, detail="user id 1000", remedy="run as root"),
        Finding("port 6443", ok=False, detail="taken: nginx", remedy="end nginx"),
        Finding("memory", ok=True, detail="plenty"),
    ]
    monkeypatch.setattr(_up, "doctor", lambda _: findings)
    with pytest.raises(LabPreflightError) as caught:
        lab.up(3)
    assert str(caught.value) == "root: user id 1000; run as root\nport 6443: taken: nginx; end nginx"


def test_up_without_root_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real doctor sees it."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(LabPreflightError, match="root"):
        lab.up(3)


@pytest.mark.parametrize("nodes", [-1, 0, 6])
def test_up_refuses_numbers_of_nodes_that_it_has_no_addresses_for(nodes: int) -> None:
    """One to five."""
    with pytest.raises(LabPreflightError, match="1 to 5"):
        lab.up(nodes)


@pytest.mark.usefixtures("healthy")
def test_up_refuses_to_take_nodes_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their volumes and brokers would go with them."""
    monkeypatch.setattr(_up, "existing", lambda: [Node(1), Node(2), Node(3)])
    with pytest.raises(LabPreflightError, match="3 nodes already: `drill lab down` first"):
        lab.up(2)
    with pytest.raises(BuildStartedError):
        lab.up(4)


@pytest.mark.usefixtures("healthy")
def test_up_refuses_parts_that_it_does_not_know() -> None:
    """With those that it has."""
    with pytest.raises(LabPreflightError, match="no part oracle; it has kafka, postgres, dolphinscheduler, monitoring"):
        lab.up(3, ["kafka", "oracle"])


@pytest.mark.usefixtures("healthy")
@pytest.mark.parametrize("given", ["none", "0", "-1", ""])
def test_up_refuses_a_number_of_replicas_that_is_none(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is built; a number is taken."""
    monkeypatch.setenv(_manifests.API_REPLICAS_VARIABLE, given)
    with pytest.raises(LabPreflightError, match=f"^{_manifests.API_REPLICAS_VARIABLE}={given}: how many"):
        lab.up()
    monkeypatch.setenv(_manifests.API_REPLICAS_VARIABLE, "2")
    assert _manifests.api_replicas() == 2


def test_down_without_root_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is touched."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(_cgroups, "kill", lambda: pytest.fail("touched"))
    with pytest.raises(LabPreflightError, match="root"):
        lab.down()


def test_waiting_ends_with_what_came_true() -> None:
    """The value of the condition is handed on."""
    answers = iter([None, 0, "there"])
    assert until(lambda: next(answers), timeout=5, what="it") == "there"


def test_waiting_in_vain_names_what_was_awaited() -> None:
    """And not the machinery of waiting."""
    with pytest.raises(LabError, match="the moon: not so after 0 s"):
        until(lambda: False, timeout=0.1, what="the moon")


def test_command_that_fails_is_quoted() -> None:
    """With its exit code and its last words."""
    with pytest.raises(LabError, match="exit code 3: dear me"):
        run("sh", "-c", "echo dear me >&2; exit 3")
    with pytest.raises(LabError, match="no-such-command"):
        run("no-such-command")
    assert run("cat", text="words") == "words"


def test_files_are_private_and_whole(tmp_path: Path) -> None:
    """Keys are in them; and nothing of a half-written one stays."""
    file = tmp_path / "new" / "kubeconfig"
    _files.write(file, "one")
    _files.write(file, "two")
    assert file.read_text() == "two"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(file.parent.iterdir()) == [file]


def test_steps_are_plain_lines_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """One line a step on stderr, with times, and nothing on stdout; one that fails says so."""
    with _progress.progress() as step:
        with step("First"):
            pass
        with pytest.raises(ValueError, match="no"), step("Second"):
            raise ValueError("no")
    said = capsys.readouterr()
    first, second = said.err.splitlines()
    assert first.split("s  ", 1)[1].startswith("First (")
    assert second.endswith("Second: failed")
    assert not said.out


def test_one_at_a_time(tmp_path: Path) -> None:
    """While one holds the lab another can't, and afterwards it can."""

    def take() -> None:
        with (tmp_path / "drill/lab/lab.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    with _progress.progress() as step, _lock.alone(step, "lab", "`drill lab`"), pytest.raises(BlockingIOError):
        take()
    take()
