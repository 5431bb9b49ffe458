"""All figures of a report, in the order of the page."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import partial

from reports._figures_clients import availability, closeup, latency, throughput
from reports._figures_cluster import asks_kafka, asks_postgres, brokers, namespaces, phases, pods, sessions
from reports._figures_phases import runbook
from reports._measured import Missing, measured
from reports._scene import Figure, Scene


@dataclass(frozen=True)
class Drawn:
    """A figure in its place on the page, or why it is not there."""

    name: str
    title: str
    figure: Figure | Missing


def gantt(scene: Scene) -> Drawn:
    """The figure of a runbook, which has its place beside what the runbook found."""
    title = "The runbook beside what clients saw" if scene.loaded else "The runbook, phase by phase"
    return Drawn("runbook", title, measured(scene.record, lambda: runbook(scene, title)))


def figures(scene: Scene, only: Collection[str] | None = None) -> tuple[Drawn, ...]:
    """Every figure that the run has something for; Missing where the record does not have what it draws.

    Args:
        scene: what they share.
        only: the names of those that are wanted; None: all.
    """
    return tuple(
        Drawn(name, title, measured(scene.record, lambda draw=draw, title=title: draw(scene, title)))  # type: ignore[misc]
        for name, title, draw in _wanted(scene)
        if only is None or name in only
    )


def _wanted(scene: Scene) -> Iterator[tuple[str, str, Callable[[Scene, str], Figure]]]:
    """Name, title and function of each figure, in the order of the page."""
    if not scene.loaded:
        yield "phases", "The run at a glance", phases
        if asks_postgres(scene):
            yield "sessions", "PostgreSQL's sessions", sessions
        if namespaces(scene.record):
            yield "pods", "Pods Ready", pods
        return
    views = measured(scene.record, lambda: scene.views)
    several = not isinstance(views, Missing) and len(views) > 1
    yield "phases", "The run at a glance", phases
    if isinstance(views, Missing) or not several:
        yield "throughput", "Throughput", throughput
    else:
        for view in views:
            yield f"throughput-{view.name}", f"Throughput: {view.name}", partial(throughput, view=view)
    by = "service and path" if several else "partition"
    yield "availability", f"Client availability by {by}", availability
    yield "closeup", "The longest outage, from close by", closeup
    yield "latency", "Latency", latency
    if asks_kafka(scene):
        yield "brokers", "Brokers and replication", brokers
    if asks_postgres(scene):
        yield "sessions", "PostgreSQL's sessions", sessions
    if not asks_kafka(scene) or len(namespaces(scene.record)) > 1:
        yield "pods", "Pods Ready", pods
