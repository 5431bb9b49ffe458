"""Which workload a fault means, which of its pods it hits, whether it may, and how its containers are asked things."""

import random
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from drill import settings, workloads
from drill.cluster import Cluster, ClusterError, Permission, PodState
from drill.errors import RefusedError, UsageError
from drill.rollback import NotRestoredError
from drill.settings import Settings
from drill.workloads import Workload
from experiments._guard import Limit, amount, drillable, ensure_within
from experiments._watch import GivenUpError, NotSeenError, await_seen


@dataclass(frozen=True)
class Container:
    """One container of a pod."""

    pod: PodState
    container: str

    def as_target(self) -> dict[str, Any]:
        """As plans, events and the rollback log name it."""
        pod = self.pod
        return {
            "kind": "Pod",
            "namespace": pod.namespace,
            "name": pod.name,
            "uid": pod.uid,
            "container": self.container,
            "node": pod.node,
        }


@dataclass(frozen=True)
class Site:
    """A workload as it was when the fault was built, and the cluster that it runs on."""

    settings: Settings
    cluster: Cluster
    workload: Workload
    container: str
    """The container that is meant."""

    @property
    def arguments(self) -> dict[str, Any]:
        """What an undo needs to find it again."""
        workload = self.workload
        return {"context": self.cluster.context, "namespace": workload.namespace, "workload": workload.ref}

    def now(self) -> Workload:
        """The workload as it is now."""
        return workloads.read(self.cluster, self.workload.namespace, self.workload.ref)

    def pods(self) -> list[PodState]:
        """Its pods as they are now."""
        return workloads.pods(self.cluster, self.workload)

    def permissions(self, *verbs: str, execute: bool = False, delete: bool = False) -> tuple[Permission, ...]:
        """To read the workload and its pods, and what else a fault does to them; see `kafka._brokers.permissions`."""
        namespace = self.workload.namespace
        return (
            *workloads.permissions(self.workload, *verbs),
            *([Permission("delete", "pods", namespace)] if delete else []),
            *(
                [Permission(verb, "pods", namespace, subresource="exec") for verb in ("get", "create")]
                if execute
                else []
            ),
        )

    def recovered(self) -> dict[str, Any]:
        """Look whether all of it is Ready, and of one template."""
        workload, pods = self.now(), self.pods()
        if unready := [pod for pod in pods if not pod.ready or pod.terminating]:
            state = ", ".join(unready[0].waiting) or ("Terminating" if unready[0].terminating else unready[0].phase)
            raise NotSeenError(f"{unready[0].name} is not Ready: {state}")
        if len(pods) != self.workload.replicas or not workload.settled:
            raise NotSeenError(f"{workload.ref} has {len(pods)} of {self.workload.replicas} pods, or still rolls out")
        return {"ready": len(pods), "of": self.workload.replicas}


def site(context: str, namespace: str, workload: str, container: str | None = None) -> Site:
    """A workload to look at."""
    loaded = settings.load(context=context)
    return _site(loaded, Cluster.connect(loaded), namespace, workload, container)


def drillable_site(namespace: str, workload: str, container: str | None = None) -> Site:
    """A workload to inject faults into.

    Raises:
        RefusedError: the settings do not declare the context or the namespace drillable, or no pod is wanted of it.
    """
    loaded, cluster = drillable(namespace)
    here = _site(loaded, cluster, namespace, workload, container)
    if not here.workload.replicas:
        raise RefusedError(f"{workload} in {namespace} is scaled to zero: there is nothing to break")
    return here


def _site(loaded: Settings, cluster: Cluster, namespace: str, workload: str, container: str | None) -> Site:
    found = workloads.read(cluster, namespace, workload)
    return Site(loaded, cluster, found, str(found.container(container)[1]["name"]))


def select(here: Site, count: Limit, max_pods: Limit, seed: int | None) -> list[Container]:
    """Which pods a fault hits, at random among those that run.

    Args:
        here: The workload.
        count: How many: a count, or a share of the pods that are wanted.
        max_pods: Blast radius; pods that are not Ready already count.
        seed: The same seed and pods give the same choice; None: another choice each time.

    Raises:
        RefusedError: beyond the blast radius, or there are not so many.
        UsageError: `count` can't be meant.
    """
    wanted, pods = amount(count, here.workload.replicas), here.pods()
    running = [pod for pod in pods if here.container in pod.running and not pod.terminating]
    if wanted < 1:
        raise UsageError(f"count is {count!r}, which is no pod of {here.workload.replicas}")
    if wanted > len(running):
        raise RefusedError(f"{wanted} pods of {here.workload.ref} are meant, and {len(running)} run")
    hit = random.Random(secrets.randbits(32) if seed is None else seed).sample(running, wanted)
    ensure_pods_within(here, len({*_broken(pods), *(pod.name for pod in hit)}), max_pods)
    return [Container(pod, here.container) for pod in sorted(hit, key=lambda pod: pod.name)]


def ensure_rollout_within(here: Site, max_pods: Limit) -> None:
    """Refuse a template whose pods don't become Ready where it would take away more pods than may be broken."""
    broken = len(_broken(here.pods()))
    ensure_pods_within(here, min(here.workload.replicas, broken + here.workload.down_by_rollout()), max_pods)


def ensure_pods_within(here: Site, hit: int, max_pods: Limit) -> None:
    """Refuse to have more of the workload's pods broken at once than the blast radius allows."""
    ensure_within(hit, here.workload.replicas, max_pods, f"pods of {here.workload.ref}")


def _broken(pods: Sequence[PodState]) -> set[str]:
    return {pod.name for pod in pods if not pod.ready or pod.terminating}


def see_replaced(context: str, namespace: str, workload: str, timeout: float = 60) -> dict[str, Any]:
    """Undo of what Kubernetes itself makes good: see that it has made all pods that are wanted, Ready or not.

    Raises:
        NotRestoredError: it has not.
    """
    here = site(context, namespace, workload)

    def look() -> dict[str, Any]:
        wanted, pods = here.now().replicas, [pod for pod in here.pods() if not pod.terminating]
        if len(pods) < wanted:
            raise NotSeenError(f"{workload} has {len(pods)} of {wanted} pods")
        return {"pods": [pod.name for pod in pods], "held": "nothing"}

    return restored(look, timeout)


def restored(look: Any, timeout: float) -> dict[str, Any]:
    """Await for an undo that the state is restored.

    Raises:
        NotRestoredError: it is not in time.
    """
    try:
        return dict(await_seen(look, timeout))
    except GivenUpError as given_up:
        raise NotRestoredError(f"not restored after {timeout:g} s: {given_up}") from given_up


def shell(cluster: Cluster, target: Container, script: str, *arguments: object, timeout: float = 30) -> str:
    """Run a script by the container's own shell, its arguments as $1 and so on; returns what it printed.

    Raises:
        ClusterError: the container could not be entered, or the script failed; the message is what it said.
    """
    pod, argv = target.pod, ["sh", "-c", script, "sh", *map(str, arguments)]
    answer = cluster.exec(pod.namespace, pod.name, target.container, argv, timeout)
    if answer.exit_code != 0:
        said = (answer.stderr or answer.stdout).strip() or f"exit code {answer.exit_code}"
        raise ClusterError(f"{pod.name}/{target.container}: {said}")
    return answer.stdout
