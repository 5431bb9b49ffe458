"""The way back of a platform whose cluster is lost, from wherever it was left: the undo of `lose_cluster`."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from drill import nodes
from drill.cluster import Cluster, ClusterError, MissingError
from drill.errors import DrillError
from drill.rollback import NotRestoredError
from drill.velero import DEFAULT_PASSWORD, RUN_LABEL, Restore
from experiments._watch import GivenUpError, NotSeenError, await_seen
from experiments.velero import _data, _fresh, _namespace, _objects, _safe, _scratch, _site

INTO = "cluster"
"""A part of the restores' names."""
_HEALING = 90.0
_UNDOING = 900.0
"""Seconds in which namespaces are seen whole by themselves, and each step of the way back done."""

Stages = list[list[str]]
"""The namespaces of each restore, in their order."""
Needed = dict[str, dict[str, list[str]]]
"""By namespace: the claims and workloads that it must have, and the Services that need not lead anywhere."""


def specs(stages: Stages) -> list[dict[str, Any]]:
    """What each restore is told; the last one also brings what is of no namespace, such as roles of the cluster.

    Clients know the Services by their node ports.
    """
    made: list[dict[str, Any]] = [{"includedNamespaces": stage, "preserveNodePorts": True} for stage in stages]
    made[-1]["includeClusterResources"] = True
    return made


def bring_cluster_back(
    context: str, uid: str, number: int, backup: str, stages: Stages, needed: Needed, safe: str, run: str
) -> dict[str, Any]:
    """Undo: where the cluster is lost, build one and restore all of it there; take the run's markers away.

    It goes on from wherever the way back was left: what is there and whole is left alone, a restore that is under way
    is awaited, and a namespace of the fresh cluster that came back broken is restored once more.

    Raises:
        NotRestoredError: the platform is not whole in time.
        DrillError: a hook failed, or the cluster, Velero or the server can't be asked.
    """
    site = _site.again(context, run)
    loaded, cluster = site.settings, site.cluster
    proof: dict[str, Any] = {"cluster": uid, "backup": backup, "restored": []}
    try:
        proof["restored"] = _come_back(site, uid, number, backup, stages, needed, Path(safe))
    except GivenUpError as error:
        raise NotRestoredError(f"after {error.waited:g} s {error}") from error
    proof["now"] = _fresh.identity(cluster)
    proof["markers_removed"] = _data.forget(_data.original(loaded), run)
    _safe.forget(Path(safe))
    return proof


def _come_back(
    site: _site.Site, uid: str, number: int, backup: str, stages: Stages, needed: Needed, safe: Path
) -> list[str]:
    """Go the whole way back, without the steps that are done; the names of the restores that it took."""
    if not _serves(site, uid, backup, stages, needed):
        _fresh.build(site.settings, site.cluster, number, _UNDOING)
        if _fresh.identity(site.cluster) == uid:
            return _never_lost(site, stages, needed, safe)
        _secrets_back(site, safe)
        _fresh.install(site, _location(site, backup), _UNDOING)
    elif _fresh.identity(site.cluster) == uid:
        return _never_lost(site, stages, needed, safe)
    _fresh.synced(site, backup, 0, _UNDOING)
    location = _location(site, backup)
    site.velero.set_access_mode(location, "ReadOnly")
    try:
        taken = []
        for stage_number, (stage, spec) in enumerate(zip(stages, specs(stages), strict=True), 1):
            taken += _restored(site, backup, f"drill-{INTO}-{site.run}-{stage_number}", stage, spec, needed)
        return taken
    finally:
        site.velero.set_access_mode(location, "ReadWrite")


