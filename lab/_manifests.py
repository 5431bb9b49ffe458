"""The manifests of the lab's parts, completed by what only `up` knows."""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from lab._containerd import identity
from lab._errors import LabPreflightError
from lab._parts import MONITORING, POSTGRES, Part
from lab.node import Node

MANIFESTS = Path(__file__).parent / "manifests"

API_REPLICAS_VARIABLE = "DRILL_LAB_DS_API_REPLICAS"
API_REPLICAS = 6

_KUBELET_PORT = 10250


def render(
    parts: Iterable[Part],
    nodes: Sequence[Node],
    archives: Sequence[Path],
    api_replicas: int,
    extras: Mapping[str, Path] | None = None,
) -> str:
    """The manifests of these parts as one text.

    Args:
        parts: which of them.
        nodes: whose kubelets are to be monitored.
        archives: the images; pods of the stand-in are replaced when it has changed under the same name.
        api_replicas: how many pods the stand-in's API has.
        extras: the images of parts that have some of their own, by the name of the part; with the same effect.
    """
    wanted = tuple(parts)
    names = [part.name for part in wanted]
    if {POSTGRES, MONITORING} <= set(wanted):
        names.append("postgres-exporter")
    values = {
        "LAB_IMAGES": identity(archives[-1]),
        "LAB_KAFKA_METRICS": "on" if MONITORING in wanted else "off",
        "LAB_KUBELETS": ", ".join(f"{node.address}:{_KUBELET_PORT}" for node in nodes),
        "LAB_DS_API_REPLICAS": str(api_replicas),
        **{f"LAB_{name.upper()}_IMAGES": identity(archive) for name, archive in (extras or {}).items()},
    }
    text = "\n---\n".join((MANIFESTS / f"{name}.yaml").read_text() for name in names)
    for name, value in values.items():
        text = text.replace(name, value)
    return text


def api_replicas() -> int:
    """How many pods the stand-in's API is to have: the platform's six, or what the environment says.

    Raises:
        LabPreflightError: it says something else than a number.
    """
    given = os.environ.get(API_REPLICAS_VARIABLE, str(API_REPLICAS))
    if not given.isdecimal() or int(given) < 1:
        raise LabPreflightError(f"{API_REPLICAS_VARIABLE}={given}: how many pods the API is to have, 1 or more")
    return int(given)
