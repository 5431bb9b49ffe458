"""Arrays to SVG: the charts of a report, all on one time axis.

Colours are the page's CSS variables (`var(--acked)`), so that one SVG serves light mode, dark mode and paper.
"""

import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from reports._svg import inline

LEFT, RIGHT, TOP, BOTTOM = 72, 12, 24, 38
"""Pixels around the plot area, the same in every chart, so that the time axes line up on the page."""
Numbers = npt.NDArray[np.floating[Any]]
COUNTABLE = 6
"""Up to this value an axis of counts has a tick for each."""


@dataclass(frozen=True)
class Size:
    """How wide a chart is drawn: each is drawn once for each size, and CSS shows the one that fits."""

    name: str
    width: int
    ticks: int


SIZES = (Size("wide", 880, 12), Size("narrow", 340, 5))


@dataclass(frozen=True)
class Axis:
    """A time axis, in seconds since `origin`."""

    start: float
    end: float
    origin: str
    windows: tuple[tuple[float, float], ...] = ()
    """When a fault was on: shaded."""
    marks: tuple[tuple[str, float], ...] = ()
    """Named instants (t0, t1, ...), in the order of time."""
    left: int = LEFT
    """Pixels left of the plot area, where its lanes have their names."""


@dataclass(frozen=True)
class Line:
    """One series, drawn as steps: `x` is where each step begins, `y` nan where nothing was measured."""

    name: str
    colour: str
    x: Numbers
    y: Numbers
    dash: tuple[int, ...] = ()


@dataclass(frozen=True)
class Band:
    """A stretch of time in one lane; `text` is drawn in it where it fits."""

    lane: str
    start: float
    end: float
    colour: str
    text: str = ""
    thin: bool = False


@dataclass(frozen=True)
class Chart:
    """One chart to be; `name` is unique on the page, `desc` its text alternative."""

    name: str
    title: str
    desc: str
    axis: Axis
    height: int = 180

    def lines(self, series: Sequence[Line]) -> Markup:
        """Series on a linear scale that starts at zero."""
        top = max((float(np.nanmax(line.y)) for line in series if np.isfinite(line.y).any()), default=1.0)
        domain = [0, max(top * 1.08, 1.0)]
        if top <= COUNTABLE:
            return self._series(series, {"domain": domain}, {"values": list(range(int(top) + 1)), "format": "d"})
        label = "datum.value ? format(datum.value, '~s') : '0'"
        return self._series(series, {"domain": domain, "nice": True}, {"tickCount": 4, "labelExpr": label})

    def log_lines(self, series: Sequence[Line]) -> Markup:
        """Series of durations in seconds, on a log scale of whole decades."""
        drawn = np.concatenate([line.y[np.isfinite(line.y) & (line.y > 0)] for line in series])
        low, high = (float(drawn.min()), float(drawn.max())) if drawn.size else (0.001, 1.0)
        lowest = math.floor(math.log10(low))
        ticks = [10.0**power for power in range(lowest, max(lowest + 1, math.ceil(math.log10(high))) + 1)]
        scale = {"type": "log", "domain": [ticks[0], ticks[-1]]}
        label = "datum.value < 1e-3 ? format(datum.value * 1e6, '~r') + ' µs' : "
        label += "datum.value < 1 ? format(datum.value * 1e3, '~r') + ' ms' : format(datum.value, '~r') + ' s'"
        return self._series(series, scale, {"values": ticks, "labelExpr": label})

    def lanes(self, names: Sequence[str], bands: Sequence[Band]) -> Markup:
        """Bands in named lanes, one lane below the other."""
        from reports import _layers  # noqa: PLC0415

        return self._draw(lambda plot: _layers.lanes(self.axis, names, bands, plot))

    def _series(self, series: Sequence[Line], scale: dict[str, Any], y_axis: dict[str, Any]) -> Markup:
        from reports import _layers  # noqa: PLC0415

        return self._draw(lambda _: [_layers.line(each, scale, y_axis) for each in series])

    def _draw(self, layers: Callable[[int], list[Any]]) -> Markup:
        """The chart in every size; `layers` gives what is drawn in a plot area of so many pixels across."""
        import altair as alt  # noqa: PLC0415 - half a second, paid only by who draws

        from reports import _layers  # noqa: PLC0415

        drawn = []
        for size in SIZES:
            plot = size.width - self.axis.left - RIGHT
            shading, instants = _layers.shading(self.axis), _layers.instants(self.axis, plot)
            chart = alt.layer(shading, *layers(plot), *instants).encode(x=_layers.time(self.axis, size.ticks))
            chart = chart.properties(
                width=plot,
                height=self.height,
                padding={"left": self.axis.left, "right": RIGHT, "top": TOP, "bottom": BOTTOM},
                autosize="none",
                background="transparent",
            )
            rendered = io.StringIO()
            _layers.styled(chart).save(rendered, format="svg")
            svg = inline(rendered.getvalue(), f"{self.name}-{size.name}", self.title, self.desc)
            drawn.append(f'<div class="chart {size.name}">{svg}</div>')
        return Markup("".join(drawn))  # noqa: S704 - our own SVG, escaped by the XML writer
