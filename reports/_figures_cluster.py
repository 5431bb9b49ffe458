"""The figures of the run as a whole and of the cluster: phases, brokers and replication."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from drill.errors import RecordIncompleteError
from drill.ledger import Accounting
from drill.record import Event, RunRecord
from reports._format import duration, plural
from reports._measured import Missing, measured
from reports._scene import Figure, Scene, Span, View, joined
from reports.charts import Chart, Line

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
        "Fault": ("fault", "fault on", joined(scene.windows(scene.axis.end + scene.origin))),
        **_clients(scene),
    }
    if kafka := asks_kafka(scene):
        # The lane of the service says what its clients saw, that of the replicas what Kafka said.
        lanes["Kafka" if len(scene.timeline.services) <= 1 else "Kafka replicas"] = (
            "degraded",
            "under-replicated",
            degraded,
        )
    if gone := _lost(scene):
        what = " or ".join(dict.fromkeys(f"{view.noun}s" for view, _ in gone))
        intervals = [interval for _, books in gone for interval in books.lost_intervals]
        lost = joined([(interval.first_time, interval.last_time) for interval in intervals])
        lanes["Lost"] = ("out", f"lost {what} were due", lost)
    for lane, (colour, text, spans) in lanes.items():
        bands += [scene.band(lane, start, end, colour, text) for start, end in spans]
    says = f"{plural(len(changes), 'phase')}, {plural(len(scene.faults), 'fault')}, {plural(len(outages), 'outage')} "
    several = len(scene.timeline.services) > 1
    part = "partition" if kafka and not several else "path"
    if not scene.loaded:
        says = f"{plural(len(changes), 'phase')} and {plural(len(scene.faults), 'fault')}; no clients ran"
    else:
        says += f"of a {part}"
    if kafka:
        says += f"; Kafka said that it was under-replicated for {duration(sum(b - a for a, b in degraded))}"
    early = sum(max(0.0, min(end, scene.origin) - start) for start, end in degraded)
    says += f", {duration(early)} of it before the fault." if early and scene.timeline.t0 is not None else "."
    out = f", when at least one {part} {'of each service ' if several else ''}was out for clients"
    note = f"When a fault was on{out if scene.loaded else ''}"
    note += ", when Kafka was under-replicated" if kafka else ""
    note += f", and when the {what} were due that were lost." if "Lost" in lanes else "."
    chart = Chart("phases", title, says, scene.axis, 30 * (1 + len(lanes)))
    return Figure(note, says, chart.lanes(("Run", *lanes), bands))


def brokers(scene: Scene, title: str) -> Figure:
    """What Kafka's metadata and Kubernetes said of the brokers; a gap where there was no answer."""
    record = scene.record
    asked = [event for event in record.events if event.kind in ("observed.kafka", "observed.kafka-unreachable")]
    answered = record.events_of("observed.kafka")
    if not answered:
        raise RecordIncompleteError("the time line has no observed.kafka event")
    # The pods of several namespaces have a figure of their own.
    pods = () if len(namespaces(record)) > 1 else record.events_of("observed.pods")
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
    shown = tuple(line for line in lines if line.name != "pods Ready" or len(namespaces(record)) <= 1)
    return Figure(note, says, Chart("brokers", title, says, scene.axis, 130).lines(shown), shown)


def sessions(scene: Scene, title: str) -> Figure:
    """The sessions that PostgreSQL had, of those it may have; a gap where it let nobody in."""
    record = scene.record
    asked = [event for event in record.events if event.kind in ("observed.postgres", "observed.postgres-unreachable")]
    answered = record.events_of("observed.postgres")
    if not answered:
        raise RecordIncompleteError("the time line has no observed.postgres event")
    lines = [
        _line(scene, "sessions", "acked", (), asked, lambda data: data["used"]),
        _line(scene, "sessions there may be", "failed", (2, 3), asked, lambda data: data["max_connections"]),
    ]
    used = lines[0].y[np.isfinite(lines[0].y)].astype(int)
    silent = len(asked) - len(answered)
    says = f"{used.min()} to {used.max()} sessions, of {int(np.nanmax(lines[1].y))} that there may be; "
    says += f"{plural(silent, 'question')} without an answer." if silent else "always answered."
    note = "Client sessions as pg_stat_activity has them; the one that asks is among them. A gap: no answer."
    return Figure(note, says, Chart("sessions", title, says, scene.axis, 130).lines(lines), tuple(lines))


