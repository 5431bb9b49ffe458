"""The figures of what clients saw: throughput, availability, the longest outage, latency."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from drill.errors import RecordIncompleteError
from drill.series import ClientSeries
from recovery import Outage
from reports._format import duration, number, plural
from reports._scene import POINTS, Figure, Scene, View
from reports.charts import Axis, Chart, Line

CLOSE = 0.1
"""Width of a bin in the close-up, s."""
BEFORE, AFTER = 1.5, 2.5
"""What of the time around the longest outage the close-up shows, s."""


def throughput(scene: Scene, title: str, view: View | None = None) -> Figure:
    """Records of one stream offered, acknowledged and failed a second."""
    view = scene.views[0] if view is None else view
    series, each, noun = view.series, scene.each, view.noun
    lines = tuple(
        Line(name, colour, *scene.rates(counts.sum(axis=0), each, series), dash)
        for name, colour, dash, counts in (
            ("offered", "offered", (6, 3), series.offered),
            ("acknowledged", "acked", (), series.acked),
            ("failed", "failed", (2, 3), series.failed),
        )
    )
    offered, acked, failed = (int(each.sum(dtype=np.int64)) for each in (series.offered, series.acked, series.failed))
    says = f"{plural(offered, noun)} were offered, {number(acked)} acknowledged and {number(failed)} failed."
    busy = lines[1].y[1:-1][lines[0].y[1:-1] > 0]
    if busy.size:
        says += (
            f" The slowest {_span(each)} under load acknowledged {number(round(float(busy.min())))} {noun}s a second."
        )
    note = f"{noun.capitalize()}s per second, the mean of each {_span(each)}; offered by when a {noun} was due, "
    note += "acknowledged and failed by when its answer came."
    name, height = (f"throughput-{view.name}", 110) if scene.several else ("throughput", 180)
    return Figure(note, says, Chart(name, title, says, scene.axis, height).lines(lines), lines)


def availability(scene: Scene, title: str) -> Figure:
    """For each path, when its clients were served."""
    paths = scene.timeline.paths
    if not paths:
        raise RecordIncompleteError(scene.timeline.unmeasured.get("t1", "the paths of the clients are not known"))
    numbered = not scene.several and paths[0].service == "kafka"
    lanes = [f"partition {path.name.rpartition('-')[2]}" if numbered else path.name for path in paths]
    bands = []
    for lane, path in zip(lanes, paths, strict=True):
        view, partition = scene.view_of(path.name)
        served = _served(view.series.acked[partition], view.series, path.outages)
        bands += [scene.band(lane, start, end, "served", thin=True) for start, end in served]
        bands += [scene.band(lane, o.t1, o.seen_until, "out", f"out {duration(o.at_least)}") for o in path.outages]
    lasted = [outage.at_least for path in paths for outage in path.outages]
    says = f"{plural(len(paths), 'partition' if numbered else 'path')}, {plural(len(lasted), 'outage')}"
    says += f"; the longest lasted {duration(max(lasted))}." if lasted else "."
    low, high = (duration(pick(path.threshold for path in paths)) for pick in (min, max))
    silence = high if numbered or low == high else f"{low} to {high}, by path,"
    what = scene.views[0].noun + "s" if not scene.several else "requests"
    note = f"Thin: {what} are acknowledged. Thick: out, from a silence of more than {silence} until {what} are "
    note += "acknowledged steadily again."
    svg = Chart("availability", title, says, scene.axis, max(60, 30 * len(lanes))).lanes(lanes, bands)
    legend = (scene.band("served", 0, 0, "served", thin=True), scene.band("out", 0, 0, "out"))
    return Figure(note, says, svg, legend)


def closeup(scene: Scene, title: str) -> Figure:
    """The longest outage from close by: what that one partition was offered and acknowledged, in bins of 100 ms."""
    origin = scene.origin
    worst = max(scene.timeline.outages, key=lambda outage: outage.at_least, default=None)
    if worst is None:
        what = "partition" if not scene.several and scene.views[0].stream.system == "kafka" else "path"
        raise RecordIncompleteError(f"no {what} had an outage after a fault")
    view, partition = scene.view_of(worst.path)
    series = view.series
    start, end = worst.t1 - BEFORE - origin, min(worst.seen_until + AFTER, scene.load_end) - origin
    instants = ((name, getattr(worst, name)) for name in ("t1", "t0", "t5"))
    marks = sorted(((name, t - origin) for name, t in instants if t is not None), key=lambda mark: mark[1])
    windows = tuple(window for window in scene.axis.windows if window[0] < end and window[1] > start)
    axis = Axis(start, end, scene.axis.origin, windows, tuple(mark for mark in marks if start <= mark[1] <= end))
    # What comes seldom is drawn no finer than it comes.
    gap = max((path.baseline_gap for path in scene.timeline.paths if path.name == worst.path), default=0.0)
    each = CLOSE * max(1, math.ceil((end - start) / CLOSE / POINTS), math.ceil(gap / CLOSE - 0.5))
    lines = []
    for name, colour, dash, counts in (
        ("offered", "offered", (6, 3), series.offered),
        ("acknowledged", "acked", (), series.acked),
    ):
        x, y = scene.rates(counts[partition], each, series)
        shown = (x > start - each) & (x < end)
        lines.append(Line(name, colour, x[shown], y[shown], dash))
    says = f"{worst.path} was out for {duration(worst.at_least)}"
    says += "." if worst.t5 is not None else " at least; its end was not seen."
    note = f"{view.noun.capitalize()}s per second of {worst.path} alone, in bins of {duration(each)}. "
    note += "This chart has a time axis of its own."
    return Figure(note, says, Chart("closeup", title, says, axis).lines(lines), tuple(lines))


def latency(scene: Scene, title: str) -> Figure:
    """Latency percentiles over time."""
    if scene.several:
        return _latencies(scene, title)
    series, each, noun = scene.series, scene.each, scene.views[0].noun
    samples = int(series.completed.sum(dtype=np.int64))
    if not samples:
        raise RecordIncompleteError(f"no {noun} was acknowledged")
    lines = []
    for name, q, colour, dash in (
        ("p50", 0.5, "acked", ()),
        ("p99", 0.99, "p99", (6, 3)),
        ("maximum", 1.0, "max", (2, 3)),
    ):
        y = series.latency(q, float(each))
        lines.append(Line(name, colour, series.start - scene.origin + each * np.arange(len(y)), y, dash))
    worst, usual = float(np.nanmax(lines[-1].y)), float(np.nanmedian(lines[1].y))
    says = (
        f"{number(samples)} latencies; the worst was {duration(worst)}, the median of all p99s drawn {duration(usual)}."
    )
    note = f"From when a {noun} was due to its acknowledgement, on a log scale, of the {noun}s acknowledged in each "
    note += f"{_span(each)}; a gap: none was. Read from histograms with an error below 1 %."
    return Figure(note, says, Chart("latency", title, says, scene.axis, 200).log_lines(lines), tuple(lines))


def _latencies(scene: Scene, title: str) -> Figure:
    """The p99 of each stream over time."""
    each = scene.each
    looks = zip(("acked", "p99", "under", "offered"), ((), (6, 3), (2, 3), (9, 2, 2, 2)), strict=True)
    lines, said = [], []
    for view, (colour, dash) in zip(scene.views, looks, strict=False):
        series = view.series
        y = series.latency(0.99, float(each))
        if not np.isfinite(y).any():
            continue
        lines.append(
            Line(f"p99 of {view.name}", colour, series.start - scene.origin + each * np.arange(len(y)), y, dash)
        )
        usual, worst = duration(float(np.nanmedian(y))), duration(float(np.nanmax(y)))
        said.append(f"{view.name}: {usual} in the median, {worst} at worst")
    if not lines:
        raise RecordIncompleteError("nothing was acknowledged")
    says = f"The p99 of each {_span(each)}: {'; '.join(said)}."
    note = "From when something was due to its acknowledgement, on a log scale, of what was acknowledged in each "
    note += f"{_span(each)}; a gap: nothing was. Read from histograms with an error below 1 %."
    return Figure(note, says, Chart("latency", title, says, scene.axis, 200).log_lines(lines), tuple(lines))


def _span(each: int) -> str:
    return "second" if each == 1 else f"{each} seconds"


def _served(
    counts: npt.NDArray[np.uint32], series: ClientSeries, outages: Sequence[Outage]
) -> list[tuple[float, float]]:
    """From the first to the last success of a path, without its outages; epoch seconds."""
    bins = np.flatnonzero(counts)
    if not bins.size:
        return []
    start, last = (series.start + int(place) * series.bin for place in (bins[0], bins[-1] + 1))
    served = []
    for outage in outages:
        served.append((start, outage.t1))
        start = outage.seen_until
    return [(begin, end) for begin, end in [*served, (start, last)] if end > begin]
