"""The figures of a report: what of the record each one draws, and what it says in words."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from drill.errors import RecordIncompleteError
from drill.record import Event, RunRecord
from drill.series import ClientSeries, client_series
from recovery import Outage, Timeline
from reports._faults import Fault
from reports._format import duration, number, plural
from reports._measured import Missing, measured
from reports.charts import Axis, Band, Chart, Line

POINTS = 600
"""Most points that a line over the whole run is drawn with; beyond them a point stands for several seconds."""
CLOSE = 0.1
"""Width of a bin in the close-up, s."""
INSTANTS = ("t0", "t1", "t4", "t5", "t6")


@dataclass(frozen=True)
class Figure:
    """One figure of the page."""

    name: str
    title: str
    note: str
    """What is drawn, in which unit, and how exact it is."""
    says: str
    """What the figure shows in words and numbers; also its text alternative."""
    legend: tuple[Line | Band, ...]
    svg: Markup


class Figures:
    """Draws the figures of one record, all on one time axis."""

    def __init__(self, record: RunRecord, timeline: Timeline, faults: Sequence[Fault]) -> None:
        self._record = record
        self._timeline = timeline
        self._faults = faults

    def all(self) -> dict[str, Figure | Missing]:
        """Every figure by name, in the order of the page; Missing where the record does not have it."""
        drawn: dict[str, Callable[[], Figure]] = {
            "phases": self.phases,
            "throughput": self.throughput,
            "availability": self.availability,
            "closeup": self.closeup,
            "latency": self.latency,
            "brokers": self.brokers,
        }
        return {name: measured(self._record, draw) for name, draw in drawn.items()}

    @cached_property
    def series(self) -> ClientSeries:
        """What the clients saw."""
        series = client_series(self._record)
        if series.offered.shape[1] == 0:
            raise RecordIncompleteError("the load sent nothing")
        return series

    @cached_property
    def origin(self) -> float:
        """Epoch seconds of zero on the axis: t0, or else the start of the run."""
        return self._record.events[0].t if self._timeline.t0 is None else self._timeline.t0

    @cached_property
    def axis(self) -> Axis:
        """From the start of the load to its end, or of the whole time line if there was no load."""
        events = self._record.events
        if not events:
            raise RecordIncompleteError("the time line is empty")
        series = measured(self._record, lambda: self.series)
        if isinstance(series, Missing):
            start, end = events[0].t, events[-1].t
        else:
            start, end = series.start, series.start + series.offered.shape[1] * series.bin
        instants = [(name, getattr(self._timeline, name)) for name in INSTANTS]
        marks = sorted(((name, t - self.origin) for name, t in instants if t is not None), key=lambda mark: mark[1])
        end = max([end, start + 1, *(self.origin + at for _, at in marks)])
        return Axis(
            start=start - self.origin,
            end=end - self.origin,
            origin="t0" if self._timeline.t0 is not None else "the start of the run",
            windows=tuple((since - self.origin, until - self.origin) for since, until in self._windows(end)),
            marks=tuple(marks),
        )

    def phases(self) -> Figure:
        """The run's phases, the faults, and who was out when, one lane each."""
        axis, events = self.axis, self._record.events
        changes = [event for event in events if event.kind == "run.phase"]
        ends = [event.t for event in changes[1:]] + [events[-1].t]
        bands = [
            self._band("Run", change.t, end, "phase" if at % 2 else "phase-other", str(change.data.get("phase", "")))
            for at, (change, end) in enumerate(zip(changes, ends, strict=True))
        ]
        bands += [self._band("Fault", since, end, "fault", "fault on") for since, end in self._windows(axis.end + self.origin)]
        bands += [self._band("Clients", o.t1, o.seen_until, "out", f"{o.path} out") for o in self._timeline.outages]
        bands += [self._band("Kafka", a, b, "degraded", "under-replicated") for a, b in self._degraded()]
        title, says = "The run at a glance", f"The run had {plural(len(changes), 'phase')} and {plural(len(self._faults), 'fault')}."
        chart = Chart("phases", title, says, axis, height=120)
        svg = chart.lanes(("Run", "Fault", "Clients", "Kafka"), bands)
        note = "Phases of the run, when a fault was on, when clients were out, when Kafka was under-replicated."
        return Figure("phases", title, note, says, (), svg)

    def throughput(self) -> Figure:
        """Records offered, acknowledged and failed a second."""
        series, axis = self.series, self.axis
        each = self._each(series)
        lines = []
        for name, colour, dash, counts in (
            ("offered", "offered", (6, 3), series.offered),
            ("acknowledged", "acked", (), series.acked),
            ("failed", "failed", (2, 3), series.failed),
        ):
            x, y = self._rates(counts.sum(axis=0, dtype=np.int64), series, each)
            lines.append(Line(name, colour, x, y, dash, step=True))
        sums = [int(counts.sum(dtype=np.int64)) for counts in (series.offered, series.acked, series.failed)]
        says = (
            f"In all {number(sums[0])} records were offered, {number(sums[1])} acknowledged and {number(sums[2])} "
            f"failed; the lowest rate of acknowledgement while load was offered was {self._lowest(lines)} records a second."
        )
        note = f"Records per second, mean of each {plural(each, 'second')}; offered by when a record was due, "
        note += "acknowledged and failed by when its answer came."
        title = "Throughput"
        return Figure("throughput", title, note, says, tuple(lines), Chart("throughput", title, says, axis).lines(lines))

    def availability(self) -> Figure:
        """For each path, when its clients were served."""
        series, axis, paths = self.series, self.axis, self._timeline.paths
        if not paths:
            raise RecordIncompleteError(self._timeline.unmeasured.get("t1", "the paths of the clients are not known"))
        topics = {path.name.rpartition("-")[0] for path in paths}
        lane = {path.name: path.name.replace(f"{next(iter(topics))}-", "partition ") if len(topics) == 1 else path.name for path in paths}
        bands = []
        for path in paths:
            counts = series.acked[int(path.name.rpartition("-")[2])]
            bands += [self._band(lane[path.name], a, b, "served") for a, b in _served(counts, series, path.outages)]
            bands += [
                self._band(lane[path.name], o.t1, o.seen_until, "out", f"out {duration(o.at_least)}") for o in path.outages
            ]
        worst = max((o.at_least for path in paths for o in path.outages), default=0.0)
        silent = duration(max(path.threshold for path in paths))
        says = f"{plural(len(paths), 'path')}; "
        says += f"the longest outage of one path lasted {duration(worst)}." if worst else "none was out."
        note = f"One lane per partition. Served: records are acknowledged. Out: no acknowledgement for more than {silent}."
        title = "Client availability by partition"
        chart = Chart("availability", title, says, axis, height=max(60, 30 * len(paths)))
        legend = (self._band("served", 0, 0, "served"), self._band("out", 0, 0, "out"))
        return Figure("availability", title, note, says, legend, chart.lanes([lane[path.name] for path in paths], bands))

    def closeup(self) -> Figure:
        """The worst outage from close by: what that one partition was offered and answered, in 100 ms."""
        series, found = self.series, self._timeline.outages
        if not found:
            raise RecordIncompleteError("no path had an outage, so that there is none to look at")
        worst = max(found, key=lambda outage: outage.at_least)
        start = worst.t1 - 1.5
        end = min(worst.seen_until + 2.5, self.axis.end + self.origin)
        axis = Axis(
            start - self.origin,
            end - self.origin,
            self.axis.origin,
            windows=tuple(w for w in self.axis.windows if w[1] > start - self.origin and w[0] < end - self.origin),
            marks=tuple(
                (name, t - self.origin)
                for name, t in sorted((("t0", worst.t0), ("t1", worst.t1), ("t5", worst.t5)), key=lambda m: m[1] or 0)
                if t is not None and start <= t <= end
            ),
        )
        partition = int(worst.path.rpartition("-")[2])
        lines = []
        for name, colour, dash, counts in (
            ("offered", "offered", (6, 3), series.offered),
            ("acknowledged", "acked", (), series.acked),
        ):
            x, y = self._rates(counts[partition], series, max(CLOSE, math.ceil((end - start) / POINTS / CLOSE) * CLOSE))
            inside = (x >= axis.start - CLOSE) & (x <= axis.end)
            lines.append(Line(name, colour, x[inside], y[inside], dash, step=True))
        says = f"{worst.path} was out for {duration(worst.at_least)}"
        says += "." if worst.t5 is not None else " at least; its end was not seen."
        note = f"Records per second of {worst.path} alone, in bins of {duration(CLOSE)}. This figure has a time axis of its own."
        title = "The longest outage, from close by"
        return Figure("closeup", title, note, says, tuple(lines), Chart("closeup", title, says, axis).lines(lines))

    def latency(self) -> Figure:
        """Latency percentiles over time."""
        series, axis = self.series, self.axis
        each = self._each(series)
        lines = []
        for name, q, colour, dash in (("p50", 0.5, "acked", ()), ("p99", 0.99, "p99", (6, 3)), ("maximum", 1.0, "max", (2, 3))):
            y = series.latency(q, float(each))
            x = series.start - self.origin + each * np.arange(len(y))
            lines.append(Line(name, colour, x, y, dash, step=True))
        samples = int(series.completed.sum(dtype=np.int64))
        if not samples:
            raise RecordIncompleteError("no record was acknowledged")
        says = f"{number(samples)} latencies; the worst was {duration(float(np.nanmax(lines[-1].y)))}, "
        says += f"the median second had a p99 of {duration(float(np.nanmedian(lines[1].y)))}."
        note = f"From when a record was due to its acknowledgement, of the records acknowledged in each {plural(each, 'second')}; "
        note += "a gap: none was. Read from histograms with an error below 1 %."
        title = "Latency"
        return Figure("latency", title, note, says, tuple(lines), Chart("latency", title, says, axis, height=200).log_lines(lines))

    def brokers(self) -> Figure:
        """Brokers alive and under-replicated partitions, as the observer saw them."""
        seen = self._record.events_of("observed.kafka")
        if not seen:
            raise RecordIncompleteError("the time line has no observed.kafka event")
        x = np.array([event.t for event in seen]) - self.origin
        alive = np.array([len(event.data["brokers"]) for event in seen], dtype=float)
        under = np.array([event.data["under_replicated"] for event in seen], dtype=float)
        offline = np.array([event.data.get("offline", 0) for event in seen], dtype=float)
        lines = [
            Line("brokers alive", "acked", x, alive, step=True),
            Line("under-replicated partitions", "under", x, under, (6, 3), step=True),
            Line("partitions without a leader", "failed", x, offline, (2, 3), step=True),
        ]
        says = (
            f"Between {number(int(alive.min()))} and {number(int(alive.max()))} brokers were alive; at most "
            f"{plural(int(under.max()), 'partition')} under-replicated and {plural(int(offline.max()), 'partition')} without a leader."
        )
        note = "Counts from the cluster's metadata, "
        note += f"asked every {duration(float(np.median(np.diff(x))))} (median)" if len(x) > 1 else "asked once"
        if unreachable := len(self._record.events_of("observed.kafka-unreachable")):
            note += f"; {plural(unreachable, 'time')} without an answer, when the last answer is drawn on"
        title = "Brokers and replication"
        return Figure("brokers", title, note + ".", says, tuple(lines), Chart("brokers", title, says, self.axis, height=130).lines(lines))

    # -- from the record to the axis ---------------------------------------------------------------------------------

    def _windows(self, end: float) -> list[tuple[float, float]]:
        """When each fault was on, epoch seconds: to `end` if its recovery was not seen."""
        return [
            (fault.injected if isinstance(fault.since, Missing) else fault.since, end if isinstance(fault.recovered, Missing) else fault.recovered)
            for fault in self._faults
        ]

    def _band(self, lane: str, start: float, end: float, colour: str, text: str = "") -> Band:
        return Band(lane, start - self.origin, end - self.origin, colour, text, thin=colour == "served")

    def _degraded(self) -> list[tuple[float, float]]:
        """When Kafka said that partitions were under-replicated, epoch seconds."""
        seen = self._record.events_of("observed.kafka")
        pairs = zip(seen, [*seen[1:], *seen[-1:]], strict=True)
        return _joined([(a.t, b.t) for a, b in pairs if _under_replicated(a)])

    def _each(self, series: ClientSeries) -> int:
        """Whole seconds that a point stands for."""
        return max(1, math.ceil(series.offered.shape[1] * series.bin / POINTS))

    def _rates(self, counts: NDArray[np.integer], series: ClientSeries, each: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Counts by bin as records per second in steps of `each` seconds, of which one begins at the origin."""
        width = round(each / series.bin)
        lead = round((self.origin - series.start) / series.bin) % width
        padded = np.concatenate([np.zeros((width - lead) % width, dtype=np.int64), counts.astype(np.int64)])
        padded = np.concatenate([padded, np.zeros(-len(padded) % width, dtype=np.int64)])
        rates = padded.reshape(-1, width).sum(axis=1) / (width * series.bin)
        first = series.start - ((width - lead) % width) * series.bin - self.origin
        return first + width * series.bin * np.arange(len(rates)), rates

    @staticmethod
    def _lowest(lines: Sequence[Line]) -> str:
        offered, acked = lines[0].y, lines[1].y
        inside = acked[1:-1][offered[1:-1] > 0]
        return number(round(float(inside.min()))) if inside.size else "not measurable in so short a run"


def _served(counts: NDArray[np.uint32], series: ClientSeries, outages: Sequence[Outage]) -> list[tuple[float, float]]:
    """From the first to the last success of a path, without its outages; epoch seconds."""
    bins = np.flatnonzero(counts)
    if not bins.size:
        return []
    start, last = series.start + bins[0] * series.bin, series.start + (bins[-1] + 1) * series.bin
    served = []
    for outage in outages:
        served.append((start, outage.t1))
        start = outage.seen_until
    return [(a, b) for a, b in [*served, (start, last)] if b > a]


def _under_replicated(event: Event) -> bool:
    return int(event.data.get("under_replicated", 0)) > 0


def _joined(spans: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    joined: list[tuple[float, float]] = []
    for start, end in spans:
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return joined
