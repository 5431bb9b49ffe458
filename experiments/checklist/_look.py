"""Every check in turn, whatever becomes of the others."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from drill.cluster import Cluster, Permission, secret_permission
from drill.settings import Settings
from experiments.checklist import _nodes, _scene, _systems, _weaknesses, _workloads
from experiments.checklist._finding import Check, Finding, unknown
from experiments.checklist._scene import Scene

TODAY: dict[Check, str | None] = {
    _nodes.nodes_ready: None,
    _nodes.resource_use: None,
    _nodes.requests_fit: None,
    _workloads.pods_healthy: None,
    _workloads.workloads_complete: None,
    _workloads.no_recent_restart: None,
    _workloads.claims_bound: None,
    _systems.kafka_whole: "kafka",
    _systems.postgres_connections: "postgres",
    _systems.dolphinscheduler_healthy: "dolphinscheduler",
    _systems.targets_scraped: "prometheus",
    _systems.alerts_quiet: "prometheus",
    _systems.backups_fresh: None,
}
"""The daily checklist; each check with the system that must be declared for it."""

WEAKNESSES: dict[Check, str | None] = {
    _systems.topics_durable: "kafka",
    _weaknesses.replicated: None,
    _weaknesses.spread: None,
    _weaknesses.disruption_bounded: None,
    _weaknesses.limited: None,
    _weaknesses.probed: None,
    _weaknesses.images_pinned: None,
    _weaknesses.volumes_kept: None,
    _nodes.a_node_may_be_lost: None,
}
"""What nobody sees until something breaks."""


def look(
    settings: Settings, cluster: Cluster, say: Callable[[str], None], *, weaknesses: bool = True
) -> Iterator[Finding]:
    """Make every check whose system is declared; says which one it is at."""
    scene = Scene(settings, cluster, namespaces(settings))
    for check in (*TODAY, *(WEAKNESSES if weaknesses else ())):
        if (system := (TODAY | WEAKNESSES)[check]) is None or getattr(settings.target, system) is not None:
            name = check.__name__.replace("_", "-")
            say(name)
            yield from (replace(each, check=name, weakness=check in WEAKNESSES) for each in findings(check, scene))


def findings(check: Check, scene: Scene) -> list[Finding]:
    """What one check found; whatever it raises means that it could not see."""
    try:
        return list(check(scene))
    except Exception as error:  # noqa: BLE001 - what a check can't tell is inconclusive, and said
        reason = str(error) or type(error).__name__
        return [unknown("the check itself", reason, "Look whether the system answers, and the identity may ask it.")]


def undeclared(settings: Settings) -> tuple[str, ...]:
    """The systems that the settings do not declare, and that are not looked at therefore."""
    systems = dict.fromkeys(system for system in (TODAY | WEAKNESSES).values() if system)
    return tuple(system for system in systems if getattr(settings.target, system) is None)


def namespaces(settings: Settings) -> tuple[str, ...]:
    """The platform's: those that may be drilled, and those of its declared systems."""
    target = settings.target
    systems = (target.kafka, target.postgres, target.dolphinscheduler)
    return tuple(dict.fromkeys((*target.namespaces, *(each.namespace for each in systems if each is not None))))


def permissions(settings: Settings) -> tuple[Permission, ...]:
    """All that looking takes."""
    postgres = settings.target.postgres
    return (*_scene.permissions(), *(secret_permission(postgres) if postgres else ()))
