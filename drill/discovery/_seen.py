"""What was listed of a cluster: groups of pods that one controller made, and the Services before them."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from drill.cluster import Cluster

_REPLICA_SET = re.compile(r"(?P<deployment>.+)-[0-9a-z]+")
_HASHES = ("hash", "pod-index", "pod-name", "pod-template-generation")
"""Parts of the names of labels that tell a workload's own pods apart."""


@dataclass(frozen=True)
class Group:
    """The pods of one controller, as one of them is specified."""

    namespace: str
    kind: str
    name: str
    pods: int
    labels: dict[str, str]
    """Those that all of them have."""
    containers: tuple[dict[str, Any], ...]

    @property
    def ref(self) -> str:
        """As a person reads it."""
        return f"{self.kind} {self.namespace}/{self.name}"

    @property
    def ports(self) -> frozenset[int]:
        """Where its containers say that they listen."""
        return frozenset(each["containerPort"] for one in self.containers for each in one.get("ports") or [])

    def environment(self, name: str) -> dict[str, Any] | None:
        """A variable of one of its containers, as the specification has it; None: there is none."""
        found = (each for one in self.containers for each in one.get("env") or [] if each["name"] == name)
        return next(found, None)


@dataclass(frozen=True)
class Seen:
    """All that discovery knows of a cluster."""

    groups: tuple[Group, ...]
    services: tuple[dict[str, Any], ...]
    node_addresses: tuple[str, ...]
    locations: tuple[dict[str, Any], ...]
    """Velero's BackupStorageLocations; empty where its resources are not known here."""

    def services_of(self, group: Group) -> list[dict[str, Any]]:
        """The Services that lead to a group's pods."""
        return [
            each
            for each in self.services
            if each["metadata"]["namespace"] == group.namespace
            and (wanted := each["spec"].get("selector"))
            and wanted.items() <= group.labels.items()
        ]


def see(cluster: Cluster, say: Callable[[str], None]) -> Seen:
    """List what discovery goes by; `say` is told what is being listed.

    Raises:
        ClusterError: the API server refused or did not answer.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for plural in ("pods", "services", "nodes"):
        say(f"listing: {plural}")
        found[plural] = cluster.listed(plural) or []
    say("listing: Velero's storage locations")
    locations = cluster.listed("backupstoragelocations", "velero.io") or []
    addresses = [
        next((each["address"] for each in node["status"]["addresses"] if each["type"] == "InternalIP"), None)
        for node in found["nodes"]
    ]
    return Seen(groups(found["pods"]), tuple(found["services"]), tuple(filter(None, addresses)), tuple(locations))


def groups(pods: list[dict[str, Any]]) -> tuple[Group, ...]:
    """Pods by the Deployment, StatefulSet, DaemonSet or other controller that made them; one that ended is none."""
    by_owner: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for pod in pods:
        if pod.get("status", {}).get("phase") not in ("Succeeded", "Failed"):
            by_owner.setdefault((pod["metadata"]["namespace"], *_owner(pod["metadata"])), []).append(pod)
    return tuple(
        Group(*owner, len(of), _shared_labels(of), tuple(of[0]["spec"]["containers"]))
        for owner, of in sorted(by_owner.items())
    )


def _owner(metadata: dict[str, Any]) -> tuple[str, str]:
    owner = next((each for each in metadata.get("ownerReferences") or [] if each.get("controller")), None)
    if owner is None:
        return "Pod", metadata["name"]
    if owner["kind"] == "ReplicaSet" and (made := _REPLICA_SET.fullmatch(owner["name"])):
        return "Deployment", made["deployment"]
    return owner["kind"], owner["name"]


def _shared_labels(pods: list[dict[str, Any]]) -> dict[str, str]:
    first, *rest = (set((pod["metadata"].get("labels") or {}).items()) for pod in pods)
    shared = first.intersection(*rest)
    return {key: value for key, value in sorted(shared) if not any(part in key for part in _HASHES)}
