"""What the rest of the house asks of Velero: its resources, typed; and backups and restores made, awaited, deleted.

The form of the resources: https://github.com/vmware-tanzu/velero/tree/v1.18.0/pkg/apis/velero/v1. Each model is made
of an object as plain JSON (`of`), from a cluster or from evidence on disk, and keeps it (`raw`).
"""

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, Literal, Protocol, Self, TypeVar

from drill.cluster import TIMEOUT, Cluster, ClusterError, MissingError, Permission, answering
from drill.errors import DrillError
from drill.settings import Settings
from drill.velero_scope import Scope

GROUP, VERSION = "velero.io", "v1"

BACKUP_LABEL = "velero.io/backup-name"
RESTORE_LABEL = "velero.io/restore-name"
SCHEDULE_LABEL = "velero.io/schedule-name"
LOCATION_LABEL = "velero.io/storage-location"
RUN_LABEL = "drill/run"
"""On all that a drill made: the id of its run."""
CLAIM_ANNOTATION = "velero.io/pvc-name"

PASSWORD_SECRET, PASSWORD_KEY = "velero-repo-credentials", "repository-password"
DEFAULT_PASSWORD = "static-passw0rd"  # noqa: S105 - public: https://github.com/vmware-tanzu/velero/blob/v1.18.0/pkg/repository/keys/keys.go

BACKUP_ENDED = frozenset({"Completed", "PartiallyFailed", "Failed", "FailedValidation"})
"""Phases in which nothing more comes of a backup, but its deletion."""
RESTORE_ENDED = BACKUP_ENDED
_LABEL_MAX = 63

AccessMode = Literal["ReadOnly", "ReadWrite"]
T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")


class VeleroTimeoutError(DrillError):
    """A backup, a restore or a deletion did not end in time; the message says how far it had come."""


class VeleroFailedError(DrillError):
    """A deletion ended with errors; the message is Velero's own."""


@dataclass(frozen=True)
class Progress:
    """How far something has come, in items or in bytes."""

    done: int
    total: int
    """0: not known yet, or nothing to do."""


@dataclass(frozen=True)
class Tally:
    """How many of something were attempted, completed and failed."""

    attempted: int
    completed: int
    failed: int


@dataclass(frozen=True)
class Backup:
    """One Backup."""

    name: str
    uid: str
    phase: str
    """Empty: Velero has not seen it yet."""
    schedule: str | None
    """Name of the schedule that made it."""
    run: str | None
    """Id of the drill that made it."""
    location: str | None
    namespaces: tuple[str, ...]
    """Those that it is of; empty: all."""
    created: datetime | None
    started: datetime | None
    """What a recovery point is counted from: what came later may be missing."""
    completed: datetime | None
    expires: datetime | None
    warnings: int
    errors: int
    failure: str
    """Why it failed as a whole; empty: it did not."""
    validation_errors: tuple[str, ...]
    items: Progress
    operations: Tally
    """Of asynchronous operations (moves of snapshots)."""
    hooks: Tally
    snapshots: Tally
    """Of volumes by the storage's own way, CSI's included."""
    raw: dict[str, Any] = field(repr=False, compare=False)

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Self:
        """The Backup in an object of the API, or in the velero-backup.json of the bucket."""
        meta, spec, status = _sections(found)
        labels = meta.get("labels") or {}
        return cls(
            name=meta["name"],
            uid=meta.get("uid", ""),
            phase=status.get("phase", ""),
            schedule=labels.get(SCHEDULE_LABEL),
            run=labels.get(RUN_LABEL),
            location=spec.get("storageLocation"),
            namespaces=tuple(spec.get("includedNamespaces") or ()),
            created=_time(meta.get("creationTimestamp")),
            started=_time(status.get("startTimestamp")),
            completed=_time(status.get("completionTimestamp")),
            expires=_time(status.get("expiration")),
            warnings=status.get("warnings", 0),
            errors=status.get("errors", 0),
            failure=status.get("failureReason", ""),
            validation_errors=tuple(status.get("validationErrors") or ()),
            items=_progress(status.get("progress"), "itemsBackedUp", "totalItems"),
            operations=_tally(status, "backupItemOperations"),
            hooks=_hooks(status),
            snapshots=_snapshots(status),
            raw=dict(found),
        )

    @property
    def scope(self) -> Scope:
        """What it is of."""
        return Scope(self.raw.get("spec") or {})

    @property
    def ended(self) -> bool:
        """Whether nothing more comes of it."""
        return self.phase in BACKUP_ENDED

    @property
    def troubles(self) -> tuple[str, ...]:
        """Why it failed, as the resource itself says it; the details are in the bucket."""
        return (*self.validation_errors, *filter(None, (self.failure,)))


