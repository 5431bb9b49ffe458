"""Whether the platform's services answer, asked by a client of each kind: what `Ready` alone does not say."""

import json
from collections.abc import Callable, Sequence
from typing import Any, Literal

from confluent_kafka import KafkaException, Producer

from drill import dolphinscheduler, kafka, postgres
from drill.errors import DrillError
from drill.settings import Settings
from experiments._watch import NotSeenError

System = Literal["postgres", "kafka", "dolphinscheduler"]
_WITHIN = 5.0
"""Seconds in which a service has to answer."""


def answering(settings: Settings, systems: Sequence[System], topic: str | None) -> dict[str, Any]:
    """What each service answered.

    Args:
        settings: Which context.
        systems: Which of its services.
        topic: Kafka is also asked to take one record for it; None: it is not.

    Raises:
        NotSeenError: one did not answer, or not as it should.
    """
    ask: dict[System, Callable[[], dict[str, Any]]] = {
        "kafka": lambda: {**in_sync(settings, replicas=False), **_produce(settings, topic)},
        "postgres": lambda: _select(settings),
        "dolphinscheduler": lambda: _health(settings),
    }
    return {each: ask[each]() for each in systems}


def in_sync(settings: Settings, *, replicas: bool = True) -> dict[str, Any]:
    """Kafka's metadata: each partition has a leader and, if asked for, its replicas in sync."""
    state = kafka.describe(settings.kafka)
    if state.offline:
        raise NotSeenError(f"{len(state.offline)} partitions have no leader, {state.offline[0].name} for one")
    if replicas and state.under_replicated:
        short = state.under_replicated
        raise NotSeenError(f"{len(short)} partitions are under-replicated, {short[0].name} for one")
    return {"brokers": sorted(state.brokers), "under_replicated": len(state.under_replicated)}


def _produce(settings: Settings, topic: str | None) -> dict[str, Any]:
    """One record, acknowledged by all replicas in sync."""
    if topic is None:
        return {}
    answers: list[Any] = []
    producer = Producer(kafka.client_config(settings.kafka, acks="all", delivery_timeout_ms=int(_WITHIN * 1000)))
    value = json.dumps({"runbook": "verify"}).encode()
    try:
        producer.produce(topic, value, on_delivery=lambda error, message: answers.append((error, message)))
        producer.flush(_WITHIN + 1)
    except KafkaException as error:
        raise NotSeenError(f"Kafka did not take a record: {error.args[0].str()}") from error
    if not answers or answers[0][0] is not None:
        raise NotSeenError(f"Kafka did not take a record: {answers[0][0].str() if answers else 'no answer'}")
    message = answers[0][1]
    return {"acknowledged": f"{topic}-{message.partition()} at offset {message.offset()}"}


def _select(settings: Settings) -> dict[str, Any]:
    """`SELECT 1`, through the clients' pool where there is one."""
    pooled = settings.postgres.pooler is not None
    try:
        postgres.ensure_answers(postgres.conninfo(settings, pooled=pooled), _WITHIN)
    except DrillError as error:
        raise NotSeenError(f"PostgreSQL did not answer: {error}") from error
    return {"select_1": True, "through": "pool" if pooled else "server"}


def _health(settings: Settings) -> dict[str, Any]:
    """DolphinScheduler's own health endpoint."""
    try:
        status = dolphinscheduler.health(settings.dolphinscheduler, _WITHIN)["status"]
    except dolphinscheduler.UnreachableError as error:
        raise NotSeenError(f"DolphinScheduler did not answer: {error}") from error
    if status != "UP":
        raise NotSeenError(f"DolphinScheduler's health is {status!r}")
    return {"health": status}
