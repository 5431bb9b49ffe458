"""The steps of the platform's runbooks, through the Kubernetes API: what a person would type, and what they would read.

Assess: `kubectl get nodes`, `get pods`, `get events`. Logs: `kubectl logs`, and `logs --previous`. Restart: `kubectl
rollout restart` and `rollout status`. Verify: nothing in CrashLoopBackOff or Pending, and each service answers.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from drill import clock, nodes
from drill.cluster import TIMEOUT, Cluster, ClusterError, Permission, PodState, answering, pod_state
from drill.settings import Settings
from experiments._watch import GivenUpError, NotSeenError, await_seen
from experiments.pods._site import site
from experiments.pods.rollouts import restart_rollout
from experiments.runbooks import _services
from experiments.runbooks._phases import Evidence, StepFailedError

Order = Literal["dependency", "written"]
TAIL, BYTES = 60, 16_384
"""Of each log: its last lines, and no more bytes of them than this."""
_EVENTS = 60
_LOGS = 24
"""How many containers' logs are read at most: what is wrong with more of them is wrong with these."""


@dataclass(frozen=True)
class Service:
    """A critical workload."""

    system: _services.System
    namespace: str
    workload: str
    """`deployment/name` or `statefulset/name`."""


@dataclass(frozen=True)
class Platform:
    """The critical services of a context, in the order in which they depend on each other."""

    settings: Settings
    cluster: Cluster
    services: tuple[Service, ...]
    topic: str | None = None
    """The topic to which a client writes when it asks whether Kafka answers; None: none is written."""

    @property
    def namespaces(self) -> tuple[str, ...]:
        """Where the critical services are."""
        return tuple(dict.fromkeys(each.namespace for each in self.services))

    @property
    def permissions(self) -> tuple[Permission, ...]:
        """What all steps together need."""
        return (
            Permission("list", "nodes"),
            *(
                Permission(verb, resource, namespace, subresource=sub)
                for namespace in self.namespaces
                for verb, resource, sub in (("list", "pods", ""), ("get", "pods", "log"), ("list", "events", ""))
            ),
            *(permission for each in self.services for permission in self._site(each).permissions("patch")),
        )

    def whole(self) -> Evidence:
        """Look once whether each critical workload is Ready as a whole, and Kafka's replicas in sync.

        Raises:
            NotSeenError: one is not.
        """
        seen: Evidence = {each.workload: self._site(each).recovered() for each in self.services}
        if any(each.system == "kafka" for each in self.services):
            seen["kafka"] = _services.in_sync(self.settings)
        return seen

    def answering(self) -> Evidence:
        """Look once whether each service answers a client of its own kind; raises NotSeenError where one does not."""
        return _services.answering(self.settings, [each.system for each in self.services], self.topic)

    def assess(self, _: float = 0) -> Evidence:
        """Nodes, pods and warnings as they are now, and what is not as it should be."""
        pods, troubles = self.pods(), []
        seen = nodes.nodes(self.cluster)
        troubles += [f"node {name} is not Ready" for name, node in seen.items() if not node.ready]
        for each in self.services:
            try:
                self._site(each).recovered()
            except NotSeenError as error:
                troubles.append(str(error))
        return {
            "nodes": [node.as_dict() for node in seen.values()],
            "pods": [pod.as_dict() for pod in pods],
            "failing": [_said(pod) for pod in pods if is_failing(pod)],
            "warnings": warnings(self.cluster, self.namespaces),
            "troubles": troubles,
        }

    def logs(self, _: float = 0) -> Evidence:
        """The logs of each container that fails, of the run before (`--previous`) and of this one."""
        failing = [pod for pod in self.pods() if is_failing(pod) or pod.restarts]
        failing.sort(key=lambda pod: (not is_failing(pod), pod.namespace, pod.name))
        read = [
            {"pod": f"{pod.namespace}/{pod.name}", "container": container, **self._log(pod, container)}
            for pod in failing
            for container in sorted({*pod.container_ids, *pod.ended, *pod.running})
        ][:_LOGS]
        evidence: Evidence = {"failing": [_said(pod) for pod in failing if is_failing(pod)], "logs": read}
        if failing and not any(each["current"] or each["previous"] for each in read):
            # A pod that was deleted took its logs along: that there are none is what the runbook finds.
            evidence["note"] = "no failing container has a log to read: its pod is new, and what it was before is gone"
        return evidence

    def restart(self, within: float, order: Order = "dependency") -> Evidence:
        """`kubectl rollout restart` of each critical workload, each rollout awaited to its end.

        Args:
            within: Seconds for all of it.
            order: `dependency`: one after the other, first what the others depend on. `written`: as the runbook has
                it, all at once.

        Raises:
            StepFailedError: a workload was not whole again in time.
        """
        ends = clock.now() + within
        rows: list[dict[str, Any]] = []
        evidence: Evidence = {"order": order, "restarts": rows}
        groups = [[each] for each in self.services] if order == "dependency" else [list(reversed(self.services))]
        for group in groups:
            rows += [self._restart(each) for each in group]
            for each in group:
                row = next(row for row in rows if row["workload"] == each.workload)
                _awaited(self._site(each).recovered, ends, row, evidence, f"{each.workload} did not roll out")
        return evidence

    def verify(self, within: float) -> Evidence:
        """Nothing in CrashLoopBackOff or Pending, each critical workload whole, and each service answers.

        Raises:
            StepFailedError: not in time.
        """
        evidence: Evidence = {}

        def look() -> None:
            pods = self.pods()
            evidence["pods"] = [_said(pod) for pod in pods]
            if stuck := [pod for pod in pods if "CrashLoopBackOff" in pod.waiting or pod.phase == "Pending"]:
                raise NotSeenError(_said(stuck[0]))
            evidence["whole"] = self.whole()
            evidence["answers"] = self.answering()

        _awaited(look, clock.now() + within, {}, evidence, "not whole")
        return evidence

    def pods(self) -> list[PodState]:
        """The pods of all namespaces in which critical services are."""
        found: list[PodState] = []
        for namespace in self.namespaces:
            with answering(f"pods of {namespace}"):
                listed = self.cluster.core.list_namespaced_pod(namespace, _request_timeout=TIMEOUT)
            found += sorted((pod_state(pod) for pod in listed.items), key=lambda pod: pod.name)
        return found

    def _log(self, pod: PodState, container: str) -> dict[str, Any]:
        return {
            name: read_log(self.cluster, pod, container, previous=previous)
            for name, previous in (("previous", True), ("current", False))
        }

    def _restart(self, each: Service) -> dict[str, Any]:
        restart = restart_rollout.injection(each.workload, each.namespace, max_pods="100%")
        at = clock.now()
        restart.inject()
        return {"workload": each.workload, "namespace": each.namespace, "at": at}

    def _site(self, each: Service) -> Any:
        return site(self.cluster.context, each.namespace, each.workload)