@dataclass(frozen=True)
class Restore:
    """One Restore."""

    name: str
    uid: str
    phase: str
    """Empty: Velero has not seen it yet."""
    run: str | None
    """Id of the drill that made it."""
    backup: str
    namespaces: tuple[str, ...]
    """Those that are restored; empty: all of the backup."""
    mapping: dict[str, str]
    """Into which namespace each goes; those that are not here keep their name."""
    existing: str
    """What becomes of objects that are there already: none (they stay) or update."""
    created: datetime | None
    started: datetime | None
    completed: datetime | None
    warnings: int
    errors: int
    failure: str
    validation_errors: tuple[str, ...]
    items: Progress
    operations: Tally
    hooks: Tally
    raw: dict[str, Any] = field(repr=False, compare=False)

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Self:
        """The Restore in an object of the API."""
        meta, spec, status = _sections(found)
        return cls(
            name=meta["name"],
            uid=meta.get("uid", ""),
            phase=status.get("phase", ""),
            run=(meta.get("labels") or {}).get(RUN_LABEL),
            backup=spec.get("backupName", ""),
            namespaces=tuple(spec.get("includedNamespaces") or ()),
            mapping=dict(spec.get("namespaceMapping") or {}),
            existing=spec.get("existingResourcePolicy") or "none",
            created=_time(meta.get("creationTimestamp")),
            started=_time(status.get("startTimestamp")),
            completed=_time(status.get("completionTimestamp")),
            warnings=status.get("warnings", 0),
            errors=status.get("errors", 0),
            failure=status.get("failureReason", ""),
            validation_errors=tuple(status.get("validationErrors") or ()),
            items=_progress(status.get("progress"), "itemsRestored", "totalItems"),
            operations=_tally(status, "restoreItemOperations"),
            hooks=_hooks(status),
            raw=dict(found),
        )

    @property
    def ended(self) -> bool:
        """Whether nothing more comes of it."""
        return self.phase in RESTORE_ENDED

    @property
    def troubles(self) -> tuple[str, ...]:
        """Why it failed, as the resource itself says it; the details are in the bucket."""
        return (*self.validation_errors, *filter(None, (self.failure,)))


@dataclass(frozen=True)
class Schedule:
    """One Schedule."""

    name: str
    cron: str
    paused: bool
    phase: str
    """Enabled: it makes backups."""
    location: str | None
    namespaces: tuple[str, ...]
    ttl: str | None
    """How long its backups are kept, as Go writes durations; None: Velero's default."""
    created: datetime | None
    last_backup: datetime | None
    """When it last made a backup, however that ended."""
    last_skipped: datetime | None
    validation_errors: tuple[str, ...]
    raw: dict[str, Any] = field(repr=False, compare=False)

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Self:
        """The Schedule in an object of the API."""
        meta, spec, status = _sections(found)
        template = spec.get("template") or {}
        return cls(
            name=meta["name"],
            cron=spec.get("schedule", ""),
            paused=bool(spec.get("paused", False)),
            phase=status.get("phase", ""),
            location=template.get("storageLocation"),
            namespaces=tuple(template.get("includedNamespaces") or ()),
            ttl=template.get("ttl"),
            created=_time(meta.get("creationTimestamp")),
            last_backup=_time(status.get("lastBackup")),
            last_skipped=_time(status.get("lastSkipped")),
            validation_errors=tuple(status.get("validationErrors") or ()),
            raw=dict(found),
        )

    @property
    def scope(self) -> Scope:
        """What its next backup will be of."""
        return Scope((self.raw.get("spec") or {}).get("template") or {})


