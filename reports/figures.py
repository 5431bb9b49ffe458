"""All figures of a report, in the order of the page."""

from dataclasses import dataclass

from reports._figures_clients import availability, closeup, latency, throughput
from reports._figures_cluster import brokers, phases
from reports._figures_phases import runbook
from reports._measured import Missing, measured
from reports._scene import Figure, Scene

FIGURES = {
    phases: "The run at a glance",
    throughput: "Throughput",
    availability: "Client availability by partition",
    closeup: "The longest outage, from close by",
    latency: "Latency",
    brokers: "Brokers and replication",
}


@dataclass(frozen=True)
class Drawn:
    """A figure in its place on the page, or why it is not there."""

    name: str
    title: str
    figure: Figure | Missing


def gantt(scene: Scene) -> Drawn:
    """The figure of a runbook, which has its place beside what the runbook found."""
    title = "The runbook beside what clients saw"
    return Drawn("runbook", title, measured(scene.record, lambda: runbook(scene, title)))


def figures(scene: Scene) -> tuple[Drawn, ...]:
    """Every figure; Missing where the record does not have what it draws."""
    return tuple(
        Drawn(draw.__name__, title, measured(scene.record, lambda draw=draw, title=title: draw(scene, title)))  # type: ignore[misc]
        for draw, title in FIGURES.items()
    )
