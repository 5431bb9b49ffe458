"""The figures of the run as a whole and of the cluster: phases, brokers and replication."""

from collections.abc import Sequence

import numpy as np

from drill.errors import RecordIncompleteError
from reports._format import duration, number, plural
from reports._measured import Missing, measured
from reports._scene import Figure, Scene
from reports.charts import Chart, Line


def phases(scene: Scene, title: str) -> Figure:
    """The run's phases, the faults, the outages of clients and the degradation of Kafka, one lane each."""
    events = scene.record.events
    changes = scene.record.events_of("run.phase")
    ends = [*(event.t for event in changes[1:]), events[-1].t]
    bands = [
        scene.band("Run", change.t, end, "phase" if at % 2 else "phase-other", str(change.data.get("phase", "")))
        for at, (change, end) in enumerate(zip(changes, ends, strict=False))
    ]
    end = scene.axis.end + scene.origin
    bands += [scene.band("Fault", since, until, "fault", "fault on") for since, until in scene.windows(end)]
    outages, degraded = scene.timeline.outages, _degraded(scene)
    bands += [scene.band("Clients", each.t1, each.seen_until, "out", f"{each.path} out") for each in outages]
    bands += [scene.band("Kafka", since, until, "degraded", "under-replicated") for since, until in degraded]
    lanes = ["Run", "Fault", "Clients", "Kafka"]
    books = measured(scene.record, lambda: scene.books)
    if not isinstance(books, Missing) and books.lost:
        lanes.append("Lost")
        bands += [
            scene.band("Lost", lost.first_time, lost.last_time, "out", "due, lost") for lost in books.lost_intervals
        ]
    says = f"{plural(len(changes), 'phase')}, {plural(len(scene.faults), 'fault')}, {plural(len(outages), 'outage')} "
    says += f"of a partition; Kafka was under-replicated for {duration(sum(b - a for a, b in degraded))}"
    early = sum(max(0.0, min(until, scene.origin) - since) for since, until in degraded)
    says += f", {duration(early)} of it before the fault." if early and scene.timeline.t0 is not None else "."
    note = "The phases of the run, when a fault was on, when clients were out, when Kafka was under-replicated"
    note += ", and when the records were due that were lost." if "Lost" in lanes else "."
    return Figure(note, says, Chart("phases", title, says, scene.axis, 30 * len(lanes)).lanes(lanes, bands))


def brokers(scene: Scene, title: str) -> Figure:
    """Brokers alive, partitions under-replicated and partitions without a leader, as the observer saw them."""
    seen = scene.record.events_of("observed.kafka")
    if not seen:
        raise RecordIncompleteError("the time line has no observed.kafka event")
    x = np.array([event.t for event in seen]) - scene.origin
    alive = np.array([len(event.data["brokers"]) for event in seen], dtype=np.float64)
    under, offline = (
        np.array([event.data.get(name, np.nan) for event in seen], dtype=np.float64)
        for name in ("under_replicated", "offline")
    )
    lines = (
        Line("brokers alive", "acked", x, alive),
        Line("under-replicated partitions", "under", x, under, (6, 3)),
        Line("partitions without a leader", "failed", x, offline, (2, 3)),
    )
    says = f"{number(int(alive.min()))} to {number(int(alive.max()))} brokers alive; at most "
    short, leaderless = (plural(int(np.nanmax(counts)), "partition") for counts in (under, offline))
    says += f"{short} under-replicated, {leaderless} without a leader."
    note = "Counts from the cluster's metadata, "
    note += f"asked every {duration(float(np.median(np.diff(x))))} (median)" if len(x) > 1 else "asked once"
    if unanswered := len(scene.record.events_of("observed.kafka-unreachable")):
        note += f"; {plural(unanswered, 'question')} got no answer, where the last one is drawn on"
    return Figure(f"{note}.", says, Chart("brokers", title, says, scene.axis, 130).lines(lines), lines)


def _degraded(scene: Scene) -> Sequence[tuple[float, float]]:
    """When Kafka said that partitions were under-replicated, epoch seconds."""
    seen = scene.record.events_of("observed.kafka")
    joined: list[tuple[float, float]] = []
    for event, following in zip(seen, [*seen[1:], *seen[-1:]], strict=True):
        if int(event.data.get("under_replicated", 0)) == 0:
            continue
        if joined and event.t <= joined[-1][1]:
            joined[-1] = (joined[-1][0], following.t)
        else:
            joined.append((event.t, following.t))
    return joined