@dataclass(frozen=True)
class Location:
    """One BackupStorageLocation."""

    name: str
    default: bool
    phase: str
    """Available or Unavailable; empty: not looked at yet."""
    message: str
    bucket: str
    prefix: str
    config: dict[str, str]
    access_mode: str
    last_validated: datetime | None
    last_synced: datetime | None
    validation_frequency: str | None
    """As Go writes durations; 0s: never looked at. None: Velero's default, a minute."""
    raw: dict[str, Any] = field(repr=False, compare=False)

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Self:
        """The BackupStorageLocation in an object of the API."""
        meta, spec, status = _sections(found)
        storage = spec.get("objectStorage") or {}
        return cls(
            name=meta["name"],
            default=bool(spec.get("default", False)),
            phase=status.get("phase", ""),
            message=status.get("message", ""),
            bucket=str(storage.get("bucket", "")).strip("/"),
            prefix=str(storage.get("prefix", "")).strip("/"),
            config=dict(spec.get("config") or {}),
            access_mode=spec.get("accessMode") or "ReadWrite",
            last_validated=_time(status.get("lastValidationTime")),
            last_synced=_time(status.get("lastSyncedTime")),
            validation_frequency=spec.get("validationFrequency"),
            raw=dict(found),
        )


@dataclass(frozen=True)
class PodVolume:
    """One PodVolumeBackup or PodVolumeRestore: a pod's volume, moved file by file."""

    kind: Literal["PodVolumeBackup", "PodVolumeRestore"]
    name: str
    of_name: str
    """Name of the Backup or Restore that it is part of."""
    namespace: str
    """Of the pod."""
    pod: str
    volume: str
    """Its name in the pod."""
    claim: str | None
    """Name of the PersistentVolumeClaim; None: the volume has none, or Velero does not say."""
    node: str | None
    phase: str
    message: str
    started: datetime | None
    completed: datetime | None
    bytes: Progress
    snapshot: str
    """Id of the snapshot in the repository; empty: there is none."""
    raw: dict[str, Any] = field(repr=False, compare=False)

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Self:
        """The PodVolumeBackup or PodVolumeRestore in an object of the API."""
        meta, spec, status = _sections(found)
        restored = "snapshotID" in spec  # lists of the API do not tell the kind of their items
        labels = meta.get("labels") or {}
        pod = spec.get("pod") or {}
        return cls(
            kind="PodVolumeRestore" if restored else "PodVolumeBackup",
            name=meta["name"],
            of_name=labels.get(RESTORE_LABEL if restored else BACKUP_LABEL, ""),
            namespace=pod.get("namespace", ""),
            pod=pod.get("name", ""),
            volume=spec.get("volume", ""),
            claim=(meta.get("annotations") or {}).get(CLAIM_ANNOTATION),
            node=status.get("node") if restored else spec.get("node"),
            phase=status.get("phase", ""),
            message=status.get("message", ""),
            started=_time(status.get("startTimestamp")),
            completed=_time(status.get("completionTimestamp")),
            bytes=_progress(status.get("progress"), "bytesDone", "totalBytes"),
            snapshot=spec.get("snapshotID", "") if restored else status.get("snapshotID", ""),
            raw=dict(found),
        )


@dataclass(frozen=True)
class StoredVolume:
    """Where a backup has the data of one volume, as its list of volumes in the bucket tells.

    https://github.com/vmware-tanzu/velero/blob/v1.18.0/internal/volume/volumes_information.go
    """

    name: str
    """`pod:volume` where it was moved with its pod, file by file; else its claim, `namespace/name`."""
    namespace: str | None
    """Whose kopia repository has it; None: no repository of kopia's has it."""
    snapshot: str
    """Id of the snapshot in the repository; empty: it is not told."""
    elsewhere: str
    """How it is told that no repository has it; empty: one has it."""

    @classmethod
    def of(cls, info: Mapping[str, Any]) -> Self:
        """The volume in an entry of the list, which may have moved it, or have had the storage make a snapshot."""
        claim = f"{info.get('pvcNamespace')}/{info['pvcName']}" if info.get("pvcName") else info.get("pvName", "?")
        if its := info.get("pvbInfo"):
            name, namespace = f"{its.get('podName', '')}:{its.get('volumeName', '')}", its["podNamespace"]
            mover = "velero"
        elif its := info.get("snapshotDataMovementInfo"):
            name, namespace, mover = claim, info["pvcNamespace"], its.get("dataMover") or "velero"
        else:
            return cls(claim, None, "", "its snapshot is in the storage, not in the bucket")
        uploader = its.get("uploaderType") or "kopia"
        if (mover, uploader) != ("velero", "kopia"):
            return cls(name, None, "", f"it was moved by {mover} with {uploader}, whose snapshots are not known here")
        return cls(name, namespace, its.get("snapshotHandle") or "", "")


