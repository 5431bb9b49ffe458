"""A fresh cluster in the place of a lost one: built, with Velero in it, and with the lost one's backups known to it."""

import fnmatch
from collections.abc import Iterable
from typing import Any

from drill import guard, nodes
from drill.cluster import TIMEOUT, Cluster, ClusterError, answering
from drill.errors import RefusedError
from drill.settings import Settings
from drill.velero import Backup
from experiments import _hooks
from experiments._watch import NotSeenError, await_seen
from experiments.velero._site import Site

_HOOK = 900.0
"""Seconds that a hook may take: one that is late is late, and what it has done by then is not thrown away."""
_LOOK = 1.0


def identity(cluster: Cluster) -> str:
    """Which cluster it is: the uid of its namespace kube-system.

    Raises:
        ClusterError: the API server refused or did not answer.
    """
    with answering("identity of the cluster"):
        return str(cluster.core.read_namespace("kube-system", _request_timeout=TIMEOUT).metadata.uid)


def lost(cluster: Cluster, was: str) -> dict[str, Any]:
    """Look once whether the cluster is gone: nobody answers, or another one does; NotSeenError: it is there."""
    try:
        now = identity(cluster)
    except ClusterError as error:
        return {"cluster": was, "api_server": str(error)}
    if now == was:
        raise NotSeenError("the API server still answers for the cluster that was to be lost")
    return {"cluster": was, "now": now}


def lose(settings: Settings) -> None:
    """Run the hook that destroys the cluster."""
    _hooks.run(settings.target.hooks.cluster_lose, _HOOK, leashed=True)


def build(settings: Settings, cluster: Cluster, number: int, within: float) -> dict[str, Any]:
    """Have a fresh cluster built, and wait until so many of its nodes are Ready.

    Raises:
        GivenUpError: they are not in time.
        ClusterError: the hook failed.
    """
    _hooks.run(settings.target.hooks.cluster_rebuild, _HOOK, leashed=True)
    ready = await_seen(lambda: _ready(cluster, number), within, _LOOK)
    return {"cluster": identity(cluster), "nodes": ready, "namespaces": namespaces(cluster)}


def install(site: Site, location: str, within: float) -> dict[str, Any]:
    """Have Velero installed, and wait until its server and agents run and it reaches its bucket.

    Raises:
        GivenUpError: not in time.
        ClusterError: the hook failed.
    """
    _hooks.run(site.settings.target.hooks.velero_install, _HOOK, leashed=True)
    return await_seen(lambda: serving(site, location), within, _LOOK)


def serving(site: Site, location: str) -> dict[str, Any]:
    """Look once whether Velero can restore; raises NotSeenError where it can't."""
    server, found = site.velero.server(), site.velero.location(location)
    if not server.ready:
        raise NotSeenError("Velero's server is not Ready")
    if not server.agents or server.agents_ready < server.agents:
        raise NotSeenError(f"{server.agents_ready} of {server.agents or 0} node agents are Ready")
    if found.phase != "Available":
        raise NotSeenError(f"storage location {location} is {found.phase or 'not looked at yet'}: {found.message}")
    return {"image": server.image, "agents": server.agents, "location": found.name, "phase": found.phase}


def synced(site: Site, name: str, volumes: int, within: float) -> Backup:
    """Wait until Velero has found the backup in the bucket, with so many volumes.

    Raises:
        GivenUpError: not in time.
    """

    def look() -> Backup:
        found = site.velero.backup(name)  # MissingError, a ClusterError: not yet
        if found.phase != "Completed":
            raise NotSeenError(f"backup {name} is {found.phase or 'new'} here")
        if (there := len(site.velero.pod_volume_backups(name))) < volumes:
            raise NotSeenError(f"{there} of {volumes} volumes of backup {name} are known here")
        return found

    return await_seen(look, within, _LOOK)


def namespaces(cluster: Cluster) -> list[str]:
    """The names of all namespaces."""
    with answering("namespaces"):
        return sorted(each.metadata.name for each in cluster.core.list_namespace(_request_timeout=TIMEOUT).items)


def ensure_restored_whole(settings: Settings, cluster: Cluster, restored: Iterable[str]) -> None:
    """Refuse where the cluster holds what would be lost for good: neither restored nor brought back by a hook.

    Raises:
        RefusedError: a namespace with pods or claims is neither, or is protected.
    """
    held = {
        str(each["metadata"]["namespace"])
        for kind in ("pods", "persistentvolumeclaims")
        for each in cluster.listed(kind) or ()
    }
    back = (*guard.SYSTEM_NAMESPACES, *settings.target.hooks.rebuilt_namespaces)
    for namespace in sorted(held):
        if _matches(namespace, settings.target.protected_namespaces):
            raise RefusedError(f"the cluster holds namespace {namespace}, which is protected: it is not destroyed")
        if namespace not in restored and not _matches(namespace, back):
            raise RefusedError(
                f"the cluster holds namespace {namespace}, which would be lost for good: it is not among those that "
                f"are restored ({', '.join(restored)}), and no hook brings it back (hooks.rebuilt_namespaces)"
            )


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def _ready(cluster: Cluster, number: int) -> list[dict[str, Any]]:
    found = list(nodes.nodes(cluster).values())
    if (ready := sum(each.ready for each in found)) < number:
        raise NotSeenError(f"{ready} of {number} nodes are Ready")
    return [each.as_dict() for each in found]
