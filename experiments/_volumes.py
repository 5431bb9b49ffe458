"""PersistentVolumes whose data goes with their claims, or outlives them."""

from collections.abc import Sequence

from drill.cluster import TIMEOUT, Cluster, MissingError, Permission, answering
from drill.errors import RefusedError
from experiments._watch import NotSeenError


def lost_with(cluster: Cluster, namespace: str) -> list[str]:
    """The volumes of all claims of a namespace, by name.

    Raises:
        RefusedError: the data of one would outlive its claim, so that it would not be lost.
        ClusterError: the API server refused or did not answer.
    """
    with answering(f"claims of {namespace}"):
        found = cluster.core.list_namespaced_persistent_volume_claim(namespace, _request_timeout=TIMEOUT).items
    names = sorted(each.spec.volume_name for each in found if each.spec.volume_name)
    for each in names:
        ensure_lost(cluster, each)
    return names


def ensure_lost(cluster: Cluster, volume: str) -> None:
    """Refuse where a volume's data would outlive its claim, so that it would not be lost.

    Raises:
        RefusedError: it would.
    """
    if (policy := reclaimed(cluster, volume)) != "Delete":
        raise RefusedError(
            f"the reclaim policy of {volume} is {policy}: its data would outlive its claim, and not be lost"
        )


def reclaimed(cluster: Cluster, volume: str) -> str | None:
    """What becomes of a PersistentVolume and its data when its claim goes (Delete, Retain); None: it is not there."""
    try:
        with answering(f"volume {volume}"):
            found = cluster.core.read_persistent_volume(volume, _request_timeout=TIMEOUT)
    except MissingError:
        return None
    return str(found.spec.persistent_volume_reclaim_policy)


def see_gone(cluster: Cluster, volumes: Sequence[str]) -> None:
    """Look once; a volume is there until its provisioner has deleted its data.

    Raises:
        NotSeenError: one is still there.
    """
    for each in volumes:
        if reclaimed(cluster, each) is not None:
            raise NotSeenError(f"volume {each} is still there")


def permissions(namespace: str) -> tuple[Permission, ...]:
    """What looking at them takes."""
    return (
        Permission("list", "persistentvolumeclaims", namespace),
        Permission("get", "persistentvolumes"),
    )
