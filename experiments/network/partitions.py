"""Faults that cut pods off from others, or from clients, by drop rules inside the pods themselves."""

from typing import Any

from drill import workloads
from drill.cluster import PodState
from drill.errors import RefusedError
from experiments._fault import Injection, Proof, fault
from experiments._guard import drillable
from experiments._watch import NotSeenError
from experiments.kafka import _brokers as kafka
from experiments.kafka._brokers import Broker, Select, Site
from experiments.network._helpers import port_of
from experiments.network._partition import Partition, Way
from experiments.network._rules import Direction, Rules, addresses
from experiments.pods import _site as pods_site


@fault
def isolate_pods(
    workload: str,
    namespace: str,
    source: str,
    ports: list[int],
    *,
    source_namespace: str | None = None,
    direction: Direction = "in",
    hold: float = 30,
    count: int | str = 1,
    max_pods: int | str = 1,
    seed: int | None = None,
    effect_timeout: float = 30,
    recovery_timeout: float = 180,
) -> Injection:
    """Fault: cut pods of a workload off from the pods of another one. Durations in seconds.

    The rules are in the pods that are cut off, put there from a helper container: it needs no access to nodes and no
    NetworkPolicy, and ends with the pod. A pod that is made meanwhile has none.

    Args:
        workload: `deployment/name` or `statefulset/name`, whose pods are cut off.
        namespace: Its namespace.
        source: The workload that they are cut off from.
        ports: TCP ports of whoever is called; at the first one it is tried.
        source_namespace: Its namespace; None: the same. Must be drillable too: the proof is tried from there.
        direction: `in`: the source can't call them; `out`: they can't call the source; `both`.
        hold: How long.
        count: How many pods: a count, or a share of those that are wanted ("50%").
        max_pods: Blast radius, a count or a share; pods that are not Ready already count.
        seed: Of the random choice; None: another choice each time.
        effect_timeout: How long the effect is awaited.
        recovery_timeout: How long it is awaited that the connections work and all pods are Ready.

    Returns:
        `{targets, proof, since}`; the proof is connections that worked before and time out now, others that work on,
        and how many packets the rules have dropped.
    """
    here = pods_site.drillable_site(namespace, workload)
    loaded, cluster = drillable(source_namespace or namespace)
    cut = [each.pod for each in pods_site.select(here, count, max_pods, seed)]
    found = workloads.read(cluster, source_namespace or namespace, source)
    ends = {pod.uid for pod in cut}
    peers = [pod for pod in workloads.pods(cluster, found) if pod.ready and pod.uid not in ends]
    if not peers:
        raise RefusedError(f"{source} has no Ready pod to be cut off from")
    others = [pod for pod in here.pods() if pod.ready and pod.uid not in ends]
    rules = Rules(addresses(peers), tuple(ports), direction)
    fails, works = _ways(cut, peers, others, port_of(ports), direction)
    return Partition(loaded, cluster, [(pod, rules) for pod in cut], fails, works).injection(
        "isolate_pods",
        recovered=here.recovered,
        hold=hold,
        effect_timeout=effect_timeout,
        recovery_timeout=recovery_timeout,
        permissions=(*here.permissions(), *workloads.permissions(found)),
    )


@fault
def isolate_broker(
    select: Select | list[int],
    *,
    ports: list[int] | None = None,
    topic: str | None = None,
    partition: int = 0,
    direction: Direction = "both",
    hold: float = 30,
    max_brokers_down: int = 1,
    seed: int | None = None,
    effect_timeout: float = 30,
    recovery_timeout: float = 180,
) -> Injection:
    """Fault: cut a Kafka broker off from its peers; clients still reach it, and it them. Durations in seconds.

    Args:
        select: `any` (random), `leader` of `topic`-`partition`, the active `controller`, or a list of one broker id.
        ports: Of the brokers among themselves; None: 9092 and 9093.
        topic: For `leader`.
        partition: For `leader`.
        direction: `in`: its peers can't call it; `out`: it can't call them; `both`.
        hold: How long.
        max_brokers_down: Blast radius; brokers that are down already count.
        seed: Of the random choice; None: another choice each time.
        effect_timeout: As of `isolate_pods`.
        recovery_timeout: How long it is awaited that the connections work and every replica is in sync.

    Returns:
        As of `isolate_pods`.
    """
    here = kafka.drillable_site()
    hit = kafka.select_brokers(here, select, topic=topic, partition=partition, seed=seed)
    kafka.ensure_permitted(here, hit, max_brokers_down)
    cut = [each.pod for each in hit]
    peers = _others(here, hit)
    if not peers:
        raise RefusedError("there is no other broker to be cut off from")
    used = ports or [9092, 9093]
    rules = Rules(addresses(peers), tuple(used), direction)
    fails, works = _ways(cut, peers, [], port_of(used), direction)
    loaded, _ = drillable(here.target.namespace)
    return Partition(loaded, here.cluster, [(pod, rules) for pod in cut], fails, works).injection(
        "isolate_broker",
        recovered=lambda: _in_sync(here),
        hold=hold,
        effect_timeout=effect_timeout,
        recovery_timeout=recovery_timeout,
        permissions=kafka.permissions(here, execute=True),
    )