@dataclass(frozen=True)
class Repository:
    """One BackupRepository: where the files of a namespace's volumes are."""

    name: str
    namespace: str
    """Whose volumes it holds."""
    location: str
    kind: str
    phase: str
    message: str
    raw: dict[str, Any] = field(repr=False, compare=False)

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Self:
        """The BackupRepository in an object of the API."""
        meta, spec, status = _sections(found)
        return cls(
            name=meta["name"],
            namespace=spec.get("volumeNamespace", ""),
            location=spec.get("backupStorageLocation", ""),
            kind=spec.get("repositoryType", ""),
            phase=status.get("phase", ""),
            message=status.get("message", ""),
            raw=dict(found),
        )


@dataclass(frozen=True)
class Server:
    """Velero's Deployment and its node agent's DaemonSet."""

    image: str
    replicas: int
    ready: int
    agents: int | None
    """How many node agents there are to be; None: there is no node agent, so no volume is moved file by file."""
    agents_ready: int
    arguments: tuple[str, ...]


class _Ends(Protocol):
    """What is awaited: a Backup or a Restore."""

    @property
    def name(self) -> str: ...
    @property
    def phase(self) -> str: ...
    @property
    def items(self) -> Progress: ...
    @property
    def ended(self) -> bool: ...


E = TypeVar("E", bound=_Ends)


class _Model(Protocol, Generic[T_co]):
    def of(self, found: Mapping[str, Any], /) -> T_co: ...


