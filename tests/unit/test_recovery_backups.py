"""Backups judged before the disaster: a good one passes, and each thing that can be wrong with one is found."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from drill import backup_evidence
from drill.errors import InputError, UsageError
from drill.settings import VeleroTarget
from drill.velero_scope import Scope
from drill.verdicts import Outcome, overall
from experiments.backups._collect import _KINDS
from recovery.backups import CHECKS, judge
from tests.unit.kopia_world import PACK_OF_FIRST, PASSWORD
from tests.unit.velero_world import (
    CLAIM,
    NAME,
    PREFIX,
    World,
    ago,
    archive,
    kept_snapshot,
    moved_snapshot,
    world,
    zipped,
)

FAIL, PASS, UNSURE = Outcome.FAIL, Outcome.PASS, Outcome.INCONCLUSIVE


@pytest.fixture
def made() -> World:
    """A good backup, to be spoilt."""
    return world()


def test_a_good_backup_passes_every_check(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A good backup passes every check."""
    verdicts = made.verdicts(monkeypatch)
    assert {name: each.reason for name, each in verdicts.items() if each.outcome is not PASS} == {}
    assert set(verdicts) == {each.__name__.replace("_", "-") for each in CHECKS}
    assert all(each.details["object"] for each in verdicts.values())


def test_download_holds_volume_data_to_its_etag(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Download holds volume data to its etag."""
    verdict = made.verdicts(monkeypatch, download=True)["volume-data-present"]
    assert verdict.outcome is PASS
    assert "8 held to their ETag" in verdict.reason


@pytest.mark.parametrize(
    "name",
    [
        "velero-backup.json",
        f"{NAME}.tar.gz",
        f"{NAME}-logs.gz",
        f"{NAME}-podvolumebackups.json.gz",
        f"{NAME}-volumesnapshots.json.gz",
        f"{NAME}-itemoperations.json.gz",
        f"{NAME}-resource-list.json.gz",
        f"{NAME}-results.gz",
        f"{NAME}-volumeinfo.json.gz",
    ],
)
def test_an_object_deleted_from_the_bucket_fails(made: World, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """An object deleted from the bucket fails."""
    made.delete(f"{PREFIX}{name}")
    verdict = made.verdicts(monkeypatch)["objects-present"]
    assert verdict.outcome is FAIL
    assert name in verdict.reason
    assert verdict.details["remedy"]


@pytest.mark.parametrize("name", [f"{NAME}.tar.gz", f"{NAME}-results.gz", f"{NAME}-logs.gz"])
@pytest.mark.parametrize("left", [0.5, 0.97])
def test_a_truncated_object_fails(made: World, monkeypatch: pytest.MonkeyPatch, name: str, left: float) -> None:
    """A truncated object fails."""
    content = made.get(name)
    made.set(name, content[: int(len(content) * left)])
    verdict = made.verdicts(monkeypatch)["objects-intact"]
    assert verdict.outcome is FAIL
    assert name in verdict.reason


def test_an_empty_object_fails(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty object fails."""
    made.set(f"{NAME}-logs.gz", b"")
    assert made.verdicts(monkeypatch)["objects-present"].outcome is FAIL


def test_an_archive_that_lost_its_checksum_fails(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """All files of it can still be read; only the end of the gzip is missing."""
    made.set(f"{NAME}.tar.gz", made.get(f"{NAME}.tar.gz")[:-4])
    assert made.verdicts(monkeypatch)["objects-intact"].outcome is FAIL


def test_an_archive_with_an_object_that_does_not_parse_fails(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """An archive with an object that does not parse fails."""
    plain = gzip.decompress(made.get(f"{NAME}.tar.gz"))
    made.set(f"{NAME}.tar.gz", gzip.compress(plain.replace(b'{"apiVersion"', b'["apiVersion"', 1)))
    assert made.verdicts(monkeypatch)["objects-intact"].outcome is FAIL


def test_an_archive_that_lacks_an_object_of_the_list_fails(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """An archive that lacks an object of the list fails."""
    made.set(f"{NAME}.tar.gz", archive({**made.listed, "v1/Service": []}))
    verdict = made.verdicts(monkeypatch)["archive-whole"]
    assert verdict.outcome is FAIL
    assert "v1/Service kong/kong-postgres" in verdict.reason


def test_results_of_another_shape_fail(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Results of another shape fail."""
    made.set(f"{NAME}-results.gz", zipped(["not", "results"]))
    assert made.verdicts(monkeypatch)["objects-intact"].outcome is FAIL


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"skipped": True, "skippedReason": "hostPath"}, "skipped: hostPath"),
        ({"result": "failed"}, "result failed"),
        ({"pvbInfo": {"size": 0, "podNamespace": "kong"}}, "0 bytes"),
        ({"pvbInfo": None}, "no data told of"),
    ],
)
def test_a_volume_without_its_data_fails(monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], words: str) -> None:
    """A volume without its data fails."""
    made = world()
    made.infos[0] |= change
    made.put_again()
    verdict = made.verdicts(monkeypatch)["volumes-backed-up"]
    assert verdict.outcome is FAIL
    assert f"{CLAIM} ({words})" in verdict.reason


def test_a_claim_that_no_volume_info_mentions_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """A claim that no volume info mentions fails."""
    made = world(infos=[])
    verdict = made.verdicts(monkeypatch)["volumes-backed-up"]
    assert verdict.outcome is FAIL
    assert "not even mentioned" in verdict.reason


@pytest.mark.parametrize("kind", ["kopia.repository", "p", "q", "x"])
def test_volume_data_that_is_gone_from_the_bucket_fails(
    made: World, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Volume data that is gone from the bucket fails."""
    made.delete(*[each for each in made.s3.objects if each.startswith(f"kopia/kong/{kind}")])
    assert made.verdicts(monkeypatch)["volume-data-present"].outcome is FAIL


@pytest.mark.parametrize("download", [False, True])
def test_one_pack_that_is_gone_fails_by_the_files_that_need_it(
    made: World, monkeypatch: pytest.MonkeyPatch, download: bool
) -> None:
    """The listing has other packs, and is content."""
    made.delete(f"kopia/kong/{PACK_OF_FIRST}")
    verdicts = made.verdicts(monkeypatch, download=download)
    assert verdicts["volume-data-present"].outcome is PASS
    verdict = verdicts["volume-files-whole"]
    assert verdict.outcome is FAIL
    assert f"/deep/er/first: pack {PACK_OF_FIRST} is not there" in verdict.reason


def test_data_that_was_altered_fails_when_it_is_downloaded(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its ETag is that of what is there now."""
    key = f"kopia/kong/{PACK_OF_FIRST}"
    made.s3.objects[key] = made.s3.objects[key][:1000] + b"altered" + made.s3.objects[key][1007:]
    assert made.verdicts(monkeypatch)["volume-files-whole"].outcome is PASS
    assert made.verdicts(monkeypatch, download=True)["volume-files-whole"].outcome is FAIL


def test_a_snapshot_that_is_not_in_the_repository_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """A snapshot that is not in the repository fails."""
    made = world()
    made.infos[0]["pvbInfo"]["snapshotHandle"] = "0" * 32
    made.put_again()
    verdict = made.verdicts(monkeypatch)["volume-files-whole"]
    assert verdict.outcome is FAIL
    assert "is not in the repository" in verdict.reason


def test_a_password_that_opens_nothing_fails(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A password that opens nothing fails."""
    made.password = "another one"  # noqa: S105 - of a test
    assert made.verdicts(monkeypatch)["volume-files-whole"].outcome is FAIL


@pytest.mark.parametrize("spoil", ["no password", "a damaged index", "damaged directories"])
def test_volumes_that_cannot_be_followed_are_not_passed(
    made: World, monkeypatch: pytest.MonkeyPatch, spoil: str
) -> None:
    """Volumes that cannot be followed are not passed."""
    if spoil == "no password":
        made.password = None
    kind = {"a damaged index": "x", "damaged directories": "q"}.get(spoil, "?")
    for key in [each for each in made.s3.objects if each.startswith(f"kopia/kong/{kind}")]:
        made.s3.objects[key] = bytes(len(made.s3.objects[key]))
    assert made.verdicts(monkeypatch)["volume-files-whole"].outcome is UNSURE


def test_indexes_too_large_to_read_unasked_are_not_passed(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Indexes too large to read unasked are not passed."""
    monkeypatch.setattr("experiments.backups._volumes._LARGE", 1)
    verdict = made.verdicts(monkeypatch)["volume-files-whole"]
    assert verdict.outcome is UNSURE
    assert "--download" in verdict.reason
    assert made.verdicts(monkeypatch, download=True)["volume-files-whole"].outcome is PASS


@pytest.mark.parametrize(("phase", "outcome"), [("PartiallyFailed", FAIL), ("Failed", FAIL), ("InProgress", UNSURE)])
def test_a_named_backup_that_is_not_completed_is_not_passed(
    made: World, monkeypatch: pytest.MonkeyPatch, phase: str, outcome: Outcome
) -> None:
    """A named backup that is not completed is not passed."""
    made.backup["status"]["phase"] = phase
    made.put_again()
    assert made.verdicts(monkeypatch, backups=[NAME])["backup-completed"].outcome is outcome


@pytest.mark.parametrize(
    "status",
    [
        {"phase": "Failed", "message": "connection reset"},
        {"phase": "InProgress"},
        {"phase": "Completed", "snapshotID": "1f", "progress": {"totalBytes": 10, "bytesDone": 9}},
        {"phase": "Completed", "snapshotID": "1f", "progress": {}},
        {"phase": "Completed", "progress": {"totalBytes": 10, "bytesDone": 10}},
    ],
)
def test_a_pods_volume_that_was_not_moved_to_its_end_fails(
    monkeypatch: pytest.MonkeyPatch, status: dict[str, Any]
) -> None:
    """A pods volume that was not moved to its end fails."""
    made = world()
    made.moved["status"] = status
    made.put_again()
    assert made.verdicts(monkeypatch)["pod-volumes-complete"].outcome is FAIL


def test_a_pods_volume_that_only_the_cluster_knows_of_fails(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pods volume that only the cluster knows of fails."""
    made.set(f"{NAME}-podvolumebackups.json.gz", zipped([]))
    assert made.verdicts(monkeypatch)["pod-volumes-complete"].outcome is FAIL


def test_an_empty_volume_of_no_claim_is_none_of_its_business(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty volume of no claim is none of its business."""
    made = world()
    made.moved["metadata"]["annotations"] = {}
    made.moved["status"] = {"phase": "Completed", "progress": {}}
    made.put_again()
    assert made.verdicts(monkeypatch)["pod-volumes-complete"].outcome is PASS


def test_a_stale_schedule_fails(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stale schedule fails."""
    made.backup["status"]["startTimestamp"] = ago(27)
    verdict = made.verdicts(monkeypatch)["backup-fresh"]
    assert verdict.outcome is FAIL
    assert verdict.actual == "27 h ago"
    assert verdict.target == "<= 26 h"


def test_the_objective_of_a_schedule_beats_the_common_one(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The objective of a schedule beats the common one."""
    made.rules = VeleroTarget(rpo_hours_of={"kong-daily": 4})
    assert made.verdicts(monkeypatch)["backup-fresh"].outcome is FAIL


def test_age_is_counted_from_the_start_not_from_the_end(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Age is counted from the start not from the end."""
    made.backup["status"] |= {"startTimestamp": ago(30), "completionTimestamp": ago(1)}
    assert made.verdicts(monkeypatch)["backup-fresh"].outcome is FAIL


def test_failed_backups_keep_no_schedule_fresh(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Failed backups keep no schedule fresh."""
    made.backup["status"]["phase"] = "PartiallyFailed"
    verdicts = made.verdicts(monkeypatch)
    assert verdicts["backup-fresh"].outcome is FAIL
    assert verdicts["backup-contents"].outcome is UNSURE


def test_a_new_schedule_is_not_stale_yet_but_has_nothing(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new schedule is not stale yet but has nothing."""
    made.backup = {}
    made.schedule["metadata"]["creationTimestamp"] = ago(1)
    assert made.verdicts(monkeypatch)["backup-fresh"].outcome is UNSURE


@pytest.mark.parametrize(("phase", "since"), [("InProgress", 7), ("", 7), ("WaitingForPluginOperations", 9)])
def test_a_stuck_backup_fails_its_schedule(
    made: World, monkeypatch: pytest.MonkeyPatch, phase: str, since: float
) -> None:
    """A stuck backup fails its schedule."""
    stuck = json.loads(json.dumps(made.backup))
    stuck["metadata"] |= {"name": "kong-daily-later", "creationTimestamp": ago(since)}
    stuck["status"] = {"phase": phase, "startTimestamp": ago(since)}
    made.more = [stuck]
    verdict = made.verdicts(monkeypatch)["schedule-active"]
    assert verdict.outcome is FAIL
    assert "kong-daily-later" in verdict.reason


def test_a_backup_that_began_just_now_is_not_stuck(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A backup that began just now is not stuck."""
    running = json.loads(json.dumps(made.backup))
    running["metadata"]["name"], running["status"] = "later", {"phase": "InProgress", "startTimestamp": ago(0.1)}
    made.more = [running]
    assert made.verdicts(monkeypatch)["schedule-active"].outcome is PASS


@pytest.mark.parametrize(
    ("spec", "status"),
    [({"paused": True}, {}), ({}, {"phase": "FailedValidation", "validationErrors": ["invalid schedule"]})],
)
def test_a_schedule_that_makes_no_backups_fails(
    made: World, monkeypatch: pytest.MonkeyPatch, spec: dict[str, Any], status: dict[str, Any]
) -> None:
    """A schedule that makes no backups fails."""
    made.schedule["spec"] |= spec
    made.schedule["status"] |= status
    assert made.verdicts(monkeypatch)["schedule-active"].outcome is FAIL


def test_no_schedule_at_all_fails(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """No schedule at all fails."""
    made.schedule = {}
    assert made.verdicts(monkeypatch)["schedule-active"].outcome is FAIL


@pytest.mark.parametrize(
    ("spec", "status", "outcome"),
    [
        ({}, {"phase": "Unavailable", "message": "NoSuchBucket"}, FAIL),
        ({}, {"lastValidationTime": ago(2)}, FAIL),
        ({"accessMode": "ReadOnly"}, {}, FAIL),
        ({}, {"lastValidationTime": None}, UNSURE),
        ({}, {"phase": ""}, UNSURE),
        ({"validationFrequency": "1h0m0s"}, {"lastValidationTime": ago(2)}, PASS),
    ],
)
def test_a_location_must_be_available_now(
    made: World, monkeypatch: pytest.MonkeyPatch, spec: dict[str, Any], status: dict[str, Any], outcome: Outcome
) -> None:
    """A location must be available now."""
    made.location["spec"] |= spec
    made.location["status"] |= status
    assert made.verdicts(monkeypatch)["location-available"].outcome is outcome


@pytest.mark.parametrize(
    ("template", "spec"),
    [
        ({"includedNamespaces": ["kafka"]}, {}),
        ({"includedNamespaces": ["kong"]}, {"paused": True}),
        ({"includedNamespaces": ["*"], "excludedNamespaces": ["ko*"]}, {}),
    ],
)
def test_a_namespace_that_no_schedule_includes_fails(
    made: World, monkeypatch: pytest.MonkeyPatch, template: dict[str, Any], spec: dict[str, Any]
) -> None:
    """A namespace that no schedule includes fails."""
    made.schedule["spec"] |= {"template": {"ttl": "168h0m0s", **template}, **spec}
    verdict = made.verdicts(monkeypatch)["namespaces-covered"]
    assert verdict.outcome is FAIL
    assert verdict.details["object"] == "namespace kong"


@pytest.mark.parametrize("included", [["kong"], ["k*"], ["*"], [], None])
def test_a_schedule_may_include_a_namespace_in_several_ways(
    made: World, monkeypatch: pytest.MonkeyPatch, included: list[str] | None
) -> None:
    """A schedule may include a namespace in several ways."""
    made.schedule["spec"]["template"]["includedNamespaces"] = included
    assert made.verdicts(monkeypatch)["namespaces-covered"].outcome is PASS


def test_a_namespace_may_be_declared_to_need_no_backup(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A namespace may be declared to need no backup."""
    made.namespaces, made.rules = ("kong", "monitoring"), VeleroTarget(not_backed_up=("monitoring",))
    assert made.verdicts(monkeypatch)["namespaces-covered"].outcome is PASS


@pytest.mark.parametrize("ttl", ["24h0m0s", "30m0s"])
def test_backups_that_go_too_early_fail(made: World, monkeypatch: pytest.MonkeyPatch, ttl: str) -> None:
    """Backups that go too early fail."""
    made.schedule["spec"]["template"]["ttl"] = ttl
    assert made.verdicts(monkeypatch)["retention"].outcome is FAIL


def test_backups_that_expired_and_stayed_fail(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Backups that expired and stayed fail."""
    made.backup["status"]["expiration"] = ago(30)
    assert made.verdicts(monkeypatch)["retention"].outcome is FAIL


def test_a_bucket_that_tells_another_phase_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bucket that tells another phase fails."""
    made = world()
    other = json.loads(json.dumps(made.backup))
    other["status"]["phase"] = "PartiallyFailed"
    made.set("velero-backup.json", json.dumps(other).encode())
    verdict = made.verdicts(monkeypatch)["phases-agree"]
    assert verdict.outcome is FAIL
    assert "PartiallyFailed" in str(verdict.actual)


def test_an_object_of_the_cluster_that_the_backup_lacks_fails(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """An object of the cluster that the backup lacks fails."""
    made.there["statefulsets"] = ["kong-postgres", "forgotten"]
    verdict = made.verdicts(monkeypatch)["resources-listed"]
    assert verdict.outcome is FAIL
    assert "apps/v1/StatefulSet kong/forgotten" in verdict.reason


def test_a_cluster_that_holds_nothing_proves_nothing(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cluster that holds nothing proves nothing."""
    made.there = {}
    assert made.verdicts(monkeypatch)["resources-listed"].outcome is UNSURE


def test_kinds_that_may_not_be_listed_are_not_passed(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kinds that may not be listed are not passed."""
    made.refused = {"statefulsets"}
    assert made.verdicts(monkeypatch)["resources-listed"].outcome is UNSURE


def test_a_backup_by_labels_is_not_compared(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A backup by labels is not compared."""
    made.backup["spec"]["labelSelector"] = {"matchLabels": {"app": "kong"}}
    assert made.verdicts(monkeypatch)["resources-listed"].outcome is UNSURE


@pytest.mark.parametrize(("attempted", "completed", "failed"), [(2, 1, 1), (2, 1, 0)])
def test_operations_that_did_not_complete_fail(
    made: World, monkeypatch: pytest.MonkeyPatch, attempted: int, completed: int, failed: int
) -> None:
    """Operations that did not complete fail."""
    made.backup["status"] |= {
        "backupItemOperationsAttempted": attempted,
        "backupItemOperationsCompleted": completed,
        "backupItemOperationsFailed": failed,
    }
    assert made.verdicts(monkeypatch)["operations-complete"].outcome is FAIL


def test_an_operation_that_only_the_bucket_knows_failed_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """An operation that only the bucket knows failed fails."""
    made = world(operations=[{"spec": {"operationID": "du-1"}, "status": {"phase": "Failed"}}])
    verdict = made.verdicts(monkeypatch)["operations-complete"]
    assert verdict.outcome is FAIL
    assert "du-1" in verdict.reason


def test_a_failed_hook_fails(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed hook fails."""
    made.backup["status"]["hookStatus"] = {"hooksAttempted": 2, "hooksFailed": 1}
    assert made.verdicts(monkeypatch)["hooks-complete"].outcome is FAIL


def test_a_missing_snapshot_fails(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing snapshot fails."""
    made.backup["status"] |= {"csiVolumeSnapshotsAttempted": 2, "csiVolumeSnapshotsCompleted": 1}
    assert made.verdicts(monkeypatch)["snapshots-complete"].outcome is FAIL


WARNING = "resource: /pods name: /kong-1 message: /Volume data is a hostPath volume which is not supported"


@pytest.mark.parametrize(("allowed", "outcome"), [((), FAIL), (("hostPath volume",), PASS)])
def test_warnings_are_failures_unless_allowed(
    monkeypatch: pytest.MonkeyPatch, allowed: tuple[str, ...], outcome: Outcome
) -> None:
    """Warnings are failures unless allowed."""
    results = {"errors": {}, "warnings": {"namespaces": {"kong": [WARNING]}}}
    made = world(results=results, rules=VeleroTarget(allowed_warnings=allowed))
    made.backup["status"]["warnings"] = 1
    assert made.verdicts(monkeypatch)["warnings-allowed"].outcome is outcome


def test_errors_fail_whatever_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Errors fail whatever is allowed."""
    results = {"errors": {"velero": ["it broke"]}, "warnings": {}}
    made = world(results=results, rules=VeleroTarget(allowed_warnings=(".*",)))
    assert made.verdicts(monkeypatch)["warnings-allowed"].outcome is FAIL


def test_warnings_without_their_texts_are_not_passed(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Warnings without their texts are not passed."""
    made.backup["status"]["warnings"] = 1
    assert made.verdicts(monkeypatch)["warnings-allowed"].outcome is UNSURE


ALL_OF_IT = {
    "config_map": ["kube-root-ca.crt"],
    "persistent_volume_claim": ["data-kong-postgres-0"],
    "pod": ["kong-postgres-0"],
    "statefulsets": ["kong-postgres"],
}
BARE = {"v1/ConfigMap": ["kong/kube-root-ca.crt"], "v1/Namespace": ["kong"], "v1/Pod": ["kong/kong-postgres-0"]}
"""The list of a backup without claims and without StatefulSets."""


def _bare(spec: dict[str, Any]) -> World:
    """A cluster that has claims and StatefulSets, and a backup that has none."""
    made = world(listed=BARE, infos=[], moved={}, there=ALL_OF_IT)
    made.backup["spec"] |= spec
    made.put_again()
    return made


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"excludedResources": ["events", "jobs.batch"]},
        {"includedResources": ["*"]},
        {"includedResources": ["configmaps", "pods", "StatefulSets.apps", "pvc"]},
        {"excludedNamespaceScopedResources": ["deployments.apps"], "includedClusterScopedResources": ["*"]},
    ],
)
def test_a_kind_that_is_missing_though_no_filter_leaves_it_out_fails(
    monkeypatch: pytest.MonkeyPatch, spec: dict[str, Any]
) -> None:
    """A filter of other kinds changes nothing."""
    verdicts = _bare(spec).verdicts(monkeypatch)
    assert verdicts["resources-listed"].outcome is FAIL
    assert "apps/v1/StatefulSet kong/kong-postgres" in verdicts["resources-listed"].reason
    assert verdicts["volumes-backed-up"].outcome is FAIL
    assert CLAIM in verdicts["volumes-backed-up"].reason


@pytest.mark.parametrize(
    "spec",
    [
        {"includedResources": ["configmaps", "pods"]},
        {"excludedResources": ["statefulset", "pvc"]},
        {"excludedNamespaceScopedResources": ["*.apps", "persistentvolumeclaims"]},
    ],
)
def test_kinds_that_a_filter_leaves_out_are_told_and_their_claims_are_no_pass(
    monkeypatch: pytest.MonkeyPatch, spec: dict[str, Any]
) -> None:
    """It has what it is of; of a cluster that has volumes it has no data, whoever wanted it so."""
    verdicts = _bare(spec).verdicts(monkeypatch)
    assert verdicts["resources-listed"].outcome is PASS
    assert "leave out: apps/v1/StatefulSet, v1/PersistentVolumeClaim" in verdicts["resources-listed"].reason
    assert verdicts["volumes-backed-up"].outcome is FAIL


def test_claims_that_are_left_out_of_one_backup_may_be_in_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """A schedule of settings beside one of everything; looked into alone, the backup of settings has no volumes."""
    made = world(there=ALL_OF_IT)
    other = json.loads(json.dumps(made.backup).replace(NAME, "settings"))
    other["spec"]["includedResources"] = ["configmaps"]
    made.more = [other]
    for suffix, content in {"resource-list": BARE, "volumeinfo": None}.items():
        made.s3.objects[f"backups/settings/settings-{suffix}.json.gz"] = zipped(content)
    both = [each for each in judge(made.evidence(monkeypatch, everything=True)) if each.check == "volumes-backed-up"]
    assert [each.outcome for each in both] == [PASS, PASS]
    assert f"another backup has {CLAIM}" in both[1].reason
    assert made.verdicts(monkeypatch, backups=["settings"])["volumes-backed-up"].outcome is FAIL


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"resourcePolicy": {"kind": "configmap", "name": "small"}}, "its resource policy (small)"),
        ({"excludedResources": ["{events,statefulsets}*"]}, "is not understood"),
    ],
)
def test_what_a_filter_that_cannot_be_told_may_leave_out_is_not_judged(
    monkeypatch: pytest.MonkeyPatch, spec: dict[str, Any], words: str
) -> None:
    """What is missing is named; where nothing is, the filter does not matter."""
    verdicts = _bare(spec).verdicts(monkeypatch)
    for check in ("resources-listed", "volumes-backed-up"):
        assert verdicts[check].outcome is UNSURE
        assert words in verdicts[check].reason
        assert CLAIM in verdicts[check].reason
    whole = world(there=ALL_OF_IT)
    whole.backup["spec"] |= spec
    assert whole.verdicts(monkeypatch)["resources-listed"].outcome is PASS


def test_claims_that_may_not_be_listed_are_no_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """A backup without volumes may lack those that the cluster has."""
    made = world(listed=BARE, infos=[], moved={})
    evidence = made.evidence(monkeypatch)
    refused = [
        each.model_copy(update={"error": "403"}) if each.kind == "v1/PersistentVolumeClaim" else each
        for each in evidence.held
    ]
    outcomes = [
        {each.check: each.outcome for each in judge(seen)}["volumes-backed-up"]
        for seen in (evidence, evidence.model_copy(update={"held": tuple(refused)}))
    ]
    assert outcomes == [PASS, UNSURE]


@pytest.mark.parametrize(
    ("included", "backed_up", "there", "outcome", "words"),
    [
        (["kong", "kafka"], ["kong"], None, FAIL, "is not of it"),
        (["*"], ["*"], None, FAIL, "has nothing of it, and the cluster has"),
        (["k*"], ["k*"], None, FAIL, "has nothing of it, and the cluster has"),
        (["*"], ["*"], {}, UNSURE, "nor was anything of it seen in the cluster"),
    ],
)
def test_a_namespace_that_the_newest_backup_lacks_is_not_passed(
    monkeypatch: pytest.MonkeyPatch,
    included: list[str],
    backed_up: list[str],
    there: dict[str, list[str]] | None,
    outcome: Outcome,
    words: str,
) -> None:
    """The schedule includes it, and no restore would bring it."""
    made = world(namespaces=("kong", "kafka"))
    made.there = made.there if there is None else there
    made.schedule["spec"]["template"]["includedNamespaces"] = included
    made.backup["spec"]["includedNamespaces"] = backed_up
    made.put_again()
    verdict = made.verdicts(monkeypatch)["namespaces-covered"]
    assert verdict.outcome is outcome
    assert verdict.details["object"] == "namespace kafka"
    assert words in verdict.reason


def test_a_namespace_is_covered_by_the_newest_backup_whichever_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the newest only the list is read then."""
    made = world()
    older = json.loads(json.dumps(made.backup).replace(NAME, "older"))
    older["status"]["startTimestamp"] = ago(32)
    made.more = [older]
    evidence = made.evidence(monkeypatch, backups=["older"])
    newest = evidence.files_of(NAME)
    assert newest is not None
    assert [each.name for each in newest.files] == [f"{NAME}-resource-list.json.gz"]
    (verdict,) = [each for each in judge(evidence) if each.check == "namespaces-covered"]
    assert (verdict.outcome, NAME in verdict.reason) == (PASS, True)


@pytest.mark.parametrize("lost", ["the list", "the backup", "the store's keys"])
def test_a_namespace_whose_backup_was_not_seen_is_not_passed(
    made: World, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    """A schedule alone has no data."""
    if lost == "the list":
        made.delete(f"{PREFIX}{NAME}-resource-list.json.gz")
    made.no_keys = lost == "the store's keys"
    made.backup = {} if lost == "the backup" else made.backup
    assert made.verdicts(monkeypatch)["namespaces-covered"].outcome is UNSURE


def test_the_snapshot_of_a_data_mover_is_followed_like_any(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is in the repository of its claim's namespace, and names the claim."""
    made = world(infos=[moved_snapshot()], moved={})
    found = [each for each in judge(made.evidence(monkeypatch)) if each.check == "volume-files-whole"]
    assert [(each.outcome, each.details["object"]) for each in found] == [(PASS, f"backup {NAME}, {CLAIM}")]
    made.delete(f"kopia/kong/{PACK_OF_FIRST}")
    assert made.verdicts(monkeypatch)["volume-files-whole"].outcome is FAIL
    made.delete(*[each for each in made.s3.objects if each.startswith("kopia/")])
    assert made.verdicts(monkeypatch)["volume-data-present"].outcome is FAIL


@pytest.mark.parametrize(
    "info",
    [
        kept_snapshot(backupMethod="CSISnapshot", csiSnapshotInfo={"snapshotHandle": "s", "size": 1, "driver": "x"}),
        kept_snapshot(backupMethod="NativeSnapshot", nativeSnapshotInfo={"snapshotHandle": "s"}),
    ],
)
def test_a_snapshot_that_the_storage_keeps_is_not_passed(monkeypatch: pytest.MonkeyPatch, info: dict[str, Any]) -> None:
    """The bucket has nothing of it."""
    made = world(infos=[info], moved={})
    verdicts = made.verdicts(monkeypatch)
    assert overall(verdicts.values()) is UNSURE
    assert verdicts["volume-data-present"].outcome is UNSURE
    assert verdicts["volume-data-present"].reason == "Its snapshot is in the storage, not in the bucket."
    assert verdicts["volume-data-present"].details["object"] == f"backup {NAME}, {CLAIM}"
    assert "every volume was moved" not in verdicts["volumes-backed-up"].reason


@pytest.mark.parametrize("its", [{"dataMover": "another"}, {"uploaderType": "restic"}])
def test_a_mover_that_is_not_known_is_not_passed(monkeypatch: pytest.MonkeyPatch, its: dict[str, str]) -> None:
    """Its snapshots are in no repository of kopia's, or who knows where."""
    verdict = world(infos=[moved_snapshot(**its)], moved={}).verdicts(monkeypatch)["volume-data-present"]
    assert verdict.outcome is UNSURE
    assert "not known here" in verdict.reason


def test_a_volume_none_of_whose_snapshots_was_followed_is_not_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The backup names none; or nobody looked, as a drill of old did not look for a data mover's."""
    made = world(infos=[moved_snapshot(snapshotHandle="")], moved={})
    assert made.verdicts(monkeypatch)["volume-files-whole"].reason == "No snapshot of it is told of."
    unlooked = world(infos=[moved_snapshot()], moved={}).evidence(monkeypatch).model_copy(update={"volumes": ()})
    (verdict,) = [each for each in judge(unlooked) if each.check == "volume-files-whole"]
    assert (verdict.outcome, verdict.reason) == (UNSURE, "No snapshot of it was followed.")


@pytest.mark.parametrize(
    ("wants", "outcome"),
    [("its volumes", FAIL), ("its backup", FAIL), ("its schedule", FAIL), ("its mover", FAIL), ("nothing", PASS)],
)
def test_no_node_agent_fails_where_volumes_need_one(
    made: World, monkeypatch: pytest.MonkeyPatch, wants: str, outcome: Outcome
) -> None:
    """Of a Velero that moves no volumes none is missed."""
    made.agents = False
    made.moved = made.moved if wants == "its volumes" else {}
    made.backup["spec"]["defaultVolumesToFsBackup"] = wants == "its backup"
    made.backup["spec"]["snapshotMoveData"] = wants == "its mover"
    made.schedule["spec"]["template"]["defaultVolumesToFsBackup"] = wants == "its schedule"
    assert made.verdicts(monkeypatch)["velero-serves"].outcome is outcome


@pytest.mark.parametrize(("ahead", "outcome"), [(500, UNSURE), (0.2, UNSURE), (0.03, PASS)])
def test_a_time_in_the_future_is_not_passed(
    made: World, monkeypatch: pytest.MonkeyPatch, ahead: float, outcome: Outcome
) -> None:
    """Clocks differ by a little; by more, nobody knows how old anything is."""
    made.backup["status"]["startTimestamp"] = ago(-ahead)
    made.location["status"]["lastValidationTime"] = ago(-ahead)
    verdicts = made.verdicts(monkeypatch)
    assert verdicts["backup-fresh"].outcome is outcome
    assert verdicts["location-available"].outcome is outcome


@pytest.mark.parametrize("kind", _KINDS)
def test_a_filter_names_a_kind_as_kubernetes_does(kind: str) -> None:
    """By its plural with its group; the names of others are not its."""
    group, _, plural = _KINDS[kind]
    name = plural if group else f"{plural.replace('_', '')}s"
    words = {name, name.upper(), kind.rpartition("/")[2], ".".join(filter(None, (name, group)))}
    words |= {f"{name}.{group.partition('.')[0]}"} if group else set()
    for word in words:
        assert not Scope({"excludedResources": [word]}).has_kind(kind)
        assert Scope({"includedNamespaceScopedResources": [word]}).has_kind(kind)
        assert [other for other in _KINDS if not Scope({"excludedResources": [word]}).has_kind(other)] == [kind]
    assert not Scope({"includedResources": ["secrets", f"{name}.example.com"]}).has_kind(kind)


@pytest.mark.parametrize("password", ["static-passw0rd", None])
def test_the_password_of_veleros_source_fails(
    made: World, monkeypatch: pytest.MonkeyPatch, password: str | None
) -> None:
    """The password of veleros source fails."""
    made.password = password
    assert made.verdicts(monkeypatch)["password-own"].outcome is FAIL


def test_no_password_where_there_is_no_velero_is_not_judged(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A namespace without a Velero has no password that could be wrong."""
    made.password = None
    evidence = made.evidence(monkeypatch).model_copy(update={"server": None, "server_error": "404"})
    assert {each.check: each.outcome for each in judge(evidence)}["password-own"] is UNSURE


def test_the_password_itself_is_in_no_evidence(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The password itself is in no evidence."""
    assert PASSWORD not in made.evidence(monkeypatch).model_dump_json()


def test_a_repository_that_cannot_be_opened_fails(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A repository that cannot be opened fails."""
    made.repository["status"] = {"phase": "NotReady", "message": "invalid password"}
    assert made.verdicts(monkeypatch)["repositories-ready"].outcome is FAIL


def test_a_velero_that_does_not_run_fails(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A velero that does not run fails."""
    made.ready = 0
    assert made.verdicts(monkeypatch)["velero-serves"].outcome is FAIL


def test_a_bucket_that_is_gone_fails(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bucket that is gone fails."""
    made.location["spec"]["objectStorage"]["bucket"] = "gone"
    verdicts = made.verdicts(monkeypatch)
    assert verdicts["objects-present"].outcome is FAIL
    assert verdicts["volumes-backed-up"].outcome is UNSURE


@pytest.mark.parametrize("kind", ["refused", "silent"])
def test_a_bucket_that_does_not_let_us_see_is_never_passed(
    made: World, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """A bucket that does not let us see is never passed."""
    made.shut(kind)
    verdicts = made.verdicts(monkeypatch)
    about_it = ["phases-agree", "objects-present", "objects-intact", "archive-whole", "volumes-backed-up"]
    assert {name: verdicts[name].outcome for name in about_it} == dict.fromkeys(about_it, UNSURE)
    assert overall(verdicts.values()) is UNSURE


def test_keys_that_cannot_be_read_are_no_pass(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the store's keys nothing is known of the bucket."""
    made.no_keys = True
    verdicts = made.verdicts(monkeypatch)
    assert verdicts["objects-present"].outcome is UNSURE
    assert "no key of it" in verdicts["objects-present"].reason


@pytest.mark.parametrize(
    "plural", ["schedules", "backups", "backupstoragelocations", "backuprepositories", "podvolumebackups"]
)
def test_what_may_not_be_listed_is_never_passed(made: World, monkeypatch: pytest.MonkeyPatch, plural: str) -> None:
    """What may not be listed is never passed."""
    made.refused = {plural}
    assert overall(made.verdicts(monkeypatch).values()) is UNSURE


def test_an_object_too_large_to_fetch_unasked_is_not_passed(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """An object too large to fetch unasked is not passed."""
    monkeypatch.setattr("experiments.backups._collect._SMALL", 1)
    assert made.verdicts(monkeypatch)["objects-intact"].outcome is UNSURE
    assert made.verdicts(monkeypatch, download=True)["objects-intact"].outcome is PASS


def test_a_named_backup_must_be_there(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A named backup must be there."""
    with pytest.raises(UsageError, match=f"no backup other; there are: {NAME}"):
        made.evidence(monkeypatch, backups=["other"])


def test_evidence_is_judged_from_its_file_as_it_was(
    made: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Evidence is judged from its file as it was."""
    evidence = made.evidence(monkeypatch)
    backup_evidence.write(tmp_path / "seen.json", evidence)
    assert judge(backup_evidence.read(tmp_path / "seen.json")) == judge(evidence)


def test_a_file_that_is_no_evidence_is_refused(tmp_path: Path) -> None:
    """A file that is no evidence is refused."""
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(InputError, match="context"):
        backup_evidence.read(tmp_path / "other.json")


def test_a_check_that_breaks_says_so(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A check that breaks says so."""
    made.schedule["spec"]["template"]["ttl"] = "a week"
    verdict = made.verdicts(monkeypatch)["retention"]
    assert verdict.outcome is UNSURE
    assert "a week" in verdict.reason
