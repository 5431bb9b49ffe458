"""Requests that are sent when they are due, whatever becomes of the ones before: one ledger, a bounded pool of senders.

An arrival that finds no free sender waits in line, as in a client's connection pool, and is given up when it has waited
for too long: the line is as long as what arrives in that time, so that the loop never closes.
"""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

import gevent
import numpy as np
from gevent.queue import Queue

from drill import clock
from drill.ledger import Ledger
from drill.series import SeriesWriter

_MOST_AT_ONCE = 2_000
"""Arrivals put in line without letting senders run in between, when the schedule is behind."""


class Fate(Enum):
    """What a sender knows of a request after it."""

    ACKED = "acked"
    FAILED = "failed"
    """It definitely did not take effect."""
    INDETERMINATE = "indeterminate"
    """It may have taken effect, or not."""


@dataclass(frozen=True)
class Answer:
    """What became of a request; `reason` in a few words that many share, where it was not acknowledged."""

    fate: Fate
    reason: str = ""


class Sender(Protocol):
    """One client with a connection of its own; one greenlet uses it."""

    def send(self, sequence: int, due: float) -> Answer:
        """Send a request that was due at `due` (epoch seconds) and wait for its answer, within a bound of its own."""

    def close(self) -> None:
        """Let go of the connection."""


class OpenLoop:
    """The requests of one ledger.

    Args:
        ledger, series: where every request's fate and time are written.
        sender: makes a sender.
        senders: how many there are.
        patience: after how many seconds in line an arrival is given up.
    """

    def __init__(
        self, ledger: Ledger, series: SeriesWriter, sender: Callable[[], Sender], senders: int, patience: float
    ) -> None:
        self.ledger = ledger
        self.refusals: Counter[str] = Counter()
        """Requests that were not acknowledged, by reason."""
        self._series = series
        self._patience = patience
        self._line: Queue[int] = Queue()
        self._busy = 0
        self._broke: Exception | None = None
        (self._stage,) = ledger.header.stages[-1:]
        self._greenlets = [gevent.spawn(self._serve, sender()) for _ in range(senders)]

    @property
    def outstanding(self) -> int:
        """Requests whose answer is still to come."""
        return int(self._line.qsize()) + self._busy

    def offer(self) -> bool:
        """Put in line what is due by now, give up what waited too long; whether that was all that is due.

        Raises:
            Exception: what a sender raised: it is to answer, whatever the platform does.
        """
        if self._broke is not None:
            raise self._broke
        stage, first = self._stage, self.ledger.attempted
        due = math.floor((clock.now() - stage.t) * stage.rate) + 1 - (first - stage.first_seq)
        count = min(due, _MOST_AT_ONCE)
        if count > 0:
            sequences = np.arange(first, first + count)
            self.ledger.attempt(count)
            self._series.sent(clock.now(), self.ledger.intended_time(sequences))
            for sequence in sequences.tolist():
                self._line.put_nowait(sequence)
        self._give_up_waiting()
        return count >= due

    @property
    def next_due(self) -> float:
        """When the next request is due, epoch seconds."""
        return self._due(self.ledger.attempted)

    def finish(self, timeout: float) -> int:
        """Wait at most `timeout` seconds for the last answers, and close the ledger if all came.

        Returns how many did not come.
        """
        deadline = clock.now() + timeout
        while self.outstanding and clock.now() < deadline:
            self._give_up_waiting()
            gevent.sleep(0.01)
        outstanding = self.outstanding
        if not outstanding and self._broke is None:
            self.ledger.close()
        gevent.killall(self._greenlets, timeout=1)
        return outstanding

    def _give_up_waiting(self) -> None:
        """Count as failed what has waited in line for too long: it was never sent."""
        late = clock.now() - self._patience
        while self._line.qsize() and self._due(self._line.peek_nowait()) < late:
            self._settle(self._line.get_nowait(), Answer(Fate.FAILED, f"no free connection in {self._patience:g} s"))

    def _serve(self, sender: Sender) -> None:
        try:
            while True:
                sequence = self._line.get()
                self._busy += 1
                try:
                    self._settle(sequence, sender.send(sequence, self._due(sequence)))
                finally:
                    self._busy -= 1
        except Exception as error:  # noqa: BLE001 - raised again by the next `offer`, which ends the load
            self._broke = error
        finally:
            sender.close()

    def _settle(self, sequence: int, answer: Answer) -> None:
        at, numbers = clock.now(), np.array([sequence])
        places = self.ledger.partition_of(numbers)
        if answer.fate is Fate.ACKED:
            self.ledger.acked.set(numbers)
            self._series.acked(at, places, self.ledger.intended_time(numbers))
            return
        if answer.fate is Fate.FAILED:
            self.ledger.failed.set(numbers)
        self._series.failed(at, places)
        self.refusals[answer.reason] += 1

    def _due(self, sequence: int) -> float:
        return self._stage.t + (sequence - self._stage.first_seq) / self._stage.rate
