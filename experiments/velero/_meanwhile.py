"""What is set in Velero only while a restore runs: its location ReadOnly, volumes of one storage class made of another.

Each is written into the rollback log before it is set, so that it is put back whatever becomes of the harness.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from kubernetes import client

from drill import rollback
from drill import settings as settings_of
from drill.cluster import TIMEOUT, Cluster, MissingError, Permission, answering
from drill.errors import RefusedError
from drill.rollback import NotRestoredError
from drill.velero import RUN_LABEL, Velero
from experiments.velero._site import Site

HELD_BY = "drill/read-only-of"
"""Annotation of a location that a drill has set ReadOnly: nobody's else is ever put back."""
CLASSES = "velero.io/change-storage-class"
"""Label of the one ConfigMap that Velero's action of this name reads (pkg/restore/actions)."""
_CONFIG = {"velero.io/plugin-config": "", CLASSES: "RestoreItemAction"}
_NAME = "drill-change-storage-class"


@contextmanager
def read_only(site: Site, location: str) -> Iterator[None]:
    """No backup is made in the location, and none deleted, while something is restored from it.

    Raises:
        RefusedError: it is ReadOnly already, by somebody else's will.
        NotRestoredError: it could not be put back; that stays in the rollback log.
    """
    if site.velero.location(location).access_mode != "ReadWrite":
        raise RefusedError(f"location {location} is ReadOnly already, and was not set so by this drill")
    arguments = {"context": site.context, "location": location, "run": site.run}
    identity = rollback.register(f"{__name__}.make_writable", arguments)
    site.velero.patch(
        "backupstoragelocations",
        location,
        {"metadata": {"annotations": {HELD_BY: site.run}}, "spec": {"accessMode": "ReadOnly"}},
    )
    try:
        yield
    finally:
        make_writable(**arguments)
        rollback.done(identity)


def make_writable(context: str, location: str, run: str) -> dict[str, Any]:
    """Undo: the location may be written to again, if it was this run that had it set ReadOnly.

    Raises:
        NotRestoredError: it is still ReadOnly.
        ClusterError: the API server refused or did not answer.
    """
    velero = _velero(context)
    try:
        found = velero.location(location)
    except MissingError:
        return {"location": location, "there": False}
    if (found.raw["metadata"].get("annotations") or {}).get(HELD_BY) == run:
        change = {"metadata": {"annotations": {HELD_BY: None}}, "spec": {"accessMode": "ReadWrite"}}
        velero.patch("backupstoragelocations", location, change)
        found = velero.location(location)
        if found.access_mode != "ReadWrite":
            raise NotRestoredError(f"location {location} is still {found.access_mode}")
    return {"location": location, "access_mode": found.access_mode}


@contextmanager
def mapped_classes(site: Site, classes: Mapping[str, str]) -> Iterator[None]:
    """Restored claims and volumes get another storage class: of each that is named, the one that it is mapped to.

    Raises:
        RefusedError: one of the new classes is not there, or Velero has such a mapping already.
        NotRestoredError: the mapping could not be taken away; that stays in the rollback log.
    """
    core, namespace = site.cluster.core, site.velero.namespace
    ensure_there(site.cluster, classes.values())
    with answering(f"configmaps of {namespace}"):
        found = core.list_namespaced_config_map(namespace, label_selector=CLASSES, _request_timeout=TIMEOUT).items
    if found:
        raise RefusedError(
            f"configmap {namespace}/{found[0].metadata.name} maps storage classes already: Velero takes one"
        )
    arguments = {"context": site.context, "run": site.run}
    identity = rollback.register(f"{__name__}.forget_classes", arguments)
    metadata = {"name": _NAME, "labels": {**_CONFIG, RUN_LABEL: site.run}}
    with answering(f"create configmap {namespace}/{_NAME}"):
        core.create_namespaced_config_map(
            namespace, {"metadata": metadata, "data": dict(classes)}, _request_timeout=TIMEOUT
        )
    try:
        yield
    finally:
        forget_classes(**arguments)
        rollback.done(identity)


def ensure_there(cluster: Cluster, classes: Iterable[str]) -> None:
    """Refuse where one of the storage classes is not there: Velero would restore nothing that wants it."""
    storage = client.StorageV1Api(cluster.core.api_client)
    for name in classes:
        try:
            with answering(f"storage class {name}"):
                storage.read_storage_class(name, _request_timeout=TIMEOUT)
        except MissingError as error:
            raise RefusedError(f"there is no storage class {name} that volumes could get") from error


def forget_classes(context: str, run: str) -> dict[str, Any]:
    """Undo: Velero maps no storage classes for this run any more.

    Raises:
        ClusterError: the API server refused or did not answer.
    """
    velero = _velero(context)
    core, namespace = velero.cluster.core, velero.namespace
    try:
        with answering(f"configmap {namespace}/{_NAME}"):
            found = core.read_namespaced_config_map(_NAME, namespace, _request_timeout=TIMEOUT)
        if (found.metadata.labels or {}).get(RUN_LABEL) != run:
            return {"configmap": _NAME, "of": "another run"}
        options = client.V1DeleteOptions(preconditions=client.V1Preconditions(uid=found.metadata.uid))
        with answering(f"delete configmap {namespace}/{_NAME}"):
            core.delete_namespaced_config_map(_NAME, namespace, body=options, _request_timeout=TIMEOUT)
    except MissingError:
        return {"configmap": _NAME, "gone": True}
    return {"configmap": _NAME, "gone": True}


@dataclass(frozen=True)
class Way:
    """What a drill wants to be so while it restores."""

    read_only_location: bool = False
    """No backup is made in the location, and none deleted."""
    storage_classes: Mapping[str, str] = field(default_factory=dict)
    """Which storage class the volumes of each get instead."""

    def ensure_possible(self, cluster: Cluster) -> None:
        """Refuse what can't be done, before anything is.

        Raises:
            RefusedError: one of the new storage classes is not there.
        """
        ensure_there(cluster, self.storage_classes.values())

    @contextmanager
    def held(self, site: Site, location: str | None) -> Iterator[None]:
        """It is so; `location` is the backup's, None: Velero's default. Raises as `read_only` and `mapped_classes`."""
        with ExitStack() as held:
            if self.read_only_location:
                held.enter_context(read_only(site, location or "default"))
            if self.storage_classes:
                held.enter_context(mapped_classes(site, self.storage_classes))
            yield

    def permissions(self, namespace: str) -> tuple[Permission, ...]:
        """What it takes; `namespace` is Velero's."""
        of_location = (
            *(Permission(verb, "backupstoragelocations", namespace, group="velero.io") for verb in ("get", "patch")),
        )
        of_classes = (
            *(Permission(verb, "configmaps", namespace) for verb in ("list", "create")),
            *(Permission(verb, "configmaps", namespace, name=_NAME) for verb in ("get", "delete")),
            Permission("get", "storageclasses", group="storage.k8s.io"),
        )
        wants_classes = bool(self.storage_classes)
        return (*(of_location if self.read_only_location else ()), *(of_classes if wants_classes else ()))


def _velero(context: str) -> Velero:
    loaded = settings_of.load(context=context)
    return Velero.connect(loaded, Cluster.connect(loaded))
