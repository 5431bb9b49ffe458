"""The parts of the platform that the lab can run, each in a namespace of its own.

The names that were ever asked for are kept in the lab's state: another `up` completes them all, and never takes one
away.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from lab._addresses import STATE
from lab._errors import LabPreflightError
from lab._files import write

_FILE = STATE / "parts"

GIB = 1 << 30


@dataclass(frozen=True)
class Part:
    """A part of the platform.

    Attributes:
        name: as in `drill lab up --with`.
        namespace: where its workloads are; a scenario that targets it needs this part.
        workloads: what must be rolled out before it is up.
        needs: the names of parts that it does not work without.
        own_images: whether it runs on the image of PostgreSQL, Prometheus and Python, which Kafka has no use for.
        note: what a reader of `drill lab status` should know of it.
        memory: bytes that it needs beside what every lab does.
        disk: bytes that it needs in the cache and in the lab's state, beside what every lab does.
        guest: whether the namespace is another part's, so that a scenario that targets it does not need this one.
    """

    name: str
    namespace: str
    workloads: tuple[str, ...]
    needs: tuple[str, ...] = ()
    own_images: bool = True
    note: str = ""
    memory: int = 0
    disk: int = 0
    guest: bool = False

    def owns(self, namespace: str, pod: str) -> bool:
        """Whether a pod is this part's: in its namespace, and not one of a part that shares it."""
        others = [part for part in PARTS if part != self and part.namespace == self.namespace]
        names = (workload.partition("/")[2] for part in others for workload in part.workloads)
        return namespace == self.namespace and not any(pod.startswith(f"{name}-") for name in names)


KAFKA = Part("kafka", "kafka", ("statefulset/datahub-kafka-kafka-pool",), own_images=False)
POSTGRES = Part("postgres", "kong", ("statefulset/kong-postgres", "deployment/kong-pgbouncer"))
DOLPHINSCHEDULER = Part(
    "dolphinscheduler",
    "data-platform",
    ("deployment/dolphinscheduler-api", "deployment/dolphinscheduler-master", "deployment/dolphinscheduler-worker"),
    needs=("postgres",),
    note="a stand-in for Apache DolphinScheduler",
)
MONITORING = Part("monitoring", "monitoring", ("statefulset/prometheus",))
MINIO = Part("minio", "minio", ("statefulset/minio",), own_images=False, memory=GIB // 4, disk=2 * GIB)
VELERO = Part(
    "velero",
    "velero",
    ("deployment/velero", "daemonset/node-agent"),
    needs=("minio",),
    own_images=False,
    memory=GIB // 2,
    disk=3 * GIB,
)
TRINO = Part(
    "trino",
    "data-platform",
    ("deployment/trino-coordinator", "deployment/trino-worker"),
    needs=("postgres", "minio"),
    memory=3 * GIB,
    disk=4 * GIB,
    guest=True,
)

PARTS = (KAFKA, POSTGRES, DOLPHINSCHEDULER, MONITORING, MINIO, TRINO, VELERO)
"""All parts; each comes after those that it needs."""


def chosen(names: Iterable[str]) -> tuple[Part, ...]:
    """The parts of these names and those that they need, in the order of `PARTS`.

    Raises:
        LabPreflightError: there is no part of one of the names.
    """
    wanted = set(names)
    if unknown := wanted - {part.name for part in PARTS}:
        known = ", ".join(part.name for part in PARTS)
        raise LabPreflightError(f"the lab has no part {', '.join(sorted(unknown))}; it has {known}")
    for part in reversed(PARTS):
        if part.name in wanted:
            wanted.update(part.needs)
    return tuple(part for part in PARTS if part.name in wanted)


def for_namespaces(namespaces: Iterable[str]) -> tuple[str, ...]:
    """The names of the parts that these namespaces are there for."""
    found = set(namespaces)
    return tuple(part.name for part in PARTS if part.namespace in found and not part.guest)


def recorded() -> tuple[Part, ...]:
    """The parts that this lab was asked for so far."""
    return chosen(_FILE.read_text().split()) if _FILE.exists() else ()


def record(parts: Iterable[Part]) -> None:
    """Remember what this lab was asked for."""
    write(_FILE, "".join(f"{part.name}\n" for part in parts))
