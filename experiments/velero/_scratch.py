"""A namespace of the drill's own: made, labelled with the run, and deleted by exactly what it was made as."""

from contextlib import suppress
from typing import Any

from kubernetes import client

from drill import guard, lease, settings
from drill.cluster import TIMEOUT, Cluster, MissingError, Permission, answering
from drill.errors import RefusedError
from drill.rollback import NotRestoredError
from drill.settings import Settings
from drill.velero import RUN_LABEL, Velero, VeleroTimeoutError
from drill.velero import permissions as velero_permissions
from experiments._watch import GivenUpError, NotSeenError, await_seen
from experiments.velero import _site

MANAGED = {"app.kubernetes.io/managed-by": "drill"}
_GONE = 180.0
"""Seconds in which a namespace with all that is in it has to be gone."""
_ENDING = 60.0
"""Seconds for which a restore that is under way is awaited before its namespace is deleted under it."""
_NOT_BEGUN = {"", "New"}


def permitted(namespace: str) -> tuple[Settings, Cluster]:
    """The selected context's settings and cluster, to make and delete a scratch namespace of that name.

    Raises:
        RefusedError: no restore drills here or now, another name than a scratch namespace's, or drills are frozen.
    """
    loaded = settings.load()
    if reason := guard.scratch_refusal(loaded, namespace):
        raise RefusedError(reason)
    cluster = Cluster.connect(loaded)
    if reason := lease.frozen(cluster, loaded.target.lease_namespace):
        raise RefusedError(reason)
    return loaded, cluster


def ensure_absent(cluster: Cluster, namespace: str) -> None:
    """Refuse where there is a namespace of that name already, whoever made it.

    Raises:
        RefusedError: there is.
    """
    if (found := find(cluster, namespace)) is not None:
        whose = (found.metadata.labels or {}).get(RUN_LABEL)
        by = f"by drill run {whose}, which has left it: `drill rollback` deletes it" if whose else "not by drill"
        raise RefusedError(f"namespace {namespace} is there already, made {by}: nothing is restored into it")


def make(cluster: Cluster, namespace: str, run: str) -> None:
    """Make it, labelled with the run, with a policy that lets nothing in it reach anything.

    What is restored beside its original must not talk to it: as its client, its replica or its second master.
    """
    metadata = client.V1ObjectMeta(name=namespace, labels={**MANAGED, RUN_LABEL: run})
    with answering(f"create namespace {namespace}"):
        cluster.core.create_namespace(client.V1Namespace(metadata=metadata), _request_timeout=TIMEOUT)
    spec = client.V1NetworkPolicySpec(pod_selector=client.V1LabelSelector(), policy_types=["Ingress", "Egress"])
    policy = client.V1NetworkPolicy(metadata=client.V1ObjectMeta(name="drill-nothing-out", labels=MANAGED), spec=spec)
    with answering(f"create network policy of {namespace}"):
        network = client.NetworkingV1Api(cluster.core.api_client)
        network.create_namespaced_network_policy(namespace, policy, _request_timeout=TIMEOUT)


def find(cluster: Cluster, namespace: str) -> Any:
    """The namespace; None: it is not there."""
    try:
        with answering(f"namespace {namespace}"):
            return cluster.core.read_namespace(namespace, _request_timeout=TIMEOUT)
    except MissingError:
        return None


def seen(cluster: Cluster, namespace: str, run: str) -> dict[str, Any]:
    """Look once whether it is there, and ours; raises NotSeenError where it is not."""
    found = find(cluster, namespace)
    if found is None or (found.metadata.labels or {}).get(RUN_LABEL) != run:
        raise NotSeenError(f"namespace {namespace} of run {run} is not there")
    return {"namespace": namespace, "uid": found.metadata.uid, "run": run}


