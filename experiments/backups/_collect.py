"""Collects the evidence of a Velero's backups: the API's resources, the bucket's objects, the cluster's own objects."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from drill import object_store, velero
from drill.backup_evidence import RESOURCES, BackupEvidence, BackupFiles, File, Held, Listing
from drill.cluster import TIMEOUT, Cluster, ClusterError, MissingError, Permission, answering
from drill.errors import UsageError
from drill.object_store import ObjectMissingError, ObjectStore, ObjectStoreError
from drill.settings import Settings, VeleroTarget
from drill.velero import Backup, Location, Schedule, Velero, newest_of
from experiments.backups._volumes import Moved, look, moved

_SMALL = 16 << 20
"""Bytes up to which an object is fetched without being asked for."""
_WILD = set("*?[")
"""What makes a pattern of the name of a namespace."""
_EXCLUDED = "velero.io/exclude-from-backup"
_SERVER = ("image", "replicas", "ready", "agents", "agents_ready")

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


def permissions(settings: Settings, cluster: Cluster) -> tuple[Permission, ...]:
    """What collecting takes, with the namespaces that the cluster's schedules include.

    Raises:
        UsageError: the context declares no Velero or no object store.
        ClusterError: the schedules can't be listed.
    """
    where = settings.velero.namespace
    resources = ("backups", "schedules", "backupstoragelocations", "backuprepositories", "podvolumebackups")
    included = [each.namespaces for each in Velero.connect(settings, cluster).schedules()]
    everywhere = any(not names or any("*" in name for name in names) for names in included)
    held = [None] if everywhere else sorted({name for names in included for name in names})
    return (
        *velero.permissions(where, *resources),
        Permission("get", "deployments", where, group="apps", name="velero"),
        Permission("get", "daemonsets", where, group="apps", name="node-agent"),
        Permission("get", "secrets", where, name=velero.PASSWORD_SECRET),
        *object_store.permissions(settings.object_store),
        *(
            Permission("list", plural if group else f"{plural.replace('_', '')}s", name, group=group)
            for name in held
            for group, _, plural in _KINDS.values()
        ),
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
    if store is not None:  # a schedule's newest backup tells which namespaces it has, whichever backups are named
        others = [backup for backup in newest_of(all_backups).values() if backup not in chosen]
        files += [_files(store, backup, locations, only=RESOURCES) for backup in others]
    password = _password(server)
    for (namespace, location), wanted in _by_repository(files).items():
        say(f"volumes of {namespace}")
        if store is not None:  # else no file named a namespace
            place = locations[location]
            prefix = _key(place, "kopia", namespace)
            volumes.append(look(store, place, prefix, wanted, password, download=download))
    schedules = [Schedule.of(each) for each in found["schedules"].items]
    declared = {
        name for name in settings.target.namespaces if any(each.scope.has_namespace(name) for each in schedules)
    }
    for namespace in sorted(declared | _namespaces(chosen, files)):
        say(f"objects of {namespace}")
        held += [_held(cluster, namespace, kind) for kind in _KINDS]
    seen, server_error = _try(server.server)
    kind, password_error = _password_kind(password)
    return BackupEvidence(
        context=cluster.context,
        namespace=server.namespace,
        namespaces=settings.target.namespaces,
        taken=datetime.now(UTC),
        rules=rules or settings.velero,
        judged=tuple(each.name for each in chosen),
        downloaded=download,
        server=seen and {name: getattr(seen, name) for name in _SERVER},
        server_error=server_error,
        password=kind,
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


def _password(server: Velero) -> str | ClusterError:
    """That of the repositories, which is in no evidence; or why it can't be had."""
    try:
        return server.repository_password()
    except ClusterError as error:
        return error


def _password_kind(password: str | ClusterError) -> tuple[Any, str | None]:
    match password:
        case MissingError():
            return "absent", None
        case ClusterError():
            return None, str(password)
        case _:
            return ("default" if password == velero.DEFAULT_PASSWORD else "own"), None


def _by_repository(files: Iterable[BackupFiles]) -> dict[tuple[str, str], list[Moved]]:
    """The volumes that were moved file by file, by the namespace and the location that say where."""
    found: defaultdict[tuple[str, str], list[Moved]] = defaultdict(list)
    for each in moved(files):
        found[each.namespace, each.location].append(each)
    return dict(sorted(found.items()))


def _chosen(backups: list[Backup], names: Sequence[str], *, everything: bool) -> list[Backup]:
    if names:
        by_name = {each.name: each for each in backups}
        if missing := [name for name in names if name not in by_name]:
            raise UsageError(f"no backup {', '.join(missing)}; there are: {', '.join(by_name) or 'none'}")
        return [by_name[name] for name in dict.fromkeys(names)]
    if everything:
        return sorted(
            (each for each in backups if each.phase == "Completed" and each.started), key=lambda each: each.name
        )
    return [backup for _, backup in sorted(newest_of(backups).items())]


def _files(
    store: ObjectStore, backup: Backup, locations: dict[str, Location], *, download: bool = False, only: str = ""
) -> BackupFiles:
    """What a backup has in the bucket, or what of it has a name that ends with `only`."""
    location = locations.get(backup.location or "default")
    known = {"backup": backup.name, "location": backup.location or "default"}
    if location is None:
        return BackupFiles(**known, error=f"the cluster has no storage location {known['location']}")
    prefix = _key(location, "backups", backup.name)
    try:
        stored = list(store.listed(prefix, location.bucket))
    except ObjectStoreError as error:
        return BackupFiles(**known, error=str(error), missing=isinstance(error, ObjectMissingError))
    wanted = [each for each in stored if each.key.endswith(only)]
    files = [_file(store, location.bucket, each, each.key.removeprefix(prefix), download=download) for each in wanted]
    return BackupFiles(**known, files=tuple(files))


def _file(store: ObjectStore, bucket: str, stored: object_store.StoredObject, name: str, *, download: bool) -> File:
    from experiments.backups._contents import fetched  # noqa: PLC0415 - tar and gzip only where something is read

    if download or stored.size <= _SMALL:
        return fetched(store, bucket, stored, name)
    return File(name=name, size=stored.size, etag=stored.etag, modified=stored.modified)


def _namespaces(backups: Iterable[Backup], files: Iterable[BackupFiles]) -> set[str]:
    """The namespaces that the backups are of; of a backup by wildcards, those that its resource list names."""
    by_name = {each.name: each for each in backups}
    named = {name for each in by_name.values() for name in each.namespaces if not _WILD & set(name)}
    for each in files:
        listed = each.file(RESOURCES)
        if (backup := by_name.get(each.backup)) and listed and isinstance(listed.content, dict):
            named |= {name for name in listed.content.get("v1/Namespace", ()) if backup.scope.has_namespace(name)}
    return named


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
                    {
                        "name": each.metadata.name,
                        "labels": each.metadata.labels,
                        "at": each.metadata.creation_timestamp,
                        "deletionTimestamp": each.metadata.deletion_timestamp,
                    }
                    for each in answer.items
                ]
    except ClusterError as error:
        return Held(namespace=namespace, kind=kind, error=str(error))
    # Velero leaves out what is being deleted, and what says so itself (pkg/backup/item_backupper.go).
    created = {
        each["name"]: each.get("at") or each["creationTimestamp"]
        for each in metadata
        if not each.get("deletionTimestamp") and (each.get("labels") or {}).get(_EXCLUDED) != "true"
    }
    return Held(namespace=namespace, kind=kind, created=created)


def _key(location: Location, *parts: str) -> str:
    return "/".join(filter(None, (location.prefix, *parts))) + "/"
