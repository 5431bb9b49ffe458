"""A restore is passed when the data is proven: each check passes, fails, and says when it can't tell."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from drill.fingerprints import Database, PostgresFingerprint, PostgresSelection, Table, document
from drill.markers import TABLE
from drill.record import RunRecord
from drill.verdicts import Outcome, Verdict
from recovery._run import Run
from recovery.restores import CHECKS, OF_KAFKA, times

PASS, FAIL, INCONCLUSIVE = Outcome.PASS, Outcome.FAIL, Outcome.INCONCLUSIVE
DISASTER, BACKUP, PROVEN = 1_750_000_100.0, 1_750_000_040.0, 1_750_000_160.0
VOLUME = {"pod": "kong-postgres-0", "volume": "data", "claim": "data-kong-postgres-0", "message": ""}
Evidence = dict[str, Any]
Spoil = Callable[[Evidence], None]
ELSEWHERE = {"source-untouched", "cluster-replaced", "systems-as-backed-up"}
"""Checks of what only a scratch namespace has, or a whole cluster (test_recovery_cluster.py)."""


def fingerprint(**rows: int) -> Any:
    """Of a server whose database `kong` has tables of so many rows, as the record keeps it."""
    tables = {
        name if "." in name else f"public.{name}": Table(
            kind="table", rows=count, checksum=f"{name}:{count}", definition={"column id": "uuid"}
        )
        for name, count in rows.items()
    }
    return document(
        PostgresFingerprint(
            started=BACKUP,
            finished=BACKUP,
            selection=PostgresSelection(),
            version="15.14",
            roles={"kong": "login"},
            databases={"kong": Database(definition={}, tables=tables, sequences={})},
        )
    )


ROOT_CA = (
    "could not restore, ConfigMap:kube-root-ca.crt already exists. Warning: the in-cluster version is different than "
    "the backed-up version"
)
"""What Velero 1.18 said of a restore into a new namespace."""


def evidence() -> Evidence:
    """All pieces of a good restore, by their names."""
    volume = {**VOLUME, "phase": "Completed", "bytes_done": 64_000_000, "bytes_total": 64_000_000}
    return {
        "backup": {
            "name": "drill-kong",
            "phase": "Completed",
            "errors": 0,
            "started": BACKUP,
            "volumes": [volume],
            "claims": ["data-kong-postgres-0"],
            "workloads": ["statefulset/kong-postgres"],
        },
        "restore": {
            "name": "drill-kong-1",
            "phase": "Completed",
            "errors": 0,
            "warnings": 1,
            "into": "kong",
            "allowed": [],
            "results": {"errors": {}, "warnings": {"namespaces": {"kong": [ROOT_CA]}}},
            "resource_list": {
                "v1/Secret": ["kong/kong-postgres(created)"],
                "v1/ConfigMap": ["kong/kube-root-ca.crt(failed)"],
                "v1/ServiceAccount": ["kong/default(skipped)"],
                "v1/PersistentVolume": ["pvc-3e2f3bc4(skipped)"],
                "v1/PersistentVolumeClaim": ["kong/data-kong-postgres-0(created)"],
                "apiextensions.k8s.io/v1/CustomResourceDefinition": ["backups.velero.io(skipped)"],
            },
            "volumes": [copy.deepcopy(volume)],
        },
        "objects": {
            "claims": [{"name": "data-kong-postgres-0", "phase": "Bound"}],
            "workloads": [{"name": "statefulset/kong-postgres", "wanted": 1, "ready": 1}],
            "services": [{"name": "kong-postgres", "selects": True, "ready": True}],
        },
        "reference": {
            "before": fingerprint(services=5, heartbeat=3),
            "after": fingerprint(services=5, heartbeat=4),
            "changing": ["kong.public.heartbeat"],
            "markers": {"kong": {"a": "1", "b": "2"}},
            "mutations": {"kong": {"c": "3"}},
        },
        "services": {
            "wanted": ["postgres"],
            "answering": ["postgres"],
            "services": {
                "postgres": {"proven": DISASTER + 60, "answered": DISASTER + 61, "backup_started": DISASTER - 60}
            },
        },
        "found": {
            "fingerprint": fingerprint(services=5, heartbeat=7),
            "markers": {"kong": {"a": "1", "b": "2"}},
            "mutations": {"kong": {}},
            "unread": {},
        },
    }


def record_of(
    tmp_path: Path,
    pieces: Evidence,
    *,
    proven: bool = True,
    scratch: bool = False,
    restarted: int = 0,
    **objectives: float,
) -> RunRecord:
    """A record with this evidence and the events that the checks of a restore read."""
    record = RunRecord.create(tmp_path, "data-loss")
    target = {"namespaces": ["kong"], **({"scratch": "drill-restore-kong"} if scratch else {})}
    held = {"rpo": 900, "rto": 600, "recovery_timeout": 600, **objectives}
    scenario = {"name": "data-loss", "target": target, "load": [], "objectives": held}
    record.write_text("scenario.yaml", yaml.safe_dump(scenario))
    record.write_json("experiment.json", {"tags": ["velero", "restore"]})
    for name, content in pieces.items():
        record.write_evidence(f"restore-{name}", content)
    for name, restarts in (("cluster-before", 0), ("cluster-after", restarted)):
        pod = {"namespace": "kong", "name": "kong-postgres-0", "uid": "u", "restarts": restarts}
        record.write_evidence(name, {"pods": [pod]})
    record.emit("runner", "run.started", at=BACKUP - 60)
    record.emit("experiment", "fault.effective", at=DISASTER + 5, since=DISASTER, target={"name": "kong"}, proof={})
    record.emit("experiment", "phase.started", at=DISASTER + 6, phase="restore", budget=900)
    outcome = {"seconds": 3.0, "ok": proven, "reason": None if proven else "no"}
    record.emit("experiment", "phase.ended", at=PROVEN, phase="prove", budget=300, **outcome)
    return RunRecord.open(record.path)


def verdicts(record: RunRecord) -> dict[str, Verdict]:
    """Those of the checks of a restore, by name."""
    run = Run(record)
    found = (each(run) for each in CHECKS)
    return {each.check: each for each in found if each is not None}


def test_a_good_restore_passes(tmp_path: Path) -> None:
    """Every check, but those that are about a scratch namespace's source or a whole cluster."""
    found = verdicts(record_of(tmp_path, evidence()))
    assert {name: each.outcome for name, each in found.items()} == {
        each.name: PASS for each in CHECKS if each.name not in ELSEWHERE and each not in OF_KAFKA
    }
    assert (found["rpo"].actual, found["data-restored"].actual) == ("60.0 s", "60.0 s")
    assert found["tables-as-backed-up"].actual == "1 of 2 tables proven the same"


