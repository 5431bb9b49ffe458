"""One stream of a finished run: what its clients sent and saw, and what was read back of it."""

import math
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from drill.errors import RecordIncompleteError
from drill.ledger import Accounting, Ledger, Stream, account
from drill.objectives import Objectives
from drill.series import ClientSeries, stream_series

if TYPE_CHECKING:
    from recovery._run import Run

_STORES = {"kafka": "topic", "postgres": "table", "dolphinscheduler": "list of instances"}


class Traffic:
    """What one load sent of one kind; a property raises RecordIncompleteError when the record lacks what it takes."""

    def __init__(self, run: "Run", stream: Stream) -> None:
        self.run, self.stream = run, stream

    @property
    def name(self) -> str:
        """Of the stream."""
        return self.stream.name

    @property
    def service(self) -> str:
        """The service that it loads."""
        return self.stream.system

    @property
    def noun(self) -> str:
        """What one of its records is called."""
        return self.stream.noun

    @property
    def accounted(self) -> bool:
        """Whether what was acknowledged was to be looked for."""
        return self.stream.header.accounted

    @property
    def ledgers(self) -> tuple[Ledger, ...]:
        """Of all its producers."""
        return self.stream.ledgers

    @property
    def store(self) -> str:
        """Where what it sent is kept, in words."""
        return _STORES.get(self.service, "store")

    @property
    def objectives(self) -> Objectives:
        """What its service is held to."""
        return self.run.record.objectives.of(self.service)

    @cached_property
    def accounting(self) -> Accounting:
        """The books of all its producers together."""
        return account(self.ledgers)

    @cached_property
    def series(self) -> ClientSeries:
        """What its clients saw, in bins of 10 ms."""
        return stream_series(self.stream)

    @property
    def pace(self) -> float:
        """The time between two of its arrivals, s, where that is long beside a bin; a topic's are too many to tell."""
        if self.service == "kafka":
            return 0.0
        return 1 / sum(ledger.header.stages[-1].rate for ledger in self.ledgers)

    @cached_property
    def load_end(self) -> float:
        """When the last record was to be sent, epoch seconds: the end of arrivals."""
        busy = np.flatnonzero(self.series.offered.any(axis=0))
        if busy.size == 0:
            raise RecordIncompleteError(f"no {self.noun} was offered")
        return self.series.start + float(busy[-1] + 1) * self.series.bin

    @cached_property
    def drain(self) -> dict[str, Any]:
        """How it was read back."""
        found = self.run.record.evidence(self.stream.drain)
        if not isinstance(found, dict) or not isinstance(found.get("partitions"), dict) or "complete" not in found:
            raise RecordIncompleteError(f"evidence/{self.stream.drain}.json does not say what was read")
        return found

    def read(self, what: str) -> int:
        """A count of the drain (read, ours, corrupt, ...) over all partitions."""
        return sum(int(partition[what]) for partition in self.drain["partitions"].values())

    @cached_property
    def drain_trouble(self) -> str | None:  # noqa: PLR0911 - one return a trouble
        """Why what the drain did not find may be there nevertheless; None when all was read to its end."""
        if not self.drain["complete"]:
            return f"the drain did not end ({self.drain.get('reason')})"
        partitions = self.drain["partitions"].values()
        # Only a log has places in it that can be left out.
        logs = [each for each in partitions if self.service == "kafka" or "end" in each]
        if unread := sum(max(0, each["end"] - each["reached"]) for each in logs):
            return f"{unread} offsets were not reached"
        expected = {str(partition) for partition in range(self.stream.header.partitions)}
        if missing := expected - self.drain["partitions"].keys():
            return f"partition {', '.join(sorted(missing))} was not read"
        ours = {ledger.header.producer_id for ledger in self.ledgers}
        stopped = self.run.events_of("load.stopped")
        flushed = {event.data["producer_id"]: event.t for event in stopped if event.data["producer_id"] in ours}
        # A producer that died flushed nothing; what it left is indeterminate at worst.
        alive = {ledger.header.producer_id for ledger in self.ledgers if ledger.closed}
        if any(flushed.get(producer, math.inf) > self.drain["started"] for producer in alive | flushed.keys()):
            if self.service == "kafka":
                return "the end offsets were not seen to be taken after the load's last flush"
            return "it was not seen to be read after the load's last answer"
        # Offsets have holes where foreign transactions were; on a topic that is ours alone there can be none.
        holes = sum(each["end"] - each["start"] - each["read"] for each in logs)
        if holes > 0 and not self.read("foreign"):
            return f"{holes} offsets were skipped"
        return None
