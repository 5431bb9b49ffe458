"""The platform down and its runbooks on the lab: on scratch workloads step by step, and as whole drills."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import recovery
from drill import ledger, rollback, settings
from drill.exits import ExitCode
from drill.settings import Settings
from drill.verdicts import Outcome
from experiments import runbooks
from experiments._fault import injected
from experiments.platform._backoff import backed_off
from experiments.pods._site import drillable_site, select
from experiments.pods.rollouts import scale_to_zero
from experiments.runbooks._phases import Phase, Runbook
from experiments.runbooks._steps import Platform, Service
from tests.cluster.drills import run, the_record, verdicts
from tests.cluster.scratch import NAMESPACE, WHOLE_LIFE, Scratch, namespace, scratch, workload

__all__ = ["namespace", "scratch"]  # fixtures

WEB, DB = "deployment/web", "statefulset/db"
_SPEAKS = "echo 'web: serving'; exec sleep 1000000"


@pytest.fixture
def both(scratch: Scratch) -> Iterator[Scratch]:
    """A Deployment and a StatefulSet that say something in their logs."""
    with scratch.having(workload("StatefulSet", "db", 1, _SPEAKS), workload("Deployment", "web", 2, _SPEAKS)):
        yield scratch


def platform(here: Scratch, *refs: str) -> Platform:
    """Scratch workloads in the place of the critical ones."""
    services = tuple(Service("postgres", NAMESPACE, ref) for ref in refs)
    return Platform(settings.load(), here.cluster, services)


def test_the_runbook_on_containers_that_are_kept_down(both: Scratch) -> None:
    """All crash until Kubernetes keeps them down; assessed, read, restarted anew, without waiting for the back-off."""
    site, here = drillable_site(NAMESPACE, WEB), platform(both, DB, WEB)
    before = {pod.uid for pod in both.pods(WEB)}
    with injected(backed_off([(site, select(site, "100%", "100%", None))], crashes=3, within=90)) as on:
        assert {each["state"] for each in on.proof.values()} <= {"CrashLoopBackOff", "terminated"}
        assert all(each["restarts"]["after"] >= each["restarts"]["before"] + 2 for each in on.proof.values())
        found = here.assess()
        assert len(found["failing"]) == 2
        assert any("web" in trouble for trouble in found["troubles"])
        logs = here.logs()["logs"]
        # Of the run that has just ended, or of the one before it: the kubelet keeps one.
        assert all("web: serving\n" in {each["previous"], each["current"]} for each in logs)
        restarted = here.restart(within=90)
        assert [each["workload"] for each in restarted["restarts"]] == [DB, WEB]
    assert not before & {pod.uid for pod in both.pods(WEB)}
    assert all(pod.restarts == 0 for pod in both.pods(WEB))
    assert both.kinds() == WHOLE_LIFE
    assert not rollback.pending()


def test_a_restart_does_not_cure_what_has_no_pods(both: Scratch) -> None:
    """The runbook's negative control: it says so, and the fault's own undo brings the pods back."""
    here = platform(both, WEB)
    phase = Phase("restart", 60, "Restart.", here.restart, acts=True)
    with injected(scale_to_zero.injection(WEB, NAMESPACE, max_pods="100%")):
        (done,) = Runbook("rehearsal", "runbook", (phase,)).perform()
    assert done["ok"] is False
    assert "scaled to zero" in done["reason"]
    assert len(both.pods(WEB)) == 2


def test_a_bad_release_is_undone_by_the_runbook(both: Scratch) -> None:
    """To the template of before, as `kubectl rollout undo` does; the fault's undo has the strategy to restore."""
    before = both.template(WEB)
    done = runbooks.rehearse_crashloop(WEB, NAMESPACE, recreate=True, max_pods="100%")
    assert [(each["phase"], each["ok"]) for each in done["phases"]] == [
        (name, True) for name in ("describe", "logs", "undo", "verify")
    ]
    assert both.template(WEB)["spec"] == before["spec"]
    (undone,) = both.events("fault.undone")
    assert undone.data["proof"]["exactly_as_before"] is True
    (acted,) = both.events("operator.acted")
    assert acted.data["phase"] == "undo"


def _whole_drill(tmp_path: Path, name: str, *more: str) -> None:
    code, out, err = run(tmp_path, "run", name, *more)
    record = the_record(tmp_path)
    assert code == ExitCode.PASS, f"{out}\n{err}"
    found = verdicts(record)
    assert found["phases-within-budget"].outcome is Outcome.PASS
    assert found["platform-restored"].outcome is Outcome.PASS
    line = recovery.timeline(record)
    assert {service.name for service in line.services} == {"kafka", "postgres", "dolphinscheduler"}
    assert line.rto == max(service.rto or 0 for service in line.services)
    assert ledger.account(ledger.ledgers(record)).lost == 0
    assert 'id="figure-runbook"' in (record.path / "report.html").read_text()


@pytest.mark.slow
def test_platform_down_is_restored_by_its_runbook(lab_platform: Settings, tmp_path: Path) -> None:  # noqa: ARG001
    """In 30 minutes, nothing lost, and each step's evidence kept."""
    _whole_drill(tmp_path, "platform-down")
    evidence = {path.name for path in (the_record(tmp_path).path / "evidence").glob("runbook-*.json")}
    assert evidence == {f"runbook-{phase}.json" for phase in ("assess", "logs", "restart", "verify")}


@pytest.mark.slow
def test_platform_down_with_an_operator_who_answers_from_a_file(
    lab_platform: Settings,  # noqa: ARG001 - order only
    tmp_path: Path,
) -> None:
    """Prompted phase by phase; the notes are in the record."""
    answers = tmp_path / "answers.txt"
    answers.write_text(
        "three services in CrashLoopBackOff\nnothing in the logs\nleft it to Kubernetes\n+150 all answer\n"
    )
    runs = tmp_path / "runs"
    code, out, err = run(runs, "run", "platform-down-operator", "--answers", str(answers))
    record = the_record(runs)
    lines = [json.loads(line) for line in (record.path / "operator.jsonl").read_text().splitlines()]
    assert [line["phase"] for line in lines if line["op"] == "asked"] == ["assess", "logs", "restart", "verify"]
    assert record.evidence("runbook-restart")["note"] == "left it to Kubernetes"
    assert code == ExitCode.PASS, f"{out}\n{err}"
