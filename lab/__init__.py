"""The embedded cluster: a real Kubernetes with real systems on this machine, with no Docker and no image registry.

Whoever drills it sees a kubeconfig (`kubeconfig()`, context `drill-lab`) and addresses, as with any other cluster.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from lab._addresses import kubeconfig
from lab._errors import LabError, LabPreflightError
from lab._parts import PARTS as _PARTS
from lab._parts import for_namespaces

if TYPE_CHECKING:
    from lab._doctor import Finding
    from lab._status import Status

__all__ = [
    "PARTS",
    "LabError",
    "LabPreflightError",
    "doctor",
    "down",
    "for_namespaces",
    "kubeconfig",
    "load_own_image",
    "lose_cluster",
    "rebuild_cluster",
    "start_node",
    "status",
    "stop_node",
    "up",
]

PARTS = tuple(part.name for part in _PARTS)
"""The names of all parts of the platform."""


def up(nodes: int = 3, parts: Iterable[str] = ("kafka",)) -> None:
    """Start a lab with that many nodes (1 to 5), or complete the one that is there; wait until its parts are usable.

    Args:
        nodes: how many; a lab that is there can only grow.
        parts: of kafka, postgres, dolphinscheduler (which brings postgres), monitoring, minio, trino (which brings
            postgres and minio) and velero (which brings minio); those that were asked for before stay.

    Raises:
        LabPreflightError: something is missing or in the way; nothing was started.
        LabError: a step failed; the next `up` goes on from there.
    """
    from lab._up import up  # noqa: PLC0415 - lazy: the front door loads every room

    up(nodes, parts)


def load_own_image() -> str:
    """Make drill's own image from the checkout, and import it into the nodes that run; returns its name.

    Raises:
        LabPreflightError: this is no checkout, the lab is not up, or it has no part with Python.
        LabError: pip or a node's containerd refused.
    """
    from lab._own_image import load_own_image  # noqa: PLC0415 - lazy: the front door loads every room

    return load_own_image()


def down() -> None:
    """Take down whatever is there of the lab; nothing but the cache is left. Idempotent.

    Raises:
        LabPreflightError: not root.
        LabError: something would not go away.
    """
    from lab._down import down  # noqa: PLC0415 - lazy: the front door loads every room

    down()


def lose_cluster() -> None:
    """Destroy the cluster: etcd's data, and the disks of all nodes but those of the object store.

    Raises:
        LabPreflightError: there is no lab.
        LabError: something of it would not go away.
    """
    from lab._cluster import lose  # noqa: PLC0415 - lazy: the front door loads every room

    lose()


def rebuild_cluster(parts: Iterable[str] = ()) -> None:
    """Start a fresh cluster in the place of a lost one, with these of its parts and no others; wait for them.

    Raises:
        LabPreflightError: there is no lab, or it did not have one of the parts; nothing was started.
        LabError: a step failed; the next call goes on from there.
    """
    from lab._up import rebuild  # noqa: PLC0415 - lazy: the front door loads every room

    rebuild(parts)


def stop_node(name: str, seconds: float | None = None) -> None:
    """Take the power from a node, for so many seconds at most where they are given.

    Raises:
        LabPreflightError: there is no such node.
        LabError: something of it would not go away.
    """
    from lab._power import stop  # noqa: PLC0415 - lazy: the front door loads every room

    stop(name, seconds)


def start_node(name: str) -> None:
    """Give a node its power back; does nothing where it runs.

    Raises:
        LabPreflightError: there is no such node.
        LabError: it does not start.
    """
    from lab._power import start  # noqa: PLC0415 - lazy: the front door loads every room

    start(name)


def status() -> "Status":
    """Look at what of the lab is there; changes nothing."""
    from lab._status import status  # noqa: PLC0415 - lazy: the front door loads every room

    return status()


def doctor(parts: Iterable[str] = ()) -> "list[Finding]":
    """Look at everything that a lab with these parts needs of this machine; changes nothing.

    Raises:
        LabPreflightError: there is no part of one of the names.
    """
    from lab._doctor import doctor  # noqa: PLC0415 - lazy: the front door loads every room
    from lab._parts import chosen  # noqa: PLC0415 - lazy: the front door loads every room

    return doctor(chosen(parts))
