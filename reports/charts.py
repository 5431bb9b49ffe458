"""Arrays to SVG: the charts of a report, all on one shared time axis.

Colours are the page's CSS variables (`var(--acked)`), so that one SVG serves light mode, dark mode and paper.
"""

import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from reports._svg import inline

LEFT, RIGHT, TOP, BOTTOM = 72, 12, 24, 38
"""Pixels around the plot area, the same in every chart, so that the time axes line up on the page."""
LETTER = 6.4
"""Mean width of a letter of the 11-pixel labels, in pixels."""


@dataclass(frozen=True)
class Size:
    """How wide a chart is drawn: each is drawn once for each size, and CSS shows the one that fits."""

    name: str
    width: int
    ticks: int


SIZES = (Size("wide", 880, 12), Size("narrow", 340, 5))


@dataclass(frozen=True)
class Axis:
    """The time axis that the charts of a page share, in seconds since `origin`."""

    start: float
    end: float
    origin: str
    windows: tuple[tuple[float, float], ...] = ()
    """When a fault was on."""
    marks: tuple[tuple[str, float], ...] = ()
    """Named instants (t0, t1, ...), in the order of time."""


@dataclass(frozen=True)
class Line:
    """One series: `x` in seconds on the shared axis, `y` nan where nothing was measured."""

    name: str
    colour: str
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    dash: tuple[int, ...] = ()
    step: bool = False


@dataclass(frozen=True)
class Band:
    """A stretch of time in one lane; `text` is drawn in it where it fits, and a thin one has none."""

    lane: str
    start: float
    end: float
    colour: str
    text: str = ""
    thin: bool = False


@dataclass(frozen=True)
class Chart:
    """What a chart is called and says; `name` is unique on the page."""

    name: str
    title: str
    desc: str
    axis: Axis
    height: int = field(default=180, kw_only=True)

    def lines(self, series: Sequence[Line]) -> Markup:
        """Lines over time on a linear scale that starts at zero."""
        top = max((float(np.nanmax(line.y)) for line in series if np.isfinite(line.y).any()), default=1.0)
        few = top <= 10  # noqa: PLR2004 - counts this small get one tick each
        scale = {"domain": [0, max(top * 1.08, 1.0)], "nice": not few}
        ticks: dict[str, Any] = {"values": list(range(int(top) + 1)), "format": "d"}
        y_axis = ticks if few else {"tickCount": 4, "labelExpr": "datum.value ? format(datum.value, '~s') : '0'"}
        return self._draw(lambda _: [_line(line, scale, y_axis) for line in series])

    def log_lines(self, series: Sequence[Line]) -> Markup:
        """Durations in seconds over time on a log scale."""
        finite = np.concatenate([line.y[np.isfinite(line.y) & (line.y > 0)] for line in series])
        low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.001, 1.0)
        decades = range(math.floor(math.log10(low)), max(math.ceil(math.log10(high)), math.floor(math.log10(low)) + 1) + 1)
        ticks = [10.0**power for power in decades]
        label = "datum.value < 1e-3 ? format(datum.value * 1e6, '~r') + ' µs' : "
        label += "datum.value < 1 ? format(datum.value * 1e3, '~r') + ' ms' : format(datum.value, '~r') + ' s'"
        scale = {"type": "log", "domain": [ticks[0], ticks[-1]], "nice": False}
        return self._draw(lambda _: [_line(line, scale, {"values": ticks, "labelExpr": label}) for line in series])

    def lanes(self, names: Sequence[str], bands: Sequence[Band]) -> Markup:
        """Bands in named lanes, one lane below the other."""
        return self._draw(partial(_lanes, self.axis, list(names), bands))

    def _draw(self, layers: Callable[[int], list[Any]]) -> Markup:
        """The chart in every size, as markup."""
        import altair as alt  # noqa: PLC0415 - half a second, paid only by who draws

        drawn = []
        for size in SIZES:
            plot = size.width - LEFT - RIGHT
            chart = alt.layer(*_background(self.axis), *layers(plot), *_marks(self.axis, plot)).properties(
                width=plot,
                height=self.height,
                padding={"left": LEFT, "right": RIGHT, "top": TOP, "bottom": BOTTOM},
                autosize="none",
                background="transparent",
            )
            chart = chart.encode(x=_time(self.axis, size)).configure(font="sans-serif").configure_view(stroke=None)
            chart = chart.configure_axis(
                labelColor="var(--muted)", titleColor="var(--muted)", gridColor="var(--line)", domainColor="var(--line)",
                ticks=False, labelFontSize=11, titleFontSize=11, titleFontWeight="normal", labelPadding=6, titlePadding=8,
            ).configure_axisX(grid=False, domain=True, ticks=True, tickColor="var(--line)", tickSize=4, labelPadding=4)  # fmt: skip
            rendered = io.StringIO()
            chart.save(rendered, format="svg")
            svg = inline(rendered.getvalue(), f"{self.name}-{size.name}", self.title, self.desc)
            drawn.append(f'<div class="chart {size.name}">{svg}</div>')
        return Markup("".join(drawn))  # noqa: S704 - our own SVG, escaped by the XML writer


