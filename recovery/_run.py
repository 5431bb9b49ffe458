"""What the checks ask of a finished run, each thing read from the record once."""

import math
from functools import cached_property
from typing import Any

import numpy as np

from drill.errors import RecordIncompleteError
from drill.ledger import Accounting, Ledger, account, ledgers
from drill.record import Event, RunRecord
from drill.series import ClientSeries, client_series
from recovery._measure import measure
from recovery._timeline import Timeline


class Run:
    """A finished run. Each property raises RecordIncompleteError when the record does not have what it needs."""

    def __init__(self, record: RunRecord) -> None:
        self.record = record

    def reason(self, error: RecordIncompleteError) -> str:
        """An error's text for a reader of the report, to whom the record's place on a disk says nothing."""
        return str(error).replace(str(self.record.path), "the record")

    @cached_property
    def ledgers(self) -> tuple[Ledger, ...]:
        """The ledgers of all producers."""
        return ledgers(self.record)

    @cached_property
    def accounting(self) -> Accounting:
        """The books of all producers together."""
        return account(self.ledgers)

    @cached_property
    def series(self) -> ClientSeries:
        """What the clients saw, in bins of 10 ms."""
        return client_series(self.record)

    @cached_property
    def drain(self) -> dict[str, Any]:
        """How the topic was read back."""
        found = self.record.evidence("drain")
        if not isinstance(found, dict) or not isinstance(found.get("partitions"), dict) or "complete" not in found:
            raise RecordIncompleteError("evidence/drain.json does not say what was read")
        return found

    def events_of(self, kind: str) -> tuple[Event, ...]:
        """The events of one kind; a time line on which not even the run's start is can't say that there were none."""
        self.record.first("run.started")
        return self.record.events_of(kind)

    def read(self, what: str) -> int:
        """A count of the drain (read, ours, corrupt, ...) over all partitions."""
        return sum(int(partition[what]) for partition in self.drain["partitions"].values())

    @cached_property
    def drain_trouble(self) -> str | None:
        """Why what the drain did not find may be there nevertheless; None when the topic was read to its end."""
        if not self.drain["complete"]:
            return f"the drain did not end ({self.drain.get('reason')})"
        if unread := sum(max(0, each["end"] - each["reached"]) for each in self.drain["partitions"].values()):
            return f"{unread} offsets were not reached"
        expected = {str(partition) for partition in range(self.ledgers[0].header.partitions)}
        if missing := expected - self.drain["partitions"].keys():
            return f"partition {', '.join(sorted(missing))} was not read"
        flushed = {event.data["producer_id"]: event.t for event in self.events_of("load.stopped")}
        # A producer that died flushed nothing; what it left is indeterminate at worst.
        alive = {ledger.header.producer_id for ledger in self.ledgers if ledger.closed}
        if any(flushed.get(producer, math.inf) > self.drain["started"] for producer in alive | flushed.keys()):
            return "the end offsets were not seen to be taken after the load's last flush"
        # Offsets have holes where foreign transactions were; on a topic that is ours alone there can be none.
        holes = sum(each["end"] - each["start"] - each["read"] for each in self.drain["partitions"].values())
        if holes > 0 and not self.read("foreign"):
            return f"{holes} offsets were skipped"
        return None

    @cached_property
    def timeline(self) -> Timeline:
        """t0 to t6 and the outages."""
        return measure(self)

    @property
    def topic(self) -> str:
        """The topic under load."""
        return self.ledgers[0].header.topic

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

    @cached_property
    def load_end(self) -> float:
        """When the last record was to be sent, epoch seconds: the end of arrivals."""
        busy = np.flatnonzero(self.series.offered.any(axis=0))
        if busy.size == 0:
            raise RecordIncompleteError("no record was offered")
        return self.series.start + float(busy[-1] + 1) * self.series.bin


SHORTEST_BASELINE = 1.0
"""A steady interval shorter than this, s, says nothing about what is usual."""


def timeline(record: RunRecord) -> Timeline:
    """The time line of a finished run; never raises for what the record lacks: that is told in `unmeasured`."""
    return Run(record).timeline
