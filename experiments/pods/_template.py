"""Changing a workload's pod template, and changing it back exactly, whatever a broken pod is in the way of."""

from collections.abc import Iterator, Sequence
from typing import Any

from drill import workloads
from drill.cluster import Cluster
from drill.workloads import Workload
from experiments._watch import NotSeenError
from experiments.pods._site import Site, restored, site

Change = dict[str, Any]
"""`{container, field, before, after}`; container None: a field of the workload's own spec; a value None: absent."""


def change(here: Site, field: str, after: Any) -> Change:
    """A change of a field of the meant container's template."""
    _, container = here.workload.container(here.container)
    return {"container": here.container, "field": field, "before": container.get(field), "after": after}


def recreated(here: Site) -> Change:
    """A Deployment takes all its pods away before it makes new ones."""
    return {
        "container": None,
        "field": "strategy",
        "before": here.workload.spec.get("strategy"),
        "after": {"type": "Recreate"},
    }


def apply(here: Site, changes: Sequence[Change]) -> None:
    """Bring the changes about; each field must still be as it was."""
    workloads.patch(here.cluster, here.workload, list(_operations(here.workload, changes, "before", "after")))


def restore(context: str, namespace: str, workload: str, changes: list[Change], timeout: float = 120) -> dict[str, Any]:
    """Undo of a changed template: each field that is still ours gets its value of before, and the pods follow.

    A StatefulSet does not replace a pod that never became Ready, not even by the template of before; it has to be
    deleted ("Forced rollback", https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/).

    Raises:
        NotRestoredError: the pods are not those of the template of before in time.
    """
    here = site(context, namespace, workload)
    if operations := list(_operations(here.workload, changes, "after", "before")):
        workloads.patch(here.cluster, here.workload, operations)
    deleted: list[str] = []

    def look() -> dict[str, Any]:
        now = here.now()
        left = [each["field"] for each in changes if _value(now, each) == each["after"] != each["before"]]
        if left:
            raise NotSeenError(f"{workload} still has the fault's {', '.join(left)}")
        deleted.extend(_unblock(here.cluster, now))
        if not now.settled:
            raise NotSeenError(f"{workload} has not made its pods anew yet: {_progress(now)}")
        exact = all(_value(now, each) == each["before"] for each in changes)
        return {"fields": [each["field"] for each in changes], "exactly_as_before": exact, "deleted": list(deleted)}

    return restored(look, timeout)


def _unblock(cluster: Cluster, now: Workload) -> Iterator[str]:
    """Delete the pods that keep a StatefulSet from rolling back."""
    if now.kind != "StatefulSet" or now.status.get("observedGeneration", 0) < now.generation:
        return
    for pod in workloads.pods(cluster, now):
        if pod.revision != now.revision and not pod.ready and not pod.terminating:
            cluster.delete_pod(pod, grace_period=1)
            yield pod.name


def _operations(workload: Workload, changes: Sequence[Change], of: str, to: str) -> Iterator[dict[str, Any]]:
    """The JSON patch that takes each field that is `of` to what `to` says; one that somebody else changed stays."""
    for each in changes:
        if _value(workload, each) != each[of] or each[of] == each[to]:
            continue
        base = "/spec"
        if each["container"] is not None:
            base = f"/spec/template/spec/containers/{workload.container(each['container'])[0]}"
            yield {"op": "test", "path": f"{base}/name", "value": each["container"]}
        path = f"{base}/{each['field']}"
        yield {"op": "remove", "path": path} if each[to] is None else {"op": "add", "path": path, "value": each[to]}


def _value(workload: Workload, each: Change) -> Any:
    holder = workload.spec if each["container"] is None else workload.container(each["container"])[1]
    return holder.get(each["field"])


def _progress(now: Workload) -> str:
    made = now.status.get("updatedReplicas", 0)
    return f"{made} of {now.replicas} are of the template, {now.status.get('replicas', 0)} there"
