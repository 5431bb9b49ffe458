"""The ready-made pipelines: YAML that says what it should, and shell that calls commands and flags that exist."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import typer
import yaml

from drill.cli import app
from gate import profile

FOLDER = Path(__file__).parents[2] / "docs" / "pipelines"
GITHUB, GITLAB = FOLDER / "github-actions.yaml", FOLDER / "gitlab-ci.yaml"
_OURS = re.compile(r"(?:^|[\s;|&(])drill (?P<rest>[a-z][^;|&\n]*)")


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text())
    return found


def _scripts(path: Path) -> Iterator[str]:
    """Every piece of shell in a pipeline."""
    if path == GITHUB:
        for job in _read(path)["jobs"].values():
            yield from (step["run"] for step in job["steps"] if "run" in step)
    else:
        for job in _read(path).values():
            for part in ("before_script", "script", "after_script"):
                if part in job:
                    yield "\n".join(job[part])


def _mistakes(script: str) -> list[str]:
    """What a script asks of `drill` that it does not have."""
    command = typer.main.get_command(app)
    assert isinstance(command, click.Group | typer.core.TyperGroup)
    found = []
    for call in _OURS.finditer(script):
        name, *words = shlex.split(call["rest"])
        if name not in command.commands:
            found.append(f"no command {name}")
            continue
        known = {option for each in command.commands[name].params for option in each.opts}
        found += [f"{name} has no {word}" for word in words if word.startswith("-") and word not in known]
    return found


@pytest.mark.parametrize("path", [GITHUB, GITLAB], ids=lambda path: path.stem)
def test_the_commands_and_flags_exist(path: Path) -> None:
    """Each pipeline runs a gate, and asks nothing of drill that it does not have."""
    scripts = list(_scripts(path))
    assert any("drill gate" in script for script in scripts)
    assert [mistake for script in scripts for mistake in _mistakes(script)] == []


_SCHEMAS = {
    GITHUB: ("--builtin-schema", "vendor.github-workflows"),
    GITLAB: ("--builtin-schema", "vendor.gitlab-ci", "--data-transform", "gitlab-ci"),
}


def _valid(path: Path, schema: Path) -> bool:
    """Whether a pipeline has the form that its system takes, by the schema that comes with check-jsonschema."""
    command = [sys.executable, "-m", "check_jsonschema", *_SCHEMAS[schema], str(path)]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


@pytest.mark.parametrize("path", [GITHUB, GITLAB], ids=lambda path: path.stem)
def test_each_is_of_the_form_that_its_system_takes(path: Path, tmp_path: Path) -> None:
    """By the systems' own schemas; with a key that they do not have, it is not."""
    assert _valid(path, path)
    broken = tmp_path / path.name
    broken.write_text(path.read_text().replace("script:", "scripts:").replace("runs-on:", "run-on:"))
    assert not _valid(broken, path)


def test_a_flag_that_is_not_there_is_found() -> None:
    """The test above can fail."""
    assert _mistakes("umask 077\ndrill gate gate.yaml --no-such-flag | tee log; drill nothing") == [
        "gate has no --no-such-flag",
        "no command nothing",
    ]


@pytest.mark.parametrize("path", [GITHUB, GITLAB], ids=lambda path: path.stem)
def test_the_shell_is_shell(path: Path) -> None:
    """As bash reads it."""
    for script in _scripts(path):
        done = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_github_gets_the_least_and_keeps_the_records() -> None:
    """A token that only reads; one gate at a time; records kept, and faults undone, whatever became of the gate."""
    pipeline = _read(GITHUB)
    assert pipeline["permissions"] == {"contents": "read"}
    assert pipeline["concurrency"]["cancel-in-progress"] is False
    for job in pipeline["jobs"].values():
        assert "permissions" not in job
        steps = {step.get("name", step.get("uses")): step for step in job["steps"]}
        assert steps["actions/checkout@v5"]["with"] == {"persist-credentials": False}
        assert steps["Keep records and reports"]["if"] == "always()"
        assert steps["Keep records and reports"]["with"]["path"] == "gate/"
        assert _minutes(job["timeout-minutes"]) > _minutes(_profile().profile.time_limit, of=60)
    assert pipeline["jobs"]["given-cluster"]["environment"] == "drill"
    undo = next(step for step in pipeline["jobs"]["given-cluster"]["steps"] if step.get("run") == "drill rollback")
    assert undo["if"] == "${{ !success() }}"


def test_gitlab_gets_the_least_and_keeps_the_records() -> None:
    """The same in GitLab's words."""
    pipeline = _read(GITLAB)
    artifacts = pipeline[".drill-gate"]["artifacts"]
    assert artifacts["when"] == "always"
    assert artifacts["paths"] == ["gate/"]
    assert artifacts["reports"] == {"junit": "gate/junit.xml"}
    assert pipeline[".drill-gate"]["interruptible"] is False
    assert pipeline["drill-gate"]["resource_group"] == "drill"
    assert "drill rollback" in pipeline["drill-gate"]["after_script"][-1]


@pytest.mark.parametrize("path", [GITHUB, GITLAB], ids=lambda path: path.stem)
def test_no_secret_is_in_a_command(path: Path) -> None:
    """Where it would be in the log, or where whoever names a branch could add to it."""
    assert not [script for script in _scripts(path) if "${{" in script]


def test_the_profile_that_they_run_can_be_run() -> None:
    """Its scenarios are those for which the pipelines make an account."""
    names = [each.drill.scenario.name for each in _profile().planned]
    for path in (GITHUB, GITLAB):
        assert any(f"drill rbac {' '.join(names)} |" in script for script in _scripts(path))


def _profile() -> profile.GateFile:
    return profile.read(FOLDER / "gate.yaml")


def _minutes(value: float | None, of: float = 1) -> float:
    assert value is not None
    return value / of
