"""Deployments and StatefulSets as the API server has them, and what faults change in them."""

import math
from dataclasses import dataclass
from typing import Any, Literal

from drill.cluster import TIMEOUT, Cluster, Permission, PodState, answering
from drill.errors import UsageError

Kind = Literal["Deployment", "StatefulSet"]
KINDS: dict[str, Kind] = {"deployment": "Deployment", "statefulset": "StatefulSet"}
JSON_PATCH = "application/json-patch+json"


@dataclass(frozen=True)
class Workload:
    """One Deployment or StatefulSet."""

    kind: Kind
    namespace: str
    name: str
    uid: str
    spec: dict[str, Any]
    status: dict[str, Any]
    generation: int

    @property
    def ref(self) -> str:
        """As faults are told it: `deployment/name` or `statefulset/name`."""
        return f"{self.kind.lower()}/{self.name}"

    @property
    def replicas(self) -> int:
        """How many pods are wanted."""
        return int(self.spec.get("replicas", 1))

    @property
    def labels(self) -> dict[str, str]:
        """The labels that its selector wants of its pods."""
        return dict(self.spec["selector"].get("matchLabels", {}))

    @property
    def selector(self) -> str:
        """Its label selector as a request writes it; its pods are those of them that it `owns`.

        Raises:
            UsageError: it selects by expressions only.
        """
        if not self.labels:
            raise UsageError(f"{self.ref} selects its pods by expressions only; drill reads matchLabels")
        return ",".join(f"{key}={value}" for key, value in sorted(self.labels.items()))

    @property
    def revision(self) -> str | None:
        """Of a StatefulSet: the version of its template that its pods are to have; a Deployment's status has none."""
        return self.status.get("updateRevision")

    @property
    def settled(self) -> bool:
        """Whether Kubernetes has made of the pods what the template says, Ready or not, and none is left of before."""
        # Pods of a StatefulSet with a lower ordinal than its partition stay as they are.
        kept = self.spec.get("updateStrategy", {}).get("rollingUpdate", {}).get("partition", 0)
        made = self.status.get("updatedReplicas", 0) >= max(0, self.replicas - kept)
        seen = self.status.get("observedGeneration", 0) >= self.generation
        return bool(seen and made) and self.status.get("replicas", 0) == self.replicas

    def owns(self, pod: PodState) -> bool:
        """Whether a pod is its own: a Deployment's by way of a ReplicaSet, which is named `<deployment>-<revision>`."""
        if self.kind == "StatefulSet":
            return (pod.owner_kind, pod.owner) == ("StatefulSet", self.name)
        return pod.owner_kind == "ReplicaSet" and pod.owner == f"{self.name}-{pod.revision}"

    def container(self, name: str | None) -> tuple[int, dict[str, Any]]:
        """A container of its template by name (None: the first), and its place there.

        Raises:
            UsageError: it has none of that name.
        """
        containers = self.spec["template"]["spec"]["containers"]
        for place, each in enumerate(containers):
            if name in {None, each["name"]}:
                return place, each
        known = ", ".join(each["name"] for each in containers)
        raise UsageError(f"{self.ref} has no container {name!r}, but: {known}")

    def down_by_rollout(self) -> int:
        """How many pods a new template may take away at once, should none of the new ones become Ready.

        https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#max-unavailable: a share is rounded down,
        and one pod goes when neither is it nor more pods than wanted are allowed.
        """
        if self.kind == "StatefulSet":
            return min(1, self.replicas)
        strategy = self.spec.get("strategy", {})
        if strategy.get("type") == "Recreate":
            return self.replicas
        rolling = strategy.get("rollingUpdate", {})
        surge = _count(rolling.get("maxSurge", "25%"), self.replicas, math.ceil)
        return min(self.replicas, _count(rolling.get("maxUnavailable", "25%"), self.replicas, math.floor) or not surge)

    def as_target(self) -> dict[str, Any]:
        """As plans and events name it."""
        return {"kind": self.kind, "namespace": self.namespace, "name": self.name, "uid": self.uid}


def read(cluster: Cluster, namespace: str, ref: str) -> Workload:
    """A workload as it is now.

    Raises:
        UsageError: `ref` is neither `deployment/name` nor `statefulset/name`.
        ClusterError: there is none, or the API server refused or did not answer.
    """
    kind, name = _parse(ref)
    with answering(f"{ref} in {namespace}"):
        found = cluster.objects.get_namespaced_custom_object(
            "apps", "v1", namespace, _plural(kind), name, _request_timeout=TIMEOUT
        )
    return _workload(kind, found)


def patch(cluster: Cluster, workload: Workload, operations: list[dict[str, Any]]) -> Workload:
    """Change a workload by a JSON patch (RFC 6902); returns it as it is then.

    Raises:
        ClusterError: the API server refused (a `test` operation did not hold, for instance) or did not answer.
    """
    with answering(f"patch {workload.ref} in {workload.namespace}"):
        found = cluster.objects.patch_namespaced_custom_object(
            "apps",
            "v1",
            workload.namespace,
            _plural(workload.kind),
            workload.name,
            operations,
            _content_type=JSON_PATCH,
            _request_timeout=TIMEOUT,
        )
    return _workload(workload.kind, found)


def pods(cluster: Cluster, workload: Workload) -> list[PodState]:
    """The workload's own pods, by name.

    Raises:
        ClusterError: the API server refused or did not answer.
    """
    return [pod for pod in cluster.pods(workload.namespace, workload.selector) if workload.owns(pod)]


def permissions(workload: Workload, *verbs: str) -> tuple[Permission, ...]:
    """What reading a workload and its pods takes, and `verbs` on the workload itself (patch)."""
    return (
        Permission("list", "pods", workload.namespace),
        *(
            Permission(verb, _plural(workload.kind), workload.namespace, group="apps", name=workload.name)
            for verb in ("get", *verbs)
        ),
    )


def _parse(ref: str) -> tuple[Kind, str]:
    kind, _, name = ref.partition("/")
    if kind not in KINDS or not name:
        raise UsageError(f"workload is {ref!r}: give deployment/NAME or statefulset/NAME")
    return KINDS[kind], name


def _plural(kind: Kind) -> str:
    return f"{kind.lower()}s"


def _workload(kind: Kind, found: dict[str, Any]) -> Workload:
    meta = found["metadata"]
    return Workload(
        kind=kind,
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta["uid"],
        spec=found["spec"],
        status=found.get("status", {}),
        generation=meta["generation"],
    )


def _count(amount: int | str, total: int, rounding: Any) -> int:
    return amount if isinstance(amount, int) else int(rounding(float(amount.removesuffix("%")) / 100 * total))
