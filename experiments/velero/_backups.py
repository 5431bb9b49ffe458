"""Backups as a drill makes, chooses and describes them."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from drill.cluster import TIMEOUT, answering
from drill.velero import RUN_LABEL, Backup, PodVolume
from experiments.runbooks._phases import Evidence, StepFailedError
from experiments.velero._site import Site, keep

_TTL = "24h0m0s"
"""How long a backup that a drill made is kept: it is deleted by Velero, should nobody do it before."""
_WORKLOADS = {"apps/v1/Deployment": "deployment", "apps/v1/StatefulSet": "statefulset"}


def inventory(site: Site, namespace: str) -> dict[str, Any]:
    """All backups that there are, and the newest completed one of the namespace that no other drill made."""
    chosen = site.velero.newest(namespace=namespace, run=site.run)
    found = {
        "namespace": namespace,
        "backups": [_row(each) for each in site.velero.backups()],
        "chosen": None if chosen is None else chosen.name,
        "locations": [{"name": each.name, "phase": each.phase} for each in site.velero.locations()],
    }
    keep("inventory", found)
    return found


def make(site: Site, name: str, namespace: str, within: float, more: Sequence[str] = ()) -> Evidence:
    """Have a backup of the namespace (and of `more`) made, with the files of its pods' volumes, and wait for its end.

    Raises:
        StepFailedError: it is not Completed.
        VeleroTimeoutError: it did not end in time.
    """
    site.velero.create_backup(name, namespaces=[namespace, *more], ttl=_TTL, labels={RUN_LABEL: site.run})
    made = site.velero.await_backup(name, within)
    evidence = {"backup": _row(made)}
    if made.phase != "Completed":
        raise StepFailedError(f"backup {name} is {made.phase}: {'; '.join(made.troubles) or 'see its log'}", evidence)
    return evidence


def describe(
    site: Site, name: str, namespace: str, pods: Collection[str] | None = None, idle: Collection[str] = ()
) -> dict[str, Any]:
    """What there is to restore of the namespace in a backup, kept as evidence.

    Args:
        site: Where.
        name: Of the backup.
        namespace: Which of its namespaces.
        pods: Only these pods' volumes, and the claims that they use now, whether the backup has them or not; None: all.
        idle: Services that lead nowhere while it is made, and need not lead anywhere when they are restored.
    """
    backup = site.velero.backup(name)
    volumes = [
        each
        for each in site.velero.pod_volume_backups(name)
        if each.namespace == namespace and (pods is None or each.pod in pods)
    ]
    listed = site.stored(backup.location, f"backups/{name}/{name}-resource-list.json.gz")
    claims = _named(listed, "v1/PersistentVolumeClaim", namespace) if pods is None else _claimed(site, namespace, pods)
    described = {
        **_row(backup),
        "volumes": [volume(each) for each in volumes],
        "claims": claims,
        "pods": _named(listed, "v1/Pod", namespace),
        "idle_services": sorted(idle),
        "workloads": [f"{kind}/{each}" for key, kind in _WORKLOADS.items() for each in _named(listed, key, namespace)],
    }
    keep("backup", described)
    return described


def _claimed(site: Site, namespace: str, pods: Collection[str]) -> list[str]:
    """The claims that pods use."""
    found = set()
    for name in pods:
        with answering(f"pod {namespace}/{name}"):
            pod = site.cluster.core.read_namespaced_pod(name, namespace, _request_timeout=TIMEOUT)
        claims = (each.persistent_volume_claim for each in pod.spec.volumes or ())
        found |= {each.claim_name for each in claims if each is not None}
    return sorted(found)


def volume(found: PodVolume) -> dict[str, Any]:
    """A volume that was backed up or restored; bytes as Velero counted them."""
    return {
        "namespace": found.namespace,
        "pod": found.pod,
        "volume": found.volume,
        "claim": found.claim,
        "phase": found.phase,
        "message": found.message,
        "bytes_done": found.bytes.done,
        "bytes_total": found.bytes.total,
    }


def _named(listed: dict[str, list[str]], kind: str, namespace: str) -> list[str]:
    """The names of a namespace's objects of a kind in a backup's resource list (`kong/kong-postgres-0`)."""
    prefix = f"{namespace}/"
    return [each.removeprefix(prefix) for each in listed.get(kind) or () if each.startswith(prefix)]


def _row(backup: Backup) -> dict[str, Any]:
    return {
        "name": backup.name,
        "phase": backup.phase,
        "schedule": backup.schedule,
        "location": backup.location,
        "namespaces": list(backup.namespaces),
        "started": _epoch(backup.started),
        "completed": _epoch(backup.completed),
        "expires": _epoch(backup.expires),
        "errors": backup.errors,
        "warnings": backup.warnings,
        "items": backup.items.done,
    }


def _epoch(time: datetime | None) -> float | None:
    return None if time is None else time.timestamp()