def _time(axis: Axis, size: Size) -> Any:
    import altair as alt  # noqa: PLC0415

    return alt.X(
        "a:Q",
        scale=alt.Scale(domain=[axis.start, axis.end], nice=False),
        axis=alt.Axis(title=f"seconds since {axis.origin}", tickCount=size.ticks, labelExpr="replace(datum.label, '−', '−')"),
    )


def _line(line: Line, scale: dict[str, Any], y_axis: dict[str, Any]) -> Any:
    import altair as alt  # noqa: PLC0415

    rows = [
        {"a": round(float(x), 3), "y": float(f"{y:.4g}") if np.isfinite(y) and (y > 0 or scale.get("type") != "log") else None}
        for x, y in zip(line.x, line.y, strict=True)
    ]
    mark = {"color": f"var(--{line.colour})", "strokeWidth": 1.75, "strokeCap": "round", "clip": True}
    mark |= {"strokeDash": list(line.dash)} if line.dash else {}
    mark |= {"interpolate": "step-after"} if line.step else {}
    y = alt.Y("y:Q", scale=alt.Scale(**scale), axis=alt.Axis(title=None, domain=False, **y_axis))
    return alt.Chart(alt.Data(values=rows)).mark_line(**mark).encode(y=y)


def _lanes(axis: Axis, names: list[str], bands: Sequence[Band], plot: int) -> list[Any]:
    import altair as alt  # noqa: PLC0415

    pixels = plot / (axis.end - axis.start)
    rows, words = [], []
    for band in bands:
        start, end = max(band.start, axis.start), min(band.end, axis.end)
        # A pixel at least: the shortest outage must be seen.
        end = max(end, start + 1.5 / pixels)
        rows.append({"lane": band.lane, "a": round(start, 3), "b": round(end, 3), "c": f"var(--{band.colour})", "h": 8 if band.thin else 20})
        if band.text and len(band.text) * LETTER + 6 < (end - start) * pixels:
            words.append({"lane": band.lane, "a": (start + end) / 2, "text": band.text, "c": f"var(--on-{band.colour})"})
    y = alt.Y("lane:N", title=None, sort=names, scale=alt.Scale(domain=names, padding=0.2), axis=alt.Axis(domain=False))
    colour = alt.Color("c:N", scale=None)
    bars = alt.Chart(alt.Data(values=rows)).mark_bar(clip=True).encode(x2="b:Q", y=y, color=colour, size=alt.Size("h:Q", scale=None))
    text = alt.Chart(alt.Data(values=words)).mark_text(fontSize=11).encode(y=y, text="text:N", color=colour)
    return [bars, text]


def _background(axis: Axis) -> list[Any]:
    import altair as alt  # noqa: PLC0415

    rows = [{"a": max(start, axis.start), "b": min(end, axis.end)} for start, end in axis.windows]
    return [alt.Chart(alt.Data(values=rows)).mark_rect(color="var(--fault-shade)", clip=True).encode(x2="b:Q")]


def _marks(axis: Axis, plot: int) -> list[Any]:
    """A dashed rule and a name for each instant; names closer than they are wide are joined, in the order of time."""
    import altair as alt  # noqa: PLC0415

    pixels = plot / (axis.end - axis.start)
    names: list[tuple[str, float]] = []
    for name, at in axis.marks:
        if names and (at - names[-1][1]) * pixels < (len(names[-1][0]) + len(name)) * LETTER / 2 + 6:
            names[-1] = (f"{names[-1][0]} {name}", names[-1][1])
        else:
            names.append((name, at))
    rules = alt.Chart(alt.Data(values=[{"a": at} for _, at in axis.marks]))
    words = alt.Chart(alt.Data(values=[{"a": at, "text": name} for name, at in names]))
    return [
        rules.mark_rule(color="var(--ink)", strokeDash=[2, 3], strokeWidth=1, opacity=0.7),
        words.mark_text(color="var(--ink)", fontSize=11, fontWeight=600, align="left", dx=-3).encode(
            y=alt.value(-9), text="text:N"
        ),
    ]
