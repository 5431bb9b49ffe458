"""Helper containers: ephemeral containers that a fault adds to a pod of the platform, to work in the pod's network.

They need no access to nodes, share the network of their pod (and its volumes where asked), and end with it at the
latest. Kubernetes can't take one out of its pod again: one that has ended stays in the pod's description
(https://kubernetes.io/docs/concepts/workloads/pods/ephemeral-containers/).
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from drill.cluster import TIMEOUT, Cluster, ClusterError, ExecResult, Permission, PodState, answering

Phase = Literal["waiting", "running", "ended"]

# $1: seconds, $2: what to run then. Process 1 is told to end by its pod's end, and must not be waited for.
_LIVE = 'trap "exit 0" TERM; sleep "$1" & wait $!; eval "$2"'


@dataclass(frozen=True)
class Helper:
    """A helper container, there or not yet."""

    pod: PodState
    name: str

    def add(
        self,
        cluster: Cluster,
        image: str,
        seconds: float,
        then: str = ":",
        *,
        capability: str = "NET_ADMIN",
        mounts: Sequence[dict[str, Any]] = (),
        dry_run: bool = False,
    ) -> None:
        """Add it to its pod; returns before it runs.

        Args:
            cluster: Where.
            image: With a shell and nft.
            seconds: How long it lives.
            then: What its shell does at its end, whoever lives to see it: the dead man.
            capability: The one that it has.
            mounts: Volumes of the pod that it sees, as a container's volumeMounts.
            dry_run: Only ask whether the cluster would take it.

        Raises:
            ClusterError: the API server refused (a policy forbids it, for instance) or did not answer.
        """
        container = {
            "name": self.name,
            "image": image,
            "imagePullPolicy": "IfNotPresent",
            "command": ["sh", "-c", _LIVE, "sh", f"{seconds:.0f}", then],
            "securityContext": {
                "runAsUser": 0,
                "runAsNonRoot": False,
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"], "add": [capability]},
            },
            "volumeMounts": list(mounts),
        }
        # The uid: another pod of the same name never gets it.
        body = {"metadata": {"uid": self.pod.uid}, "spec": {"ephemeralContainers": [container]}}
        with answering(f"helper container for {self.pod.namespace}/{self.pod.name}"):
            cluster.core.patch_namespaced_pod_ephemeralcontainers(
                self.pod.name,
                self.pod.namespace,
                body,
                dry_run="All" if dry_run else None,
                _content_type="application/strategic-merge-patch+json",
                _request_timeout=TIMEOUT,
            )

    def phase(self, cluster: Cluster) -> tuple[Phase, str]:
        """How far it is, and why.

        Raises:
            ClusterError: its pod is gone, or the API server did not answer.
        """
        with answering(f"pod {self.pod.namespace}/{self.pod.name}"):
            found = cluster.core.read_namespaced_pod(self.pod.name, self.pod.namespace, _request_timeout=TIMEOUT)
        if found.metadata.uid != self.pod.uid:
            raise ClusterError(f"pod {self.pod.namespace}/{self.pod.name} is another one by now")
        states = [each.state for each in found.status.ephemeral_container_statuses or [] if each.name == self.name]
        if not states or states[0] is None:
            return "waiting", "not begun"
        if states[0].terminated:
            return "ended", str(states[0].terminated.reason)
        return ("running", "") if states[0].running else ("waiting", str(states[0].waiting.reason))

    def exec(self, cluster: Cluster, script: str, *arguments: object, timeout: float = 30) -> ExecResult:
        """Run a script in it, its arguments as $1 and so on.

        Raises:
            ClusterError: it could not be entered.
        """
        argv = ["sh", "-c", script, "sh", *map(str, arguments)]
        return cluster.exec(self.pod.namespace, self.pod.name, self.name, argv, timeout)


def new_name() -> str:
    """A name that no container of a pod has yet; a fault may give it to its nft table too."""
    return f"drill-{secrets.token_hex(4)}"


def permissions(namespace: str) -> tuple[Permission, ...]:
    """What adding a helper container and working in it takes; see `kafka._brokers.permissions` for the exec."""
    return (
        Permission("get", "pods", namespace),
        Permission("patch", "pods", namespace, subresource="ephemeralcontainers"),
        *(Permission(verb, "pods", namespace, subresource="exec") for verb in ("get", "create")),
    )