def test_each_way_in_which_velero_tells_of_it_is_known(tmp_path: Path) -> None:
    """It names what Kubernetes had put into the namespace by kind and name, or as the API server does."""
    pieces = evidence()
    told = ROOT_CA.replace("ConfigMap:kube-root-ca.crt", 'ConfigMap "kube-root-ca.crt"')
    pieces["restore"]["results"]["warnings"]["namespaces"]["kong"] = [told]
    assert verdicts(record_of(tmp_path, pieces))["restore-completed"].outcome is PASS


def test_without_an_rpo_no_run_is_held_to_a_restore(tmp_path: Path) -> None:
    """A drill that restores nothing has no verdict on it."""
    record = record_of(tmp_path, {})
    scenario = {**record.scenario, "objectives": {}}
    record.write_text("scenario.yaml", yaml.safe_dump(scenario))
    assert verdicts(RunRecord.open(record.path)) == {}


def test_a_run_that_came_to_no_restore_is_inconclusive_in_everything(tmp_path: Path) -> None:
    """Nothing was seen, so nothing passes."""
    found = verdicts(record_of(tmp_path, {}, proven=False))
    assert {each.outcome for each in found.values()} == {INCONCLUSIVE}
    assert not [each.reason for each in found.values() if "itself broke" in each.reason]