def delete_scratch(context: str, namespace: str, run: str) -> dict[str, Any]:
    """Undo: delete the scratch namespace of this run with all that is in it and its volumes, and see them gone.

    One of that name that is not of this run stays. A Restore of the run that Velero has not come to is deleted first,
    and one that is under way is awaited: either would make the namespace anew.

    Raises:
        NotRestoredError: something of it is still there or may come yet, or the namespace is not this run's.
        ClusterError: the API server refused or did not answer.
    """
    site = _site.again(context, run)
    cluster, velero = site.cluster, site.velero
    pending = _end_restores(velero, run)
    found = find(cluster, namespace)
    if found is not None:
        _delete(cluster, namespace, run, found)

    def gone() -> dict[str, Any]:
        seen = absent(cluster, namespace)
        if left := [each.metadata.name for each in _copies(cluster, namespace)]:
            raise NotSeenError(f"volume {left[0]}, with a copy of the data, is still there")
        return seen

    try:
        seen = await_seen(gone, _GONE, 0.5)
    except GivenUpError as error:
        raise NotRestoredError(f"after {_GONE:g} s {error}") from error
    if alive := [each.name for each in velero.restores() if each.name in pending and not each.ended]:
        raise NotRestoredError(f"restore {alive[0]} has not ended: it may make {namespace} anew")
    return seen


def _end_restores(velero: Velero, run: str) -> list[str]:
    """Delete the run's Restores that Velero has not begun, and wait for the others; the names of these."""
    mine = [each for each in velero.restores() if each.run == run and not each.ended]
    begun = [each.name for each in mine if each.phase not in _NOT_BEGUN]
    for each in mine:
        if each.name not in begun:
            velero.delete_restore(each.name)
    for name in begun:
        with suppress(VeleroTimeoutError):  # it is looked at again once the namespace is gone
            velero.await_restore(name, _ENDING, each=0.5)
    return begun


def _delete(cluster: Cluster, namespace: str, run: str, found: Any) -> None:
    """Delete exactly the namespace that was found; returns before it is gone."""
    if not namespace.startswith(guard.SCRATCH_PREFIX) or (found.metadata.labels or {}).get(RUN_LABEL) != run:
        raise NotRestoredError(f"namespace {namespace} was not made by run {run}: it is left alone")
    for each in _copies(cluster, namespace):
        if each.spec.persistent_volume_reclaim_policy != "Delete":
            # Velero gives a restored volume the policy of its original; a copy must not outlive the drill.
            body = {"spec": {"persistentVolumeReclaimPolicy": "Delete"}}
            with answering(f"patch volume {each.metadata.name}"):
                cluster.core.patch_persistent_volume(each.metadata.name, body, _request_timeout=TIMEOUT)
    options = client.V1DeleteOptions(preconditions=client.V1Preconditions(uid=found.metadata.uid))
    if found.metadata.deletion_timestamp is None:
        with answering(f"delete namespace {namespace}"):
            cluster.core.delete_namespace(namespace, body=options, _request_timeout=TIMEOUT)


def _copies(cluster: Cluster, namespace: str) -> list[Any]:
    """The volumes of the namespace's claims, also of those that are gone."""
    with answering("volumes"):
        found = cluster.core.list_persistent_volume(_request_timeout=TIMEOUT).items
    return [each for each in found if each.spec.claim_ref and each.spec.claim_ref.namespace == namespace]


def absent(cluster: Cluster, namespace: str) -> dict[str, Any]:
    """Look once whether it is gone; raises NotSeenError where it is not."""
    if find(cluster, namespace) is not None:
        raise NotSeenError(f"namespace {namespace} is still there")
    return {"namespace": namespace, "gone": True}


def permissions(namespace: str, velero: str) -> tuple[Permission, ...]:
    """What making and deleting it takes, for all namespaces: no Role can be in one that is not there."""
    return (
        *velero_permissions(velero, "restores", verbs=("delete",)),
        *(Permission(verb, "persistentvolumes") for verb in ("list", "patch")),
        Permission("create", "namespaces"),
        *(Permission(verb, "namespaces", name=namespace) for verb in ("get", "delete")),
        Permission("create", "networkpolicies", group="networking.k8s.io"),
    )
