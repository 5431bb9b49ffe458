"""What of the lab is there."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import urllib3
from kubernetes import client, config

from lab import _cgroups, _network
from lab._addresses import NAME, STATE, kafka_bootstrap, kubeconfig
from lab._buckets import endpoint
from lab._parts import KAFKA, MINIO, Part, recorded
from lab.control_plane import GROUP
from lab.node import existing


@dataclass(frozen=True)
class NodeStatus:
    """A node: name, address, whether its processes run, whether Kubernetes calls it Ready, and its memory in bytes."""

    name: str
    address: str
    running: bool
    ready: bool
    memory: int


@dataclass(frozen=True)
class PodStatus:
    """A pod: where it is, its phase, whether it is Ready, and the restarts of its containers."""

    namespace: str
    name: str
    node: str | None
    phase: str
    ready: bool
    restarts: int


@dataclass(frozen=True)
class PartStatus:
    """A part of the platform: its name, how many of its pods are Ready, and what to know of it."""

    name: str
    namespace: str
    ready: int
    pods: int
    note: str


@dataclass(frozen=True)
class Status:
    """The lab as a whole.

    Attributes:
        state: `up`: all of it runs and is ready; `down`: nothing of it is there; `partial`: anything else, which
            `drill lab up` completes and `drill lab down` removes.
        problems: why it is partial.
        parts: what the lab was asked for so far.
        memory: working set of all of it in bytes, as Kubernetes defines it (usage without inactive file pages).
        control_plane_memory: the control plane's part of that.
        kafka: bootstrap servers as seen from the host.
        object_store: URL of MinIO as seen from the host.
        kubeconfig: its file; the context is `drill-lab`.
    """

    state: Literal["up", "down", "partial"]
    problems: tuple[str, ...] = ()
    nodes: tuple[NodeStatus, ...] = ()
    pods: tuple[PodStatus, ...] = ()
    parts: tuple[PartStatus, ...] = ()
    memory: int = 0
    control_plane_memory: int = 0
    kafka: str | None = None
    object_store: str | None = None
    kubeconfig: str | None = None


def status() -> Status:
    """Look at what of the lab is there; changes nothing."""
    if not (STATE.exists() or _cgroups.groups() or _network.present()):
        return Status("down")
    problems = []
    ready: set[str] = set()
    pods: tuple[PodStatus, ...] = ()
    if GROUP.running:
        try:
            ready, pods = _ask_kubernetes()
        except (client.ApiException, config.ConfigException, urllib3.exceptions.HTTPError) as error:
            problems.append(f"the API server does not answer: {error}")
    else:
        problems.append("the control plane does not run")
    nodes = tuple(
        NodeStatus(node.name, str(node.address), node.group.running, node.name in ready, _cgroups.memory(node.name))
        for node in existing()
    )
    parts = tuple(_part(part, pods) for part in recorded())
    problems.extend(_problems(nodes, pods, parts))
    control_plane = _cgroups.memory(GROUP.name)
    return Status(
        state="partial" if problems else "up",
        problems=tuple(problems),
        nodes=nodes,
        pods=pods,
        parts=parts,
        memory=control_plane + sum(node.memory for node in nodes),
        control_plane_memory=control_plane,
        kafka=kafka_bootstrap(len(nodes)) if any(part.name == KAFKA.name for part in parts) and nodes else None,
        object_store=endpoint() if any(part.name == MINIO.name for part in parts) and nodes else None,
        kubeconfig=str(kubeconfig()) if kubeconfig().exists() else None,
    )


def _part(part: Part, pods: tuple[PodStatus, ...]) -> PartStatus:
    # Those of jobs that are done stay to be looked at, and are no part of what runs.
    own = [pod for pod in pods if part.owns(pod.namespace, pod.name) and pod.phase != "Succeeded"]
    return PartStatus(part.name, part.namespace, sum(pod.ready for pod in own), len(own), part.note)


def _problems(
    nodes: tuple[NodeStatus, ...], pods: tuple[PodStatus, ...], parts: tuple[PartStatus, ...]
) -> Iterator[str]:
    if not nodes:
        yield "there is no node"
    for node in nodes:
        if not node.running:
            yield f"{node.name} does not run"
        elif not node.ready:
            yield f"{node.name} is not Ready"
    for pod in pods:
        if not pod.ready and pod.phase != "Succeeded":
            yield f"pod {pod.namespace}/{pod.name} is {pod.phase} and not Ready"
    if not parts:
        yield "there is no part of the platform"
    for part in parts:
        if not part.pods:
            yield f"there is no {part.name}"


def _ask_kubernetes() -> tuple[set[str], tuple[PodStatus, ...]]:
    """The names of the Ready nodes, and all pods."""
    api = config.new_client_from_config(str(kubeconfig()), context=NAME)
    try:
        return _ready_nodes_and_pods(client.CoreV1Api(api))
    finally:
        api.rest_client.pool_manager.clear()  # the client's own `close` leaves its connections open


def _ready_nodes_and_pods(core: client.CoreV1Api) -> tuple[set[str], tuple[PodStatus, ...]]:
    nodes = {node.metadata.name for node in core.list_node(_request_timeout=5).items if _ready(node)}
    pods = tuple(
        PodStatus(
            namespace=pod.metadata.namespace,
            name=pod.metadata.name,
            node=pod.spec.node_name,
            phase=pod.status.phase,
            ready=_ready(pod),
            restarts=sum(container.restart_count for container in pod.status.container_statuses or ()),
        )
        for pod in core.list_pod_for_all_namespaces(_request_timeout=5).items
    )
    return nodes, pods


def _ready(resource: Any) -> bool:
    return any(each.type == "Ready" and each.status == "True" for each in resource.status.conditions or ())
