"""The figures of the run as a whole and of the cluster: phases, brokers and replication."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from drill.errors import RecordIncompleteError
from drill.record import Event
from reports._format import duration, plural
from reports._measured import Missing, measured
from reports._scene import Figure, Scene
from reports.charts import Chart, Line

Span = tuple[float, float]
"""From and to, epoch seconds."""


def phases(scene: Scene, title: str) -> Figure:
    """The run's phases, the faults, the outages of clients, the degradation of Kafka and losses, one lane each."""
    events = scene.record.events
    changes = scene.record.events_of("run.phase")
    ends = [*(event.t for event in changes[1:]), events[-1].t]
    bands = [
        scene.band("Run", change.t, end, "phase" if at % 2 else "phase-other", str(change.data.get("phase", "")))
        for at, (change, end) in enumerate(zip(changes, ends, strict=False))
    ]
    outages, degraded = scene.timeline.outages, _degraded(scene)
    lanes = {
        "Fault": ("fault", "fault on", _joined(scene.windows(scene.axis.end + scene.origin))),
        "Clients": ("out", "out", _joined([(outage.t1, outage.seen_until) for outage in outages])),
        "Kafka": ("degraded", "under-replicated", degraded),
    }
    books = measured(scene.record, lambda: scene.books)
    if not isinstance(books, Missing) and books.lost:
        lost = _joined([(interval.first_time, interval.last_time) for interval in books.lost_intervals])
        lanes["Lost"] = ("out", "lost records were due", lost)
    for lane, (colour, text, spans) in lanes.items():
        bands += [scene.band(lane, start, end, colour, text) for start, end in spans]
    says = f"{plural(len(changes), 'phase')}, {plural(len(scene.faults), 'fault')}, {plural(len(outages), 'outage')} "
    says += f"of a partition; Kafka said that it was under-replicated for {duration(sum(b - a for a, b in degraded))}"
    early = sum(max(0.0, min(end, scene.origin) - start) for start, end in degraded)
    says += f", {duration(early)} of it before the fault." if early and scene.timeline.t0 is not None else "."
    note = "When a fault was on, when at least one partition was out for clients, when Kafka was under-replicated"
    note += ", and when the records were due that were lost." if "Lost" in lanes else "."
    chart = Chart("phases", title, says, scene.axis, 30 * (1 + len(lanes)))
    return Figure(note, says, chart.lanes(("Run", *lanes), bands))


def brokers(scene: Scene, title: str) -> Figure:
    """What Kafka's metadata and Kubernetes said of the brokers; a gap where there was no answer."""
    record = scene.record
    asked = [event for event in record.events if event.kind in ("observed.kafka", "observed.kafka-unreachable")]
    answered = record.events_of("observed.kafka")
    if not answered:
        raise RecordIncompleteError("the time line has no observed.kafka event")
    pods = record.events_of("observed.pods")
    lines = [
        _line(scene, "brokers in the metadata", "acked", (), asked, lambda data: len(data["brokers"])),
        _line(scene, "pods Ready", "p99", (9, 2, 2, 2), pods, lambda data: sum(pod["ready"] for pod in data["pods"])),
        _line(scene, "under-replicated partitions", "under", (6, 3), asked, lambda data: data["under_replicated"]),
        _line(scene, "partitions without a leader", "failed", (2, 3), asked, lambda data: data["offline"]),
    ]
    alive, ready, short, leaderless = (line.y[np.isfinite(line.y)].astype(int) for line in lines)
    says = f"{alive.min()} to {alive.max()} brokers in the metadata"
    says += f", {ready.min()} to {ready.max()} pods Ready; " if ready.size else "; "
    says += f"at most {plural(int(short.max()), 'partition')} under-replicated, "
    says += f"{plural(int(leaderless.max()), 'partition')} without a leader."
    note = (
        "Counts. Metadata is what a broker that answers believes: it lags, and it stands still while the controllers "
    )
    note += "have no quorum; Ready is what Kubernetes believes. "
    times = [event.t for event in asked]
    note += f"Asked every {duration(float(np.median(np.diff(times))))} (median)" if len(times) > 1 else "Asked once"
    silent = len(asked) - len(answered)
    note += f"; {plural(silent, 'question')} without an answer." if silent else "; always answered."
    return Figure(note, says, Chart("brokers", title, says, scene.axis, 130).lines(lines), tuple(lines))


def _line(
    scene: Scene, name: str, colour: str, dash: tuple[int, ...], events: Sequence[Event], count: Callable[[Any], int]
) -> Line:
    """A count over time, from each event to the next and from the last to the end; nan where it was not to be had."""
    end = scene.axis.end + scene.origin
    x = np.array([*(event.t for event in events), end]) - scene.origin
    y = [np.nan if event.kind.endswith("unreachable") else float(count(event.data)) for event in events]
    return Line(name, colour, x, np.array([*y, *(y[-1:] or [np.nan])]), dash)


def _degraded(scene: Scene) -> list[Span]:
    """When Kafka said that partitions were under-replicated, epoch seconds."""
    seen = scene.record.events_of("observed.kafka")
    pairs = zip(seen, [*seen[1:], *seen[-1:]], strict=True)
    return _joined([(event.t, then.t) for event, then in pairs if event.data.get("under_replicated", 0)])


def _joined(spans: Sequence[Span]) -> list[Span]:
    """The union of spans, in the order of time."""
    joined: list[Span] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined
