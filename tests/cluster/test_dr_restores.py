"""The ways to restore, each seen on a real backup, and restores that fall short: told, and never passed.

All of it is in namespaces of the tests' own. Velero's server is killed once in mid-restore, and is whole again.
"""

import os
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import yaml
from kubernetes import client

from drill import record
from drill.errors import RefusedError
from drill.exits import ExitCode
from drill.record import RunRecord
from drill.settings import Settings
from drill.velero import Velero
from drill.verdicts import Outcome, Verdict
from experiments._watch import NotSeenError, await_seen
from experiments.runbooks._phases import StepFailedError
from experiments.velero import _backups, _meanwhile, _objects
from experiments.velero._restores import restore
from experiments.velero._site import Site, keep
from recovery._run import Run
from recovery.restores import CHECKS
from scenarios.model import EXPERIMENTS
from tests.cluster.conftest import lab_settings
from tests.cluster.drills import DRILL, ROOT, run, the_record
from tests.cluster.keeper import CLAIM, FILE, POD, Keeper, await_ready, keeping, remove_namespace, scaled_to_none

pytestmark = pytest.mark.slow

NAMESPACE, COPY = "drill-restores", "drill-restores-copy"
FAIL, PASS, UNSURE = Outcome.FAIL, Outcome.PASS, Outcome.INCONCLUSIVE
BY_NAME = {each.name: each for each in CHECKS}
LOCATION = "default"
SUM = "cd /data && find . -path ./.velero -prune -o -type f -print | sort | xargs sha256sum"
"""Without the sign that Velero leaves in a volume that it has restored."""


class Drill:
    """A namespace with a backup, and restores of it whose record is judged."""

    def __init__(self, keeper: Keeper, backup: str, content: str) -> None:
        self.keeper, self.backup, self.content = keeper, backup, content
        """`content`: what the volume had, when it was backed up."""
        self.run: RunRecord
        self.site: Site

    def restore(self, into: str, *specs: dict[str, Any], within: float = 180) -> dict[str, Any]:
        """Restore, with all that the checks need kept as evidence."""
        _backups.describe(self.site, self.backup, NAMESPACE)
        return restore(self.site, self.backup, NAMESPACE, into, specs or [{}], [], within)

    def look(self, into: str) -> None:
        """Keep how the restored objects are."""
        keep("objects", _objects.look(self.site.cluster, into))

    def verdict(self, check: str) -> Verdict:
        """What is judged of the restore."""
        verdict = BY_NAME[check](Run(self.run))
        assert verdict is not None
        return verdict

    def settings_of(self, name: str, namespace: str = NAMESPACE) -> dict[str, str]:
        """What a ConfigMap holds."""
        found = self.keeper.cluster.core.read_namespaced_config_map(name, namespace)
        return dict(found.data)

    def change(self, name: str, value: str) -> None:
        """Change a ConfigMap."""
        self.keeper.cluster.core.patch_namespaced_config_map(name, NAMESPACE, {"data": {"is": value}})

    def maps(self, namespace: str) -> set[str]:
        """The ConfigMaps that are there."""
        found = self.keeper.cluster.core.list_namespaced_config_map(namespace).items
        return {each.metadata.name for each in found} - {"kube-root-ca.crt"}


@pytest.fixture(scope="module")
def kept(dr_up: None) -> Iterator[Drill]:  # noqa: ARG001 - order only
    """A pod with a file on its volume, two ConfigMaps of which one has a label, and a backup of all that."""
    with pytest.MonkeyPatch.context() as patch:
        settings = lab_settings(patch)
    with keeping(NAMESPACE, settings) as keeper:
        core = keeper.cluster.core
        core.create_namespaced_config_map(
            NAMESPACE, {"metadata": {"name": "chosen", "labels": {"restore": "this"}}, "data": {"is": "backed up"}}
        )
        core.create_namespaced_config_map(NAMESPACE, {"metadata": {"name": "other"}, "data": {"is": "backed up"}})
        keeper.run(FILE.format("first"))
        backup = keeper.backup(f"test-{secrets.token_hex(4)}")
        try:
            yield Drill(keeper, backup, keeper.run(SUM))
        finally:
            remove_namespace(keeper.cluster, COPY)
            for each in keeper.velero.restores():
                if each.backup == backup:
                    keeper.velero.delete_restore(each.name)


