"""Probes of nodes: they only read."""

from chaoslib.exceptions import ActivityFailed

from drill import nodes, settings
from drill.cluster import Cluster
from experiments._watch import GivenUpError, NotSeenError, await_seen


def all_nodes_available() -> bool:
    """Probe: whether there are nodes, all Ready and none cordoned."""
    found = _nodes()
    return bool(found) and all(each.available for each in found.values())


def available_nodes() -> int:
    """Probe: how many nodes are Ready and not cordoned."""
    return sum(each.available for each in _nodes().values())


def await_all_available(timeout: float = 180) -> bool:
    """Probe: wait until all nodes are Ready and none is cordoned.

    Args:
        timeout: Seconds to wait.

    Raises:
        ActivityFailed: not in time.
    """

    def look() -> None:
        if away := [each.name for each in _nodes().values() if not each.available]:
            raise NotSeenError(f"{', '.join(away)} is not available")

    try:
        await_seen(look, timeout)
    except GivenUpError as given_up:
        raise ActivityFailed(f"after {timeout:g} s {given_up}") from given_up
    return True


def _nodes() -> dict[str, nodes.NodeState]:
    return nodes.nodes(Cluster.connect(settings.load()))
