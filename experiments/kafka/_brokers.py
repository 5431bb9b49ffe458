"""Which broker pods there are, which of them a fault means, and whether it may touch them."""

import random
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from drill import kafka, settings
from drill.cluster import Cluster, ClusterError, ExecResult, Permission, PodState
from drill.errors import RefusedError, UsageError
from drill.kafka import KafkaState
from drill.settings import KafkaTarget
from experiments._guard import drillable

Select = Literal["any", "all", "leader", "controller"]

# The tools' own JVM must fit beside the broker's in the container, and must not claim the broker's JMX port.
_TOOL = 'unset JMX_PORT KAFKA_JMX_OPTS KAFKA_OPTS; export KAFKA_HEAP_OPTS=-Xmx96m PATH="$PATH:/opt/kafka/bin:bin"; '
_QUORUM_STATUS = "exec kafka-metadata-quorum.sh --bootstrap-server localhost:9092 describe --status"


@dataclass(frozen=True)
class Broker:
    """One broker and the pod it runs in."""

    id: int
    pod: PodState
    container: str

    @property
    def container_id(self) -> str | None:
        """The id of the container that runs the broker; None before its first start."""
        return self.pod.container_ids.get(self.container)

    @property
    def running(self) -> bool:
        """Whether its container runs."""
        return self.container in self.pod.running

    def as_target(self) -> dict[str, Any]:
        """As events, plans and the rollback log name it."""
        return {
            "kind": "Pod",
            "namespace": self.pod.namespace,
            "name": self.pod.name,
            "uid": self.pod.uid,
            "broker": self.id,
            "node": self.pod.node,
        }


@dataclass(frozen=True)
class Quorum:
    """The KRaft quorum's leader: the active controller."""

    leader: int
    epoch: int


@dataclass(frozen=True)
class Site:
    """A selected context's Kafka and the cluster it runs on."""

    context: str
    target: KafkaTarget
    cluster: Cluster

    def state(self) -> KafkaState:
        """Brokers and partitions as Kafka has them now."""
        return kafka.describe(self.target)

    def brokers(self) -> dict[int, Broker]:
        """The broker pods by broker id: those of the selector that the StatefulSet of the settings owns."""
        ordinal = re.compile(re.escape(self.target.statefulset) + r"-(\d+)")
        return {
            int(match[1]): Broker(int(match[1]), pod, self.target.container)
            for pod in self.cluster.pods(self.target.namespace, self.target.selector)
            if pod.owner == self.target.statefulset and (match := ordinal.fullmatch(pod.name))
        }

    def quorum(self, besides: int | None = None) -> Quorum:
        """The active controller, asked for in the pod of another broker than `besides`.

        A client can't tell: in KRaft, metadata name a random broker as the controller.

        Raises:
            ClusterError: no ready pod, or Kafka's tool gave no answer in it.
        """
        answer = self.tool(_QUORUM_STATUS, besides=besides)
        leader, epoch = (re.search(rf"^{name}:\s*(\d+)", answer.stdout, re.MULTILINE) for name in _QUORUM_FIELDS)
        if not leader or not epoch:
            raise ClusterError(f"kafka-metadata-quorum.sh: {answer.stderr or answer.stdout}")
        return Quorum(int(leader[1]), int(epoch[1]))

    def tool(self, script: str, *arguments: str, besides: int | None = None, timeout: float = 30) -> ExecResult:
        """Run Kafka's own tools by a shell script in the pod of a broker that is ready; arguments are $1 and so on.

        Raises:
            ClusterError: no pod is ready, could be entered, or ended its script within `timeout` seconds.
        """
        ready = [broker for broker in self.brokers().values() if broker.pod.ready and broker.id != besides]
        if not ready:
            raise ClusterError("no broker pod is ready, so Kafka's tools can be run in none")
        pod, argv = ready[0].pod, ["sh", "-c", _TOOL + script, "sh", *arguments]
        return self.cluster.exec(pod.namespace, pod.name, self.target.container, argv, timeout)


_QUORUM_FIELDS = ("LeaderId", "LeaderEpoch")


