"""The lab's whole cluster is lost and comes back: by a drill, and by `drill rollback` where the drill died half-way."""

from pathlib import Path

import pytest

from drill.cluster import Cluster
from drill.exits import ExitCode
from drill.fingerprints import PostgresSelection
from drill.postgres import conninfo
from drill.record import RunRecord
from drill.settings import Settings
from drill.velero import Velero
from drill.verdicts import Outcome
from experiments.fingerprints import markers
from experiments.fingerprints.postgres import capture
from experiments.velero import _safe
from recovery.fingerprints import judge_postgres
from tests.cluster.drills import Command, outcome, run, the_record, verdicts

pytestmark = pytest.mark.slow

NEVER_STILL = ("*.public.t_ds_*", "*.public.drill_ledger", "*.drill.drill_markers")


def test_the_platform_comes_back_from_the_bucket(lab_dr: Settings, tmp_path: Path) -> None:
    """In another cluster, within the half hour; nothing of the Secrets is in the record, and none stays beside it."""
    before = Cluster.connect(lab_dr).identity()["uid"]
    password = Cluster.connect(lab_dr).secret("velero", "velero-repo-credentials", "repository-password")
    code, out, err = run(tmp_path / "runs", "run", "cluster-loss")
    record = the_record(tmp_path / "runs")
    assert code == ExitCode.PASS, f"{out}\n{err}"
    assert outcome(record) is Outcome.PASS
    told = verdicts(record)
    assert told["cluster-replaced"].actual == f"{Cluster.connect(lab_dr).identity()['uid']}, was {before}"
    assert told["mutations-gone"].outcome is Outcome.PASS
    assert set(told["services-in-time"].details["services"]) >= {"postgres", "kafka", "dolphinscheduler", "lakehouse"}
    assert not [path for path in record.path.rglob("*") if path.is_file() and password.encode() in path.read_bytes()]
    assert not _safe.place(_run_of(record)).exists()
    assert Velero.connect(lab_dr).location().access_mode == "ReadWrite"
    assert _markers(lab_dr, record) == []


def test_a_drill_that_died_in_the_middle_of_the_restore_is_gone_on_with(lab_dr: Settings, tmp_path: Path) -> None:
    """With the harness and all that it started killed, one command brings the platform back, with its data."""
    reference = capture(conninfo(lab_dr), PostgresSelection(exclude=NEVER_STILL))
    uid = Cluster.connect(lab_dr).identity()["uid"]
    drill = Command(tmp_path / "runs", "run", "cluster-loss")
    record = drill.await_record(_restoring, "the restore's begin", within=2400)
    drill.kill(children_too=True)
    drill.finish()
    assert _safe.place(_run_of(record)).exists()
    code, out, err = run(tmp_path / "runs", "rollback", str(record.path))
    assert code == ExitCode.PASS, f"{out}\n{err}"
    assert "undone experiments.velero.comeback.bring_cluster_back" in out
    assert Cluster.connect(lab_dr).identity()["uid"] != uid
    found = capture(conninfo(lab_dr), reference.selection)
    assert {each.outcome for each in judge_postgres(reference, found)} == {Outcome.PASS}
    assert not _safe.place(_run_of(record)).exists()
    assert Velero.connect(lab_dr).location().access_mode == "ReadWrite"
    assert _markers(lab_dr, record) == []


def _restoring(record: RunRecord) -> bool:
    return any(event.data["phase"] == "restore" for event in record.events_of("phase.started"))


def _run_of(record: RunRecord) -> str:
    return str(record.first("run.started").data["run_id"])


def _markers(settings: Settings, record: RunRecord) -> list[str]:
    """The markers of a run that are left in any database."""
    databases = capture(conninfo(settings), PostgresSelection(exclude=("*",))).databases
    return [each.id for name in databases for each in markers.read(conninfo(settings, dbname=name), _run_of(record))]