def _set(piece: str, key: str, value: Any) -> Spoil:
    def spoil(pieces: Evidence) -> None:
        pieces[piece][key] = value

    return spoil


def _volume(piece: str, **changes: Any) -> Spoil:
    def spoil(pieces: Evidence) -> None:
        pieces[piece]["volumes"][0].update(changes)

    return spoil


def _skipped(pieces: Evidence) -> None:
    pieces["restore"]["resource_list"]["v1/Secret"] = ["kong/kong-postgres(skipped)"]


def _differs(pieces: Evidence) -> None:
    pieces["restore"]["resource_list"]["v1/Secret"] = ["kong/kong-postgres(failed)"]


def _strange_warning(pieces: Evidence) -> None:
    pieces["restore"]["results"]["warnings"]["namespaces"]["kong"] = [ROOT_CA.replace("kube-root-ca.crt", "kong")]


def _bare_claim(pieces: Evidence) -> None:
    pieces["backup"]["claims"].append("data-kong-postgres-1")


def _class_kept(pieces: Evidence) -> None:
    pieces["backup"]["storage_classes"] = {"old": "new"}
    pieces["objects"]["claims"] = [{"name": "data-kong-postgres-0", "phase": "Bound", "class": "old"}]


def _all_skipped(pieces: Evidence) -> None:
    listed = pieces["restore"]["resource_list"]
    pieces["restore"]["resource_list"] = {
        "v1/ConfigMap": listed["v1/ConfigMap"],
        "apiextensions.k8s.io/v1/CustomResourceDefinition": ["backups.velero.io(skipped)"],
    }


def _tampered(pieces: Evidence) -> None:
    pieces["found"]["markers"]["kong"]["a"] = "other"


def _database_gone(pieces: Evidence) -> None:
    found = PostgresFingerprint.model_validate(fingerprint()["fingerprint"])
    pieces["found"]["fingerprint"] = document(found.model_copy(update={"databases": {}}))


def _role_gone(pieces: Evidence) -> None:
    found = PostgresFingerprint.model_validate(pieces["found"]["fingerprint"]["fingerprint"])
    pieces["found"]["fingerprint"] = document(found.model_copy(update={"roles": {}}))


def _edited(pieces: Evidence) -> None:
    pieces["found"]["fingerprint"]["fingerprint"]["databases"]["kong"]["tables"]["public.services"]["rows"] = 6


