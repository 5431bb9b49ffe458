"""What holds today and would not in the first fault: of workloads and their volumes."""

import re
from collections.abc import Callable, Iterator

from experiments.checklist._finding import Finding, failed, judged, passed
from experiments.checklist._scene import Object, Scene, condition, containers, name, selects


def replicated(scene: Scene) -> list[Finding]:
    """Each workload has more than one replica."""
    bad = (
        failed(
            name(each["kind"], each),
            "a single replica: whatever ends its pod is an outage",
            "Run two or more, or rehearse how long its return takes.",
        )
        for each in scene.workloads()
        if each["spec"].get("replicas", 1) == 1
    )
    return judged("workloads", len(scene.workloads()), bad, "with two replicas or more")


def spread(scene: Scene) -> list[Finding]:
    """The Ready replicas of a workload are not all on one node."""
    bad = []
    for each in scene.workloads():
        nodes = [pod["spec"].get("nodeName") for pod in scene.pods_of(each) if condition(pod, "Ready") == "True"]
        if len(nodes) > 1 and len(set(nodes)) == 1:
            reason = f"all {len(nodes)} replicas are on node {nodes[0]}"
            remedy = "Give it topologySpreadConstraints over kubernetes.io/hostname."
            bad.append(failed(name(each["kind"], each), reason, remedy))
    return judged("workloads", len(scene.workloads()), bad, "without all replicas on one node")


def disruption_bounded(scene: Scene) -> list[Finding]:
    """Each replicated workload has a PodDisruptionBudget, which allows some disruption and not all of it."""
    replicated_ = [each for each in scene.workloads() if each["spec"].get("replicas", 1) > 1]
    bad: list[Finding] = []
    for each in replicated_:
        budgets = [budget for budget in scene.mine("poddisruptionbudgets") if _covers(budget, each)]
        if not budgets:
            remedy = "Add a PodDisruptionBudget with maxUnavailable: 1, or a drain may take all replicas at once."
            bad.append(failed(name(each["kind"], each), "no PodDisruptionBudget", remedy))
    for budget in scene.mine("poddisruptionbudgets"):
        bad += _budget_trouble(budget)
    if not replicated_ and not bad:
        return [passed("budgets", "no workload has more than one replica to keep")]
    return judged("budgets", len(replicated_), bad, "replicated workloads have one that can be meant")


def _covers(budget: Object, workload: Object) -> bool:
    labels = workload["spec"]["template"]["metadata"].get("labels", {})
    same = budget["metadata"]["namespace"] == workload["metadata"]["namespace"]
    return same and selects(budget["spec"].get("selector") or {"matchLabels": {"": ""}}, labels)


def _budget_trouble(budget: Object) -> Iterator[Finding]:
    status, what = budget.get("status", {}), name("budget", budget)
    expected, desired = status.get("expectedPods", 0), status.get("desiredHealthy", 0)
    if not expected:
        yield failed(what, "it covers no pod", "Correct its selector, or remove it.")
    elif desired >= expected:
        reason = f"it allows no disruption: all {expected} pods must stay, so no node of theirs can be drained"
        yield failed(what, reason, "Set maxUnavailable: 1, or add replicas.")
    elif desired <= 0 and expected > 1:
        yield failed(what, f"it allows all {expected} pods to go at once", "Set maxUnavailable: 1.")


def limited(scene: Scene) -> list[Finding]:
    """Each container asks for CPU and memory, and has a limit of memory."""

    def lacks(container: Object) -> str | None:
        resources = container.get("resources", {})
        missing = [f"request of {each}" for each in ("cpu", "memory") if each not in resources.get("requests", {})]
        missing += ["limit of memory"] if "memory" not in resources.get("limits", {}) else []
        return f"no {', no '.join(missing)}" if missing else None

    return _of_containers(scene, lacks, "Set them from its usual use, or it starves its neighbours.", "with limits")


def probed(scene: Scene) -> list[Finding]:
    """Each container has a readiness probe: without one it gets requests before it can answer, and while it hangs."""

    def lacks(container: Object) -> str | None:
        return None if container.get("readinessProbe") else "no readiness probe"

    return _of_containers(scene, lacks, "Add a readinessProbe that asks what a client asks.", "with a readiness probe")


def images_pinned(scene: Scene) -> list[Finding]:
    """No container runs the tag `latest`, nor none at all."""

    def lacks(container: Object) -> str | None:
        image = container["image"]
        if "@" in image or re.search(r":(?!latest$)[\w.-]+$", image):
            return None
        return f"image {image} is whatever is the latest when a pod starts"

    return _of_containers(scene, lacks, "Name a version, or a digest.", "of a fixed version")


def _of_containers(scene: Scene, lacks: Callable[[Object], str | None], remedy: str, well: str) -> list[Finding]:
    listed = [(each, container) for each in scene.workloads() for container in containers(each)]
    bad = (
        failed(name(each["kind"], each), f"{container['name']}: {missing}", remedy)
        for each, container in listed
        if (missing := lacks(container))
    )
    return judged("containers", len(listed), bad, well)


def volumes_kept(scene: Scene) -> list[Finding]:
    """Each volume of the platform outlives its claim."""
    volumes = [
        each
        for each in scene.all("persistentvolumes") or []
        if each["spec"].get("claimRef", {}).get("namespace") in scene.namespaces
    ]
    if not volumes:
        return [passed("volumes", "the platform has no persistent volume")]
    bad = (
        failed(
            name("volume", each),
            f"it is deleted with its claim {each['spec']['claimRef']['name']}",
            "Set persistentVolumeReclaimPolicy: Retain.",
        )
        for each in volumes
        if each["spec"].get("persistentVolumeReclaimPolicy") == "Delete"
    )
    return judged("volumes", len(volumes), bad, "outlive their claims")
