"""What of a restored namespace is there, Bound and Ready: that a restore is Completed says none of it."""

from collections.abc import Callable
from typing import Any

from drill.cluster import TIMEOUT, Cluster, Permission, answering
from experiments._watch import GivenUpError, NotSeenError, await_seen
from experiments.runbooks._phases import Evidence, StepFailedError
from experiments.velero._site import keep

_KINDS = (("persistentvolumeclaims", ""), ("services", ""), ("endpoints", ""), ("deployments", "apps"))


def permissions(namespace: str | None) -> tuple[Permission, ...]:
    """What looking at them takes."""
    kinds = (*_KINDS, ("statefulsets", "apps"))
    return tuple(Permission("list", kind, namespace, group=group) for kind, group in kinds)


def look(cluster: Cluster, namespace: str) -> dict[str, Any]:
    """The claims, workloads and Services of a namespace as they are now."""
    with answering(f"objects of {namespace}"):
        claims = cluster.core.list_namespaced_persistent_volume_claim(namespace, _request_timeout=TIMEOUT).items
        services = cluster.core.list_namespaced_service(namespace, _request_timeout=TIMEOUT).items
        endpoints = cluster.core.list_namespaced_endpoints(namespace, _request_timeout=TIMEOUT).items
        workloads = {
            "deployment": cluster.apps.list_namespaced_deployment(namespace, _request_timeout=TIMEOUT).items,
            "statefulset": cluster.apps.list_namespaced_stateful_set(namespace, _request_timeout=TIMEOUT).items,
        }
    led = {each.metadata.name for each in endpoints if any(subset.addresses for subset in each.subsets or ())}
    return {
        "namespace": namespace,
        "claims": [
            {"name": each.metadata.name, "phase": each.status.phase, "class": each.spec.storage_class_name}
            for each in claims
        ],
        "workloads": [
            {
                "name": f"{kind}/{each.metadata.name}",
                "wanted": each.spec.replicas,
                "ready": each.status.ready_replicas or 0,
            }
            for kind, found in workloads.items()
            for each in found
        ],
        "services": [
            {"name": each.metadata.name, "selects": bool(each.spec.selector), "ready": each.metadata.name in led}
            for each in services
        ],
    }


def idle(cluster: Cluster, namespace: str) -> list[str]:
    """The Services that lead nowhere as it is, such as that of a pod of a workload that may be scaled up."""
    return [each["name"] for each in look(cluster, namespace)["services"] if _unled(each)]


def missing(seen: dict[str, Any], backup: dict[str, Any]) -> str | None:
    """What of a backup is not there or not whole yet; None: nothing."""
    claims = {each["name"]: each["phase"] for each in seen["claims"]}
    workloads = {each["name"]: each for each in seen["workloads"]}
    for name in backup["claims"]:
        if claims.get(name) != "Bound":
            return f"claim {name} is {claims.get(name, 'not there')}"
    for name in backup["workloads"]:
        its = workloads.get(name)
        if its is None or its["ready"] < its["wanted"]:
            return f"{name} is {'not there' if its is None else 'not Ready'}"
    idle_before = backup.get("idle_services") or ()
    unled = [each["name"] for each in seen["services"] if _unled(each) and each["name"] not in idle_before]
    return f"Service {unled[0]} leads nowhere" if unled else None


def await_whole(cluster: Cluster, namespace: str, backup: Callable[[], dict[str, Any]], within: float) -> Evidence:
    """Wait until all that the backup has is there and whole; kept as evidence as it was at the last look.

    Raises:
        StepFailedError: not in time.
    """
    seen: dict[str, Any] = {}

    def once() -> dict[str, Any]:
        seen.update(look(cluster, namespace))
        if (trouble := missing(seen, backup())) is not None:
            raise NotSeenError(trouble)
        return seen

    try:
        return await_seen(once, within, 0.5)
    except GivenUpError as error:
        raise StepFailedError(f"{namespace} is not whole: {error}", dict(seen)) from error
    finally:
        if seen:
            keep("objects", seen)


def _unled(service: dict[str, Any]) -> bool:
    return bool(service["selects"]) and not service["ready"]