@pytest.fixture
def drill(kept: Drill, lab_dr: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Drill:
    """The same with a run of its own, and no copy there."""
    remove_namespace(kept.keeper.cluster, COPY)
    kept.run = RunRecord.create(tmp_path / "runs", "test")
    objectives = {"rpo": 3600, "restored_within": 600}
    scenario = {"name": "test", "target": {"namespaces": [NAMESPACE], "scratch": COPY}, "objectives": objectives}
    kept.run.write_text("scenario.yaml", yaml.safe_dump(scenario))
    monkeypatch.setenv(record.RECORD_VARIABLE, str(kept.run.path))
    kept.site = Site(lab_dr, kept.keeper.cluster, kept.keeper.velero, secrets.token_hex(4))
    return kept


# --- ways to restore


def test_one_namespace_is_restored_beside_itself_with_its_data(drill: Drill) -> None:
    """By namespace mapping; the original is not touched."""
    drill.restore(COPY)
    await_ready(drill.keeper.cluster, COPY, POD)
    drill.look(COPY)
    assert drill.keeper.run(SUM, COPY) == drill.content
    assert drill.maps(COPY) == {"chosen", "other"}
    for check in ("backup-whole", "restore-completed", "volumes-restored", "restored-whole"):
        verdict = drill.verdict(check)
        assert verdict.outcome is PASS, f"{check}: {verdict.reason}"


def test_only_what_has_a_label_is_restored(drill: Drill) -> None:
    """And nothing else of the namespace."""
    drill.restore(COPY, {"labelSelector": {"matchLabels": {"restore": "this"}}})
    assert drill.maps(COPY) == {"chosen"}
    assert drill.verdict("restore-completed").outcome is PASS
    assert not drill.keeper.cluster.core.list_namespaced_persistent_volume_claim(COPY).items


def test_what_is_there_already_stays_and_that_is_told(drill: Drill) -> None:
    """Policy none, Velero's default: the restore is Completed, and what was changed since is not put back."""
    drill.change("chosen", "changed since")
    done = drill.restore(NAMESPACE, {"includedResources": ["configmaps"], "existingResourcePolicy": "none"})
    assert done["phase"] == "Completed"
    assert drill.settings_of("chosen") == {"is": "changed since"}
    verdict = drill.verdict("restore-completed")
    assert verdict.outcome is FAIL
    assert "chosen" in verdict.reason


def test_what_is_there_already_is_put_back_where_that_is_wanted(drill: Drill) -> None:
    """Policy update: as it was backed up."""
    drill.change("chosen", "changed since")
    done = drill.restore(NAMESPACE, {"includedResources": ["configmaps"], "existingResourcePolicy": "update"})
    assert done["existing"] == "update"
    assert drill.settings_of("chosen") == {"is": "backed up"}
    assert f"{NAMESPACE}/chosen(updated)" in done["resource_list"]["v1/ConfigMap"]


def test_a_volume_comes_back_on_another_storage_class(drill: Drill) -> None:
    """With its data; the mapping is Velero's only as long as the restore runs."""
    core = drill.keeper.cluster.core
    with _meanwhile.mapped_classes(drill.site, {"local-path": "local-path-apart"}):
        drill.restore(COPY)
    await_ready(drill.keeper.cluster, COPY, POD)
    claim = core.read_namespaced_persistent_volume_claim(CLAIM, COPY)
    assert (claim.spec.storage_class_name, claim.status.phase) == ("local-path-apart", "Bound")
    assert core.read_namespaced_persistent_volume_claim(CLAIM, NAMESPACE).spec.storage_class_name == "local-path"
    assert drill.keeper.run(SUM, COPY) == drill.content
    assert _mappings(drill) == []


def test_a_storage_class_that_is_not_there_is_refused(drill: Drill) -> None:
    """Before anything is set."""
    with (
        pytest.raises(RefusedError, match="no storage class drill-nowhere"),
        _meanwhile.mapped_classes(drill.site, {"local-path": "drill-nowhere"}),
    ):
        pytest.fail("it was set")
    assert _mappings(drill) == []


def test_the_location_is_read_only_while_it_is_restored_from(drill: Drill) -> None:
    """What is restored comes back whole; a backup is refused meanwhile, and made again afterwards."""
    with _meanwhile.read_only(drill.site, LOCATION):
        drill.restore(COPY, {"includedResources": ["configmaps"]})
        refused = drill.keeper.start(f"test-{secrets.token_hex(4)}", includedResources=["configmaps"])
        assert drill.keeper.velero.await_backup(refused, within=60).phase == "FailedValidation"
        with pytest.raises(RefusedError, match="ReadOnly already"), _meanwhile.read_only(drill.site, LOCATION):
            pytest.fail("it was set twice")
    assert drill.verdict("restore-completed").outcome is PASS
    assert drill.keeper.velero.location(LOCATION).access_mode == "ReadWrite"
    drill.keeper.backup(f"test-{secrets.token_hex(4)}", includedResources=["configmaps"])


def test_what_a_dead_harness_has_set_is_put_back(drill: Drill) -> None:
    """By `drill rollback`, from the log in the cluster: the location is writable, no class is mapped."""
    with _dying_harness(drill) as harness:
        assert drill.keeper.velero.location(LOCATION).access_mode == "ReadOnly"
        assert len(_mappings(drill)) == 1
        harness.send_signal(signal.SIGKILL)
        harness.wait()
        assert drill.keeper.velero.location(LOCATION).access_mode == "ReadOnly"
        done = subprocess.run(
            [DRILL, "rollback", "--context", "drill-lab"], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
    found = drill.keeper.velero.location(LOCATION)
    assert found.access_mode == "ReadWrite"
    assert _meanwhile.HELD_BY not in (found.raw["metadata"].get("annotations") or {})
    assert _mappings(drill) == []


def test_a_restore_drill_takes_both_as_its_parameters(lab_dr: Settings, tmp_path: Path) -> None:
    """PostgreSQL's data is proven on another storage class, restored from a location that was ReadOnly meanwhile."""
    assert lab_dr.velero.namespace == "velero"
    experiment = yaml.safe_load((EXPERIMENTS / "restore-drill.yaml").read_text())
    wanted = {"backup": "new", "storage_classes": {"local-path": "local-path-apart"}, "read_only_location": True}
    assert wanted.keys() <= experiment["configuration"].keys()
    experiment["configuration"] |= wanted
    (tmp_path / "restore-drill.yaml").write_text(yaml.safe_dump(experiment))
    shutil.copy(ROOT / "scenarios" / "catalogue" / "restore-drill.yaml", tmp_path / "scenario.yaml")
    code, out, err = run(tmp_path / "runs", "run", str(tmp_path / "scenario.yaml"))
    assert code == ExitCode.PASS, f"{out}\n{err}"
    record = the_record(tmp_path / "runs")
    assert {each["class"] for each in record.evidence("restore-objects")["claims"]} == {"local-path-apart"}
    undone = [each.data["undo"] for each in record.events if each.kind == "rollback.registered"]
    assert {"make_writable", "forget_classes"} <= {each.rpartition(".")[2] for each in undone}
    velero = Velero.connect(lab_dr)
    assert velero.location().access_mode == "ReadWrite"
    velero.await_backup_deleted(made := record.evidence("restore-backup")["name"], velero.delete_backup(made))


# --- restores that fall short


def test_a_claim_that_stays_pending_is_found(drill: Drill) -> None:
    """The restore is Completed: nothing in it asks whether a volume ever came."""
    done = drill.restore(COPY, {"includedResources": ["persistentvolumeclaims"]})
    assert done["phase"] == "Completed"
    drill.look(COPY)
    verdict = drill.verdict("restored-whole")
    assert verdict.outcome is FAIL
    assert f"claim {CLAIM} is Pending" in verdict.reason
    assert drill.verdict("volumes-restored").outcome is FAIL


def test_a_server_that_dies_in_mid_restore_is_never_passed(drill: Drill) -> None:
    """The restore is Failed or PartiallyFailed, as the server had time to say; what it left is not whole."""
    with _no_provisioner(drill) as nowhere, _meanwhile.mapped_classes(drill.site, {"local-path": nowhere}):
        ended: list[BaseException] = []
        thread = Thread(target=_catching, args=(ended, lambda: drill.restore(COPY, within=240)))
        thread.start()
        _await_restore(drill, "InProgress")
        with scaled_to_none(drill.keeper.admin, "deployment", "velero", "velero"):
            drill.look(COPY)
            assert drill.verdict("restored-whole").outcome is FAIL
        thread.join()
    (error,) = ended
    assert isinstance(error, StepFailedError)
    assert "Failed" in str(error)
    assert drill.verdict("restore-completed").outcome is FAIL
    assert drill.verdict("volumes-restored").outcome is FAIL


def test_a_restore_that_does_not_end_is_never_passed(drill: Drill) -> None:
    """Its volume waits for a storage that never comes."""
    with _no_provisioner(drill) as nowhere, _meanwhile.mapped_classes(drill.site, {"local-path": nowhere}):
        with pytest.raises(StepFailedError, match="has not ended"):
            drill.restore(COPY, within=20)
        drill.look(COPY)
        assert drill.verdict("restore-completed").outcome is UNSURE
        assert drill.verdict("restored-whole").outcome is FAIL
        # It would go on for hours: the server gives it up when it ends.
        with scaled_to_none(drill.keeper.admin, "deployment", "velero", "velero"):
            pass
        _await_restore(drill, "Failed", "PartiallyFailed")


# --- helpers


def _mappings(drill: Drill) -> Sequence[Any]:
    found = drill.keeper.cluster.core.list_namespaced_config_map("velero", label_selector=_meanwhile.CLASSES)
    return list(found.items)


def _await_restore(drill: Drill, *phases: str) -> None:
    def look() -> None:
        found = [each for each in drill.keeper.velero.restores() if drill.site.run in each.name]
        if not found or found[-1].phase not in phases:
            raise NotSeenError(f"{[(each.name, each.phase) for each in found]}")

    await_seen(look, within=120)


def _catching(ended: list[BaseException], what: Any) -> None:
    try:
        what()
    except BaseException as error:  # noqa: BLE001 - the test looks at it
        ended.append(error)


@contextmanager
def _no_provisioner(drill: Drill) -> Iterator[str]:
    """A storage class of which no volume ever comes; Velero does not wait for one that waits for a pod itself."""
    storage = client.StorageV1Api(drill.keeper.admin)
    name = "drill-nothing-comes"
    storage.create_storage_class(
        {
            "metadata": {"name": name},
            "provisioner": "drill.local/nobody",
            "volumeBindingMode": "WaitForFirstConsumer",
        }
    )
    try:
        yield name
    finally:
        storage.delete_storage_class(name)


_HARNESS = """
import sys, time
from drill import settings
from drill.cluster import Cluster
from drill.velero import Velero
from experiments.velero import _meanwhile
from experiments.velero._site import Site
loaded = settings.load()
cluster = Cluster.connect(loaded)
site = Site(loaded, cluster, Velero.connect(loaded, cluster), sys.argv[1])
with _meanwhile.read_only(site, "default"), _meanwhile.mapped_classes(site, {"local-path": "local-path-apart"}):
    print("set", flush=True)
    time.sleep(600)
"""


@contextmanager
def _dying_harness(drill: Drill) -> Iterator[subprocess.Popen[str]]:
    """A process of its own that has set both, and has nobody to put them back."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", _HARNESS, drill.site.run], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    ) as harness:
        try:
            assert harness.stdout is not None
            said = list(iter(harness.stdout.readline, "set\n"))  # what it logs comes before
            assert harness.poll() is None, said
            yield harness
        finally:
            harness.kill()
