"""The front door: exit codes, stdout for data, clear words for what is wrong, help with an example."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
import typer
from rich.markup import RE_TAGS
from typer.testing import CliRunner

from drill.cli import app, main
from drill.exits import ExitCode
from tests.unit.records import build_record

COMMANDS = (
    *("init", "new", "run", "plan", "validate", "list", "catalogue", "schema", "judge", "report"),
    *("abort", "rollback", "freeze", "unfreeze", "check", "rbac", "doctor", "lab"),
    *("fingerprint", "verify", "backups"),
)
runner = CliRunner()


@pytest.fixture(autouse=True)
def _nothing_left_behind() -> Iterator[None]:
    """A command speaks to its children by environment and sets up logging: a test must hand both back."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)
    structlog.reset_defaults()


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("DRILL_CONTEXT", "DRILL_KUBECONFIG", "DRILL_RUNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DRILL_SETTINGS", str(tmp_path / "drill.toml"))


def _exit_of(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["drill", *arguments])
    with pytest.raises(SystemExit) as left:
        main()
    return int(left.value.code or 0)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_explains_itself(command: str) -> None:
    """With an example; the group names its commands."""
    result = runner.invoke(app, [command, "--help"])
    assert result.exit_code == 0
    assert "Example: drill" in result.output or command == "lab"


