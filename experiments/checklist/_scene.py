"""What of a cluster the checks look at: objects as plain JSON, each kind asked for once and only when wanted."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from kubernetes.utils.quantity import parse_quantity

from drill.cluster import Cluster, Permission
from drill.settings import Settings

Object = dict[str, Any]

KINDS = {
    "nodes": ("", "v1"),
    "pods": ("", "v1"),
    "persistentvolumes": ("", "v1"),
    "persistentvolumeclaims": ("", "v1"),
    "deployments": ("apps", "v1"),
    "statefulsets": ("apps", "v1"),
    "poddisruptionbudgets": ("policy", "v1"),
    "nodemetrics": ("metrics.k8s.io", "v1beta1"),
    "backups": ("velero.io", "v1"),
    "schedules": ("velero.io", "v1"),
}
"""Group and version of each kind that is asked for."""


def permissions() -> tuple[Permission, ...]:
    """What asking for them takes."""
    return tuple(Permission("list", _plural(kind), group=group) for kind, (group, _) in KINDS.items())


@dataclass
class Scene:
    """A cluster and what the settings say of it, at one time."""

    settings: Settings
    cluster: Cluster
    namespaces: tuple[str, ...]
    """Those of the platform; objects of others are none of the checklist's business."""
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    _seen: dict[str, list[Object] | None] = field(default_factory=dict)

    def all(self, kind: str) -> list[Object] | None:
        """All objects of a kind on the cluster; None: the server does not know the kind.

        Raises:
            ClusterError: the API server refused or did not answer.
        """
        if kind not in self._seen:
            group, version = KINDS[kind]
            self._seen[kind] = self.cluster.listed(_plural(kind), group, version)
        return self._seen[kind]

    def mine(self, kind: str) -> list[Object]:
        """Those in the platform's namespaces."""
        return [each for each in self.all(kind) or [] if each["metadata"].get("namespace") in self.namespaces]

    def workloads(self) -> list[Object]:
        """The platform's Deployments and StatefulSets, their kinds filled in."""
        kinds = {"deployments": "Deployment", "statefulsets": "StatefulSet"}
        return [{**each, "kind": kind} for plural, kind in kinds.items() for each in self.mine(plural)]

    def pods_of(self, workload: Object) -> list[Object]:
        """The pods that a workload's selector takes, without those that have ended."""
        return [
            pod
            for pod in self.mine("pods")
            if pod["metadata"]["namespace"] == workload["metadata"]["namespace"]
            and selects(workload["spec"]["selector"], pod["metadata"].get("labels", {}))
            and not ended(pod)
        ]

    def minutes_since(self, time: str) -> float:
        """How long an instant of the API, in RFC 3339, is past."""
        return (self.now - datetime.fromisoformat(time)).total_seconds() / 60


def _plural(kind: str) -> str:
    return "nodes" if kind == "nodemetrics" else kind


def name(kind: str, found: Object) -> str:
    """An object as people name it."""
    parts = (found["metadata"].get("namespace"), found["metadata"]["name"])
    return f"{kind} {'/'.join(filter(None, parts))}"


def selects(selector: Object, labels: dict[str, str]) -> bool:
    """Whether a label selector takes an object with these labels; an empty one takes all."""
    meets: dict[str, Callable[[str, list[str]], bool]] = {
        "In": lambda key, values: labels.get(key) in values,
        "NotIn": lambda key, values: labels.get(key) not in values,
        "Exists": lambda key, _: key in labels,
        "DoesNotExist": lambda key, _: key not in labels,
    }
    expressions: list[Object] = selector.get("matchExpressions", [])
    equal: dict[str, str] = selector.get("matchLabels", {})
    if any(labels.get(key) != value for key, value in equal.items()):
        return False
    return all(meets[each["operator"]](each["key"], each.get("values", [])) for each in expressions)


def ended(pod: Object) -> bool:
    """Whether a pod has run to its end, as a Job's do."""
    return bool(pod.get("status", {}).get("phase") == "Succeeded")


def condition(found: Object, kind: str) -> str | None:
    """The status of one of an object's conditions: True, False, Unknown; None: it has no such condition."""
    listed = found.get("status", {}).get("conditions", [])
    return next((str(each["status"]) for each in listed if each["type"] == kind), None)


def requested(pod: Object, resource: str) -> Decimal:
    """What a pod's containers ask for of `cpu` or `memory`."""
    containers = pod["spec"]["containers"]
    asked = (each.get("resources", {}).get("requests", {}).get(resource, "0") for each in containers)
    return sum((parse_quantity(each) for each in asked), Decimal(0))


def allocatable(node: Object, resource: str) -> Decimal:
    """What a node has of `cpu` or `memory` for pods."""
    return Decimal(parse_quantity(node["status"]["allocatable"][resource]))


def containers(workload: Object) -> Iterator[Object]:
    """The containers of a workload's template."""
    yield from workload["spec"]["template"]["spec"]["containers"]
