"""`drill backups` as it is typed: exit codes, data on stdout, JUnit for CI, rules by flags, and what it may do."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import structlog
import yaml
from typer.testing import CliRunner

from drill import backup_evidence, settings
from drill.cli import app
from drill.cluster import Cluster
from drill.exits import ExitCode
from drill.velero import Velero
from tests.unit.velero_world import NAME, World, world

runner = CliRunner()
SETTINGS = """
[contexts.here]
namespaces = ["kong"]
[contexts.here.object_store]
bucket = "velero"
access_key = { name = "minio", key = "access-key" }
secret_key = { name = "minio", key = "secret-key" }
[contexts.here.velero]
"""


@pytest.fixture(autouse=True)
def _nothing_left_behind() -> Iterator[None]:
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)
    structlog.reset_defaults()


@pytest.fixture
def seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> "Seen":
    """Evidence of a good backup in a file, to be judged; spoil its world first."""
    return Seen(world(), tmp_path / "seen.json", monkeypatch)


class Seen:
    """A world, and the command on the evidence of it."""

    def __init__(self, made: World, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.world, self._file, self._monkeypatch = made, file, monkeypatch

    def judged(self, *more: str) -> Any:
        """What the command says of it."""
        backup_evidence.write(self._file, self.world.evidence(self._monkeypatch))
        return runner.invoke(app, ["backups", "--from", str(self._file), *more])


def test_a_good_backup_exits_with_0(seen: Seen) -> None:
    """And says how many checks there were."""
    result = seen.judged()
    assert result.exit_code == ExitCode.PASS, result.output
    assert "PASS  " in result.output
    assert NAME in result.output


def test_its_data_is_one_document(seen: Seen) -> None:
    """The inventory with ages, and each verdict with what it is about and what to do."""
    told = json.loads(seen.judged("-o", "json").stdout)
    assert told["outcome"] == "pass"
    (backup,) = told["backups"]
    assert (backup["name"], backup["looked_into"]) == (NAME, True)
    assert backup["age_hours"] == pytest.approx(8, abs=0.5)
    assert {"object", "remedy"} <= told["verdicts"][0]["details"].keys()


def test_a_failure_exits_with_1_and_comes_first(seen: Seen) -> None:
    """A person sees it at once."""
    result = seen.judged("--rpo-hours", "4", "-o", "json")
    assert result.exit_code == ExitCode.FAIL
    first = json.loads(result.stdout)["verdicts"][0]
    assert (first["check"], first["outcome"]) == ("backup-fresh", "fail")


def test_what_was_not_seen_exits_with_3(seen: Seen) -> None:
    """It is no pass."""
    seen.world.shut("refused")
    assert seen.judged().exit_code == ExitCode.INCONCLUSIVE


def test_a_warning_is_allowed_by_a_flag(seen: Seen) -> None:
    """Beside those of the settings; an expression that is none is bad usage, and names itself."""
    seen.world.results = {"errors": {}, "warnings": {"namespaces": {"kong": ["a hostPath volume"]}}}
    seen.world.put_again()
    assert seen.judged().exit_code == ExitCode.FAIL
    assert seen.judged("--allow-warning", "hostPath").exit_code == ExitCode.PASS
    result = seen.judged("--allow-warning", "(")
    assert str(result.exception).startswith("--allow-warning: ")
    assert "is no regular expression" in str(result.exception)
    assert str(seen.judged("--rpo-hours", "0").exception).startswith("--rpo-hours: ")


def test_junit_has_a_case_for_each_line(seen: Seen, tmp_path: Path) -> None:
    """A failed check is a failure, one that could not see an error: no gate passes either."""
    seen.world.schedule["spec"]["paused"] = True
    seen.world.refused = {"backuprepositories"}
    file = tmp_path / "junit.xml"
    assert seen.judged("--junit", str(file)).exit_code == ExitCode.FAIL
    suite = ET.fromstring(file.read_text())  # noqa: S314 - our own
    cases = {each.get("classname"): each for each in suite}
    assert int(suite.get("tests", "0")) == len(list(suite)) > len({*cases}) - 1
    failure = cases["drill.backups.schedule-active"].find("failure")
    assert failure is not None
    assert failure.get("message") == "It is paused."
    assert cases["drill.backups.repositories-ready"].find("error") is not None
    assert suite.get("failures") != "0"


def test_evidence_that_is_not_there_is_bad_usage(tmp_path: Path) -> None:
    """The file is named."""
    result = runner.invoke(app, ["backups", "--from", str(tmp_path / "none.json")])
    assert "none.json" in str(result.exception)


@pytest.mark.parametrize(
    ("included", "where"), [((("kong",), ("kafka", "kong")), {"kafka", "kong"}), ((("kong",), ()), {None})]
)
def test_rbac_lets_it_read_and_nothing_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, included: tuple[tuple[str, ...], ...], where: set[str | None]
) -> None:
    """`drill rbac backups`: of the namespaces that schedules include; of all, where one includes all."""
    (tmp_path / "drill.toml").write_text(SETTINGS)
    monkeypatch.setenv(settings.FILE_VARIABLE, str(tmp_path / "drill.toml"))
    monkeypatch.setattr(Cluster, "connect", lambda *_: SimpleNamespace(context="here"))
    monkeypatch.setattr(Velero, "schedules", lambda _: [SimpleNamespace(namespaces=each) for each in included])
    result = runner.invoke(app, ["rbac", "backups", "--context", "here"])
    assert result.exit_code == 0, result.output
    objects = list(yaml.safe_load_all(result.stdout))
    rules = [rule for each in objects for rule in each.get("rules", [])]
    assert {verb for rule in rules for verb in rule["verbs"]} <= {"get", "list"}
    pods = {
        each["metadata"].get("namespace")
        for each in objects
        for rule in each.get("rules", [])
        if "pods" in rule["resources"]
    }
    assert pods == where
    named = {name for rule in rules if rule["resources"] == ["secrets"] for name in rule["resourceNames"]}
    assert named == {"velero-repo-credentials", "minio"}
