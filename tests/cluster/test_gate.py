"""The gate on the real lab, as CI runs it: one scenario that passes, one that must fail, one that proves nothing."""

import json
import signal
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from drill import kafka, rollback
from drill.exits import ExitCode
from drill.settings import Settings
from drill.verdicts import Outcome
from tests.cluster.drills import Command, run

PROFILE = Path(__file__).parent / "gate" / "three-outcomes.yaml"
UNWATCHED = PROFILE.with_name("unwatched.yaml")

pytestmark = pytest.mark.slow


def test_a_gate_tells_three_outcomes_apart(lab_platform: Settings, tmp_path: Path) -> None:
    """Exit code, JUnit, page and result agree: it failed, and what could not be told is no pass."""
    junit, page, result = (tmp_path / name for name in ("junit.xml", "gate.html", "result.json"))
    files = ("--junit", str(junit), "--html", str(page), "--result", str(result))
    code, out, err = run(tmp_path / "runs", "gate", str(PROFILE), *files)
    assert code == ExitCode.FAIL, f"{out}\n{err}"

    found = json.loads(result.read_text())
    outcomes = {each["scenario"]: each["runs"][0]["outcome"] for each in found["scenarios"]}
    assert outcomes == {
        "follows": Outcome.PASS,
        "durability-control": Outcome.FAIL,
        "unwatched": Outcome.INCONCLUSIVE,
    }
    told = {
        (str(case.get("classname")).rpartition(".")[2], case.get("name")): {child.tag for child in case}
        - {"properties"}
        for case in ET.parse(junit).iter("testcase")  # noqa: S314 - our own
    }
    assert not any(tags & {"failure", "error", "skipped"} for key, tags in told.items() if key[0] == "follows")
    assert "failure" in told["durability-control", "no-acked-record-lost"]
    assert "error" in told["unwatched", "not-stopped"]
    assert ("follows", "rto-median") in told
    text = page.read_text()
    assert "Inconclusive" in text
    assert "@scope" in text
    for scenario in found["scenarios"]:
        assert (Path(scenario["runs"][0]["record"]) / "report.html").is_file()
    state = kafka.describe(lab_platform.kafka)
    assert len(state.brokers) == 3
    assert not state.under_replicated


def test_what_proves_nothing_ends_with_3_unless_it_is_allowed(lab_platform: Settings, tmp_path: Path) -> None:  # noqa: ARG001 - the lab
    """The same scenario, without and with the permission."""
    code, out, err = run(tmp_path / "runs", "gate", str(UNWATCHED))
    assert code == ExitCode.INCONCLUSIVE, f"{out}\n{err}"
    code, out, err = run(tmp_path / "runs", "gate", str(UNWATCHED), "--allow-inconclusive", "not-stopped")
    assert code == ExitCode.PASS, f"{out}\n{err}"


def test_an_interrupted_gate_undoes_its_drill_and_runs_no_other(lab_platform: Settings, tmp_path: Path) -> None:
    """Ctrl-C while a fault is on: the files are written, and the exit code is 130."""
    junit = tmp_path / "junit.xml"
    command = Command(
        tmp_path / "runs", "gate", str(UNWATCHED), str(PROFILE.with_name("follows.yaml")), "--junit", str(junit)
    )
    record = command.await_event("fault.effective")
    command.process.send_signal(signal.SIGINT)
    code, out, err = command.finish()
    assert code == ExitCode.INTERRUPTED, f"{out}\n{err}"
    assert not rollback.pending(record.path / rollback.FILE)
    assert [path.parent.name for path in (tmp_path / "runs").glob("*/*")] == ["unwatched"]
    cases = {case.get("name"): {child.tag for child in case} for case in ET.parse(junit).iter("testcase")}  # noqa: S314 - our own
    assert "error" in cases["drill-ran"]
    assert not kafka.describe(lab_platform.kafka).under_replicated
