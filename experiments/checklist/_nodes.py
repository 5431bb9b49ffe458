"""Nodes and what of them is used."""

from collections.abc import Iterator
from decimal import Decimal

from kubernetes.utils.quantity import parse_quantity

from drill import prometheus
from experiments.checklist._finding import Finding, failed, judged, passed, unknown
from experiments.checklist._scene import Object, Scene, allocatable, condition, ended, name, requested

_FULL = Decimal("0.9")
_PRESSURES = ("MemoryPressure", "DiskPressure", "PIDPressure", "NetworkUnavailable")
_USED = {
    "memory": (
        "sum by (node) (node_memory_working_set_bytes)",
        "sum by (node) (container_memory_working_set_bytes{id='/'})",
    ),
    "cpu": (
        "sum by (node) (rate(node_cpu_usage_seconds_total[5m]))",
        "sum by (node) (rate(container_cpu_usage_seconds_total{id='/'}[5m]))",
    ),
}
"""By the kubelet's resource metrics, else by cAdvisor's root."""


def nodes_ready(scene: Scene) -> list[Finding]:
    """Each node is Ready, without pressure, and takes pods."""
    nodes = scene.all("nodes") or []
    return judged(
        "nodes", len(nodes), (bad for node in nodes for bad in _node_trouble(node)), "Ready, without pressure"
    )


def _node_trouble(node: Object) -> Iterator[Finding]:
    what = name("node", node)
    if (ready := condition(node, "Ready")) != "True":
        yield failed(what, f"Ready is {ready}", "Look at its kubelet: `kubectl describe node`, then its journal.")
    for pressure in _PRESSURES:
        if condition(node, pressure) == "True":
            yield failed(what, f"{pressure} is on", "Free what runs short there, or move pods away.")
    if node["spec"].get("unschedulable"):
        yield failed(what, "cordoned: no new pods come here", "Uncordon it if its maintenance is over.")


def resource_use(scene: Scene) -> list[Finding]:
    """No node uses more than 90 % of its CPU or memory, by metrics.k8s.io or else by Prometheus."""
    nodes = {each["metadata"]["name"]: each for each in scene.all("nodes") or []}
    used = _used(scene)
    if missing := sorted(nodes.keys() - {node for node, _ in used}):
        where = "metrics.k8s.io" + (" and Prometheus" if scene.settings.target.prometheus else "")
        remedy = "Install metrics-server, or scrape the kubelets' /metrics/resource and declare Prometheus."
        return [unknown("nodes", f"{where} has no usage of {', '.join(missing)}", remedy)]
    bad = (
        failed(f"node {node}", f"{share:.0%} of its {resource} is used", "Move pods away, or add a node.")
        for (node, resource), amount in used.items()
        if node in nodes and (share := amount / allocatable(nodes[node], resource)) > _FULL
    )
    return judged("nodes", len(nodes), bad, "use less than 90 % of their CPU and memory")


def _used(scene: Scene) -> dict[tuple[str, str], Decimal]:
    metrics = scene.all("nodemetrics")
    if metrics:
        return {
            (each["metadata"]["name"], resource): Decimal(parse_quantity(each["usage"][resource]))
            for each in metrics
            for resource in ("cpu", "memory")
        }
    if scene.settings.target.prometheus is None:
        return {}
    found: dict[tuple[str, str], Decimal] = {}
    for resource, ways in _USED.items():
        answers = (prometheus.query(scene.settings.prometheus, expr) for expr in ways)
        samples = next((answer for answer in answers if answer), ())
        found |= {(sample.labels.get("node", ""), resource): Decimal(sample.value) for sample in samples}
    return found if {resource for _, resource in found} == _USED.keys() else {}


def requests_fit(scene: Scene) -> list[Finding]:
    """Pods ask for no more than 90 % of a node."""
    nodes = scene.all("nodes") or []
    bad = (
        failed(name("node", node), f"pods ask for {share:.0%} of its {resource}", "Lower the requests, or add a node.")
        for node in nodes
        for resource in ("cpu", "memory")
        if (share := _asked(scene, resource, node) / allocatable(node, resource)) > _FULL
    )
    return judged("nodes", len(nodes), bad, "have 10 % and more that no pod asked for")


def a_node_may_be_lost(scene: Scene) -> list[Finding]:
    """What all pods ask for fits on the nodes that remain when the largest is lost."""
    nodes = scene.all("nodes") or []
    bad = []
    for resource in ("cpu", "memory"):
        sizes = sorted(allocatable(node, resource) for node in nodes)
        asked = sum((_asked(scene, resource, node) for node in nodes), Decimal(0))
        if asked > sum(sizes[:-1]):
            reason = f"pods ask for more {resource} than there is without the largest of {len(nodes)} nodes"
            bad.append(failed("nodes", reason, "Add a node, or lower the requests."))
    return bad or [passed("nodes", "what pods ask for also fits without the largest node")]


def _asked(scene: Scene, resource: str, node: Object) -> Decimal:
    here = (
        pod
        for pod in scene.all("pods") or []
        if pod["spec"].get("nodeName") == node["metadata"]["name"] and not ended(pod)
    )
    return sum((requested(pod, resource) for pod in here), Decimal(0))
