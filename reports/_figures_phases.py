"""The figure of a runbook: its phases, one lane each, beside what the clients of each service saw meanwhile."""

from drill.errors import RecordIncompleteError
from reports._format import duration, plural
from reports._runbook import Phase, phases
from reports._scene import Figure, Scene, Span, joined
from reports.charts import Chart


def runbook(scene: Scene, title: str) -> Figure:
    """A Gantt chart of the phases, and the availability of each service."""
    done = phases(scene.record)
    if not done:
        raise RecordIncompleteError("no phase of a runbook is on the time line")
    end = scene.axis.end + scene.origin
    bands = [scene.band("fault", since, until, "fault", "fault on") for since, until in scene.windows(end)[:1]]
    for phase in done:
        until = end if phase.ended is None else phase.ended
        colour = "phase" if phase.ok else "out"
        bands.append(scene.band(phase.name, phase.started, until, colour, _text(phase)))
    for service in scene.timeline.services:
        out = joined([(each.t1, each.seen_until) for path in service.paths for each in path.outages])
        for start, until in _between(out, scene.axis.start + scene.origin, end):
            bands.append(scene.band(service.name, start, until, "served", thin=True))
        bands += [
            scene.band(service.name, start, until, "out", f"out {duration(until - start)}") for start, until in out
        ]
    lanes = ["fault", *(phase.name for phase in done), *(service.name for service in scene.timeline.services)]
    spent = sum(phase.seconds for phase in done if phase.seconds is not None)
    says = f"{plural(len(done), 'phase')} in {duration(spent)}"
    back = [service for service in scene.timeline.services if service.rto]
    if back:
        slowest = max(back, key=lambda service: service.rto or 0.0)
        says += f"; {slowest.name} was the last to serve its clients again, {duration(slowest.rto or 0.0)} after t0"
    says += "."
    note = "The fault and the phases of the runbook, red where one was not done or over its budget."
    legend = [scene.band("phase", 0, 0, "phase"), scene.band("not done, or over its budget", 0, 0, "out")]
    if scene.timeline.services:
        note = (
            f"Above: {note[0].lower()}{note[1:]} Below: thin, no path of the service is out for its clients; thick and "
        )
        note += "red, at least one is."
        legend[1:] = [
            scene.band("clients served", 0, 0, "served", thin=True),
            scene.band("out, or not done", 0, 0, "out"),
        ]
    return Figure(
        note, says, Chart("runbook", title, says, scene.axis, 30 * len(lanes)).lanes(lanes, bands), tuple(legend)
    )


def _text(phase: Phase) -> str:
    return "not ended" if phase.seconds is None else f"{duration(phase.seconds)} of {phase.budget / 60:g} min"


def _between(spans: list[Span], start: float, end: float) -> list[Span]:
    """What is left of a stretch without some spans of it."""
    left = []
    for begin, until in spans:
        if begin > start:
            left.append((start, begin))
        start = max(start, until)
    return [*left, (start, end)] if start < end else left
