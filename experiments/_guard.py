"""What every fault asks before it touches anything: may it be here, and how much may it break at once."""

import math

from drill import guard, lease, settings
from drill.cluster import Cluster
from drill.errors import RefusedError, UsageError
from drill.settings import Settings

Limit = int | str
"""A count (3) or a share ("33%")."""


def drillable(namespace: str | None) -> tuple[Settings, Cluster]:
    """The selected context's settings and cluster, to inject a fault into `namespace` (None: a node, say).

    Raises:
        RefusedError: not declared drillable, protected, outside of the windows, or frozen.
        ClusterError: the cluster can't be asked whether it is frozen.
    """
    loaded = settings.load()
    if reason := guard.refusal(loaded, () if namespace is None else (namespace,)):
        raise RefusedError(reason)
    cluster = Cluster.connect(loaded)
    if reason := lease.frozen(cluster, loaded.target.lease_namespace):
        raise RefusedError(reason)
    return loaded, cluster


def ensure_within(hit: int, total: int, limit: Limit, what: str) -> None:
    """Refuse a fault that would break more at once than the blast radius allows.

    Args:
        hit: How many would be broken, those that are broken already included.
        total: Of how many.
        limit: A count, or a share of `total`, rounded down.
        what: In words and plural, for the message.

    Raises:
        RefusedError: it would.
        UsageError: a limit that cannot be meant.
    """
    if hit > (allowed := amount(limit, total)):
        raise RefusedError(
            f"{hit} of {total} {what} would be broken at once, and the blast radius is {limit} ({allowed})"
        )


def amount(limit: Limit, total: int) -> int:
    """A count as it is, or a share of `total`, rounded down.

    Raises:
        UsageError: neither a count nor a share.
    """
    if isinstance(limit, int):
        return limit
    try:
        share = float(limit.removesuffix("%")) / 100
    except ValueError:
        share = math.nan
    if not limit.endswith("%") or not 0 <= share <= 1:
        raise UsageError(f"{limit!r} is neither a count nor a share: give 2 or 33%")
    return math.floor(share * total)
