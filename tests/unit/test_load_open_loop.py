"""Requests that are due are due, whatever became of the ones before; each one's fate is noted once."""

from collections.abc import Callable
from pathlib import Path

import gevent
import pytest

from drill import clock
from drill.ledger import Ledger, LedgerHeader
from drill.record import RunRecord
from drill.series import SeriesWriter, client_series
from load._open_loop import Answer, Fate, OpenLoop

RATE = 200.0


class _Sender:
    """Answers as it is told to."""

    closed = 0

    def __init__(self, answer: Callable[[int], Answer]) -> None:
        self._answer = answer

    def send(self, sequence: int, due: float) -> Answer:
        assert due <= clock.now()
        return self._answer(sequence)

    def close(self) -> None:
        _Sender.closed += 1


def _loop(tmp_path: Path, answer: Callable[[int], Answer], senders: int = 4, patience: float = 0.2) -> OpenLoop:
    header = LedgerHeader(run_id="r", producer_id=1, system="postgres", topic="postgres", partitions=1)
    folder = tmp_path / "load" / "postgres"
    ledger = Ledger.create(folder, header, 1000)
    ledger.begin_stage(clock.now(), RATE)
    series = SeriesWriter(folder, ledger.header.stages[0].t, 1, 2)
    return OpenLoop(ledger, series, lambda: _Sender(answer), senders, patience)


def _offer_for(loop: OpenLoop, seconds: float) -> None:
    until = clock.now() + seconds
    while clock.now() < until:
        loop.offer()
        gevent.sleep(0.005)


def test_each_fate_is_noted(tmp_path: Path) -> None:
    """In the ledger, in the clients' series, and in the reasons; the books balance."""
    fates = (Answer(Fate.ACKED), Answer(Fate.FAILED, "refused"), Answer(Fate.INDETERMINATE, "no answer"))
    loop = _loop(tmp_path, lambda sequence: fates[sequence % 3])
    _offer_for(loop, 0.3)
    assert loop.finish(1) == 0
    ledger, series = loop.ledger, client_series(RunRecord(tmp_path))
    assert ledger.closed
    assert ledger.attempted > 20
    assert set(ledger.acked.indices() % 3) == {0}
    assert set(ledger.failed.indices() % 3) == {1}
    lost = ledger.attempted - ledger.acked.count() - ledger.failed.count()
    assert dict(loop.refusals) == {"refused": ledger.failed.count(), "no answer": lost}
    assert series.acked.sum() == ledger.acked.count()
    assert series.failed.sum() == ledger.attempted - ledger.acked.count()
    assert series.lag.sum() == ledger.attempted


def test_senders_that_hang_close_no_loop(tmp_path: Path) -> None:
    """Arrivals go on; those that find no sender in their time are failures, and were never sent."""
    sent: list[int] = []

    def hang(sequence: int) -> Answer:
        sent.append(sequence)
        gevent.sleep(0.8)
        return Answer(Fate.ACKED)

    loop = _loop(tmp_path, hang, senders=2, patience=0.1)
    _offer_for(loop, 0.5)
    assert loop.ledger.attempted >= 0.5 * RATE * 0.9
    assert sent == [0, 1]
    assert loop.finish(2) == 0
    (reason,) = loop.refusals
    assert "no free connection" in reason
    assert not reason.startswith("never sent")  # the pool's clients would have waited too: the platform's doing
    assert set(sent) == set(loop.ledger.acked.indices())
    assert loop.ledger.failed.count() == loop.ledger.attempted - len(sent)


def test_what_does_not_come_in_time_stays_unknown(tmp_path: Path) -> None:
    """The ledger isn't closed, so that nobody takes it for complete."""
    closed = _Sender.closed
    loop = _loop(tmp_path, lambda _: gevent.sleep(60) or Answer(Fate.ACKED), senders=3, patience=0.05)
    _offer_for(loop, 0.1)
    assert loop.finish(0.2) == 3
    assert not loop.ledger.closed
    assert _Sender.closed == closed + 3


def test_a_sender_that_breaks_ends_the_load(tmp_path: Path) -> None:
    """A bug of ours is never taken for the platform's silence."""

    def broken(_: int) -> Answer:
        raise ZeroDivisionError

    loop = _loop(tmp_path, broken)
    loop.offer()
    gevent.sleep(0.05)
    with pytest.raises(ZeroDivisionError):
        loop.offer()
    loop.finish(0)
    assert not loop.ledger.closed
