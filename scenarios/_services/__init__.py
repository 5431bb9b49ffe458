"""What a run asks of each service that it involves: may it start, how is it now, and how was it set up.

A run involves the services that it loads, and those that live in the namespaces that its experiment touches.
"""

from drill.cluster import Cluster
from drill.settings import Settings
from scenarios._services._service import Check, Looked, Service
from scenarios._services.dolphinscheduler import DolphinScheduler
from scenarios._services.kafka import Kafka
from scenarios._services.pods import Pods
from scenarios._services.postgres import Postgres
from scenarios.model import Scenario

__all__ = ["Check", "Looked", "Service", "involved", "services"]

_KINDS: dict[str, type[Kafka | Postgres | DolphinScheduler]] = {
    "kafka": Kafka,
    "postgres": Postgres,
    "dolphinscheduler": DolphinScheduler,
}


def involved(scenario: Scenario, settings: Settings) -> tuple[str, ...]:
    """The names of the services that a run involves.

    Raises:
        UsageError: the context does not declare one that is loaded.
    """
    loaded = {plan.system for plan in scenario.load}
    for name in loaded:
        getattr(settings, name)  # raises what is to be declared, and where
    touched = {
        name
        for name in _KINDS
        if (declared := getattr(settings.target, name)) is not None and declared.namespace in scenario.target.namespaces
    }
    return tuple(name for name in _KINDS if name in loaded | touched)


def services(scenario: Scenario, settings: Settings, cluster: Cluster) -> tuple[Service, ...]:
    """The services that a run involves, and the pods of all their namespaces."""
    names = involved(scenario, settings)
    homes = (getattr(settings, name).namespace for name in names)
    namespaces = tuple(dict.fromkeys((*scenario.target.namespaces, *homes)))
    return (*(_KINDS[name](settings, scenario) for name in names), Pods(cluster, namespaces))
