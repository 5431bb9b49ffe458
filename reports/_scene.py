"""What the figures of one record share: its time axis, its zero, and what the clients saw."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from drill.errors import RecordIncompleteError
from drill.ledger import Accounting, Stream, account, streams
from drill.record import RunRecord
from drill.series import ClientSeries, stream_series
from drill.verdicts import Outcome
from recovery import Timeline
from reports._faults import Fault
from reports._measured import Missing, measured
from reports.charts import LEFT, Axis, Band, Line, Numbers

Span = tuple[float, float]
"""From when to when, epoch seconds."""
POINTS = 600
"""Most points that a line over the whole run is drawn with; beyond them a point stands for several seconds."""
WIDE_LEFT = 124
"""Pixels left of the plots where lanes are named after services."""
STORES = {"kafka": "topic", "postgres": "table", "dolphinscheduler": "list of instances"}
LOSSES = 100
"""Most intervals of lost records on the page; the ledger has them all."""
INSTANTS = ("t0", "t1", "t2", "t3", "t4", "t5", "t6")


@dataclass(frozen=True)
class Figure:
    """One figure of the page."""

    note: str
    """What is drawn, in which unit, and how exact it is."""
    says: str
    """What it shows in words and numbers; also its text alternative."""
    svg: Markup
    legend: tuple[Line | Band, ...] = ()


class Scene:
    """One record, seen along the time axis of its figures."""

    def __init__(self, record: RunRecord, timeline: Timeline, faults: Sequence[Fault]) -> None:
        self.record = record
        self.timeline = timeline
        self.faults = faults

    @cached_property
    def views(self) -> tuple["View", ...]:
        """What each load's clients sent and saw, by service and name."""
        return tuple(View(stream, self) for stream in streams(self.record))

    @property
    def loaded(self) -> bool:
        """Whether clients ran; the drill of a restore needs none. Where nobody knows, they are looked for."""
        said = measured(self.record, lambda: self.record.scenario.get("load"))
        return isinstance(said, Missing) or said != []

    @property
    def several(self) -> bool:
        """Whether more than one stream is to be told of."""
        return len(self.views) > 1

    @property
    def series(self) -> ClientSeries:
        """What the clients of the first stream saw; of one that is alone, all that clients saw."""
        return self.views[0].series

    def view_of(self, path: str) -> tuple["View", int]:
        """The stream of a path, and which of its partitions it is."""
        for view in self.views:
            if path in view.stream.paths:
                return view, view.stream.paths.index(path)
        raise RecordIncompleteError(f"no load went by {path}")

    @property
    def load_start(self) -> float:
        """Epoch seconds of the first bin of all."""
        return min(view.series.start for view in self.views)

    @property
    def load_end(self) -> float:
        """Epoch seconds of the end of the last bin of all."""
        return max(view.series.start + len(view.series.offered[0]) * view.series.bin for view in self.views)

    @cached_property
    def origin(self) -> float:
        """Epoch seconds of zero on the axis: t0, or else the first event."""
        if self.timeline.t0 is not None:
            return self.timeline.t0
        if not self.record.events:
            raise RecordIncompleteError("the time line is empty")
        return self.record.events[0].t

    @cached_property
    def axis(self) -> Axis:
        """From the start of the load to its end, or along the events if there was no load."""
        span = measured(self.record, lambda: (self.load_start, self.load_end))
        start, end = (self.record.events[0].t, self.record.events[-1].t) if isinstance(span, Missing) else span
        found = [(name, getattr(self.timeline, name)) for name in INSTANTS]
        marks = sorted(((name, t - self.origin) for name, t in found if t is not None), key=lambda mark: mark[1])
        end = max(end, start + 1, *(self.origin + at for _, at in marks))
        return Axis(
            start=start - self.origin,
            end=end - self.origin,
            origin="t0" if self.timeline.t0 is not None else "the start of the run",
            windows=tuple((since - self.origin, until - self.origin) for since, until in self.windows(end)),
            marks=tuple(marks),
            left=WIDE_LEFT if len(self.timeline.services) > 1 else LEFT,
        )

    @property
    def each(self) -> int:
        """Whole seconds that a point of a line over the whole run stands for."""
        return max(1, math.ceil((self.load_end - self.load_start) / POINTS))

    def windows(self, end: float) -> list[tuple[float, float]]:
        """When each fault was on, epoch seconds: to `end` if its recovery was not seen."""
        return [
            (
                fault.injected if isinstance(fault.since, Missing) else fault.since,
                end if isinstance(fault.recovered, Missing) else fault.recovered,
            )
            for fault in self.faults
        ]

    def band(self, lane: str, start: float, end: float, colour: str, text: str = "", *, thin: bool = False) -> Band:
        """A band from epoch seconds to epoch seconds."""
        return Band(lane, start - self.origin, end - self.origin, colour, text, thin)

    def rates(
        self, counts: npt.NDArray[np.integer], each: float, series: ClientSeries | None = None
    ) -> tuple[Numbers, Numbers]:
        """Counts (N,) by bin as records per second in steps of `each` seconds, of which one begins at the origin."""
        of = self.series if series is None else series
        width = round(each / of.bin)
        ahead = -round((self.origin - of.start) / of.bin) % width
        padded = np.concatenate([np.zeros(ahead), counts, np.zeros(-(ahead + len(counts)) % width)])
        rates = padded.reshape(-1, width).sum(axis=1) / (width * of.bin)
        first = of.start - ahead * of.bin - self.origin
        return first + width * of.bin * np.arange(len(rates)), rates


def loads(record: RunRecord) -> list[dict[str, Any]]:
    """What the scenario says of its loads: a mapping, or several."""
    said = record.scenario.get("load") or {}
    return list(said) if isinstance(said, list) else [said]


class View:
    """One stream of a record, as the page tells of it."""

    def __init__(self, stream: Stream, scene: Scene) -> None:
        self.stream = stream
        self._scene = scene

    @property
    def name(self) -> str:
        """Of the stream."""
        return self.stream.name

    @property
    def noun(self) -> str:
        """What one of its records is called."""
        return self.stream.noun

    @property
    def store(self) -> str:
        """Where what it sent is kept, in words."""
        return STORES.get(self.stream.system, "store")

    @property
    def accounted(self) -> bool:
        """Whether what was acknowledged was to be looked for."""
        return self.stream.header.accounted

    @cached_property
    def series(self) -> ClientSeries:
        """What its clients saw."""
        series = stream_series(self.stream)
        if series.offered.shape[1] == 0:
            raise RecordIncompleteError("the load sent nothing")
        return series

    @cached_property
    def books(self) -> Accounting:
        """The sums over its ledgers, with the earliest losses.

        Raises:
            RecordIncompleteError: it was not read to its end, so that what was not seen may be there.
        """
        verdict = next((each for each in self._scene.record.verdicts if each.check == "drain-complete"), None)
        parts = {} if verdict is None else verdict.details.get("parts", {})
        outcome = parts.get(self.name, {}).get("outcome", verdict.outcome if verdict else None)
        if verdict is None or outcome != Outcome.PASS:
            reason = "it was not judged" if verdict is None else verdict.reason
            raise RecordIncompleteError(
                f"the {self.store} was not read back whole, so nobody knows what is in it: {reason}"
            )
        return account(self.stream.ledgers, limit=LOSSES)


def joined(spans: Sequence[Span]) -> list[Span]:
    """The union of spans, in the order of time."""
    union: list[Span] = []
    for start, end in sorted(spans):
        if union and start <= union[-1][1]:
            union[-1] = (union[-1][0], max(end, union[-1][1]))
        else:
            union.append((start, end))
    return union
