"""The wheel and the source distribution: whole, installable into a clean environment, and at work from there.

No index is asked: the dependencies are those of the environment that runs the tests.
"""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

from drill.exits import ExitCode
from tests.unit.records import build_record

ROOT = Path(__file__).parents[2]
PACKAGES = ("drill", "experiments", "load", "recovery", "scenarios", "reports", "gate", "lab")
OWN = ("DRILL_", "PYTHON")
"""Beginnings of the variables that would let a look at the checkout succeed instead."""


def _build(source: Path, target: str, folder: Path) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(folder)]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (built,) = folder.iterdir()
    return built


def _content(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of the checkout."""
    return _build(ROOT, "wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def drill(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command of a clean virtual environment that has the wheel; dependencies are lent to it by a path."""
    home = tmp_path_factory.mktemp("clean") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(home)], check=True)
    install = ("install", "-q", "--no-index", "--no-deps", "--disable-pip-version-check", str(wheel))
    subprocess.run([sys.executable, "-m", "pip", "--python", str(home / "bin" / "python"), *install], check=True)
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(home), "platbase": str(home)}))
    (packages / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return home / "bin" / "drill"


def _run(drill: Path, tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The installed command, far from the checkout."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(OWN)}
    return subprocess.run([drill, *arguments], cwd=tmp_path, env=clean, capture_output=True, text=True, check=False)


def test_the_wheel_has_all_that_its_packages_have(wheel: Path) -> None:
    """Scenarios, experiments, templates, manifests and build files as well as code; and nothing else."""
    listed = subprocess.run(["git", "ls-files", "--", *PACKAGES], cwd=ROOT, capture_output=True, text=True, check=True)
    there = {name for name in listed.stdout.splitlines() if (ROOT / name).exists()}
    assert _content(wheel) == there
    assert {"scenarios/catalogue/broker-kill.yaml", "experiments/catalogue/broker-kill.yaml"} < there
    assert {"reports/templates/report.html.j2", "lab/manifests/kafka.yaml", "lab/build/kafka/pom.xml"} < there


def test_the_source_distribution_makes_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    """Whoever builds from it gets what was released."""
    source = _build(ROOT, "sdist", tmp_path / "sdist")
    with tarfile.open(source) as archive:
        archive.extractall(tmp_path, filter="data")
    again = _build(tmp_path / source.name.removesuffix(".tar.gz"), "wheel", tmp_path / "wheel")
    assert _content(again) == _content(wheel)


def test_what_the_container_file_copies_makes_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    """No room is forgotten in the image."""
    source = tmp_path / "src"
    source.mkdir()
    for line in (ROOT / "deploy" / "Containerfile").read_text().splitlines():
        if line.startswith("COPY "):
            *copied, target = line.removeprefix("COPY ").split()
            for each in copied:
                if (ROOT / each).is_dir():
                    shutil.copytree(ROOT / each, source / target.removeprefix("/src/"))
                else:
                    shutil.copy(ROOT / each, source)
    assert _content(_build(source, "wheel", tmp_path / "wheel")) == _content(wheel)


def test_it_runs_from_the_wheel_and_not_from_the_checkout(drill: Path, tmp_path: Path) -> None:
    """Else the tests below would prove nothing."""
    done = subprocess.run(
        [drill.with_name("python"), "-c", "import drill, scenarios; print(drill.__file__, scenarios.__file__)"],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if not name.startswith(OWN)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert all(each.startswith(str(drill.parents[1])) for each in done.stdout.split())


def test_it_says_its_version(drill: Path, tmp_path: Path) -> None:
    """As pyproject.toml has it."""
    done = _run(drill, tmp_path, "--version")
    assert f'version = "{done.stdout.split()[1]}"' in (ROOT / "pyproject.toml").read_text()


def test_it_finds_scenarios_and_experiments_by_name(drill: Path, tmp_path: Path) -> None:
    """The whole catalogue is listed, and valid with the functions it names."""
    listed = json.loads(_run(drill, tmp_path, "list", "-o", "json").stdout)
    assert {each["name"] for each in listed} == {
        path.stem for path in (ROOT / "scenarios" / "catalogue").glob("*.yaml")
    }
    done = _run(drill, tmp_path, "validate")
    assert done.returncode == ExitCode.PASS, done.stdout
    assert f"{len(listed)} valid, 0 mistakes" in done.stderr


def test_it_judges_and_reports(drill: Path, tmp_path: Path) -> None:
    """Templates and styles are where it looks for them."""
    record = build_record(tmp_path)
    (record.path / "report.html").unlink(missing_ok=True)
    done = _run(drill, tmp_path, "judge", str(record.path))
    assert done.returncode == ExitCode.PASS, done.stderr
    assert "<svg" in (record.path / "report.html").read_text()


def test_it_collects_a_gate(drill: Path, tmp_path: Path) -> None:
    """The plugin is there, and a suite that makes errors of warnings is no trouble."""
    (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    (tmp_path / "drill.toml").write_text(
        '[contexts.dev]\ndrillable = true\nnamespaces = ["kafka"]\nkafka = { bootstrap = "127.0.0.1:1" }\n'
    )
    done = _run(drill, tmp_path, "gate", "broker-kill", "--context", "dev", "--", "--collect-only", "-q", "-k", "rto")
    assert done.returncode == ExitCode.PASS, done.stdout + done.stderr
    assert "catalogue/broker-kill.yaml::rto" in done.stdout