CONTROLS: list[tuple[str, Spoil, Outcome, str]] = [
    ("backup-whole", _set("backup", "phase", "PartiallyFailed"), FAIL, "is PartiallyFailed"),
    ("backup-whole", _set("backup", "phase", "InProgress"), INCONCLUSIVE, "not seen to end"),
    ("backup-whole", _volume("backup", bytes_done=0), FAIL, "with 0 bytes"),
    ("backup-whole", _volume("backup", phase="Failed"), FAIL, "is Failed"),
    ("restore-completed", _set("restore", "phase", "PartiallyFailed"), FAIL, "is PartiallyFailed"),
    ("restore-completed", _set("restore", "phase", "InProgress"), INCONCLUSIVE, "not seen to end"),
    ("restore-completed", _skipped, FAIL, "were there already and not restored, Secret kong/kong-postgres"),
    ("restore-completed", _differs, FAIL, "Secret kong/kong-postgres was not restored"),
    ("restore-completed", _strange_warning, INCONCLUSIVE, "nobody declared that harmless"),
    ("services-in-time", _set("services", "services", {}), INCONCLUSIVE, "data of postgres was not proven"),
    ("backup-whole", _bare_claim, FAIL, "claim data-kong-postgres-1, and none of its data"),
    ("restore-completed", _all_skipped, FAIL, "restored nothing"),
    ("restore-completed", _set("restore", "resource_list", None), INCONCLUSIVE, "does not say its resource list"),
    ("restore-completed", _set("restore", "warnings", 2), INCONCLUSIVE, "2 warnings were counted, and 1"),
    ("restore-completed", _set("restore", "resource_list", {"v1/Secret": ["kong/x"]}), INCONCLUSIVE, "what became of"),
    ("volumes-restored", _set("restore", "volumes", []), FAIL, "was not restored"),
    ("volumes-restored", _volume("restore", bytes_done=63_999_999), FAIL, "and 63,999,999 bytes restored"),
    ("volumes-restored", _volume("restore", phase="InProgress"), INCONCLUSIVE, "not seen to end"),
    ("volumes-restored", _volume("restore", phase="Failed", message="no repository"), FAIL, "no repository"),
    ("volumes-restored", _set("backup", "volumes", []), FAIL, "holds no data of 1 claimed volume"),
    ("restored-whole", _set("objects", "claims", []), FAIL, "is not there"),
    (
        "restored-whole",
        _set("objects", "claims", [{"name": "data-kong-postgres-0", "phase": "Pending"}]),
        FAIL,
        "claim data-kong-postgres-0 is Pending",
    ),
    ("restored-whole", _class_kept, FAIL, "is of storage class old, and was to get new"),
    ("restored-whole", _set("objects", "workloads", []), FAIL, "statefulset/kong-postgres is not there"),
    (
        "restored-whole",
        _set("objects", "workloads", [{"name": "statefulset/kong-postgres", "wanted": 1, "ready": 0}]),
        FAIL,
        "has 0 of 1 pod Ready",
    ),
    (
        "restored-whole",
        _set("objects", "services", [{"name": "kong-postgres", "selects": True, "ready": False}]),
        FAIL,
        "Service kong-postgres has no endpoint",
    ),
    ("markers-kept", _tampered, FAIL, "Marker a in kong is not what was written"),
    ("markers-kept", _set("found", "markers", {"kong": {"a": "1"}}), FAIL, "1 of 2 markers in kong are gone"),
    ("markers-kept", _set("found", "markers", {}), FAIL, "can't be read"),
    ("markers-kept", _set("found", "markers", {"kong": {"a": "1", "b": "2", "z": "9"}}), FAIL, "never written"),
    ("markers-kept", _set("reference", "markers", {"kong": {}}), INCONCLUSIVE, "No marker was written"),
    ("mutations-gone", _set("found", "mutations", {"kong": {"c": "3"}}), FAIL, "written after the backup and is there"),
    ("mutations-gone", _set("found", "mutations", {}), INCONCLUSIVE, "could not be asked"),
    ("mutations-gone", _set("reference", "mutations", {}), INCONCLUSIVE, "absence shows nothing"),
    ("tables-as-backed-up", _database_gone, FAIL, "Database kong is not there"),
    ("tables-as-backed-up", _edited, INCONCLUSIVE, "can't be used"),
    (
        "tables-as-backed-up",
        _set("found", "fingerprint", fingerprint(services=4, heartbeat=7)),
        FAIL,
        "kong.public.services: 4 of 5 rows",
    ),
    ("tables-as-backed-up", _set("found", "fingerprint", fingerprint(heartbeat=7)), FAIL, "services: it is not there"),
    (
        "tables-as-backed-up",
        _set("found", "fingerprint", fingerprint(services=5, heartbeat=7, evil=1)),
        FAIL,
        "evil: it is not of the backup",
    ),
    ("tables-as-backed-up", _set("reference", "changing", []), INCONCLUSIVE, "changed while the backup was made"),
    ("tables-as-backed-up", _set("reference", "before", None), INCONCLUSIVE, "does not say its before"),
    ("definitions-as-backed-up", _role_gone, FAIL, "kong: the role is missing"),
    ("definitions-as-backed-up", _set("reference", "before", None), INCONCLUSIVE, "does not say its before"),
    ("rpo", _set("backup", "started", DISASTER - 901), FAIL, "too old"),
    ("rpo", _set("backup", "started", DISASTER + 1), INCONCLUSIVE, "1.0 s after"),
    ("rpo", _set("backup", "started", None), INCONCLUSIVE, "does not say its started"),
]


