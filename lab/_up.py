"""Bring the lab up: each step does only what is not done yet, so that it resumes wherever it was killed."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lab import _cluster, _extras, _velero
from lab._addresses import MAX_NODES, STATE, kafka_bootstrap
from lab._artifacts import build
from lab._buckets import create_buckets
from lab._catalogue import create_catalogue
from lab._containerd import identity, unpacked
from lab._doctor import doctor
from lab._errors import LabError, LabPreflightError
from lab._kubectl import kubectl
from lab._lock import alone
from lab._manifests import MANIFESTS, api_replicas, render
from lab._parts import KAFKA, MINIO, TRINO, VELERO, Part, chosen, record, recorded
from lab._prices import fill
from lab._progress import Step, progress
from lab._secrets import apply_secrets
from lab._status import status
from lab._topics import await_in_sync, create_topics
from lab.control_plane import ControlPlane
from lab.node import Node, existing

_OWN = ("cluster.yaml", "storage.yaml")
_OWN_WORKLOADS = (
    ("kube-system", "deployment/coredns"),
    ("local-path-storage", "deployment/local-path-provisioner"),
)


def up(nodes: int = 3, parts: Iterable[str] = (KAFKA.name,)) -> None:
    """Start a lab with that many nodes (1 to 5) and these parts, or complete the one that is there; wait for its parts.

    Raises:
        LabPreflightError: something is missing or in the way; nothing was started.
        LabError: a step failed; the next `up` goes on from there.
    """
    _bring(nodes, tuple(parts))


def rebuild(parts: Iterable[str] = ()) -> None:
    """Start a fresh cluster in the place of one that was lost, with as many nodes, and these parts and no others.

    The other parts that the lab had are for a restore to bring back: their images are in the nodes, and the next `up`
    would complete them.

    Raises:
        LabPreflightError: there is no lab, or something is missing or in the way; nothing was started.
        LabError: a step failed; the next `rebuild` goes on from there.
    """
    asked, had = chosen(parts), recorded()
    if not existing():
        raise LabPreflightError("there is no lab whose cluster could be built anew: `drill lab up` makes one")
    if strange := [part.name for part in asked if part not in had]:
        raise LabPreflightError(f"the lab did not have {', '.join(strange)}: `drill lab up --with` adds what is new")
    _bring(len(existing()), (), only=asked)


def _bring(nodes: int, parts: tuple[str, ...], only: tuple[Part, ...] | None = None) -> None:
    """Bring the lab up with these parts and those that it had; or with their images, and run some of them `only`."""
    with progress() as step, alone(step, "lab", "`drill lab`"):
        with step("Looking at the machine"):
            had = chosen([*parts, *(part.name for part in recorded())])
            wanted = had if only is None else only
            replicas = api_replicas()
            _preflight(nodes, had)
        artifacts = build(step, platform=any(part.own_images for part in had))
        extras = _extras.build(step, had)
        archives = (*artifacts.images, *(extra.archive for extra in extras))
        plane = ControlPlane(artifacts.kube)
        machines = [Node(index) for index in range(1, nodes + 1)]
        _cluster.finish(step)
        with step("Starting the control plane"):
            plane.start()
            record(had)
        _start(plane, machines, archives, step)
        # Not before: brokers that find one node only would all settle on it, and their volumes would keep them there.
        first = [part for part in wanted if part != VELERO]
        with step(f"Waiting for {', '.join(part.name for part in first) or 'the cluster itself'}"):
            apply_secrets(plane.kube, wanted)
            of_parts = {extra.part.name: extra.archive for extra in extras}
            if first:
                _apply(plane, render(first, machines, artifacts.images, replicas, of_parts))
            _await_workloads(plane, first)
        if MINIO in wanted:
            with step("Creating the buckets"):
                create_buckets(plane.kube)
        if TRINO in wanted:
            with step("Creating the lakehouse's catalogue"):
                create_catalogue(plane.kube)
            with step("Filling the lakehouse"):
                fill()
        if VELERO in wanted:  # after its bucket: it looks for that once a minute only
            (velero,) = (extra for extra in extras if extra.part == VELERO)
            with step("Installing Velero"):
                schedules = (MANIFESTS / "velero.yaml").read_text()
                _velero.install(plane.kube, velero.programs, identity(velero.archive), schedules)
                _await_workloads(plane, [VELERO])
                _velero.await_location(plane.kube)
        if KAFKA in wanted:
            with step("Creating the topics"):
                create_topics(kafka_bootstrap(nodes))
                await_in_sync(kafka_bootstrap(nodes))


def _start(plane: ControlPlane, machines: list[Node], archives: tuple[Path, ...], step: Step) -> None:
    """Start the nodes with these images, beside what the API server takes meanwhile, and wait until they are Ready."""
    with ThreadPoolExecutor() as pool:
        applied = pool.submit(_prepare, plane, step)
        root = unpacked(archives, step)
        with step(f"Starting {len(machines)} nodes"):
            list(pool.map(lambda node: node.start(plane.pki, root, archives), machines))
        if any(node.lacks(archives) for node in machines):
            with step("Importing images into the nodes"):
                list(pool.map(lambda node: node.load(archives), machines))
        applied.result()
    with step("Waiting for the nodes"):
        _await_nodes(plane, [node.name for node in machines])


def _preflight(nodes: int, parts: Iterable[Part]) -> None:
    if not 1 <= nodes <= MAX_NODES:
        raise LabPreflightError(f"{nodes} nodes: the lab has 1 to {MAX_NODES}")
    if wrong := [finding for finding in doctor(parts) if not finding.ok]:
        raise LabPreflightError("\n".join(f"{each.name}: {each.detail}; {each.remedy}" for each in wrong))
    if (there := len(existing())) > nodes:
        raise LabPreflightError(f"the lab has {there} nodes already: `drill lab down` first, to have {nodes}")


def _prepare(plane: ControlPlane, step: Step) -> None:
    with step("Waiting for the API server"):
        plane.await_ready()
        _apply(plane, "\n---\n".join((MANIFESTS / name).read_text() for name in _OWN))


def _apply(plane: ControlPlane, manifests: str) -> None:
    kubectl(plane.kube, "apply", "--server-side", "--force-conflicts", "--filename=-", text=manifests)


def _await_nodes(plane: ControlPlane, names: list[str]) -> None:
    nodes = [f"node/{name}" for name in names]
    for node in nodes:  # one by one: kubectl waits for the creation of several only if none of them is there
        kubectl(plane.kube, "wait", "--for=create", node, "--timeout=2m")
    kubectl(plane.kube, "wait", "--for=condition=Ready", *nodes, "--timeout=2m")


def _await_workloads(plane: ControlPlane, parts: Iterable[Part]) -> None:
    of_parts = [(part.namespace, workload) for part in parts for workload in part.workloads]
    try:
        for namespace, workload in (*_OWN_WORKLOADS, *of_parts):
            kubectl(plane.kube, "rollout", "status", "--namespace", namespace, workload, "--timeout=4m")
    except LabError as error:
        raise LabError(f"{'; '.join(status().problems)} ({error}; logs: {STATE / 'logs'})") from error
