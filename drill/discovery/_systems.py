"""Which group of pods is which system, and by what it was recognised.

The image decides where it has the name that its project gives it. Where it has another (a mirror, a house image), two
of these have to agree: a label, the name of a container, the port.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from drill.discovery._seen import Group, Seen

_NAME_LABELS = ("app.kubernetes.io/name", "app.kubernetes.io/component", "app", "strimzi.io/kind", "component")


@dataclass(frozen=True)
class Sign:
    """How a system shows; patterns are of whole names."""

    image: str
    """The last part of the image's name, without registry and tag."""
    name: str
    """The value of a label, or a container's name."""
    port: int


@dataclass(frozen=True)
class System:
    """A system that was found."""

    name: str
    group: Group
    why: str
    """By what it was recognised, in words."""
    others: tuple[Group, ...] = field(default=())
    """More of the same, of which a context can declare but one."""


SIGNS = {
    "kafka": Sign(r"kafka|cp-kafka|cp-server|kafka-native", r"(.*-)?kafka", 9092),
    "postgres": Sign(
        r"postgres|postgresql|postgis|timescaledb(-ha)?|spilo.*|crunchy-postgres", r"(.*-)?postgres(ql)?", 5432
    ),
    "pgbouncer": Sign(r"pgbouncer", r"(.*-)?pgbouncer", 6432),
    "dolphinscheduler": Sign(r"dolphinscheduler-(api|standalone-server)", r"(dolphinscheduler-)?api", 12345),
    "dolphinscheduler-master": Sign(r"dolphinscheduler-master", r"(dolphinscheduler-)?master", 5679),
    "dolphinscheduler-worker": Sign(r"dolphinscheduler-worker", r"(dolphinscheduler-)?worker", 1235),
    "prometheus": Sign(r"prometheus", r"(.*-)?prometheus", 9090),
    "minio": Sign(r"minio", r"(.*-)?minio", 9000),
    "velero": Sign(r"velero", r"velero", 8085),
    "trino": Sign(r"trino|starburst-enterprise", r"(.*-)?trino", 8080),
}
_BESIDE = re.compile(r"exporter|operator|connect|cruise|mirror|bridge|console|backup|schema|(^|-)ui($|-)")
"""In the name of a group that goes with a system, often in the same image, and is not it."""
_PARTS = {"trino": "coordinator", "velero": "velero"}
"""Of systems whose groups look alike: what the name of the one that is asked has in it."""


def recognise(seen: Seen) -> dict[str, System]:
    """The systems of a cluster by name; of several the one with the most pods, or the first of them."""
    found: dict[str, System] = {}
    for name, sign in SIGNS.items():
        candidates = [(group, why) for group in seen.groups if (why := _why(group, sign)) and _is_the_part(name, group)]
        candidates.sort(key=lambda each: -each[0].pods)
        if candidates:
            (group, why), *rest = candidates
            found[name] = System(name, group, why, tuple(other for other, _ in rest))
    return found


def _is_the_part(name: str, group: Group) -> bool:
    if group.kind in ("DaemonSet", "Job") or _BESIDE.search(group.name):
        return False
    return _PARTS.get(name, "") in " ".join((group.name, *group.labels.values()))


def _why(group: Group, sign: Sign) -> str | None:
    """By what a group is recognised; None: it is not."""
    for container in group.containers:
        image = container.get("image", "")
        if re.fullmatch(sign.image, image_name(image)):
            return f"image {image}"
    hints = list(_hints(group, sign))
    return " and ".join(hints) if len(hints) > 1 else None


def _hints(group: Group, sign: Sign) -> Iterator[str]:
    labels = ((key, group.labels.get(key, "")) for key in _NAME_LABELS)
    if named := next((f"label {key}={value}" for key, value in labels if re.fullmatch(sign.name, value.lower())), None):
        yield named
    containers = (str(each["name"]) for each in group.containers)
    if named := next((f"container {each}" for each in containers if re.fullmatch(sign.name, each)), None):
        yield named
    if sign.port in group.ports:
        yield f"port {sign.port}"


def image_name(image: str) -> str:
    """`registry:5000/a/kafka:4.1@sha256:...` is `kafka`."""
    return image.partition("@")[0].rpartition("/")[2].partition(":")[0]