@pytest.mark.parametrize(("check", "spoil", "outcome", "reason"), CONTROLS)
def test_negative_control(tmp_path: Path, check: str, spoil: Spoil, outcome: Outcome, reason: str) -> None:
    """Each of them is seen, and is told for what it is."""
    pieces = evidence()
    spoil(pieces)
    found = verdicts(record_of(tmp_path, pieces))[check]
    assert found.outcome is outcome, found.reason
    assert reason in found.reason


def test_every_check_has_a_negative_control() -> None:
    """None that can't fail; those of times and of the source are below, those of Kafka in a file of their own."""
    controlled = {check for check, *_ in CONTROLS} | {"data-restored"} | ELSEWHERE
    assert controlled == {each.name for each in CHECKS if each not in OF_KAFKA}


def test_a_service_that_led_nowhere_when_it_was_backed_up(tmp_path: Path) -> None:
    """It need not lead anywhere now."""
    pieces = evidence()
    pieces["backup"]["idle_services"] = ["spare"]
    pieces["objects"]["services"].append({"name": "spare", "selects": True, "ready": False})
    assert verdicts(record_of(tmp_path, pieces))["restored-whole"].outcome is PASS


def test_data_that_was_proven_late_or_not_at_all(tmp_path: Path) -> None:
    """Late fails; not proven is not known."""
    assert verdicts(record_of(tmp_path / "late", evidence(), rto=59))["data-restored"].outcome is FAIL
    found = verdicts(record_of(tmp_path / "never", evidence(), proven=False))["data-restored"]
    assert (found.outcome, found.actual) == (INCONCLUSIVE, None)


def test_a_scratch_restore_estimates_and_leaves_its_source_alone(tmp_path: Path) -> None:
    """Nothing was lost, so the times are called what they are, and no marker is asked for."""
    pieces = evidence()
    pieces["restore"]["into"] = "drill-restore-kong"
    pieces["restore"]["resource_list"] = {"v1/Secret": ["drill-restore-kong/kong-postgres(created)"]}
    found = verdicts(record_of(tmp_path, pieces, scratch=True))
    assert not {"markers-kept", "mutations-gone"} & found.keys()
    assert {each.outcome for each in found.values()} == {PASS}
    assert found["rpo"].reason.startswith("A disaster when the restore was begun would have cost")
    assert found["rpo"].details["estimated"] is True
    touched = verdicts(record_of(tmp_path / "touched", pieces, scratch=True, restarted=1))["source-untouched"]
    assert (touched.outcome, touched.details["changed"]) == (FAIL, ["kong/kong-postgres-0"])


def test_a_table_that_always_changes_and_came_back_empty_is_not_passed_over(tmp_path: Path) -> None:
    """It had rows at both ends of the backup."""
    pieces = evidence()
    pieces["found"]["fingerprint"] = fingerprint(services=5, heartbeat=0)
    found = verdicts(record_of(tmp_path, pieces))["tables-as-backed-up"]
    assert found.outcome is INCONCLUSIVE
    assert "heartbeat: it always changes, and of its 3 rows none is there" in found.reason
    pieces["reference"]["after"] = None  # it may have had none at the backup, which is older
    assert verdicts(record_of(tmp_path / "older", pieces, scratch=True))["tables-as-backed-up"].outcome is PASS


