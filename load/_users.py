"""A Locust user whose requests are due by a schedule and accounted for: what open-loop loads of services share."""

import os
from pathlib import Path
from typing import Any, ClassVar

import gevent
import gevent.event
from locust import User, task

from drill import clock, record
from drill.ledger import Ledger, LedgerHeader
from drill.series import SeriesWriter
from load import _lifecycle, _session
from load._open_loop import OpenLoop, Sender
from load.plan import Arrivals

PRODUCERS = {"postgres": 1 << 24, "dolphinscheduler-api": 2 << 24, "workflows": 3 << 24}
"""The producer id of each stream that has one producer only: beyond those of Kafka's, of which there may be many."""
_SHORTEST, _LONGEST = 0.001, 0.05
"""Between two ticks, s: what is due within the shortest is sent together."""


class OpenLoopUser(User):  # type: ignore[misc]
    """Opens its streams when it starts, offers what is due each tick, and sees the last answers in when it stops."""

    abstract = True
    kind: ClassVar[type[Arrivals]]
    """Of its plan."""

    def open_streams(self, plan: Any, run_id: str) -> None:
        """Make what the load needs, and `open` each of its streams."""
        raise NotImplementedError

    def open(self, header: LedgerHeader, rate: float, sender: Any, senders: int, timeout: float) -> None:
        """Begin a stream: `rate` requests a second by `senders` of what `sender` makes.

        Args:
            header: of its ledger.
            rate: arrivals/s.
            sender: makes a `Sender`.
            senders: how many there are.
            timeout: how long an arrival waits in line for one of them, s.
        """
        folder = Path(os.environ[record.RECORD_VARIABLE]) / "load" / header.topic
        ledger = Ledger.create(folder, header, capacity=round(rate * self._seconds))
        started = clock.now()
        ledger.begin_stage(started, rate)
        series = SeriesWriter(folder, started, header.partitions, self._seconds)
        make: type[Sender] = sender
        self.loops.append(OpenLoop(ledger, series, make, senders, timeout))
        about: dict[str, Any] = {"producer_id": header.producer_id, "system": header.system, "stream": header.topic}
        record.emit("load", "load.started", **about, pid=os.getpid(), rate=rate)
        record.emit("load", "load.stage", **about, first_seq=0, rate=rate)

    def on_start(self) -> None:
        """Open the ledgers and begin the schedules."""
        options = self.environment.parsed_options
        os.environ[record.RECORD_VARIABLE] = options.record
        plan = _session.plan_of(self.kind, options)
        self._plan = plan
        self._seconds = (options.run_time or plan.duration) + plan.patience
        self.loops: list[OpenLoop] = []
        self._finished = gevent.event.Event()
        self._told, self._answered, self._on_time = clock.now(), 0, True
        self.open_streams(plan, options.run_id)
        _lifecycle.unfinished.append(self._finished)

    @task  # type: ignore[untyped-decorator]
    def tick(self) -> None:
        """Offer what is due."""
        offered = [loop.offer() for loop in self.loops]
        self._on_time = all(offered)
        if clock.now() - self._told >= 1:
            self._told = clock.now()
            answered = sum(loop.ledger.attempted - loop.outstanding for loop in self.loops)
            _lifecycle.tell_and_look_around(
                self.environment, "REQUEST", self._plan.profile, max(0, answered - self._answered)
            )
            self._answered = answered

    def wait_time(self) -> float:
        """Until something is due, or what waits in line is to be looked at; at once when behind."""
        if not self._on_time:
            return 0.0
        return min(_LONGEST, max(_SHORTEST, min(loop.next_due for loop in self.loops) - clock.now()))

    def on_stop(self) -> None:
        """Wait for the last answers, no longer than the plan has patience, and close the ledgers."""
        try:
            for loop in self.loops:
                record.emit("load", "load.flushing", producer_id=loop.ledger.header.producer_id)
            deadline = clock.now() + self._plan.patience
            for loop in self.loops:
                self._finish(loop, deadline)
        finally:
            self._finished.set()

    def _finish(self, loop: OpenLoop, deadline: float) -> None:
        outstanding = self._see_through(loop, deadline)
        record.emit(
            "load",
            "load.stopped",
            producer_id=loop.ledger.header.producer_id,
            attempted=loop.ledger.attempted,
            acked=loop.ledger.acked.count(),
            failed=loop.ledger.failed.count(),
            outstanding=outstanding,
            refusals=dict(loop.refusals),
        )

    @staticmethod
    def _see_through(loop: OpenLoop, deadline: float) -> int:
        while True:
            try:
                return loop.finish(deadline - clock.now())
            except gevent.GreenletExit:
                continue  # stopped once more while stopping (duration over, then SIGTERM): the deadline bounds it still
