"""What the figures of one record share: its time axis, its zero, and what the clients saw."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from drill.errors import RecordIncompleteError
from drill.ledger import Accounting, account, ledgers
from drill.record import RunRecord
from drill.series import ClientSeries, client_series
from drill.verdicts import Outcome
from recovery import Timeline
from reports._faults import Fault
from reports._measured import Missing, measured
from reports.charts import Axis, Band, Line, Numbers

POINTS = 600
"""Most points that a line over the whole run is drawn with; beyond them a point stands for several seconds."""
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
    def books(self) -> Accounting:
        """The sums over every ledger, with the earliest losses.

        Raises:
            RecordIncompleteError: the topic was not read to its end, so that what was not seen may be there.
        """
        verdict = next((each for each in self.record.verdicts if each.check == "drain-complete"), None)
        if verdict is None or verdict.outcome is not Outcome.PASS:
            reason = "it was not judged" if verdict is None else verdict.reason
            raise RecordIncompleteError(f"the topic was not read back whole, so nobody knows what is in it: {reason}")
        return account(ledgers(self.record), limit=LOSSES)

    @cached_property
    def series(self) -> ClientSeries:
        """What the clients saw."""
        series = client_series(self.record)
        if series.offered.shape[1] == 0:
            raise RecordIncompleteError("the load sent nothing")
        return series

    @property
    def load_end(self) -> float:
        """Epoch seconds of the end of the last bin."""
        return self.series.start + len(self.series.offered[0]) * self.series.bin

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
        span = measured(self.record, lambda: (self.series.start, self.load_end))
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
        )

    @property
    def each(self) -> int:
        """Whole seconds that a point of a line over the whole run stands for."""
        return max(1, math.ceil((self.load_end - self.series.start) / POINTS))

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

    def rates(self, counts: npt.NDArray[np.integer], each: float) -> tuple[Numbers, Numbers]:
        """Counts (N,) by bin as records per second in steps of `each` seconds, of which one begins at the origin."""
        width = round(each / self.series.bin)
        ahead = -round((self.origin - self.series.start) / self.series.bin) % width
        padded = np.concatenate([np.zeros(ahead), counts, np.zeros(-(ahead + len(counts)) % width)])
        rates = padded.reshape(-1, width).sum(axis=1) / (width * self.series.bin)
        first = self.series.start - ahead * self.series.bin - self.origin
        return first + width * self.series.bin * np.arange(len(rates)), rates
