"""Collects the evidence of a Velero's backups: the API's resources, the bucket's objects, the cluster's own objects."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from drill import object_store, velero
from drill.backup_evidence import BackupEvidence, BackupFiles, File, Held, Listing, VolumeStore
from drill.cluster import TIMEOUT, Cluster, ClusterError, MissingError, Permission, answering
from drill.errors import UsageError
from drill.object_store import ObjectMissingError, ObjectStore, ObjectStoreError
from drill.settings import Settings, VeleroTarget
from drill.velero import Backup, Location, Velero

_SMALL = 16 << 20
"""Bytes up to which an object is fetched without being asked for."""
_EXCLUDED = "velero.io/exclude-from-backup"
_SERVER = ("image", "replicas", "ready", "agents", "agents_ready")
_NO_PARTS = 32
"""Characters of an ETag that is an MD5."""

T = TypeVar("T")

_KINDS: dict[str, tuple[str, str, str]] = {
    "v1/ConfigMap": ("", "v1", "config_map"),
    "v1/PersistentVolumeClaim": ("", "v1", "persistent_volume_claim"),
    "v1/Pod": ("", "v1", "pod"),
    "v1/Service": ("", "v1", "service"),
    "v1/ServiceAccount": ("", "v1", "service_account"),
    "apps/v1/DaemonSet": ("apps", "v1", "daemonsets"),
    "apps/v1/Deployment": ("apps", "v1", "deployments"),
    "apps/v1/StatefulSet": ("apps", "v1", "statefulsets"),
    "batch/v1/CronJob": ("batch", "v1", "cronjobs"),
    "networking.k8s.io/v1/Ingress": ("networking.k8s.io", "v1", "ingresses"),
    "networking.k8s.io/v1/NetworkPolicy": ("networking.k8s.io", "v1", "networkpolicies"),
    "rbac.authorization.k8s.io/v1/Role": ("rbac.authorization.k8s.io", "v1", "roles"),
    "rbac.authorization.k8s.io/v1/RoleBinding": ("rbac.authorization.k8s.io", "v1", "rolebindings"),
}
"""The kinds that are looked up in the cluster. No Secrets: who may list them may read them."""


def permissions(settings: Settings) -> tuple[Permission, ...]:
    """What collecting takes, but for the lists of what the backed up namespaces hold."""
    where = settings.velero.namespace
    resources = ("backups", "schedules", "backupstoragelocations", "backuprepositories", "podvolumebackups")
    return (
        *velero.permissions(where, *resources),
        Permission("get", "deployments", where, group="apps"),
        Permission("get", "daemonsets", where, group="apps"),
        Permission("get", "secrets", where, name=velero.PASSWORD_SECRET),
        *object_store.permissions(settings.object_store),
    )


def collect(
    settings: Settings,
    cluster: Cluster,
    *,
    backups: Sequence[str] = (),
    everything: bool = False,
    download: bool = False,
    rules: VeleroTarget | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> BackupEvidence:
    """What there is to see of the selected context's backups; what could not be seen is in it, with the reason.

    Args:
        settings: Which context.
        cluster: Its cluster.
        backups: Names of backups to look into; empty: the newest completed one of each schedule.
        everything: Look into every completed backup.
        download: Fetch every object of them, and the volumes' data, however large.
        rules: What they are held to, if not what the settings say.
        say: Told what is looked at.

    Raises:
        UsageError: the context declares no Velero or no object store, or a named backup is not there.
    """
    server = Velero.connect(settings, cluster)
    store, locked = _try(lambda: ObjectStore.connect(settings, cluster))
    say("Velero's resources")
    looks: dict[str, Callable[[], Iterable[Any]]] = {
        "schedules": server.schedules,
        "locations": server.locations,
        "backups": server.backups,
        "repositories": server.repositories,
        "pod_volume_backups": server.pod_volume_backups,
    }
    found = {name: _listed(look) for name, look in looks.items()}
    all_backups = [Backup.of(each) for each in found["backups"].items]
    chosen = _chosen(all_backups, backups, everything=everything)
    locations = {each.name: each for each in map(Location.of, found["locations"].items)}
    files, volumes, held = [], [], []
    for backup in chosen:
        say(f"backup {backup.name}")
        if store is None:
            files.append(BackupFiles(backup=backup.name, location=backup.location or "default", error=locked))
        else:
            files.append(_files(store, backup, locations, download=download))
    for namespace, location in _repositories(files):
        say(f"volumes of {namespace}")
        if store is not None:  # else no file named a namespace
            volumes.append(_volumes(store, namespace, locations[location], download=download))
    for namespace in _namespaces(chosen, files):
        say(f"objects of {namespace}")
        held += [_held(cluster, namespace, kind) for kind in _KINDS]
    seen, server_error = _try(server.server)
    password, password_error = _password(server)
    return BackupEvidence(
        context=cluster.context,
        namespace=server.namespace,
        taken=datetime.now(UTC),
        rules=rules or settings.velero,
        judged=tuple(each.name for each in chosen),
        downloaded=download,
        server=seen and {name: getattr(seen, name) for name in _SERVER},
        server_error=server_error,
        password=password,
        password_error=password_error,
        files=tuple(files),
        volumes=tuple(volumes),
        held=tuple(held),
        **found,
    )


def _listed(look: Callable[[], Iterable[Any]]) -> Listing:
    found, error = _try(look)
    return Listing(items=tuple(each.raw for each in found or ()), error=error)


def _try(look: Callable[[], T]) -> tuple[T | None, str | None]:
    try:
        return look(), None
    except ClusterError as error:
        return None, str(error)


def _password(server: Velero) -> tuple[Any, str | None]:
    try:
        return ("default" if server.has_default_password() else "own"), None
    except MissingError:
        return "absent", None
    except ClusterError as error:
        return None, str(error)


def _chosen(backups: list[Backup], names: Sequence[str], *, everything: bool) -> list[Backup]:
    if names:
        by_name = {each.name: each for each in backups}
        if missing := [name for name in names if name not in by_name]:
            raise UsageError(f"no backup {', '.join(missing)}; there are: {', '.join(by_name) or 'none'}")
        return [by_name[name] for name in dict.fromkeys(names)]
    done = sorted((each for each in backups if each.phase == "Completed" and each.started), key=lambda each: each.name)
    if everything:
        return done
    newest: dict[str, Backup] = {}
    for each in sorted(done, key=lambda each: each.started or datetime.min.replace(tzinfo=UTC)):
        if each.schedule:
            newest[each.schedule] = each
    return [newest[schedule] for schedule in sorted(newest)]


def _files(store: ObjectStore, backup: Backup, locations: dict[str, Location], *, download: bool) -> BackupFiles:
    location = locations.get(backup.location or "default")
    known = {"backup": backup.name, "location": backup.location or "default"}
    if location is None:
        return BackupFiles(**known, error=f"the cluster has no storage location {known['location']}")
    prefix = _key(location, "backups", backup.name)
    try:
        stored = list(store.listed(prefix, location.bucket))
    except ObjectStoreError as error:
        return BackupFiles(**known, error=str(error), missing=isinstance(error, ObjectMissingError))
    files = [_file(store, location.bucket, each, each.key.removeprefix(prefix), download=download) for each in stored]
    return BackupFiles(**known, files=tuple(files))


def _file(store: ObjectStore, bucket: str, stored: object_store.StoredObject, name: str, *, download: bool) -> File:
    from experiments.backups._contents import fetched  # noqa: PLC0415 - tar and gzip only where something is read

    if download or stored.size <= _SMALL:
        return fetched(store, bucket, stored, name)
    return File(name=name, size=stored.size, etag=stored.etag, modified=stored.modified)


def _repositories(files: Iterable[BackupFiles]) -> Iterator[tuple[str, str]]:
    """The namespaces of which volumes were moved file by file, each with the location that has them."""
    found = set()
    for each in files:
        infos = each.file("-volumeinfo.json.gz")
        for info in (infos.content if infos else None) or ():
            if info.get("backupMethod") == "PodVolumeBackup" and (moved := info.get("pvbInfo")):
                found.add((moved["podNamespace"], each.location))
    yield from sorted(found)


def _volumes(store: ObjectStore, namespace: str, location: Location, *, download: bool) -> VolumeStore:
    prefix, kinds, size = _key(location, "kopia", namespace), Counter[str](), 0
    fetched = unverifiable = 0
    damaged: list[str] = []
    try:
        for each in store.listed(prefix, location.bucket):
            name = each.key.removeprefix(prefix)
            kinds[name if name.startswith("kopia.") else name[:1]] += 1
            size += each.size
            if not download:
                continue
            fetched += 1
            if len(each.etag) != _NO_PARTS:
                unverifiable += 1
            elif _md5(store.parts(each.key, location.bucket)) != each.etag:
                damaged.append(each.key)
    except ObjectStoreError as error:
        return VolumeStore(namespace=namespace, location=location.name, error=str(error))
    return VolumeStore(
        namespace=namespace,
        location=location.name,
        objects=kinds.total(),
        bytes=size,
        kinds=dict(sorted(kinds.items())),
        fetched=fetched,
        unverifiable=unverifiable,
        damaged=tuple(damaged),
    )


def _md5(parts: Iterable[bytes]) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def _namespaces(backups: Iterable[Backup], files: Iterable[BackupFiles]) -> list[str]:
    """The namespaces that the backups are of; of a backup of all, those that its resource list names."""
    named = {name for each in backups for name in each.namespaces if name != "*"}
    whole = {each.name for each in backups if not each.namespaces or "*" in each.namespaces}
    for each in files:
        listed = each.file("-resource-list.json.gz")
        if each.backup in whole and listed and isinstance(listed.content, dict):
            named |= set(listed.content.get("v1/Namespace", ()))
    return sorted(named)


def _held(cluster: Cluster, namespace: str, kind: str) -> Held:
    group, version, plural = _KINDS[kind]
    try:
        with answering(f"{kind} of {namespace}"):
            if group:
                answer = cluster.objects.list_namespaced_custom_object(
                    group, version, namespace, plural, _request_timeout=TIMEOUT
                )
                metadata = [each["metadata"] for each in answer["items"]]
            else:
                answer = getattr(cluster.core, f"list_namespaced_{plural}")(namespace, _request_timeout=TIMEOUT)
                metadata = [
                    {"name": each.metadata.name, "labels": each.metadata.labels, "at": each.metadata.creation_timestamp}
                    for each in answer.items
                ]
    except ClusterError as error:
        return Held(namespace=namespace, kind=kind, error=str(error))
    created = {
        each["name"]: each.get("at") or each["creationTimestamp"]
        for each in metadata
        if (each.get("labels") or {}).get(_EXCLUDED) != "true"
    }
    return Held(namespace=namespace, kind=kind, created=created)


def _key(location: Location, *parts: str) -> str:
    return "/".join(filter(None, (location.prefix, *parts))) + "/"