def warnings(cluster: Cluster, namespaces: Sequence[str]) -> list[dict[str, Any]]:
    """The last warnings of some namespaces, oldest first."""
    found = []
    for namespace in namespaces:
        with answering(f"events of {namespace}"):
            listed = cluster.core.list_namespaced_event(
                namespace, field_selector="type=Warning", _request_timeout=TIMEOUT
            )
        found += [
            {
                "at": str(each.last_timestamp or each.event_time or each.metadata.creation_timestamp),
                "object": f"{each.involved_object.kind} {namespace}/{each.involved_object.name}",
                "reason": each.reason,
                "message": each.message,
                "count": each.count or 1,
            }
            for each in listed.items
        ]
    return sorted(found, key=lambda each: str(each["at"]))[-_EVENTS:]


def read_log(cluster: Cluster, pod: PodState, container: str, *, previous: bool) -> str | None:
    """The end of one log; None: there is none (a container that did not run before, a pod that is gone)."""
    try:
        with answering(f"log of {pod.namespace}/{pod.name}/{container}"):
            answer = cluster.core.read_namespaced_pod_log(
                pod.name,
                pod.namespace,
                container=container,
                previous=previous,
                tail_lines=TAIL,
                limit_bytes=BYTES,
                _request_timeout=TIMEOUT,
                # The client itself makes "b'...'" of a text, and loads one that looks like JSON.
                _preload_content=False,
            )
            return str(answer.data.decode(errors="replace"))
    except ClusterError as error:
        return None if _no_such_log(error) else f"(not to be had: {error})"


def _no_such_log(error: ClusterError) -> bool:
    """The API server answers 400 for a container that has no such run, and 404 for a pod that is gone."""
    return getattr(error.__cause__, "status", None) in {400, 404}


def is_failing(pod: PodState) -> bool:
    """Whether a person who looks at the pods would look at this one."""
    return pod.phase != "Succeeded" and (not pod.ready or pod.terminating or bool(pod.waiting))


def _said(pod: PodState) -> str:
    state = ", ".join(pod.waiting) or ("Terminating" if pod.terminating else pod.phase)
    return f"{pod.namespace}/{pod.name} {state}{'' if pod.ready else ', not Ready'}, {pod.restarts} restarts"


def _awaited(
    look: Callable[[], Any], ends: float, row: dict[str, Any], evidence: Evidence, what: str, each: float = 0.5
) -> None:
    """Await what ends a step; where it does not come in time, what was seen so far goes with the failure."""
    try:
        row["whole"] = await_seen(look, max(0.0, ends - clock.now()), each)
    except GivenUpError as given_up:
        raise StepFailedError(f"{what}: {given_up}", evidence) from given_up
    row["whole_at"] = clock.now()


def described(pods: Sequence[PodState]) -> list[str]:
    """Pods in a few words each, as `kubectl get pods` has them."""
    return [_said(pod) for pod in pods]
