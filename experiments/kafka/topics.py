"""Topics that a drill brings along."""

from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import NewTopic

from drill import kafka
from drill.errors import RefusedError
from experiments._plan import Plan
from experiments._watch import NotSeenError, await_seen
from experiments.kafka._brokers import Site, drillable_site


def ensure_topic(
    topic: str, partitions: int = 3, replication_factor: int = 3, config: dict[str, str] | None = None
) -> dict[str, Any]:
    """Create a topic whose partitions all have the same replicas, or find it with just these settings.

    It is not removed afterwards, since the drain still has to read it: give it a short `retention.ms`.

    Args:
        topic: Its name.
        partitions: How many.
        replication_factor: Replicas of each, on the brokers of the lowest ids; the first is the preferred leader.
        config: Topic settings, such as `min.insync.replicas`.

    Returns:
        `{topic, created}`.

    Raises:
        RefusedError: the topic is there with other settings, or the context is not drillable.
        GivenUpError: the new topic did not get its leaders in 30 s.
    """
    here, config = drillable_site(), config or {}
    wanted = {**config, "partitions": str(partitions), "replication_factor": str(replication_factor)}
    created = False
    try:
        found = kafka.topic_settings(here.target, topic)
    except kafka.UnknownTopicError:
        brokers = sorted(here.state().brokers)[:replication_factor]
        _create(here, NewTopic(topic, partitions, replica_assignment=[brokers] * partitions, config=config))
        created = True
    else:
        if other := {name: found.get(name) for name, value in wanted.items() if found.get(name) != value}:
            raise RefusedError(f"topic {topic!r} is there with other settings: {other}; delete it, or name another one")
    await_seen(lambda: _led(here, topic, partitions), within=30)
    return {"topic": topic, "created": created}


def plan_ensure_topic(
    topic: str,
    partitions: int = 3,  # noqa: ARG001 - siblings have the same parameters
    replication_factor: int = 3,  # noqa: ARG001
    config: dict[str, str] | None = None,  # noqa: ARG001
) -> Plan:
    """The topic that `ensure_topic` would create or find; no Kubernetes permission is needed."""
    namespace = drillable_site().target.namespace
    return Plan(targets=({"kind": "KafkaTopic", "namespace": namespace, "name": topic},), permissions=())


def _create(here: Site, topic: NewTopic) -> None:
    (created,) = kafka.admin(here.target).create_topics([topic]).values()
    try:
        created.result()
    except KafkaException as error:
        raise RefusedError(f"topic {topic.topic!r}: {error.args[0].str()}") from error


def _led(here: Site, topic: str, partitions: int) -> None:
    found = kafka.describe(here.target, [topic]).partitions
    if len(found) != partitions or any(each.offline for each in found):
        raise NotSeenError(f"topic {topic!r} has {len(found)} of {partitions} partitions, or some without a leader")