@fault
def isolate_clients(
    select: Select | list[int],
    *,
    port: int = 9094,
    topic: str | None = None,
    partition: int = 0,
    count: int = 1,
    hold: float = 30,
    max_brokers_down: int = 1,
    seed: int | None = None,
    effect_timeout: float = 30,
    recovery_timeout: float = 180,
) -> Injection:
    """Fault: cut clients off from Kafka brokers; the brokers among themselves go on. Durations in seconds.

    Args:
        select: As of `kill_broker`: `any`, `all`, `leader`, `controller` or broker ids.
        port: Of the clients' listener inside the pod; brokers must call each other at another one.
        topic: For `leader`.
        partition: For `leader`.
        count: How many brokers, for `any`.
        hold: How long.
        max_brokers_down: Blast radius: a broker that clients can't reach is down for them.
        seed: Of the random choice; None: another choice each time.
        effect_timeout: As of `isolate_pods`.
        recovery_timeout: As of `isolate_broker`.

    Returns:
        As of `isolate_pods`; the connections that time out are from where the harness runs, to what Kafka tells its
        clients to call.
    """
    here = kafka.drillable_site()
    hit = kafka.select_brokers(here, select, topic=topic, partition=partition, count=count, seed=seed)
    kafka.ensure_permitted(here, hit, max_brokers_down)
    advertised, rules = here.state().brokers, Rules((), (port,), "in")
    fails: list[Way] = []
    works: list[Way] = []
    watchers = _others(here, hit) or [each.pod for each in hit]
    for each in hit:
        host, _, at = advertised[each.id].rpartition(":")
        fails.append((None, host, int(at)))
        works.append((watchers[0], each.pod.address, 9092))
    loaded, _ = drillable(here.target.namespace)
    return Partition(loaded, here.cluster, [(each.pod, rules) for each in hit], fails, works).injection(
        "isolate_clients",
        recovered=lambda: _in_sync(here),
        hold=hold,
        effect_timeout=effect_timeout,
        recovery_timeout=recovery_timeout,
        permissions=kafka.permissions(here, execute=True),
    )


def _ways(
    cut: list[PodState], peers: list[PodState], others: list[PodState], port: int, direction: Direction
) -> tuple[list[Way], list[Way]]:
    """The connections that must not work while the fault is on, and those that must, as far as they do before."""
    peer = peers[0]
    out: list[Way] = [(pod, peer.address, port) for pod in cut]
    back: list[Way] = [(peer, pod.address, port) for pod in cut]
    aside: list[Way] = [(peer, pod.address, port) for pod in (*others[:1], *peers[1:2])]
    itself: list[Way] = [(pod, pod.address, port) for pod in cut]
    if direction == "both":
        return [*out, *back], [*aside, *itself]
    return (out, [*back, *aside]) if direction == "out" else (back, [*out, *aside])


def _others(here: Site, hit: list[Broker]) -> list[PodState]:
    ids = {each.id for each in hit}
    return [each.pod for each in here.brokers().values() if each.id not in ids and each.pod.ready]


def _in_sync(here: Site) -> Proof:
    state, brokers = here.state(), here.brokers()
    if fenced := sorted(set(brokers) - set(state.brokers)):
        raise NotSeenError(f"broker {', '.join(map(str, fenced))} is not in the cluster's metadata")
    if behind := state.under_replicated or state.offline:
        raise NotSeenError(f"{len(behind)} partitions are under-replicated, {behind[0].name} for one")
    proof: dict[str, Any] = {"brokers": sorted(state.brokers), "isr_full": True}
    return proof
