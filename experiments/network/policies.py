"""The fault that cuts a workload off from another one by a NetworkPolicy, where the cluster enforces any."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kubernetes import client

from drill import helpers, rollback, workloads
from drill.cluster import TIMEOUT, Cluster, ClusterError, MissingError, Permission, PodState, answering
from drill.errors import RefusedError
from drill.helpers import Helper, new_name
from drill.workloads import Workload
from experiments._fault import Injection, Proof, fault
from experiments._guard import drillable
from experiments._watch import GivenUpError, NotSeenError, await_seen
from experiments.network._helpers import (
    DEAD_MAN,
    Attempt,
    await_running,
    connected,
    ensure_accepted,
    helper_image,
    port_of,
    see,
)
from experiments.pods._site import drillable_site, ensure_pods_within, restored

_LABEL = "drill.local/probe"
_START, _ENFORCED, _PROBE_LIFE = 60.0, 15.0, 120
_GROUP, _VERSION, _PLURAL = "networking.k8s.io", "v1", "networkpolicies"


@fault
def deny_by_policy(
    workload: str,
    namespace: str,
    source: str,
    ports: list[int],
    *,
    source_namespace: str | None = None,
    hold: float = 30,
    max_pods: int | str = "100%",
    effect_timeout: float = 30,
    recovery_timeout: float = 180,
) -> Injection:
    """Fault: let no pod of another workload call a workload, by a NetworkPolicy. Durations in seconds.

    A policy is a list of who may: this one lets in every pod but the source's, and nobody from outside of the cluster.
    Other policies of the namespace that let the source in do so still, and then the fault has no effect, and says so.

    Whether the cluster enforces policies at all, which its API does not tell, is tried before: a pod of drill's own
    (and a policy about that pod alone) lives in the namespace for some seconds, in a plan too.

    Args:
        workload: `deployment/name` or `statefulset/name`, which is cut off: all its pods.
        namespace: Its namespace.
        source: The workload that can't call it.
        ports: TCP ports at which the workload listens; at the first one it is tried.
        source_namespace: Its namespace; None: the same. Must be drillable too: the proof is tried from there.
        hold: How long.
        max_pods: Blast radius, a count or a share of the workload's pods: all of them are hit.
        effect_timeout: How long the effect is awaited.
        recovery_timeout: How long it is awaited that the connections work and all pods are Ready.

    Returns:
        `{targets, proof, since}`; the proof is connections that worked before and time out now, and one that works on.
    """
    here = drillable_site(namespace, workload)
    loaded, cluster = drillable(source_namespace or namespace)
    ensure_pods_within(here, here.workload.replicas, max_pods)
    image, port = helper_image(loaded), port_of(ports)
    found = workloads.read(cluster, source_namespace or namespace, source)
    hit = [pod for pod in here.pods() if pod.ready and pod.address]
    callers = [pod for pod in workloads.pods(cluster, found) if pod.ready and pod.address]
    if not hit or not callers:
        raise RefusedError(f"{source if hit else workload} has no Ready pod")
    ensure_accepted(cluster, callers[:1], image)
    ensure_enforced(cluster, namespace, image, str(hit[0].address), port)
    name = new_name()
    helper = Helper(callers[0], name)
    fails = [Attempt(helper, str(pod.address), port) for pod in hit]
    works = [Attempt(helper, str(pod.address), port) for pod in (*callers[1:2], callers[0])]

    def prepare() -> None:
        helper.add(cluster, image, _START + effect_timeout + hold + DEAD_MAN)
        await_running(cluster, [helper], _START)
        see(cluster, fails, "connected")
        works[:] = [each for each in works if each.result(cluster) == "connected"]
        if not works:
            raise ClusterError(f"{source} can call nothing else at port {port}, so its silence would prove nothing")

    def effect() -> Proof:
        see(cluster, fails, "timed out")
        see(cluster, works, "connected")
        return {"timed_out": [str(each) for each in fails], "still_connects": [str(each) for each in works]}

    def recovered() -> Proof:
        see(cluster, fails, "connected")
        return {**here.recovered(), "connects": [str(each) for each in fails]}

    return Injection(
        fault="deny_by_policy",
        method="NetworkPolicy",
        targets=({**here.workload.as_target(), "denies": f"{found.namespace}/{found.ref}", "ports": ports},),
        permissions=tuple(
            dict.fromkeys(
                (
                    *here.permissions(),
                    *workloads.permissions(found),
                    *helpers.permissions(found.namespace),
                    *_permissions(namespace),
                )
            )
        ),
        prepare=prepare,
        inject=lambda: _create(cluster, namespace, _denial(name, here.workload, found)),
        effect=effect,
        undo=remove_policy,
        undo_arguments={"context": cluster.context, "namespace": namespace, "name": name},
        recovered=recovered,
        hold=hold,
        effect_timeout=effect_timeout,
        recovery_timeout=recovery_timeout,
    )


def remove_policy(context: str, namespace: str, name: str, timeout: float = 30) -> dict[str, Any]:
    """Undo: the policy, and the pod of the same name that tried one, are gone.

    Raises:
        NotRestoredError: they are not in time.
    """
    _, cluster = connected(context)

    def look() -> dict[str, Any]:
        there = [
            what
            for what, gone in (("policy", _delete_policy), ("pod", _delete_pod))
            if not gone(cluster, namespace, name)
        ]
        if there:
            raise NotSeenError(f"{' and '.join(there)} {namespace}/{name} is still there")
        return {"policy": name, "there": False}

    return restored(look, timeout)


def ensure_enforced(cluster: Cluster, namespace: str, image: str, host: str, port: int) -> None:
    """Refuse where a policy that forbids it does not keep a pod from calling.

    Raises:
        RefusedError: it does not, or that could not be tried.
    """
    try:
        with _prober(cluster, namespace, image) as probe:
            attempt = Attempt(probe, host, port)
            see(cluster, [attempt], "connected")
            _create(cluster, namespace, _silence(probe.pod.name))
            await_seen(lambda: see(cluster, [attempt], "timed out"), _ENFORCED)
    except GivenUpError as error:
        raise RefusedError(
            f"partitions by NetworkPolicy are unavailable: a policy that forbids it was not enforced ({error}); "
            "the network plugin of this cluster enforces none, isolate_pods needs none"
        ) from error
    except (NotSeenError, ClusterError) as error:
        raise RefusedError(f"whether NetworkPolicies are enforced could not be tried: {error}") from error


@contextmanager
def _prober(cluster: Cluster, namespace: str, image: str) -> Iterator[Helper]:
    """A pod of drill's own; it is gone after the block, with the policy of its name."""
    name = f"drill-probe-{secrets.token_hex(4)}"
    arguments: dict[str, Any] = {"context": cluster.context, "namespace": namespace, "name": name}
    identity = rollback.register(f"{__name__}.{remove_policy.__name__}", arguments)
    try:
        with answering(f"pod {namespace}/{name}"):
            pod = cluster.core.create_namespaced_pod(namespace, _probe(name, image), _request_timeout=TIMEOUT)

        def running() -> PodState:
            now = cluster.pod(namespace, name, pod.metadata.uid)
            if now is None or "probe" not in now.running:
                raise NotSeenError(f"{name} does not run: {', '.join(now.waiting) if now else 'gone'}")
            return now

        try:
            yield Helper(await_seen(running, _START), "probe")
        except GivenUpError as error:
            if "does not run" in str(error):
                raise ClusterError(str(error)) from error
            raise
    finally:
        remove_policy(**arguments)
        rollback.done(identity)


