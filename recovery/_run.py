"""What the checks ask of a finished run, each thing read from the record once."""

from functools import cached_property
from typing import TYPE_CHECKING

from drill.errors import RecordIncompleteError
from drill.ledger import Ledger, ledgers, streams
from drill.objectives import needs_rpo
from drill.record import Event, RunRecord
from recovery._measure import measure
from recovery._timeline import Timeline
from recovery._traffic import Traffic

if TYPE_CHECKING:
    from drill.verdicts import Verdict


class Run:
    """A finished run. Each property raises RecordIncompleteError when the record does not have what it needs."""

    def __init__(self, record: RunRecord) -> None:
        self.record = record
        self.verdicts: dict[object, Verdict | None] = {}
        """What each check said of it: one may rest on others, and none is to be judged twice."""

    def reason(self, error: RecordIncompleteError) -> str:
        """An error's text for a reader of the report, to whom the record's place on a disk says nothing."""
        return str(error).replace(str(self.record.path), "the record")

    @property
    def loaded(self) -> bool:
        """Whether the scenario has clients that measure; the drill of a restore needs none: nothing was hurt."""
        return self.record.scenario.get("load") != []

    @property
    def restores(self) -> bool:
        """Whether a backup was restored, as the experiment or the evidence has it."""
        return needs_rpo(self.record.experiment) or any((self.record.path / "evidence").glob("restore-*.json"))

    @cached_property
    def ledgers(self) -> tuple[Ledger, ...]:
        """The ledgers of all producers."""
        return ledgers(self.record)

    @cached_property
    def traffic(self) -> tuple[Traffic, ...]:
        """What each load sent, by service and name."""
        if not self.loaded:
            return ()
        return tuple(Traffic(self, stream) for stream in streams(self.record))

    @property
    def nouns(self) -> str:
        """What the accounted records of the run are called, in the plural."""
        nouns = dict.fromkeys(f"{each.noun}s" for each in self.traffic if each.accounted)
        *most, last = nouns or ("records",)
        return f"{', '.join(most)} or {last}" if most else last

    def events_of(self, kind: str) -> tuple[Event, ...]:
        """The events of one kind; a time line on which not even the run's start is can't say that there were none."""
        self.record.first("run.started")
        return self.record.events_of(kind)

    @cached_property
    def timeline(self) -> Timeline:
        """t0 to t6 and the outages."""
        return measure(self)

    @property
    def sustained(self) -> float:
        """How long a path must stay good to count as recovered, s."""
        return self.record.objectives.sustained

    @cached_property
    def episodes(self) -> tuple[float, ...]:
        """The t0 of each fault. Faults that overlap (effective before the one before had recovered) are one."""
        # Both by when it was, not by when it was proven: the proof of an effect may come after the recovery began.
        began = [(float(event.data["since"]), 1) for event in self.record.events_of("fault.effective")]
        ended = [(event.t, -1) for event in self.record.events_of("fault.recovered")]
        starts: list[float] = []
        on = 0
        for t, change in sorted(began + ended):
            if change == 1 and on == 0:
                starts.append(t)
            on = max(0, on + change)
        return tuple(starts)

    @property
    def t0(self) -> float:
        """When the first fault took effect, epoch seconds."""
        if not self.episodes:
            raise RecordIncompleteError("no fault was seen to take effect")
        return self.episodes[0]

    def fault_before(self, t: float) -> float | None:
        """The t0 of the last fault up to an instant."""
        return max((t0 for t0 in self.episodes if t0 <= t), default=None)

    @cached_property
    def baseline(self) -> tuple[float, float]:
        """The steady interval before the fault, epoch seconds."""
        started, ended = self.record.first("baseline.started").t, self.record.first("baseline.ended").t
        ended = min(ended, *self.episodes) if self.episodes else ended
        if ended - started < SHORTEST_BASELINE:
            raise RecordIncompleteError(f"the baseline lasted {ended - started:.2f} s, under {SHORTEST_BASELINE:g} s")
        return started, ended


SHORTEST_BASELINE = 1.0
"""A steady interval shorter than this, s, says nothing about what is usual."""


def timeline(record: RunRecord) -> Timeline:
    """The time line of a finished run; never raises for what the record lacks: that is told in `unmeasured`."""
    return Run(record).timeline
