"""Which workloads are critical, by the names that the settings have for them."""

from collections.abc import Sequence

from drill.cluster import Cluster
from drill.errors import UsageError
from drill.settings import KafkaTarget, PostgresTarget, Settings
from experiments.runbooks._services import System
from experiments.runbooks._steps import Platform, Service

_ORDER: tuple[System, ...] = ("postgres", "kafka", "dolphinscheduler")
"""What depends on what comes last."""


def platform(settings: Settings, select: Sequence[System], topic: str | None = None) -> Platform:
    """The critical services of a context.

    Raises:
        UsageError: the context does not declare one of them, or none is selected.
    """
    if not select or set(select) - set(_ORDER):
        raise UsageError(f"select is {list(select)!r}: give one or more of {', '.join(_ORDER)}")
    services = tuple(_service(settings, each) for each in _ORDER if each in select)
    return Platform(settings, Cluster.connect(settings), services, topic)


def _service(settings: Settings, system: System) -> Service:
    if system == "postgres":
        target: PostgresTarget | KafkaTarget = settings.postgres
    elif system == "kafka":
        target = settings.kafka
    else:
        return Service(system, settings.dolphinscheduler.namespace, f"deployment/{settings.dolphinscheduler.api}")
    return Service(system, target.namespace, f"statefulset/{target.statefulset}")