def _permissions(namespace: str) -> tuple[Permission, ...]:
    return (
        *(Permission(verb, _PLURAL, namespace, group=_GROUP) for verb in ("create", "delete", "get")),
        *(Permission(verb, "pods", namespace) for verb in ("create", "delete", "get")),
        *(Permission(verb, "pods", namespace, subresource="exec") for verb in ("create", "get")),
    )


def _denial(name: str, workload: Workload, source: Workload) -> dict[str, Any]:
    """In come pods that lack at least one of the source's labels, from any namespace."""
    others = [
        {
            "namespaceSelector": {},
            "podSelector": {"matchExpressions": [{"key": key, "operator": "NotIn", "values": [value]}]},
        }
        for key, value in sorted(source.labels.items())
    ]
    return _policy(
        name,
        {"podSelector": {"matchLabels": workload.labels}, "policyTypes": ["Ingress"], "ingress": [{"from": others}]},
    )


def _silence(probe: str) -> dict[str, Any]:
    """The probe can call nobody."""
    return _policy(probe, {"podSelector": {"matchLabels": {_LABEL: probe}}, "policyTypes": ["Egress"], "egress": []})


def _policy(name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": f"{_GROUP}/{_VERSION}", "kind": "NetworkPolicy", "metadata": {"name": name}, "spec": spec}


def _probe(name: str, image: str) -> dict[str, Any]:
    """A pod that only waits to be entered, and ends by itself."""
    container = {"name": "probe", "image": image, "imagePullPolicy": "IfNotPresent", "command": ["sleep", "1000000"]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {_LABEL: name}},
        "spec": {
            "activeDeadlineSeconds": _PROBE_LIFE,
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "restartPolicy": "Never",
            "containers": [container],
        },
    }


def _create(cluster: Cluster, namespace: str, policy: dict[str, Any]) -> None:
    with answering(f"network policy {namespace}/{policy['metadata']['name']}"):
        cluster.objects.create_namespaced_custom_object(
            _GROUP, _VERSION, namespace, _PLURAL, policy, _request_timeout=TIMEOUT
        )


def _delete_policy(cluster: Cluster, namespace: str, name: str) -> bool:
    return _gone(
        lambda: cluster.objects.delete_namespaced_custom_object(
            _GROUP, _VERSION, namespace, _PLURAL, name, _request_timeout=TIMEOUT
        ),
        f"network policy {namespace}/{name}",
    )


def _delete_pod(cluster: Cluster, namespace: str, name: str) -> bool:
    options = client.V1DeleteOptions(grace_period_seconds=0)
    return _gone(
        lambda: cluster.core.delete_namespaced_pod(name, namespace, body=options, _request_timeout=TIMEOUT),
        f"pod {namespace}/{name}",
    )


def _gone(delete: Any, what: str) -> bool:
    """Delete something; whether it was gone already."""
    try:
        with answering(f"delete {what}"):
            delete()
    except MissingError:
        return True
    return False
