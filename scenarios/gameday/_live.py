"""How a run is now: the fault, what clients get, how much waits for an answer, and how much time is left."""

import collections
from dataclasses import dataclass

import numpy as np

from drill import clock
from drill.errors import DrillError
from drill.ledger import Ledger, Stream, streams
from drill.news import News
from drill.record import Event, RunRecord
from scenarios._conditions import first_due
from scenarios.gameday.model import Escalation
from scenarios.model import Scenario

WINDOW = 5.0
"""What clients get is counted over so many seconds."""
SETTLED = 1.0
"""What was due less than so many seconds ago may still be answered, and is not counted yet."""
SERVED, OUT = 0.99, 0.01
"""From this share on clients are served; up to that one they are out; between the two it is degraded."""


@dataclass(frozen=True)
class Clients:
    """What the clients of one stream get."""

    name: str
    share: float | None
    """Of what was due, what was acknowledged; None: nothing was due."""
    per_second: float | None
    """Acknowledged, whenever it was due; None: not known yet."""
    waiting: int
    """Due, and neither acknowledged nor refused: the lag."""

    @property
    def state(self) -> str:
        """In one word, which never rests on colour."""
        if self.share is None:
            return "no load"
        return "served" if self.share >= SERVED else "OUT" if self.share <= OUT else "DEGRADED"

    @property
    def words(self) -> str:
        """In one line."""
        share = "" if self.share is None else f" {self.share:.0%}"
        rate = "" if self.per_second is None else f", {self.per_second:,.0f}/s"
        return f"{self.name} {self.state}{share}{rate}, {self.waiting:,} waiting"


@dataclass(frozen=True)
class Status:
    """A run at one moment."""

    phase: str
    fault: str
    """off, on: what and where, or undone."""
    on: bool
    clients: tuple[Clients, ...]
    limit: str
    """What the time left is counted by."""
    left: float | None
    """s; None: no fault has taken effect."""
    call: str
    """Who is to be called now; empty: nobody."""

    @property
    def coarse(self) -> tuple[str, ...]:
        """What a line is worth when it changes: numbers alone change each second."""
        left = "" if self.left is None else str(_step(self.left))
        return self.phase, self.fault, *(f"{each.name} {each.state}" for each in self.clients), left, self.call

    @property
    def time_left(self) -> str:
        """In words."""
        if self.left is None:
            return f"{self.limit}: not begun"
        minutes, seconds = divmod(abs(int(self.left)), 60)
        over = "" if self.left >= 0 else " OVER"
        return f"{minutes} min {seconds:02} s{over} of {self.limit}"

    @property
    def line(self) -> str:
        """All of it as one plain line."""
        parts = [self.phase, f"fault {self.fault}", *(each.words for each in self.clients), f"left {self.time_left}"]
        return "; ".join([*parts, *([f"CALL {self.call}"] if self.call else [])])