def test_an_unknown_scenario_is_bad_usage(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """With the nearest name."""
    assert _exit_of(monkeypatch, "run", "broker-kil") == ExitCode.USAGE
    assert "Did you mean broker-kill?" in capsys.readouterr().err


def test_no_context_is_bad_usage(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is connected to by chance."""
    assert _exit_of(monkeypatch, "run", "broker-kill") == ExitCode.USAGE
    assert "--context" in capsys.readouterr().err


def test_a_context_that_is_not_drillable_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Before any connection is made."""
    (tmp_path / "drill.toml").write_text('[contexts.prod]\nkafka = { bootstrap = "127.0.0.1:1" }\n')
    assert _exit_of(monkeypatch, "run", "broker-kill", "--context", "prod") == ExitCode.USAGE
    assert "not declared drillable" in capsys.readouterr().err


def test_a_namespace_that_is_not_drillable_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Though the context is."""
    (tmp_path / "drill.toml").write_text(
        '[contexts.dev]\ndrillable = true\nnamespaces = ["other"]\nkafka = { bootstrap = "127.0.0.1:1" }\n'
    )
    assert _exit_of(monkeypatch, "run", "broker-kill", "--context", "dev") == ExitCode.USAGE
    assert "kafka" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["run", "plan"])
def test_a_file_of_answers_that_is_not_there_is_bad_usage(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Whether or not the drill would ask anybody."""
    nosuch = str(tmp_path / "nosuch.txt")
    assert _exit_of(monkeypatch, command, "broker-kill", "--answers", nosuch) == ExitCode.USAGE
    assert "--answers" in capsys.readouterr().err


def test_validate_prints_every_mistake_and_exits_with_2(tmp_path: Path) -> None:
    """Each with its file and line."""
    path = tmp_path / "bad.yaml"
    path.write_text("name: Bad Name\nload: {rate: -1}\n")
    result = runner.invoke(app, ["validate", str(path)])
    assert result.exit_code == ExitCode.USAGE
    assert f"{path}:1: name:" in result.output
    assert f"{path}:2: load.rate:" in result.output


def test_list_is_data_for_programs() -> None:
    """One JSON document on stdout."""
    result = runner.invoke(app, ["list", "-o", "json"])
    assert result.exit_code == 0
    assert "broker-kill-leader" in {each["name"] for each in json.loads(result.stdout)}


def test_schema_is_json_schema(tmp_path: Path) -> None:
    """In a file for an editor."""
    path = tmp_path / "schema.json"
    assert runner.invoke(app, ["schema", str(path)]).exit_code == 0
    assert json.loads(path.read_text())["title"] == "Scenario"


def test_judge_needs_no_cluster_and_tells_the_outcome_by_its_exit_code(tmp_path: Path) -> None:
    """Pass 0; the verdicts, the report and the JUnit file are written anew."""
    record = build_record(tmp_path)
    junit = tmp_path / "junit.xml"
    result = runner.invoke(app, ["judge", str(record.path), "-o", "json", "--junit", str(junit)])
    assert result.exit_code == ExitCode.PASS, result.output
    assert json.loads(result.stdout)["outcome"] == "pass"
    assert (record.path / "report.html").is_file()
    assert junit.read_text().startswith("<?xml")


def test_a_record_with_a_loss_is_judged_a_failure(tmp_path: Path) -> None:
    """Exit code 1, by name."""
    record = build_record(tmp_path, lost=range(3000, 3040))
    result = runner.invoke(app, ["judge", str(record.path)])
    assert result.exit_code == ExitCode.FAIL
    assert "no-acked-record-lost" in result.output


def test_judging_nothing_is_bad_usage(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A clear message, not a traceback."""
    assert _exit_of(monkeypatch, "judge", "runs/none") == ExitCode.USAGE
    assert "no such run record" in capsys.readouterr().err


def test_the_harness_breaking_has_its_own_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is neither a failed check nor bad input."""

    def broken(_path: Path) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr("scenarios.reader.read", broken)
    assert _exit_of(monkeypatch, "run", "broker-kill-leader") == ExitCode.HARNESS_ERROR
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_judging_loads_no_client_of_a_cluster() -> None:
    """It promises to need none, and would wait for it."""
    look = "import sys, drill.cli._judging; sys.exit('kubernetes' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", look], check=False).returncode == 0


def test_what_is_logged_is_no_data(tmp_path: Path) -> None:
    """Whatever the command: programs read stdout."""
    record = build_record(tmp_path)
    manifest = json.loads((record.path / "manifest.json").read_text())
    (record.path / "manifest.json").write_text(json.dumps({**manifest, "versions": 1}))
    result = runner.invoke(app, ["judge", str(record.path), "-o", "json"])
    assert json.loads(result.stdout)["run"] == str(record.path)
    assert "report.part-unreadable" in result.stderr
    assert str(record.path) in result.stderr


@pytest.mark.parametrize(
    "command",
    [
        *("check --junit", "backups --junit", "backups --evidence", "judge {run} --junit", "run broker-kill --junit"),
        *("portfolio {runs} -o", "compare {run} {run} --html", "metrics {runs} -o"),
        *("fingerprint kafka -o", "verify bucket --against {run}/manifest.json --found"),
        *("init --context c", "catalogue", "schema"),
    ],
)
def test_a_file_that_cant_be_written_is_told_before_the_work(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, command: str
) -> None:
    """By the name of its option: no folder there, and a folder itself."""
    run = build_record(tmp_path / "runs").path
    before = sorted(tmp_path.rglob("*"))
    words = command.format(run=run, runs=tmp_path / "runs").split()
    option = words[-1].replace("-o", "--") if words[-1].startswith("-") else "FILE"
    for path, problem in ((tmp_path / "none" / "x", "there is no folder"), (tmp_path, "is a folder")):
        if words[0] == "init" and path.exists():
            continue  # it overwrites nothing, of any kind
        assert _exit_of(monkeypatch, *words, str(path)) == ExitCode.USAGE
        said = capsys.readouterr()
        assert said.err.startswith(f"drill: {option}")
        assert f"{path}: {problem}" in said.err
        assert not said.out
    assert sorted(tmp_path.rglob("*")) == before


def test_what_is_new_needs_a_folder(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Not a file in its place."""
    (tmp_path / "file").touch()
    assert _exit_of(monkeypatch, "new", "scenario", "mine", "--to", str(tmp_path / "file")) == ExitCode.USAGE
    assert f"--to {tmp_path}/file: can't be a folder" in capsys.readouterr().err


def test_the_columns_of_a_list_never_touch() -> None:
    """However long a name is."""
    for line in runner.invoke(app, ["list"]).stdout.splitlines():
        assert re.match(r"[a-z0-9-]+  +\S", line), line


def test_no_square_brackets_are_lost_as_markup() -> None:
    """Rich takes `[word]` in a help text for a style, and shows nothing."""
    waiting = [typer.main.get_command(app)]
    while waiting:
        command = waiting.pop()
        texts = [command.help or "", *(str(getattr(each, "help", None) or "") for each in command.params)]
        for text in texts:
            tags = [found[0] for found in RE_TAGS.finditer(text) if found[3] and not found[2]]
            assert not tags, (command.name, tags)
        waiting += getattr(command, "commands", {}).values()


def test_a_folder_is_no_game_day(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """It is said to be one."""
    assert _exit_of(monkeypatch, "gameday", "answers", str(tmp_path)) == ExitCode.USAGE
    assert f"{tmp_path}: file: is a folder" in capsys.readouterr().err
