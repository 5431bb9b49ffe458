"""What must hold before a drill may start; nothing here changes the cluster."""

import importlib
from dataclasses import asdict, dataclass
from typing import Any

from chaoslib.configuration import load_configuration
from chaoslib.substitution import substitute
from confluent_kafka import KafkaException

from drill import kafka
from drill.cluster import Cluster, Permission
from drill.errors import DrillError, UsageError
from drill.settings import Settings
from scenarios.model import Scenario
from scenarios.reader import Drill


@dataclass(frozen=True)
class Check:
    """One thing that preflight looked at."""

    name: str
    ok: bool
    detail: str


@dataclass(frozen=True)
class Preflight:
    """All that was looked at, and what the drill would hit."""

    checks: tuple[Check, ...]
    targets: tuple[dict[str, Any], ...]
    permissions: tuple[Permission, ...]
    kafka: dict[str, Any] | None
    topic_settings: dict[str, str]

    @property
    def refusals(self) -> tuple[str, ...]:
        """Why the drill may not start; empty when it may."""
        return tuple(f"{check.name}: {check.detail}" for check in self.checks if not check.ok)

    def as_dict(self) -> dict[str, Any]:
        """As the record keeps it."""
        return asdict(self)


def guard(scenario: Scenario, settings: Settings) -> None:
    """Hold the scenario against what the settings declare drillable, before any connection is made.

    Raises:
        UsageError: the context or a namespace is not declared drillable.
    """
    context = settings.target
    if not context.drillable:
        raise UsageError(
            f"context {settings.context!r} is not declared drillable: set `drillable = true` in its table "
            "if faults may be injected there"
        )
    undeclared = sorted(set(scenario.target.namespaces) - set(context.namespaces))
    if undeclared:
        raise UsageError(
            f"scenario {scenario.name} touches {', '.join(undeclared)}, which context {settings.context!r} does not "
            f"declare drillable (namespaces = {list(context.namespaces)})"
        )


def preflight(drill: Drill, settings: Settings, cluster: Cluster) -> Preflight:
    """Look at everything that must hold; never raises for what it finds, so that all refusals are told at once."""
    checks: list[Check] = []
    topic = drill.scenario.load.topic
    state: kafka.KafkaState | None = None
    topic_settings: dict[str, str] = {}
    try:
        state = kafka.describe(settings.kafka, timeout=10)
        checks.append(Check("kafka-reachable", ok=True, detail=f"{len(state.brokers)} brokers answer"))
    except (KafkaException, DrillError) as error:
        checks.append(Check("kafka-reachable", ok=False, detail=f"{settings.kafka.bootstrap}: {error}"))
    if state is not None:
        short = [f"{each.topic}-{each.partition} (ISR {list(each.isr)})" for each in state.under_replicated]
        checks.append(
            Check(
                "fully-replicated",
                ok=not short,
                detail=f"under-replicated already: {', '.join(short)}; a fault now could lose what is left"
                if short
                else "every partition has all its replicas in sync",
            )
        )
        partitions = [each for each in state.partitions if each.topic == topic]
        own = drill.scenario.own_topic is not None
        checks.append(
            Check(
                "topic-there",
                ok=bool(partitions) or own,
                detail=f"{topic}: {len(partitions)} partitions"
                if partitions
                else f"{topic}: {'made by the drill' if own else 'there is no such topic: create it or set load.topic'}",
            )
        )
        if partitions:
            topic_settings = kafka.topic_settings(settings.kafka, topic)

    targets, permissions = [], [*RUNNER_PERMISSIONS(settings)]
    try:
        for plan in planned(drill):
            targets += plan["targets"]
            permissions += plan["permissions"]
        checks.append(
            Check(
                "targets-resolved",
                ok=bool(targets),
                detail=", ".join(_name(target) for target in targets) or "the experiment would hit nothing",
            )
        )
    except Exception as error:  # noqa: BLE001 - told with all other refusals
        checks.append(Check("targets-resolved", ok=False, detail=str(error)))

    wanted = tuple(dict.fromkeys(permissions))
    missing = cluster.missing_permissions(list(wanted))
    checks.append(
        Check(
            "permissions",
            ok=not missing,
            detail=f"not allowed: {', '.join(str(each) for each in missing)}; see docs/rbac"
            if missing
            else f"{len(wanted)} permissions held",
        )
    )
    return Preflight(tuple(checks), tuple(targets), wanted, state.as_dict() if state else None, topic_settings)
