"""The embedded cluster: a real Kubernetes with a real Kafka on this machine, with no Docker and no image registry.

Whoever drills it sees a kubeconfig (`kubeconfig()`, context `drill-lab`) and bootstrap servers, as with any other
cluster.
"""

from typing import TYPE_CHECKING

from lab._addresses import kubeconfig
from lab._errors import LabError, LabPreflightError

if TYPE_CHECKING:
    from lab._doctor import Finding
    from lab._status import Status

__all__ = ["LabError", "LabPreflightError", "doctor", "down", "kubeconfig", "status", "up"]


def up(nodes: int = 3) -> None:
    """Start a lab with that many nodes (1 to 5), or complete the one that is there, and wait until Kafka is usable.

    Raises:
        LabPreflightError: something is missing or in the way; nothing was started.
        LabError: a step failed; the next `up` goes on from there.
    """
    from lab._up import up  # noqa: PLC0415 - lazy: the front door loads every room

    up(nodes)


def down() -> None:
    """Take down whatever is there of the lab; nothing but the cache is left. Idempotent.

    Raises:
        LabPreflightError: not root.
        LabError: something would not go away.
    """
    from lab._down import down  # noqa: PLC0415 - lazy: the front door loads every room

    down()


def status() -> "Status":
    """Look at what of the lab is there; changes nothing."""
    from lab._status import status  # noqa: PLC0415 - lazy: the front door loads every room

    return status()


def doctor() -> "list[Finding]":
    """Look at everything that the lab needs of this machine; changes nothing."""
    from lab._doctor import doctor  # noqa: PLC0415 - lazy: the front door loads every room

    return doctor()
