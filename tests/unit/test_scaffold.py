"""`drill new`: what it writes works out of the box, and overwrites nothing."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from drill.cli import app
from drill.errors import InputError, UsageError
from drill.exits import ExitCode
from scenarios import reader, scaffold

KINDS = ("scenario", "fault", "check")


def test_what_it_writes_passes_its_own_tests(tmp_path: Path) -> None:
    """All three kinds, side by side in one folder of somebody's own."""
    for kind in KINDS:
        done = CliRunner().invoke(app, ["new", kind, f"a-{kind}-of-mine", "--to", str(tmp_path / "drills")])
        assert done.exit_code == ExitCode.PASS, done.output
        assert str(tmp_path / "drills" / f"a-{kind}-of-mine.yaml") in done.stdout.splitlines()
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", "-rA", "drills"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert all(f"PASSED drills/test_a_{kind}_of_mine.py::" in ran.stdout for kind in KINDS)


def test_its_tests_can_fail(tmp_path: Path) -> None:
    """A fault that reports an effect that it has not is found out by the test beside it."""
    scaffold.copy("fault", "my-fault", tmp_path)
    module = tmp_path / "my_fault.py"
    module.write_text(module.read_text().replace("if pod.uid in there]", "if False]"))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_my_fault.py"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "1 failed, 3 passed" in ran.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_of_the_example_is_left(kind: str, tmp_path: Path) -> None:
    """Every name is the one that was asked for, in the files and of them."""
    for path in scaffold.copy(kind, "my-own", tmp_path):
        assert "example" not in path.name
        assert "example-name" not in path.read_text()
        assert "example_name" not in path.read_text()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    """Not even in part: one file that is there keeps all from being written."""
    (tmp_path / "test_mine.py").write_text("# mine\n")
    with pytest.raises(UsageError, match="is there, and is not overwritten"):
        scaffold.copy("check", "mine", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["test_mine.py"]


@pytest.mark.parametrize("name", ["Mine", "my_own", "../mine", "1st", "-x", "a b", ""])
def test_a_name_is_words_joined_by_hyphens(name: str, tmp_path: Path) -> None:
    """Which is what a scenario's must be."""
    with pytest.raises(UsageError, match="can't be a name"):
        scaffold.copy("scenario", name, tmp_path)


@pytest.mark.parametrize("name", ["json", "load", "class"])
def test_a_module_of_pythons_is_not_shadowed(name: str, tmp_path: Path) -> None:
    """Nor one of drill's, or a word of the language."""
    with pytest.raises(UsageError, match="module that Python has already"):
        scaffold.copy("fault", name, tmp_path)


def test_a_check_of_drills_own_name_is_not_written(tmp_path: Path) -> None:
    """Its scenario would be refused; a scenario and a fault may be called so."""
    with pytest.raises(UsageError, match="a check that drill has already"):
        scaffold.copy("check", "rto", tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert scaffold.copy("scenario", "rto", tmp_path)


def test_a_module_that_is_not_found_is_said_to_be_sought_on_the_path(tmp_path: Path) -> None:
    """The files are right, and what is missing is PYTHONPATH: it says so."""
    scaffold.copy("fault", "my-fault-elsewhere", tmp_path)
    with pytest.raises(InputError, match="PYTHONPATH") as told:
        reader.read(tmp_path / "my-fault-elsewhere.yaml")
    assert "No module named 'my_fault_elsewhere'" in str(told.value)


def test_the_fault_is_bounded_by_its_scenario(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The blast radius of the scenario is what the fault gets, whatever its experiment says."""
    scaffold.copy("fault", "my-bounded-fault", tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    drill = reader.read(tmp_path / "my-bounded-fault.yaml")
    assert drill.experiment["method"][0]["provider"]["arguments"]["max_pods"] == "50%"


def test_the_examples_themselves_are_collected_by_nobody() -> None:
    """`pytest scenarios/` is for scenarios, and these are none until they are copied."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--collect-only", str(scaffold._HERE)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == pytest.ExitCode.NO_TESTS_COLLECTED, ran.stdout