class Velero:
    """The Velero of one namespace."""

    def __init__(self, cluster: Cluster, namespace: str = "velero") -> None:
        self.cluster = cluster
        self.namespace = namespace

    @classmethod
    def connect(cls, settings: Settings, cluster: Cluster | None = None) -> Self:
        """The selected context's Velero; sends nothing yet.

        Raises:
            UsageError: the context declares no Velero.
        """
        return cls(cluster or Cluster.connect(settings), settings.velero.namespace)

    # --- what is there (each raises MissingError where Velero is not installed, ClusterError where nobody answers)

    def backups(self, schedule: str | None = None) -> list[Backup]:
        """All backups, or those of a schedule, by name."""
        return self._all("backups", Backup, {SCHEDULE_LABEL: schedule})

    def restores(self) -> list[Restore]:
        """All restores, by name."""
        return self._all("restores", Restore)

    def schedules(self) -> list[Schedule]:
        """All schedules, by name."""
        return self._all("schedules", Schedule)

    def locations(self) -> list[Location]:
        """All storage locations, by name."""
        return self._all("backupstoragelocations", Location)

    def pod_volume_backups(self, backup: str | None = None) -> list[PodVolume]:
        """All PodVolumeBackups, or those of a backup, by name."""
        return self._all("podvolumebackups", PodVolume, {BACKUP_LABEL: backup})

    def pod_volume_restores(self, restore: str | None = None) -> list[PodVolume]:
        """All PodVolumeRestores, or those of a restore, by name."""
        return self._all("podvolumerestores", PodVolume, {RESTORE_LABEL: restore})

    def repositories(self) -> list[Repository]:
        """All BackupRepositories, by name."""
        return self._all("backuprepositories", Repository)

    def backup(self, name: str) -> Backup:
        """One backup; MissingError: there is none of that name."""
        return Backup.of(self._one("backups", name))

    def restore(self, name: str) -> Restore:
        """One restore; MissingError: there is none of that name."""
        return Restore.of(self._one("restores", name))

    def schedule(self, name: str) -> Schedule:
        """One schedule; MissingError: there is none of that name."""
        return Schedule.of(self._one("schedules", name))

    def location(self, name: str = "default") -> Location:
        """One storage location; MissingError: there is none of that name."""
        return Location.of(self._one("backupstoragelocations", name))

    def newest(
        self, schedule: str | None = None, namespace: str | None = None, run: str | None = None
    ) -> Backup | None:
        """The completed backup that began last, of a schedule and with a namespace in it; None: there is none.

        Those that a drill made are passed over, but for those of `run`: what protects the data must be shown to do so,
        and a drill's backup goes when the drill does.
        """
        done = [
            each
            for each in self.backups(schedule)
            if each.phase == "Completed"
            and each.started
            and each.run in (None, run)
            and (namespace in (None, *each.namespaces) or _all_of(each))
        ]
        return max(done, key=lambda each: (each.started, each.name), default=None)

    def server(self) -> Server:
        """Velero's server and node agents.

        Raises:
            MissingError: there is no Deployment `velero` in the namespace.
            ClusterError: the API server refused or did not answer.
        """
        apps = self.cluster.apps
        with answering(f"deployment {self.namespace}/velero"):
            server = apps.read_namespaced_deployment("velero", self.namespace, _request_timeout=TIMEOUT)
        try:
            with answering(f"daemonset {self.namespace}/node-agent"):
                agent = apps.read_namespaced_daemon_set("node-agent", self.namespace, _request_timeout=TIMEOUT)
        except MissingError:
            agent = None
        container = next(each for each in server.spec.template.spec.containers if each.name == "velero")
        return Server(
            image=container.image,
            replicas=server.spec.replicas or 0,
            ready=server.status.ready_replicas or 0,
            agents=agent.status.desired_number_scheduled if agent else None,
            agents_ready=(agent.status.number_ready or 0) if agent else 0,
            arguments=tuple(container.args or ()),
        )

    def repository_password(self) -> str:
        """The password of the repositories that have the volumes' files.

        Raises:
            MissingError: there is no such Secret yet; Velero makes one with its default when it needs it.
            ClusterError: the API server refused or did not answer.
        """
        return self.cluster.secret(self.namespace, PASSWORD_SECRET, PASSWORD_KEY)

    # --- what is made

    def create_backup(
        self,
        name: str,
        *,
        namespaces: Sequence[str] = (),
        schedule: str | None = None,
        location: str | None = None,
        ttl: str | None = None,
        labels: Mapping[str, str] | None = None,
        **spec: Any,
    ) -> Backup:
        """Have a backup made; returns at once.

        Args:
            name: of the new backup.
            namespaces: what it is of; empty: all, or what the schedule says.
            schedule: whose template it follows, and whose backup it counts as (`velero backup create --from-schedule`).
            location: where it goes; None: the schedule's, or Velero's default.
            ttl: how long it is kept, as Go writes durations; None: the schedule's, or Velero's default.
            labels: more labels of the resource.
            spec: more fields of its spec, in Velero's own words (`includedResources`, `labelSelector`, ...). Pods'
                volumes are moved file by file, unless `defaultVolumesToFsBackup` says otherwise.

        Raises:
            MissingError: there is no such schedule, or no Velero.
            ClusterError: there is a backup of that name already, or the API server did not take it.
        """
        wanted: dict[str, Any] = {"defaultVolumesToFsBackup": True, "snapshotVolumes": False}
        marks = dict(labels or {})
        if schedule is not None:
            wanted = dict(self.schedule(schedule).raw["spec"]["template"])
            marks.setdefault(SCHEDULE_LABEL, schedule)
        given = {"includedNamespaces": list(namespaces) or None, "storageLocation": location, "ttl": ttl}
        wanted |= {key: value for key, value in given.items() if value is not None} | spec
        wanted.pop("metadata", None)  # of the backups that a schedule makes; our labels are here
        return Backup.of(self._create("backups", "Backup", {"name": name, "labels": marks}, wanted))

    def create_restore(
        self,
        name: str,
        backup: str,
        *,
        namespaces: Sequence[str] = (),
        mapping: Mapping[str, str] | None = None,
        selector: Mapping[str, str] | None = None,
        existing: Literal["none", "update"] | None = None,
        labels: Mapping[str, str] | None = None,
        **spec: Any,
    ) -> Restore:
        """Have a backup restored; returns at once.

        Args:
            name: of the new restore.
            backup: what is restored.
            namespaces: which namespaces of it; empty: all.
            mapping: into which namespace each goes, by its name in the backup.
            selector: labels that an object must have to be restored.
            existing: what becomes of objects that are there already: none (Velero's default: they stay) or update.
            labels: of the resource.
            spec: more fields of its spec, in Velero's own words (`restorePVs`, `excludedResources`, ...).

        Raises:
            ClusterError: there is a restore of that name already, or the API server did not take it.
        """
        given = {
            "backupName": backup,
            "includedNamespaces": list(namespaces) or None,
            "namespaceMapping": dict(mapping) if mapping else None,
            "labelSelector": {"matchLabels": dict(selector)} if selector else None,
            "existingResourcePolicy": existing,
        }
        wanted = {key: value for key, value in given.items() if value is not None} | spec
        return Restore.of(self._create("restores", "Restore", {"name": name, "labels": dict(labels or {})}, wanted))

    def await_backup(
        self, name: str, within: float, progress: Callable[[Backup], None] | None = None, each: float = 1
    ) -> Backup:
        """The backup when it has ended, well or badly.

        Args:
            name: of the backup.
            within: seconds after which it is given up.
            progress: called with what is seen, whenever that is something new.
            each: seconds between two looks.

        Raises:
            VeleroTimeoutError: it has not ended in time.
            MissingError: it is gone, or was never there.
        """
        return _await_end(lambda: self.backup(name), f"backup {name}", within, progress, each)

    def await_restore(
        self, name: str, within: float, progress: Callable[[Restore], None] | None = None, each: float = 1
    ) -> Restore:
        """The restore when it has ended, well or badly; as `await_backup`."""
        return _await_end(lambda: self.restore(name), f"restore {name}", within, progress, each)

    def delete_backup(self, name: str) -> str:
        """Ask Velero to delete a backup with all that it has in the bucket; the name of the request. Returns at once.

        Raises:
            MissingError: there is no such backup.
            ClusterError: the API server refused or did not answer.
        """
        uid = self.backup(name).uid
        labels = {BACKUP_LABEL: label_value(name), "velero.io/backup-uid": uid}
        metadata = {"generateName": f"{name}-", "labels": labels}
        made = self._create("deletebackuprequests", "DeleteBackupRequest", metadata, {"backupName": name})
        return str(made["metadata"]["name"])

    def await_backup_deleted(self, name: str, request: str | None = None, within: float = 300) -> None:
        """Wait until a backup is gone.

        Args:
            name: of the backup.
            request: what `delete_backup` returned, whose errors are told then.
            within: seconds after which it is given up.

        Raises:
            VeleroFailedError: the deletion ended with errors, and the backup is still there.
            VeleroTimeoutError: it is still there when the time is over.
        """
        last = "never seen"
        for _ in _ticks(within, 1):
            try:
                found = self._found("backups", name)
                if found is None:
                    return
                last = f"its phase is {Backup.of(found).phase}"
                asked = self._found("deletebackuprequests", request) if request else None
            except ClusterError as error:
                last = str(error)
                continue
            if errors := ((asked or {}).get("status") or {}).get("errors"):
                raise VeleroFailedError(f"backup {name} was not deleted: {'; '.join(errors)}")
        raise VeleroTimeoutError(f"backup {name} is still there after {within:g} s: {last}")

    def delete_restore(self, name: str) -> None:
        """Delete a Restore, and by its finalizer what the bucket has of it; what was restored stays. None there: fine.

        Raises:
            ClusterError: the API server refused or did not answer.
        """
        try:
            with answering(f"delete restore {name}"):
                self.cluster.objects.delete_namespaced_custom_object(
                    GROUP, VERSION, self.namespace, "restores", name, _request_timeout=TIMEOUT
                )
        except MissingError:
            return

    def set_access_mode(self, location: str, mode: AccessMode) -> None:
        """Have a storage location written to no more (ReadOnly: no backup is made or deleted), or again.

        Raises:
            MissingError: there is no such location.
            ClusterError: the API server refused or did not answer.
        """
        self.patch("backupstoragelocations", location, {"spec": {"accessMode": mode}})

    def pause(self, schedule: str, paused: bool) -> None:
        """Have a schedule make no more backups, or make them again.

        Raises:
            MissingError: there is no such schedule.
            ClusterError: the API server refused or did not answer.
        """
        self.patch("schedules", schedule, {"spec": {"paused": paused}})

    def patch(self, plural: str, name: str, change: dict[str, Any]) -> None:
        """Change one of Velero's resources by a merge patch.

        Raises:
            MissingError: there is no such resource.
            ClusterError: the API server refused or did not answer.
        """
        with answering(f"change {plural} {self.namespace}/{name}"):
            self.cluster.objects.patch_namespaced_custom_object(
                GROUP, VERSION, self.namespace, plural, name, change, _request_timeout=TIMEOUT
            )

    # --- how it is asked

    def _found(self, plural: str, name: str) -> dict[str, Any] | None:
        try:
            return self._one(plural, name)
        except MissingError:
            return None

    def _all(self, plural: str, model: _Model[T], labels: Mapping[str, str | None] | None = None) -> list[T]:
        wanted = {key: label_value(value) for key, value in (labels or {}).items() if value is not None}
        selector = ",".join(f"{key}={value}" for key, value in wanted.items())
        with answering(f"{plural} of {self.namespace}"):
            found = self.cluster.objects.list_namespaced_custom_object(
                GROUP, VERSION, self.namespace, plural, label_selector=selector, _request_timeout=TIMEOUT
            )
        return [model.of(each) for each in sorted(found["items"], key=lambda each: str(each["metadata"]["name"]))]

    def _one(self, plural: str, name: str) -> dict[str, Any]:
        with answering(f"{plural.removesuffix('s')} {name} of {self.namespace}"):
            found: dict[str, Any] = self.cluster.objects.get_namespaced_custom_object(
                GROUP, VERSION, self.namespace, plural, name, _request_timeout=TIMEOUT
            )
        return found

    def _create(self, plural: str, kind: str, metadata: dict[str, Any], spec: dict[str, Any]) -> dict[str, Any]:
        body = {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": kind,
            "metadata": {"namespace": self.namespace, **metadata},
            "spec": spec,
        }
        with answering(f"create {kind} {metadata.get('name') or metadata['generateName']}"):
            made: dict[str, Any] = self.cluster.objects.create_namespaced_custom_object(
                GROUP, VERSION, self.namespace, plural, body, _request_timeout=TIMEOUT
            )
        return made


