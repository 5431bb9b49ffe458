"""What the rest of the house asks of a Kafka cluster: its brokers, partitions and topic settings, read only."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

from drill import elsewhere, settings
from drill.errors import DrillError
from drill.settings import Elsewhere, KafkaTarget

if TYPE_CHECKING:
    from drill.cluster import Cluster

_IMPATIENT: dict[str, Any] = {
    # A stopped broker still accepts connections (its kernel does), so an answer that does not come soon never comes:
    # give up quickly and let the next call ask another broker.
    "socket.timeout.ms": 3000,
    "socket.connection.setup.timeout.ms": 3000,
    "reconnect.backoff.ms": 50,
    "reconnect.backoff.max.ms": 500,
    "log_level": 2,  # a broker that is down is what a drill is about, not a line on stderr each half second
}


class KafkaUnreachableError(DrillError):
    """No broker answered, or not in time; the message is the client's own."""


class UnknownTopicError(DrillError):
    """The cluster has no such topic."""


@dataclass(frozen=True)
class Partition:
    """One partition as a broker's metadata has it; brokers by their ids."""

    topic: str
    partition: int
    leader: int
    """-1: none, the partition is offline."""
    replicas: tuple[int, ...]
    isr: tuple[int, ...]

    @property
    def name(self) -> str:
        """`topic-partition`, as Kafka's own logs write it."""
        return f"{self.topic}-{self.partition}"

    @property
    def under_replicated(self) -> bool:
        """Whether some replica is out of sync (Kafka's UnderReplicatedPartitions)."""
        return len(self.isr) < len(self.replicas)

    @property
    def offline(self) -> bool:
        """Whether nobody leads it."""
        return self.leader < 0


@dataclass(frozen=True)
class KafkaState:
    """Live brokers and partitions, as one answer of one broker."""

    brokers: dict[int, str]
    """Advertised `host:port` by broker id; a broker whose session expired is not among them."""
    partitions: tuple[Partition, ...]

    @property
    def under_replicated(self) -> tuple[Partition, ...]:
        """The partitions with a replica out of sync."""
        return tuple(partition for partition in self.partitions if partition.under_replicated)

    @property
    def offline(self) -> tuple[Partition, ...]:
        """The partitions that nobody leads."""
        return tuple(partition for partition in self.partitions if partition.offline)

    def led_by(self, broker: int) -> tuple[Partition, ...]:
        """The partitions that `broker` leads."""
        return tuple(partition for partition in self.partitions if partition.leader == broker)

    def partition(self, topic: str, partition: int) -> Partition:
        """One partition.

        Raises:
            UnknownTopicError: there is no such topic or partition.
        """
        for each in self.partitions:
            if (each.topic, each.partition) == (topic, partition):
                return each
        raise UnknownTopicError(f"no partition {partition} of topic {topic!r}")

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON types, for events and evidence."""
        return {
            "brokers": {str(broker): address for broker, address in sorted(self.brokers.items())},
            "partitions": [asdict(partition) for partition in self.partitions],
            "under_replicated": len(self.under_replicated),
            "offline": len(self.offline),
        }


def client_config(target: KafkaTarget, **more: Any) -> dict[str, Any]:
    """The librdkafka configuration of any client of `target`, its secrets included: never to be shown.

    Args:
        target: Which Kafka; of the selected context, where a Secret has a part of its configuration.
        more: Properties that replace or complete those of the settings; `_` stands for the property's `.`.

    Raises:
        UsageError: a variable that has a secret is not set.
        ClusterError: a Secret can't be read.
    """
    properties = {name.replace("_", "."): value for name, value in more.items()}
    return {
        "bootstrap.servers": target.bootstrap,
        "client.id": "drill",
        **target.client,
        **_secrets(target),
        **properties,
    }


def describe(target: KafkaTarget, topics: Iterable[str] | None = None, timeout: float = 5) -> KafkaState:
    """Ask one broker for the cluster's state; `topics` narrows the answer, None: all, internal ones too.

    Raises:
        KafkaUnreachableError: no answer within `timeout` seconds.
    """
    wanted = None if topics is None else frozenset(topics)
    try:
        # All topics are asked for, since asking for one by name would create it where auto-creation is on.
        metadata = admin(target).list_topics(timeout=timeout)
    except KafkaException as error:
        raise KafkaUnreachableError(f"{target.bootstrap}: {error.args[0].str()}") from error
    return KafkaState(
        brokers={broker.id: f"{broker.host}:{broker.port}" for broker in metadata.brokers.values()},
        partitions=tuple(
            Partition(topic.topic, each.id, each.leader, tuple(each.replicas), tuple(each.isrs))
            for _, topic in sorted(metadata.topics.items())
            if wanted is None or topic.topic in wanted
            for _, each in sorted(topic.partitions.items())
        ),
    )


def topic_settings(target: KafkaTarget, topic: str, timeout: float = 10) -> dict[str, str]:
    """The settings of a topic that are in force, defaults included, and `replication_factor` and `partitions`.

    Raises:
        UnknownTopicError: there is no such topic.
        KafkaUnreachableError: no answer within `timeout` seconds.
    """
    client, resource = admin(target), ConfigResource(ResourceType.TOPIC, topic)
    try:
        described = client.describe_topics(TopicCollection([topic]), request_timeout=timeout)[topic].result()
        configured = client.describe_configs([resource], request_timeout=timeout)[resource].result()
    except KafkaException as error:
        if error.args[0].name() == "UNKNOWN_TOPIC_OR_PART":
            raise UnknownTopicError(f"no topic {topic!r}") from error
        raise KafkaUnreachableError(f"{target.bootstrap}: {error.args[0].str()}") from error
    return {name: entry.value for name, entry in configured.items() if entry.value is not None} | {
        "partitions": str(len(described.partitions)),
        "replication_factor": str(min(len(each.replicas) for each in described.partitions)),
    }


def admin(target: KafkaTarget) -> AdminClient:
    """The one admin client of a target in this process; librdkafka's handles may be used by many threads."""
    return _admin(tuple(sorted(client_config(target).items())))


@cache
def _admin(properties: tuple[tuple[str, Any], ...]) -> AdminClient:
    return AdminClient({**_IMPATIENT, **dict(properties)})


def _secrets(target: KafkaTarget) -> dict[str, str]:
    return {
        name: _from_cluster(place, settings.load().context)
        if place.secret
        else elsewhere.value(place, f"kafka.client_secrets.{name}", _cluster)
        for name, place in target.client_secrets.items()
    }


@cache
def _from_cluster(place: Elsewhere, context: str | None) -> str:  # noqa: ARG001 - of another context it is another
    """Asked for once in this process: clients are also made while the cluster is broken."""
    return elsewhere.value(place, "kafka.client_secrets", _cluster)


def _cluster() -> "Cluster":
    from drill.cluster import Cluster  # noqa: PLC0415 - lazy: a load waits for Kubernetes' client only where it asks it

    return Cluster.connect(settings.load())
