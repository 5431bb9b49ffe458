"""Probes of the platform as a whole: they only read."""

from drill import settings
from experiments._watch import NotSeenError
from experiments.platform._critical import platform
from experiments.runbooks._services import System


def platform_whole(select: list[System]) -> bool:
    """Probe: whether each critical workload is Ready as a whole, and Kafka's replicas in sync.

    Args:
        select: The critical systems.
    """
    try:
        platform(settings.load(), select).whole()
    except NotSeenError:
        return False
    return True


def services_answer(select: list[System]) -> bool:
    """Probe: whether each service answers a client of its own kind: Kafka's metadata, a query, a health endpoint.

    Args:
        select: The critical systems.
    """
    try:
        platform(settings.load(), select).answering()
    except NotSeenError:
        return False
    return True