def newest_of(backups: Iterable[Backup]) -> dict[str, Backup]:
    """The newest completed backup of each schedule, by the schedule's name."""
    done = [(each.started, each.name, each) for each in backups if each.phase == "Completed" and each.started]
    return {each.schedule: each for _, _, each in sorted(done) if each.schedule}


def permissions(namespace: str, *plurals: str, verbs: Sequence[str] = ("list",)) -> tuple[Permission, ...]:
    """What asking for (or making, or deleting) some of Velero's resources takes."""
    return tuple(Permission(verb, plural, namespace, group=GROUP) for plural in plurals for verb in verbs)


def label_value(name: str) -> str:
    """A name as a label has it, which takes 63 characters: pkg/label/label.go, GetValidName."""
    if len(name) <= _LABEL_MAX:
        return name
    return name[: _LABEL_MAX - 6] + hashlib.sha256(name.encode()).hexdigest()[:6]


def _await_end(look: Callable[[], E], what: str, within: float, progress: Callable[[E], None] | None, each: float) -> E:
    last: E | None = None
    reason = "never seen"
    for _ in _ticks(within, each):
        try:
            seen = look()
        except MissingError:
            raise
        except ClusterError as error:  # the API server may be away for a while
            reason = str(error)
            continue
        if progress is not None and seen != last:
            progress(seen)
        if seen.ended:
            return seen
        last, reason = seen, f"its phase is {seen.phase or 'none'}, {seen.items.done} of {seen.items.total} items"
    raise VeleroTimeoutError(f"{what} has not ended in {within:g} s: {reason}")


