"""Restores as whole drills, with the lab's real Velero: each passes by its data, and whatever it made is gone."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from drill import lease, postgres
from drill.cluster import Cluster
from drill.exits import ExitCode
from drill.record import RunRecord
from drill.settings import Settings
from drill.velero import Velero
from drill.verdicts import Outcome
from experiments.velero import _scratch
from scenarios.model import EXPERIMENTS
from tests.cluster.drills import ROOT, Command, outcome, run, the_record, verdicts

pytestmark = pytest.mark.slow

SCRATCH = "drill-restore-kong"
CATALOGUE = ROOT / "scenarios" / "catalogue"


@pytest.fixture
def cluster(lab_dr: Settings) -> Iterator[Cluster]:
    """The lab with Velero; what a dead harness holds expires by itself, but the next test need not wait for that."""
    made, where = Cluster.connect(lab_dr), lab_dr.target.lease_namespace
    yield made
    if lease.look(made, where).holder:
        made.coordination.delete_namespaced_lease(lease.NAME, where)


@pytest.fixture
def fresh(lab_dr: Settings, cluster: Cluster) -> Iterator[Velero]:
    """Velero; the backups and restores that a test had made are taken away after it."""
    velero = Velero.connect(lab_dr, cluster)
    before = {each.name for each in velero.backups()}
    yield velero
    for backup in velero.backups():
        if backup.name not in before:
            velero.await_backup_deleted(backup.name, velero.delete_backup(backup.name))


@pytest.fixture
def restore_drill(tmp_path: Path) -> str:
    """The catalogue's restore drill, of a backup that is made now."""
    folder = tmp_path / "scenario"
    folder.mkdir()
    text = (EXPERIMENTS / "restore-drill.yaml").read_text()
    assert "backup: newest" in text
    (folder / "restore-drill.yaml").write_text(text.replace("backup: newest", "backup: new"))
    return str(shutil.copy(CATALOGUE / "restore-drill.yaml", folder / "scenario.yaml"))


@pytest.mark.usefixtures("fresh")
def test_a_restore_into_a_namespace_of_its_own_is_proven(restore_drill: str, cluster: Cluster, tmp_path: Path) -> None:
    """The volume's bytes are back, every table that stood still is the same, and the namespace is gone again."""
    code, out, err = run(tmp_path / "runs", "run", restore_drill)
    assert code == ExitCode.PASS, f"{out}\n{err}"
    judged = verdicts(the_record(tmp_path / "runs"))
    assert {judged[each].outcome for each in ("tables-as-backed-up", "volumes-restored", "source-untouched")} == {
        Outcome.PASS
    }
    assert _scratch.find(cluster, SCRATCH) is None


@pytest.mark.usefixtures("fresh")
def test_a_harness_that_dies_in_mid_restore_leaves_a_namespace_that_rollback_deletes(
    restore_drill: str, cluster: Cluster, tmp_path: Path
) -> None:
    """And the record of it never passes."""
    command = Command(tmp_path / "runs", "run", restore_drill)
    command.await_record(_restoring, "the restore", 300)
    command.kill(children_too=True)
    command.finish()
    assert _scratch.find(cluster, SCRATCH) is not None, "there was nothing to undo"
    code, out, err = run(tmp_path / "runs", "rollback", "--force")
    assert code == ExitCode.PASS, f"{out}\n{err}"
    assert _scratch.find(cluster, SCRATCH) is None
    (path,) = (tmp_path / "runs").glob("*/*")
    code, _, _ = run(tmp_path / "runs", "judge", str(path))
    assert code in {ExitCode.FAIL, ExitCode.INCONCLUSIVE}


@pytest.mark.usefixtures("fresh")
def test_a_lost_namespace_comes_back_with_what_was_backed_up_and_nothing_else(lab_dr: Settings, tmp_path: Path) -> None:
    """Markers of before are there, those of after are not, every table is held to its checksum, clients are served."""
    code, out, err = run(tmp_path / "runs", "run", "data-loss")
    assert code == ExitCode.PASS, f"{out}\n{err}"
    record = the_record(tmp_path / "runs")
    judged = verdicts(record)
    for check in ("markers-kept", "mutations-gone", "tables-as-backed-up", "restored-whole", "rpo", "services-in-time"):
        assert judged[check].outcome is Outcome.PASS, judged[check]
    assert outcome(record) is Outcome.PASS
    with postgres.connected(postgres.conninfo(lab_dr)) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.usefixtures("fresh")
def test_a_harness_that_dies_in_a_disaster_of_its_own_is_undone_by_a_restore(
    lab_dr: Settings, cluster: Cluster, tmp_path: Path
) -> None:
    """The namespace is gone and nobody restores it: `drill rollback` does, from the backup of before."""
    command = Command(tmp_path / "runs", "run", "data-loss")
    command.await_event("fault.effective", 600)
    command.kill(children_too=True)
    command.finish()
    code, out, err = run(tmp_path / "runs", "rollback", "--force")
    assert code == ExitCode.PASS, f"{out}\n{err}"
    found = _scratch.find(cluster, lab_dr.postgres.namespace)
    assert found is not None
    with postgres.connected(postgres.conninfo(lab_dr)) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_the_shipped_manifest_is_what_the_drills_need(lab_dr: Settings, tmp_path: Path) -> None:
    """To the letter; after a change `drill rbac` writes it anew."""
    assert lab_dr.target.drillable
    code, out, err = run(tmp_path, "rbac", "velero")
    assert code == ExitCode.PASS, err
    assert out == (ROOT / "docs" / "rbac" / "velero-drills.yaml").read_text()


def _restoring(record: RunRecord) -> bool:
    return any(event.data.get("phase") == "restore" for event in record.events_of("phase.started"))
