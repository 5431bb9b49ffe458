"""A namespace that is deleted with all that is in it, and restored from its backup where nothing else has done it."""

from collections.abc import Callable, Collection
from typing import Any

from kubernetes import client

from drill.cluster import TIMEOUT, Cluster, answering
from drill.errors import DrillError, RefusedError
from drill.rollback import NotRestoredError
from drill.velero import RUN_LABEL
from experiments import _volumes
from experiments._watch import GivenUpError, NotSeenError, await_seen
from experiments.runbooks._phases import Runbook
from experiments.velero import _objects, _scratch
from experiments.velero._site import Site

SPEC: dict[str, Any] = {"preserveNodePorts": True}
"""Clients know the Services by their node ports."""
_HEALING = 60.0
_UNDOING = 900.0
"""Seconds in which an undo sees the namespace whole by itself, and by its restore."""


def prepare(runbook: Runbook) -> None:
    """Go through the phases before the disaster; one that is not done keeps it from happening.

    Raises:
        RefusedError: one was not.
    """
    for phase in runbook.perform():
        if not phase["ok"]:
            raise RefusedError(f"nothing is destroyed, for {phase['phase']} was not done: {phase['reason']}")


def delete(cluster: Cluster, namespace: str) -> None:
    """Delete it; returns before it is gone."""
    with answering(f"delete namespace {namespace}"):
        cluster.core.delete_namespace(namespace, body=client.V1DeleteOptions(), _request_timeout=TIMEOUT)


def gone(cluster: Cluster, namespace: str, volumes: list[str]) -> dict[str, Any]:
    """Look once whether the namespace and the data of its volumes are gone.

    Raises:
        NotSeenError: they are not.
    """
    seen = _scratch.absent(cluster, namespace)
    _volumes.see_gone(cluster, volumes)
    return {**seen, "volumes_gone": volumes}


def ensure_restored(
    site: Site,
    namespace: str,
    uid: str,
    backup: str,
    statefulset: str,
    idle: Collection[str],
    has_data: Callable[[], bool],
) -> dict[str, Any]:
    """Restore the namespace from the backup where it was lost and is not whole or without its data; see it whole.

    Args:
        site: Where.
        namespace: Its name.
        uid: Of the namespace of before: while it is there, nothing was lost.
        backup: The backup's name.
        statefulset: Whose pods show by being Ready that the namespace is whole.
        idle: Services that led nowhere before, and need not now.
        has_data: Whether what is Ready has the data too: a restore that ended half-way may leave pods that begin anew
            on empty volumes. The namespace is deleted again then.

    Raises:
        NotRestoredError: it is not whole in time.
        DrillError: the backup or the cluster can't be asked.
    """
    proof: dict[str, Any] = {"namespace": namespace, "backup": backup, "restored": None}
    found = _scratch.find(site.cluster, namespace)
    if found is not None and found.metadata.uid == uid and found.metadata.deletion_timestamp is None:
        return proof
    whole = _is_whole(site.cluster, namespace, statefulset, idle, _HEALING)
    if whole and has_data():
        return proof
    if whole:
        delete(site.cluster, namespace)
    proof["restored"] = _restore_again(site, namespace, backup)
    if not _is_whole(site.cluster, namespace, statefulset, idle, _UNDOING):
        raise NotRestoredError(f"{namespace} is not whole {_UNDOING:g} s after restore {proof['restored']}")
    if not has_data():
        raise NotRestoredError(f"{namespace} is Ready after restore {proof['restored']}, and its data is not there")
    return proof


def _is_whole(cluster: Cluster, namespace: str, statefulset: str, idle: Collection[str], within: float) -> bool:
    needed = {"claims": [], "workloads": [f"statefulset/{statefulset}"], "idle_services": list(idle)}

    def look() -> None:
        found = _scratch.find(cluster, namespace)
        if found is None or found.metadata.deletion_timestamp is not None:
            raise NotSeenError(f"namespace {namespace} is not there")
        if (trouble := _objects.missing(_objects.look(cluster, namespace), needed)) is not None:
            raise NotSeenError(trouble)

    if _scratch.find(cluster, namespace) is None:
        within = 0  # it does not come back by itself
    try:
        await_seen(look, within, 1)
    except GivenUpError:
        return False
    return True


def _restore_again(site: Site, namespace: str, backup: str) -> str:
    """Restore what is not there; a namespace that is still being deleted has to be gone first."""

    def settled() -> None:
        found = _scratch.find(site.cluster, namespace)
        if found is not None and found.metadata.deletion_timestamp is not None:
            raise NotSeenError(f"namespace {namespace} is still being deleted")

    try:
        await_seen(settled, _UNDOING, 1)
    except GivenUpError as error:
        raise NotRestoredError(str(error)) from error
    used = {each.name for each in site.velero.restores()}
    number = next(each for each in range(1, len(used) + 2) if f"{backup}-undo-{each}" not in used)
    name = f"{backup}-undo-{number}"
    site.velero.create_restore(name, backup, namespaces=[namespace], labels={RUN_LABEL: site.run}, **SPEC)
    ended = site.velero.await_restore(name, _UNDOING)
    if ended.phase != "Completed":
        raise DrillError(f"restore {name} is {ended.phase}: {'; '.join(ended.troubles) or 'see its results'}")
    return name