def _ticks(within: float, each: float) -> Iterator[None]:
    """At once, then every `each` seconds, the last time when `within` seconds are over."""
    start = time.monotonic()
    yield
    while (waited := time.monotonic() - start) < within:
        time.sleep(min(each, within - waited))
        yield


def _all_of(backup: Backup) -> bool:
    return not backup.namespaces or "*" in backup.namespaces


def _sections(found: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    return found["metadata"], found.get("spec") or {}, found.get("status") or {}


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _progress(found: Mapping[str, Any] | None, done: str, total: str) -> Progress:
    return Progress((found or {}).get(done, 0), (found or {}).get(total, 0))


def _tally(status: Mapping[str, Any], prefix: str) -> Tally:
    return Tally(*(status.get(f"{prefix}{which}", 0) for which in ("Attempted", "Completed", "Failed")))


def _hooks(status: Mapping[str, Any]) -> Tally:
    found = status.get("hookStatus") or {}
    attempted, failed = found.get("hooksAttempted", 0), found.get("hooksFailed", 0)
    return Tally(attempted, attempted - failed, failed)


def _snapshots(status: Mapping[str, Any]) -> Tally:
    attempted = status.get("volumeSnapshotsAttempted", 0) + status.get("csiVolumeSnapshotsAttempted", 0)
    completed = status.get("volumeSnapshotsCompleted", 0) + status.get("csiVolumeSnapshotsCompleted", 0)
    return Tally(attempted, completed, attempted - completed)