def test_a_database_of_which_no_table_stood_still_is_not_proven(tmp_path: Path) -> None:
    """What the drill wrote into it itself proves nothing of it."""
    pieces = evidence()
    pieces["reference"]["changing"] = ["*"]
    for piece, when, rows in (("reference", "before", 5), ("reference", "after", 6), ("found", "fingerprint", 6)):
        pieces[piece][when] = fingerprint(services=rows, heartbeat=rows, **{TABLE: 10})
    pieces["found"]["fingerprint"] = fingerprint(services=4, heartbeat=4, **{TABLE: 10})
    found = verdicts(record_of(tmp_path, pieces))
    assert found["tables-as-backed-up"].outcome is INCONCLUSIVE
    assert found["tables-as-backed-up"].reason == "Of database kong no table could be held against the backup."
    assert found["data-restored"].outcome is INCONCLUSIVE


def test_a_table_that_always_changes_may_be_younger_than_the_backup(tmp_path: Path) -> None:
    """It was not there when the backup was made, long before the drill; another one is not to be missed so."""
    pieces = evidence()
    pieces["reference"] |= {"after": None, "changing": ["kong.public.heartbeat"]}
    pieces["found"]["fingerprint"] = fingerprint(services=5)
    found = verdicts(record_of(tmp_path / "declared", pieces, scratch=True))
    assert {found[f"{each}-as-backed-up"].outcome for each in ("tables", "definitions")} == {PASS}
    assert "1 table of those that always change could not be held to it" in found["tables-as-backed-up"].reason
    pieces["reference"]["changing"] = []
    found = verdicts(record_of(tmp_path / "other", pieces, scratch=True))
    assert {found[f"{each}-as-backed-up"].outcome for each in ("tables", "definitions")} == {INCONCLUSIVE}


@pytest.mark.parametrize("scratch", [False, True])
def test_data_that_is_not_the_backups_was_not_proven_at_any_time(tmp_path: Path, scratch: bool) -> None:
    """The phase came to its end, and what it read is one row short: there is no time until the data was proven."""
    pieces = evidence()
    pieces["found"]["fingerprint"] = fingerprint(services=4, heartbeat=7)
    record = record_of(tmp_path, pieces, scratch=scratch)
    found = verdicts(record)
    assert found["tables-as-backed-up"].outcome is FAIL
    for check in {"data-restored", "services-in-time"} & found.keys():
        assert found[check].outcome is INCONCLUSIVE
        assert "tables-as-backed-up: kong.public.services: 4 of 5 rows" in found[check].reason
    assert times(record).rto is None
    assert "4 of 5 rows" in times(record).unmeasured["proven"]


def test_the_newest_backup_is_held_to_what_is_there_now(tmp_path: Path) -> None:
    """What differs may have changed since: that is not known, and it does not fail."""
    pieces = evidence()
    pieces["reference"]["after"] = None
    found = verdicts(record_of(tmp_path / "same", pieces, scratch=True))["tables-as-backed-up"]
    assert found.outcome is PASS
    pieces["found"]["fingerprint"] = fingerprint(services=4, heartbeat=7)
    found = verdicts(record_of(tmp_path / "other", pieces, scratch=True))["tables-as-backed-up"]
    assert (found.outcome, "may have been so at the backup" in found.reason) == (INCONCLUSIVE, True)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (_set("found", "fingerprint", fingerprint(services=5, heartbeat=7, more=1)), "more: it is not of the backup"),
        (_set("found", "fingerprint", fingerprint(heartbeat=7)), "services: it is not there"),
        (_database_gone, "Database kong is not there"),
    ],
)
def test_what_came_or_went_since_the_newest_backup_is_not_known_to_be_lost(
    tmp_path: Path, spoil: Spoil, reason: str
) -> None:
    """Each of these fails where the reference was taken around the backup, and is not known where it is older."""
    pieces = evidence()
    spoil(pieces)
    assert verdicts(record_of(tmp_path / "around", pieces, scratch=True))["tables-as-backed-up"].outcome is FAIL
    pieces["reference"]["after"] = None
    found = verdicts(record_of(tmp_path / "older", pieces, scratch=True))["tables-as-backed-up"]
    assert found.outcome is INCONCLUSIVE
    assert f"{reason}, and may have been so at the backup" in found.reason