def pods(scene: Scene, title: str) -> Figure:
    """How many pods of each namespace Kubernetes called Ready."""
    samples = scene.record.events_of("observed.pods")
    lines, said = [], []
    looks = (("acked", ()), ("p99", (6, 3)), ("max", (2, 3)), ("under", (9, 2, 2, 2)), ("offered", (4, 4)))
    for name, (colour, dash) in zip(namespaces(scene.record), looks, strict=False):

        def ready(data: Any, name: str = name) -> int:
            return sum(pod["ready"] for pod in data["pods"] if pod["namespace"] == name)

        lines.append(_line(scene, name, colour, dash, samples, ready))
        said.append(f"{name} {int(np.nanmin(lines[-1].y))} to {int(np.nanmax(lines[-1].y))}")
    if not lines:
        raise RecordIncompleteError("the pods were not observed")
    says = f"Pods Ready: {', '.join(said)}."
    note = (
        "Counts, as Kubernetes believes, which lags behind what clients see; told whenever it changed, at most twice "
    )
    note += "a second."
    return Figure(note, says, Chart("pods", title, says, scene.axis, 130).lines(lines), tuple(lines))


def asks_kafka(scene: Scene) -> bool:
    """Whether the run has anything to do with Kafka: it was loaded, or looked at, or nothing else was."""
    views = measured(scene.record, lambda: scene.views)
    if not scene.loaded:
        return _asks(scene, "kafka")
    if isinstance(views, Missing) or any(view.stream.system == "kafka" for view in views):
        return True
    return _asks(scene, "kafka")


def asks_postgres(scene: Scene) -> bool:
    """Whether PostgreSQL was looked at."""
    return _asks(scene, "postgres")


def _asks(scene: Scene, service: str) -> bool:
    events = measured(scene.record, lambda: scene.record.events)
    return not isinstance(events, Missing) and any(each.kind.startswith(f"observed.{service}") for each in events)


def namespaces(record: RunRecord) -> tuple[str, ...]:
    """Of all pods that were observed; none where that can't be read."""
    events = measured(record, lambda: record.events_of("observed.pods"))
    seen = () if isinstance(events, Missing) else events
    found = measured(record, lambda: {pod["namespace"] for event in seen for pod in event.data["pods"]})
    return () if isinstance(found, Missing) else tuple(sorted(found))


def _clients(scene: Scene) -> dict[str, tuple[str, str, list[Span]]]:
    """When clients were out: of all together, or of each of several services; nothing where none ran."""
    if not scene.loaded:
        return {}
    parts = {each.name: each.outages for each in scene.timeline.services}
    if len(parts) <= 1:
        parts = {"Clients": scene.timeline.outages}
    return {name: ("out", "out", joined([(each.t1, each.seen_until) for each in of])) for name, of in parts.items()}


def _lost(scene: Scene) -> list[tuple[View, Accounting]]:
    """The streams that lost something, with their books."""
    views = measured(scene.record, lambda: scene.views)
    if isinstance(views, Missing):
        return []
    books = [(view, measured(scene.record, lambda view=view: view.books)) for view in views if view.accounted]  # type: ignore[misc]
    return [(view, each) for view, each in books if not isinstance(each, Missing) and each.lost]


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
    return joined([(event.t, then.t) for event, then in pairs if event.data.get("under_replicated", 0)])
