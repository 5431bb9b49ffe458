"""The Secrets that a lost cluster takes along, and without which its backups can't be opened: kept outside of it.

A user has them in a vault. A drill keeps them in a file that only its owner can read, and in no record: which ones are
kept is told, and nothing of what they hold. They have to be back before Velero starts, and before an object store that
runs in the cluster: Velero makes up a password of its own where it finds none.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kubernetes import client

from drill import velero
from drill.cluster import TIMEOUT, Cluster, MissingError, Permission, answering
from drill.errors import DrillError
from drill.settings import Settings
from experiments.velero._site import Site

_USUAL = "cloud-credentials"
"""Of locations that name no Secret: `velero install` makes it so."""
_CONFLICT = 409


def place(run: str) -> Path:
    """The file of a run: `$XDG_STATE_HOME/drill/safe/<run>.json`."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "drill" / "safe" / f"{run}.json"


def take(site: Site, file: Path) -> list[str]:
    """Read them all and write them to the file; returns their names.

    Raises:
        DrillError: one that is needed is not there or can't be read, or the file can't be written.
    """
    kept = [each for namespace, name, needed in _wanted(site) if (each := _read(site.cluster, namespace, name, needed))]
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as safe:
            json.dump(kept, safe)
            safe.flush()
            os.fsync(safe.fileno())
    except OSError as error:
        raise DrillError(f"the Secrets can't be kept in {file}: {error}") from error
    return [_name(each) for each in kept]


def put_back(cluster: Cluster, file: Path) -> list[str]:
    """Put them into a cluster as they were, with their namespaces; returns the names of those that it did not have.

    Raises:
        DrillError: the file can't be read, or the cluster did not take one.
    """
    put = []
    for each, there in _kept(cluster, file):
        _ensure_namespace(cluster, each["namespace"])
        body = client.V1Secret(
            metadata=client.V1ObjectMeta(name=each["name"], namespace=each["namespace"], labels=each["labels"]),
            data=each["data"],
            type=each["type"],
        )
        with answering(f"put secret {_name(each)} back"):
            if there is None:
                cluster.core.create_namespaced_secret(each["namespace"], body, _request_timeout=TIMEOUT)
            else:
                cluster.core.replace_namespaced_secret(each["name"], each["namespace"], body, _request_timeout=TIMEOUT)
        put.append(_name(each))
    return put


def lacking(cluster: Cluster, file: Path) -> list[str]:
    """The names of those that a cluster has no more, or has otherwise; none where there is no file.

    Raises:
        DrillError: the file can't be read, or the cluster can't be asked.
    """
    return [_name(each) for each, _ in _kept(cluster, file)] if file.exists() else []


def forget(file: Path) -> None:
    """Remove the file, now that the cluster has them again."""
    file.unlink(missing_ok=True)


def permissions(site: Site) -> tuple[Permission, ...]:
    """What taking them and putting them back takes; to create one by its name alone can't be granted."""
    wanted = [(namespace, name) for namespace, name, _ in _wanted(site)]
    return (
        Permission("create", "namespaces"),
        *(Permission("create", "secrets", namespace) for namespace in dict.fromkeys(where for where, _ in wanted)),
        *(
            Permission(verb, "secrets", namespace, name=name)
            for namespace, name in wanted
            for verb in ("get", "update")
        ),
    )


def _wanted(site: Site) -> Iterator[tuple[str, str, bool]]:
    """Namespace and name of each, and whether the backups can't be opened without it."""
    where = site.velero.namespace
    yield where, velero.PASSWORD_SECRET, True
    named = [(each.raw.get("spec") or {}).get("credential") for each in site.velero.locations()]
    for name in sorted({each["name"] for each in named if each}):
        yield where, name, True
    if None in named:
        yield where, _USUAL, False  # the cloud may let Velero in by other means
    for namespace, name in _of_store(site.settings):
        yield namespace, name, True


def _of_store(settings: Settings) -> list[tuple[str, str]]:
    target = settings.object_store
    keys = [each for each in (target.access_key, target.secret_key) if each is not None]
    return sorted({(each.namespace or target.namespace, each.name) for each in keys})


def _read(cluster: Cluster, namespace: str, name: str, needed: bool) -> dict[str, Any] | None:
    try:
        with answering(f"secret {namespace}/{name}"):
            found = cluster.core.read_namespaced_secret(name, namespace, _request_timeout=TIMEOUT)
    except MissingError:
        if needed:
            raise
        return None
    return {
        "namespace": namespace,
        "name": name,
        "type": found.type,
        "labels": dict(found.metadata.labels or {}),
        "data": dict(found.data or {}),
    }


def _kept(cluster: Cluster, file: Path) -> Iterator[tuple[dict[str, Any], dict[str, Any] | None]]:
    """Each of the file that the cluster has not as it was kept, with what the cluster has."""
    try:
        kept = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise DrillError(f"the Secrets that were kept in {file} can't be read: {error}") from error
    for each in kept:
        there = _read(cluster, each["namespace"], each["name"], False)
        if there is None or there["data"] != each["data"]:
            yield each, there


def _ensure_namespace(cluster: Cluster, namespace: str) -> None:
    body = client.V1Namespace(metadata=client.V1ObjectMeta(name=namespace))
    with answering(f"create namespace {namespace}"):
        try:
            cluster.core.create_namespace(body, _request_timeout=TIMEOUT)
        except client.ApiException as error:
            if error.status != _CONFLICT:  # it is there
                raise


def _name(secret: dict[str, Any]) -> str:
    return f"{secret['namespace']}/{secret['name']}"
