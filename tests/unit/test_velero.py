"""Velero's resources: what is made of them, and waits that end."""

from typing import Any

import pytest
from kubernetes.client import ApiException

from drill.cluster import MissingError
from drill.velero import (
    BACKUP_LABEL,
    RUN_LABEL,
    SCHEDULE_LABEL,
    Backup,
    PodVolume,
    Progress,
    Restore,
    Velero,
    VeleroFailedError,
    VeleroTimeoutError,
    label_value,
)

SCHEDULE = {
    "metadata": {"name": "kong-daily"},
    "spec": {"schedule": "0 1 * * *", "template": {"includedNamespaces": ["kong"], "ttl": "168h0m0s", "metadata": {}}},
}


class Api:
    """The API's objects by plural and name; a list of statuses is what one look after the other sees."""

    def __init__(self, **objects: dict[str, Any]) -> None:
        self.objects = self
        self.there: dict[str, dict[str, Any]] = objects
        self.made: list[dict[str, Any]] = []
        self.changed: list[Any] = []
        self.looks: dict[str, list[dict[str, Any] | int]] = {}

    def get_namespaced_custom_object(
        self, _group: str, _version: str, _namespace: str, plural: str, name: str, **_: Any
    ) -> dict[str, Any]:
        """One object, or a status of HTTP."""
        looks = self.looks.get(plural, [])
        seen = looks.pop(0) if len(looks) > 1 else looks[0] if looks else self.there.get(plural, {}).get(name, 404)
        if isinstance(seen, int):
            raise ApiException(status=seen, reason="no")
        return seen

    def list_namespaced_custom_object(
        self, _group: str, _version: str, _namespace: str, plural: str, **how: Any
    ) -> dict[str, Any]:
        """All objects that have the one label that is asked for."""
        key, _, value = how["label_selector"].partition("=")
        found = self.there.get(plural, {}).values()
        return {"items": [one for one in found if not key or one["metadata"].get("labels", {}).get(key) == value]}

    def create_namespaced_custom_object(
        self, _group: str, _version: str, _namespace: str, _plural: str, body: dict[str, Any], **_: Any
    ) -> dict[str, Any]:
        """It is noted."""
        self.made.append(body)
        return {**body, "metadata": {"name": "generated", **body["metadata"]}}

    def patch_namespaced_custom_object(self, *what: Any, **_: Any) -> None:
        """It is noted."""
        self.changed.append(what[3:])


def _velero(api: Api) -> Velero:
    cluster: Any = api
    return Velero(cluster)


def _backup(phase: str = "", name: str = "b", done: int = 0, **metadata: Any) -> dict[str, Any]:
    status = {
        "phase": phase,
        "progress": {"itemsBackedUp": done, "totalItems": 7},
        "startTimestamp": metadata.pop("at", None),
    }
    return {
        "metadata": {"name": name, "uid": "u", **metadata},
        "spec": {"includedNamespaces": ["kong"]},
        "status": status,
    }


def test_a_backup_from_a_schedule_follows_it_and_counts_as_its() -> None:
    """A backup from a schedule has its template and its label."""
    api = Api(schedules={"kong-daily": SCHEDULE})
    _velero(api).create_backup("now", schedule="kong-daily", ttl="1h")
    (made,) = api.made
    assert made["spec"] == {"includedNamespaces": ["kong"], "ttl": "1h"}
    assert made["metadata"] == {"namespace": "velero", "name": "now", "labels": {SCHEDULE_LABEL: "kong-daily"}}


def test_a_backup_of_its_own_moves_volumes() -> None:
    """A backup that follows no schedule moves volumes file by file."""
    api = Api()
    _velero(api).create_backup("now", namespaces=["kong"], includedResources=["pods"])
    assert api.made[0]["spec"] == {
        "defaultVolumesToFsBackup": True,
        "snapshotVolumes": False,
        "includedNamespaces": ["kong"],
        "includedResources": ["pods"],
    }


def test_a_restore_says_only_what_was_asked() -> None:
    """A restore says only what was asked, in Velero's words."""
    api = Api()
    made = _velero(api).create_restore("r", "b", mapping={"kong": "scratch"}, selector={"app": "x"}, existing="update")
    assert api.made[0]["spec"] == {
        "backupName": "b",
        "namespaceMapping": {"kong": "scratch"},
        "labelSelector": {"matchLabels": {"app": "x"}},
        "existingResourcePolicy": "update",
    }
    assert isinstance(made, Restore)
    assert made.mapping == {"kong": "scratch"}


def test_an_awaited_backup_tells_what_is_new_and_bears_a_server_that_is_away() -> None:
    """Progress is told once for each change; a server that is away for a moment is no end."""
    api = Api()
    api.looks["backups"] = [
        _backup("New"),
        500,
        _backup("InProgress", done=3),
        _backup("InProgress", done=3),
        _backup("Failed"),
    ]
    told: list[Backup] = []
    ended = _velero(api).await_backup("b", within=5, progress=told.append, each=0.001)
    assert ended.phase == "Failed"
    assert [(each.phase, each.items.done) for each in told] == [("New", 0), ("InProgress", 3), ("Failed", 0)]