class Live:
    """Reads a run's record as it grows; `look` each second."""

    def __init__(self, record: RunRecord, scenario: Scenario, escalation: Escalation) -> None:
        self._record, self._escalation = record, escalation
        self._news = News(record)
        self._limit, self._seconds = _limit(scenario)
        self._phase, self._fault = "preflight", "off"
        self._on: dict[str, str] = {}
        self.t0: float | None = None
        """When the first fault took effect, epoch seconds."""
        self.over: float | None = None
        """When the load was ended; the clock of the time left stands still from then on."""
        self._well: float | None = None
        """Since when no fault is on and all clients are served; the clock stands still as long as that is so."""
        self._acked: dict[str, collections.deque[tuple[float, int]]] = {}

    def look(self) -> Status:
        """How it is now."""
        for event in self._news.events():
            self._take(event)
        now = clock.now()
        clients = self._clients(now)
        if self._on or any(each.state in {"OUT", "DEGRADED"} for each in clients):
            self._well = None
        elif self.t0 is not None:
            self._well = self._well or now
        elapsed = None if self.t0 is None else (self._well or self.over or now) - self.t0
        return Status(
            phase=self._phase,
            fault=self._fault,
            on=bool(self._on),
            clients=clients,
            limit=self._limit,
            left=None if elapsed is None else self._seconds - elapsed,
            call=self._call(elapsed, clients),
        )

    def _take(self, event: Event) -> None:
        data = event.data
        if event.kind == "run.phase":
            self._phase = data["phase"]
            if data["phase"] in {"drain", "record"}:
                self.over = self.over or event.t
        elif event.kind == "fault.effective":
            self.t0 = self.t0 or float(data["since"])
            self._on[_target(event)] = f"{data['fault']} on {_target(event)}"
            self._fault = f"ON: {', '.join(self._on.values())}"
        elif event.kind == "fault.undone":
            self._on.pop(_target(event), None)
            if self.t0 is not None:
                self._fault = f"ON: {', '.join(self._on.values())}" if self._on else "undone"
        elif event.kind == "fault.recovered":
            self._fault = f"ON: {', '.join(self._on.values())}" if self._on else f"undone, {_target(event)} whole again"
        elif event.kind == "fault.ineffective":
            self._fault = f"NOT on: {data['reason']}"
        elif event.kind == "run.finished":
            self._phase, self.over = "over", self.over or event.t

    def _clients(self, now: float) -> tuple[Clients, ...]:
        try:
            found = streams(self._record)
        except DrillError:  # the load has not begun
            return ()
        return tuple(self._stream(each, now) for each in found)

    def _stream(self, stream: Stream, now: float) -> Clients:
        counts = [_counts(each, now) for each in stream.ledgers]
        due, good, acked, waiting = (sum(each[place] for each in counts) for place in range(4))
        seen = self._acked.setdefault(stream.name, collections.deque())
        seen.append((now, acked))
        while len(seen) > 1 and now - seen[0][0] > WINDOW:
            seen.popleft()
        (then, before), span = seen[0], now - seen[0][0]
        return Clients(
            name=stream.name,
            share=good / due if due else None,
            per_second=(acked - before) / span if span > 0 and then < now else None,
            waiting=waiting,
        )

    def _call(self, elapsed: float | None, clients: tuple[Clients, ...]) -> str:
        """The highest level whose time has come, while clients are not served."""
        if elapsed is None or self.over is not None or all(each.state in {"served", "no load"} for each in clients):
            return ""
        levels = (("L3", self._escalation.L3), ("L2", self._escalation.L2), ("L1", self._escalation.L1))
        due = next(((name, level) for name, level in levels if elapsed >= level.after * 60), None)
        return "" if due is None else f"{due[0]}: {due[1].who}, {due[1].contact}"


def _counts(ledger: Ledger, now: float) -> tuple[int, int, int, int]:
    """Of one producer: due in the window, acknowledged of those, acknowledged in all, without an answer."""
    try:
        first, last = first_due(ledger, now - SETTLED - WINDOW), first_due(ledger, now - SETTLED)
        within = np.arange(first, last)
        acked = ledger.acked.count()
        waiting = ledger.attempted - acked - ledger.failed.count()
        return len(within), int(ledger.acked.has(within).sum()), acked, max(0, waiting)
    except DrillError:  # it is there, and has not begun
        return 0, 0, 0, 0


def _limit(scenario: Scenario) -> tuple[str, float]:
    goals = scenario.objectives
    if goals.restored_within is not None:
        return f"{goals.restored_within / 60:g} min to restore all", goals.restored_within
    if goals.rto is not None:
        return f"{goals.rto:g} s to recover (RTO)", goals.rto
    return f"{goals.recovery_timeout:g} s that recovery is awaited", goals.recovery_timeout


def _step(left: float) -> int:
    """The time left in steps: 5 min, 1 min near the end, and whether it is over."""
    if left < 0:
        return -1
    minutes = int(left // 60)
    return minutes if minutes < 5 else minutes // 5 * 5  # noqa: PLR2004


def _target(event: Event) -> str:
    return str(event.data["target"].get("name"))
