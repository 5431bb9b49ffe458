"""The pods of all namespaces that a run involves: whole before it, and what becomes of them."""

from typing import TYPE_CHECKING, Any

from drill.cluster import Cluster, Permission
from drill.errors import DrillError
from scenarios._services._service import Check, Looked

if TYPE_CHECKING:
    from scenarios.reader import Drill

ALL_BUT_OURS = "app.kubernetes.io/managed-by!=drill"
"""The selector of what belongs to the platform: the helpers of a fault come and go with it."""
_OVER = ("Succeeded", "Failed")
"""Phases of pods that have ended, and that what they belong to has replaced where it wanted to."""


class Pods:
    """The pods of some namespaces, those of drill itself left out."""

    name = "pods"

    def __init__(self, cluster: Cluster, namespaces: tuple[str, ...]) -> None:
        self._cluster, self._namespaces = cluster, namespaces
        self.permissions = tuple(Permission("list", "pods", namespace) for namespace in namespaces)

    def look(self, drill: "Drill") -> Looked:  # noqa: ARG002 - a service's signature
        """There are some, and each of them is Ready."""
        try:
            pods = [pod for pod in self.snapshot() if pod["phase"] not in _OVER]
        except DrillError as error:
            return Looked((Check("pods-ready", ok=False, detail=str(error)),))
        unready = ", ".join(f"{pod['namespace']}/{pod['name']}" for pod in pods if not pod["ready"])
        detail = f"not Ready already: {unready}" if unready else f"{len(pods)} in {', '.join(self._namespaces)}"
        return Looked((Check("pods-ready", ok=bool(pods) and not unready, detail=detail),))

    def sample(self) -> dict[str, Any]:
        """All of them."""
        return {"pods": self.snapshot()}

    def snapshot(self) -> Any:
        """All of them."""
        return [pod.as_dict() for namespace in self._namespaces for pod in self._cluster.pods(namespace, ALL_BUT_OURS)]

    def setup(self) -> dict[str, Any]:
        """Nothing that the snapshots do not say."""
        return {}

    def configuration(self) -> dict[str, Any]:
        """Nothing that the settings do not say."""
        return {}