def test_a_backup_that_does_not_end_is_told_how_far_it_came() -> None:
    """A backup that does not end in time is told with how far it came."""
    api = Api(backups={"b": _backup("InProgress", done=3)})
    with pytest.raises(VeleroTimeoutError, match="InProgress, 3 of 7 items"):
        _velero(api).await_backup("b", within=0.01, each=0.001)


def test_a_backup_that_is_gone_is_not_waited_for() -> None:
    """A backup that is gone is not waited for."""
    with pytest.raises(MissingError):
        _velero(Api()).await_backup("b", within=5, each=0.001)


def test_a_deletion_is_asked_for_by_name_and_uid() -> None:
    """A deletion is asked for as Velero's own command does it."""
    api = Api(backups={"b": _backup("Completed")})
    assert _velero(api).delete_backup("b") == "generated"
    assert api.made[0]["metadata"]["labels"] == {BACKUP_LABEL: "b", "velero.io/backup-uid": "u"}


def test_a_deletion_ends_when_the_backup_is_gone() -> None:
    """A deletion ends when the backup is gone, whatever the request says."""
    api = Api()
    api.looks["backups"] = [404]
    _velero(api).await_backup_deleted("b", "generated", within=5)


def test_a_deletion_that_failed_says_why() -> None:
    """A deletion that failed says why, and is waited for no longer."""
    api = Api(backups={"b": _backup("Completed")}, deletebackuprequests={"r": {"status": {"errors": ["read only"]}}})
    with pytest.raises(VeleroFailedError, match="read only"):
        _velero(api).await_backup_deleted("b", "r", within=5)


def test_the_newest_is_the_completed_one_that_began_last_and_has_the_namespace() -> None:
    """The newest is the completed one that began last, and has the namespace in it."""
    backups = {
        "old": _backup("Completed", "old", at="2026-11-22T01:00:00Z"),
        "new": _backup("Completed", "new", at="2026-11-23T01:00:00Z"),
        "failed": _backup("Failed", "failed", at="2026-11-24T01:00:00Z"),
    }
    velero = _velero(Api(backups=backups))
    assert [each and each.name for each in (velero.newest(), velero.newest(namespace="kong"))] == ["new", "new"]
    assert velero.newest(namespace="other") is None
    assert velero.newest(schedule="none") is None


def test_the_newest_is_one_that_protects_and_not_one_that_a_drill_made_for_itself() -> None:
    """What a drill made is passed over, but for the drill's own."""
    backups = {
        "daily": _backup("Completed", "daily", at="2026-11-22T01:00:00Z"),
        "drills": _backup("Completed", "drills", at="2026-11-23T01:00:00Z", labels={RUN_LABEL: "r1"}),
    }
    velero = _velero(Api(backups=backups))
    found = [velero.newest(run=run) for run in (None, "r1", "r2")]
    assert [each and each.name for each in found] == ["daily", "drills", "daily"]


def test_volumes_of_backups_and_of_restores_are_told_apart() -> None:
    """Lists of the API do not tell the kind of their items; what they are is told by what they have."""
    pod = {"namespace": "kong", "name": "kong-postgres-0"}
    moved = PodVolume.of(
        {
            "metadata": {"name": "v", "labels": {BACKUP_LABEL: "b"}, "annotations": {"velero.io/pvc-name": "data"}},
            "spec": {"pod": pod, "volume": "data", "node": "node1"},
            "status": {"phase": "Completed", "snapshotID": "1f", "progress": {"totalBytes": 5, "bytesDone": 4}},
        }
    )
    back = PodVolume.of(
        {"metadata": {"name": "w"}, "spec": {"pod": pod, "snapshotID": "1f"}, "status": {"node": "node2"}}
    )
    assert (moved.kind, moved.of_name, moved.claim, moved.bytes) == ("PodVolumeBackup", "b", "data", Progress(4, 5))
    assert (back.kind, back.node, back.snapshot) == ("PodVolumeRestore", "node2", "1f")


def test_a_location_can_be_shut_and_a_schedule_paused() -> None:
    """A location can be shut, and a schedule paused."""
    api = Api()
    _velero(api).set_access_mode("default", "ReadOnly")
    _velero(api).pause("kong-daily", paused=True)
    assert api.changed == [
        ("backupstoragelocations", "default", {"spec": {"accessMode": "ReadOnly"}}),
        ("schedules", "kong-daily", {"spec": {"paused": True}}),
    ]


def test_long_names_are_labels_as_velero_makes_them() -> None:
    """A name that a label can't take is cut, with a digest."""
    assert label_value("short") == "short"
    assert len(label_value("x" * 80)) == 63
    assert label_value("x" * 80).startswith("x" * 57)
