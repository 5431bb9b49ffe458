"""All figures of a report, in the order of the page."""

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from functools import partial

from markupsafe import Markup

from drill.record import RunRecord
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
    sources: tuple[str, ...] = ()
    """The files of the record that it was drawn from."""


_EVENTS = ("events.jsonl",)
_SOURCES = {
    "phases": _EVENTS,
    "runbook": ("events.jsonl", "evidence/runbook-*.json"),
    "brokers": _EVENTS,
    "sessions": _EVENTS,
    "pods": _EVENTS,
    "latency": ("load/*/intended.u32", "load/*/completed.u32"),
}
"""Where a figure has its numbers from, by its name: globs; the others are drawn from the clients' rates."""


def present(record: RunRecord, *globs: str) -> tuple[str, ...]:
    """The files of a record that are there, of some globs."""
    root = record.path
    return tuple(path.relative_to(root).as_posix() for glob in globs for path in sorted(root.glob(glob)))


def renamed(drawn: Drawn, prefix: str) -> Drawn:
    """The same figure under a name, and with ids, of its own: for a page that shows several runs."""
    name = f"{prefix}-{drawn.name}"
    if isinstance(drawn.figure, Missing):
        return replace(drawn, name=name)
    svg = re.sub(rf"\b{drawn.name}-(wide|narrow)-", rf"{name}-\1-", str(drawn.figure.svg))
    return replace(drawn, name=name, figure=replace(drawn.figure, svg=Markup(svg)))  # noqa: S704 - our own SVG


def gantt(scene: Scene) -> Drawn:
    """The figure of a runbook, which has its place beside what the runbook found."""
    title = "The runbook beside what clients saw" if scene.loaded else "The runbook, phase by phase"
    figure = measured(scene.record, lambda: runbook(scene, title))
    return Drawn("runbook", title, figure, present(scene.record, *_SOURCES["runbook"]))


def figures(scene: Scene, only: Collection[str] | None = None) -> tuple[Drawn, ...]:
    """Every figure that the run has something for; Missing where the record does not have what it draws.

    Args:
        scene: what they share.
        only: the names of those that are wanted; None: all.
    """
    return tuple(
        Drawn(
            name,
            title,
            measured(scene.record, lambda draw=draw, title=title: draw(scene, title)),  # type: ignore[misc]
            present(scene.record, *_SOURCES.get(name, ("load/*/rates.u32",))),
        )
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
