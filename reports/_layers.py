"""The layers that the charts of a report are made of, in Altair."""

from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np

from reports.charts import Axis, Band, Line

LETTER = 6.4
"""Mean width of a letter of the 11-pixel labels, in pixels."""
THICK, THIN = 20, 8
SLIVER = 1.5
"""Least width of a band, in pixels: the shortest outage must be seen."""


def time(axis: Axis, ticks: int) -> alt.X:
    """The time axis."""
    scale = alt.Scale(domain=[axis.start, axis.end], nice=False)
    return alt.X("a:Q", scale=scale, axis=alt.Axis(title=f"seconds since {axis.origin}", tickCount=ticks))


def styled(chart: Any) -> Any:
    """The chart with quiet axes, in the colours of the page."""
    chart = chart.configure(font="sans-serif").configure_view(stroke=None)
    chart = chart.configure_axis(
        labelColor="var(--muted)",
        titleColor="var(--muted)",
        gridColor="var(--line)",
        domainColor="var(--line)",
        tickColor="var(--line)",
        ticks=False,
        labelFontSize=11,
        titleFontSize=11,
        titleFontWeight="normal",
        labelPadding=6,
        titlePadding=8,
    )
    return chart.configure_axisX(grid=False, ticks=True, tickSize=4, labelPadding=4)


def line(series: Line, scale: dict[str, Any], y_axis: dict[str, Any]) -> Any:
    """One series as steps, with a gap where nothing was measured (or, on a log scale, where it is zero)."""
    drawn = np.isfinite(series.y) & ((series.y > 0) | (scale.get("type") != "log"))
    rows = [
        {"a": round(float(x), 3), "y": float(f"{y:.4g}") if there else None}
        for x, y, there in zip(series.x, series.y, drawn, strict=True)
    ]
    mark: dict[str, Any] = {"color": f"var(--{series.colour})", "strokeDash": list(series.dash)}
    y = alt.Y("y:Q", scale=alt.Scale(**{"nice": False, **scale}), axis=alt.Axis(title=None, domain=False, **y_axis))
    chart = _of(rows).mark_line(interpolate="step-after", strokeWidth=1.75, strokeCap="round", clip=True, **mark)
    return chart.encode(y=y)


def lanes(axis: Axis, names: Sequence[str], bands: Sequence[Band], plot: int) -> list[Any]:
    """Bands in their lanes, with their text where it fits into a plot area of `plot` pixels across."""
    pixels = plot / (axis.end - axis.start)
    rows, words = [], []
    for band in bands:
        if band.end < axis.start or band.start > axis.end:
            continue
        start, end = max(band.start, axis.start), min(band.end, axis.end)
        end = max(end, start + SLIVER / pixels)
        height = THIN if band.thin else THICK
        rows.append({"lane": band.lane, "a": start, "b": end, "c": f"var(--{band.colour})", "h": height})
        if band.text and len(band.text) * LETTER + 6 < (end - start) * pixels:
            middle = (start + end) / 2
            words.append({"lane": band.lane, "a": middle, "text": band.text, "c": f"var(--on-{band.colour})"})
    scale = alt.Scale(domain=list(names), padding=0.2)
    y = alt.Y(
        "lane:N", title=None, sort=list(names), scale=scale, axis=alt.Axis(domain=False, labelLimit=axis.left - 8)
    )
    colour, height_of = alt.Color("c:N", scale=None), alt.Size("h:Q", scale=None)
    return [
        _of(rows).mark_bar(clip=True).encode(x2="b:Q", y=y, color=colour, size=height_of),
        _of(words).mark_text(fontSize=11).encode(y=y, text="text:N", color=colour),
    ]


def shading(axis: Axis) -> Any:
    """When a fault was on."""
    rows = [{"a": max(start, axis.start), "b": min(end, axis.end)} for start, end in axis.windows]
    return _of(rows).mark_rect(color="var(--fault-shade)", clip=True).encode(x2="b:Q")


def instants(axis: Axis, plot: int) -> list[Any]:
    """A rule and a name for each instant; names closer than they are wide are joined, in the order of time."""
    pixels = plot / (axis.end - axis.start)
    names: list[dict[str, Any]] = []
    for name, at in axis.marks:
        if names and (at - names[-1]["a"]) * pixels < (len(names[-1]["text"]) + 1) * LETTER:
            names[-1]["text"] += f" {name}"
        else:
            names.append({"a": at, "text": name})
    rules = _of([{"a": at} for _, at in axis.marks])
    words = _of(names).mark_text(color="var(--ink)", fontSize=11, fontWeight=600, align="left", dx=-3)
    return [
        rules.mark_rule(color="var(--ink)", strokeDash=[2, 3], strokeWidth=1, opacity=0.7),
        words.encode(y=alt.value(-9), text="text:N"),
    ]


def _of(rows: list[dict[str, Any]]) -> Any:
    return alt.Chart(alt.Data(values=rows))  # type: ignore[no-untyped-call]
