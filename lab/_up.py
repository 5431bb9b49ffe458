"""Bring the lab up: each step does only what is not done yet, so that it resumes wherever it was killed."""

from concurrent.futures import ThreadPoolExecutor

from lab._addresses import MAX_NODES, STATE, kafka_bootstrap
from lab._artifacts import build
from lab._containerd import unpacked
from lab._doctor import doctor
from lab._errors import LabError, LabPreflightError
from lab._kubectl import MANIFESTS, kubectl
from lab._lock import alone
from lab._progress import Step, progress
from lab._status import status
from lab._topics import create_topics
from lab.control_plane import ControlPlane
from lab.node import Node, existing

_ROLLOUTS = (
    ("kube-system", "deployment/coredns"),
    ("local-path-storage", "deployment/local-path-provisioner"),
    ("kafka", "statefulset/datahub-kafka-kafka-pool"),
)


def up(nodes: int = 3) -> None:
    """Start a lab with that many nodes (1 to 5), or complete the one that is there, and wait until Kafka is usable.

    Raises:
        LabPreflightError: something is missing or in the way; nothing was started.
        LabError: a step failed; the next `up` goes on from there.
    """
    with progress() as step, alone(step, "lab", "`drill lab`"):
        with step("Looking at the machine"):
            _preflight(nodes)
        artifacts = build(step)
        plane = ControlPlane(artifacts.kube)
        wanted = [Node(index) for index in range(1, nodes + 1)]
        with step("Starting the control plane"):
            plane.start()
        with ThreadPoolExecutor() as pool:
            applied = pool.submit(_prepare, plane, step)
            root = unpacked(artifacts.images, step)
            with step(f"Starting {nodes} nodes"):
                list(pool.map(lambda node: node.start(plane.pki, root), wanted))
            applied.result()
        with step("Waiting for the nodes"):
            _await_nodes(plane, [node.name for node in wanted])
        # Not before: brokers that find one node only would all settle on it, and their volumes would keep them there.
        with step("Waiting for Kafka"):
            _apply(plane, "kafka.yaml")
            _await_workloads(plane)
        with step("Creating the topics"):
            create_topics(kafka_bootstrap(nodes))


def _preflight(nodes: int) -> None:
    if not 1 <= nodes <= MAX_NODES:
        raise LabPreflightError(f"{nodes} nodes: the lab has 1 to {MAX_NODES}")
    if wrong := [finding for finding in doctor() if not finding.ok]:
        raise LabPreflightError("\n".join(f"{each.name}: {each.detail}; {each.remedy}" for each in wrong))
    if (there := len(existing())) > nodes:
        raise LabPreflightError(f"the lab has {there} nodes already: `drill lab down` first, to have {nodes}")


def _prepare(plane: ControlPlane, step: Step) -> None:
    with step("Waiting for the API server"):
        plane.await_ready()
        _apply(plane, "cluster.yaml", "storage.yaml")


def _apply(plane: ControlPlane, *manifests: str) -> None:
    files = [f"--filename={MANIFESTS / name}" for name in manifests]
    kubectl(plane.kube, "apply", "--server-side", "--force-conflicts", *files)


def _await_nodes(plane: ControlPlane, names: list[str]) -> None:
    nodes = [f"node/{name}" for name in names]
    for node in nodes:  # one by one: kubectl waits for the creation of several only if none of them is there
        kubectl(plane.kube, "wait", "--for=create", node, "--timeout=2m")
    kubectl(plane.kube, "wait", "--for=condition=Ready", *nodes, "--timeout=2m")


def _await_workloads(plane: ControlPlane) -> None:
    try:
        for namespace, workload in _ROLLOUTS:
            kubectl(plane.kube, "rollout", "status", "--namespace", namespace, workload, "--timeout=4m")
    except LabError as error:
        raise LabError(f"{'; '.join(status().problems)} ({error}; logs: {STATE / 'logs'})") from error