def site(context: str | None = None) -> Site:
    """The selected context's Kafka, to look at."""
    loaded = settings.load(context=context)
    return Site(str(loaded.context), loaded.kafka, Cluster.connect(loaded))


def drillable_site() -> Site:
    """The selected context's Kafka, to inject faults into.

    Raises:
        RefusedError: it may not be there, or not now.
    """
    loaded, cluster = drillable(settings.load().kafka.namespace)
    return Site(str(loaded.context), loaded.kafka, cluster)


def select_brokers(
    here: Site,
    select: Select | Sequence[int],
    *,
    topic: str | None = None,
    partition: int = 0,
    count: int = 1,
    seed: int | None = None,
) -> list[Broker]:
    """The brokers that a fault means.

    Args:
        here: Where.
        select: `any` (random), `all`, `leader` (of `topic`-`partition`), `controller` (the active one), or broker ids.
        topic: For `leader`.
        partition: For `leader`.
        count: How many, for `any`.
        seed: For `any`: the same seed and brokers give the same choice; None: another choice each time.

    Raises:
        UsageError: what is asked for cannot be meant.
        RefusedError: no pod runs the selected broker.
    """
    brokers = here.brokers()
    if not brokers:
        raise RefusedError(
            f"no pod of StatefulSet {here.target.statefulset!r} in {here.target.namespace!r} matches the selector "
            f"{here.target.selector!r}"
        )
    ids: Sequence[int]
    if select == "any":
        if not 1 <= count <= len(brokers):
            raise UsageError(f"count is {count}, and there are {len(brokers)} brokers")
        ids = random.Random(secrets.randbits(32) if seed is None else seed).sample(sorted(brokers), count)
    elif select == "all":
        ids = sorted(brokers)
    elif select == "leader":
        if topic is None:
            raise UsageError("select: leader needs a topic")
        ids = [here.state().partition(topic, partition).leader]
    elif select == "controller":
        ids = [here.quorum().leader]
    elif isinstance(select, str) or not select:
        raise UsageError(f"select is {select!r}: give any, all, leader, controller or a list of broker ids")
    else:
        ids = list(dict.fromkeys(select))
    if absent := [each for each in ids if each not in brokers]:
        raise RefusedError(f"no pod of {here.target.statefulset!r} runs broker {', '.join(map(str, absent))}")
    return [brokers[each] for each in ids]


def ensure_permitted(here: Site, hit: Sequence[Broker], max_brokers_down: int, *, whole: bool = True) -> None:
    """Refuse when the fault would go beyond the blast radius, or into a cluster that is not whole.

    Args:
        here: Where.
        hit: The brokers that would be down.
        max_brokers_down: Brokers that may be down at a time, those that are down already included.
        whole: Also refuse when partitions are under-replicated or brokers are down already.

    Raises:
        RefusedError: it would.
    """
    brokers, state = here.brokers(), here.state()
    down = {each for each, broker in brokers.items() if not broker.pod.ready or each not in state.brokers}
    if whole and down:
        raise RefusedError(f"broker {', '.join(map(str, sorted(down)))} is down already")
    if whole and (partitions := state.under_replicated or state.offline):
        names = ", ".join(each.name for each in partitions[:5])
        raise RefusedError(f"{len(partitions)} partitions are under-replicated already: {names}")
    would_be_down = down | {broker.id for broker in hit}
    if len(would_be_down) > max_brokers_down:
        raise RefusedError(
            f"{len(would_be_down)} brokers would be down at a time, and max_brokers_down is {max_brokers_down}"
        )


def permissions(here: Site, *, delete: bool = False, execute: bool = False) -> tuple[Permission, ...]:
    """What a fault on broker pods must be allowed to do.

    Exec by WebSocket is a GET; from Kubernetes 1.35 on the API server asks for `create` too (KEP-4006's
    AuthorizePodWebsocketUpgradeCreatePermission).
    """
    namespace = here.target.namespace
    return (
        Permission("list", "pods", namespace),
        *([Permission("delete", "pods", namespace)] if delete else []),
        *([Permission(verb, "pods", namespace, subresource="exec") for verb in ("get", "create")] if execute else []),
    )