def _never_lost(site: _site.Site, stages: Stages, needed: Needed, safe: Path) -> list[str]:
    """The cluster of before is there, so that nothing is restored over it; a loss that was cut short must not show.

    Raises:
        GivenUpError: something of the platform is not whole.
        NotRestoredError: a Secret that was kept outside of the cluster is not in it.
    """
    await_seen(partial(_see_whole, site.cluster, [each for stage in stages for each in stage], needed), _UNDOING, 1)
    if lacking := _safe.lacking(site.cluster, safe):
        raise NotRestoredError(f"the cluster of before is there without secret {lacking[0]}, which {safe} has")
    return []


def _serves(site: _site.Site, uid: str, backup: str, stages: Stages, needed: Needed) -> bool:
    """Whether there is nothing to build: the cluster of before is there, or a fresh one with all that it must have."""
    try:
        now = _fresh.identity(site.cluster)
        if not all(each.ready for each in nodes.nodes(site.cluster).values()):
            return False
        if now != uid:
            _fresh.serving(site, _location(site, backup))
            _see_whole(site.cluster, [each for stage in stages for each in stage], needed)
    except (ClusterError, NotSeenError):
        return False
    return True


def _secrets_back(site: _site.Site, safe: Path) -> None:
    """From the file that the drill has kept; on another machine they must be in the cluster by now.

    Raises:
        DrillError: they are neither.
    """
    if safe.exists():
        _safe.put_back(site.cluster, safe)
        return
    try:
        lacking = site.velero.repository_password() == DEFAULT_PASSWORD
    except MissingError:
        lacking = True
    if lacking:
        raise DrillError(
            f"the Secrets that the backups are opened with are neither in the cluster nor in {safe}: put them back "
            "from where you keep them, before Velero is installed"
        )


def _restored(
    site: _site.Site, backup: str, name: str, stage: list[str], spec: dict[str, Any], needed: Needed
) -> list[str]:
    """See the namespaces of a stage whole, by what is under way or by one restore more; the names of all of them."""
    mine = [each for each in site.velero.restores() if each.name == name or each.name.startswith(f"{name}-again-")]
    ended = [site.velero.await_restore(each.name, _UNDOING) for each in mine]
    look = partial(_see_whole, site.cluster, stage, needed)
    if any(each.phase == "Completed" for each in ended) and _seen(look, _HEALING):
        return [each.name for each in ended]
    for namespace in stage:
        _clear(site.cluster, namespace)
    again = f"{name}-again-{len(mine)}" if mine else name
    made = _restore_once(site, again, backup, spec)
    await_seen(look, _UNDOING, 1)
    return [*(each.name for each in ended), made.name]


def _restore_once(site: _site.Site, name: str, backup: str, spec: dict[str, Any]) -> Restore:
    site.velero.create_restore(name, backup, labels={RUN_LABEL: site.run}, **spec)
    ended = site.velero.await_restore(name, _UNDOING)
    if ended.phase != "Completed":
        raise DrillError(f"restore {name} is {ended.phase}: {'; '.join(ended.troubles) or 'see its results'}")
    return ended


def _clear(cluster: Cluster, namespace: str) -> None:
    """Take what a restore has left of a namespace out of the fresh cluster; it is no longer the one of before."""
    if _scratch.find(cluster, namespace) is None:
        return
    _namespace.delete(cluster, namespace)
    await_seen(partial(_scratch.absent, cluster, namespace), _UNDOING, 1)


def _see_whole(cluster: Cluster, stage: Sequence[str], needed: Needed) -> None:
    for namespace in stage:
        if _scratch.find(cluster, namespace) is None:
            raise NotSeenError(f"namespace {namespace} is not there")
        if (trouble := _objects.missing(_objects.look(cluster, namespace), needed[namespace])) is not None:
            raise NotSeenError(f"{namespace}: {trouble}")


def _seen(look: Callable[[], None], within: float) -> bool:
    try:
        await_seen(look, within, 1)
    except GivenUpError:
        return False
    return True


def _location(site: _site.Site, backup: str) -> str:
    """Where the backup is: what the cluster says of it, if it knows of it yet; else Velero's default."""
    try:
        return site.velero.backup(backup).location or "default"
    except ClusterError:
        return "default"
