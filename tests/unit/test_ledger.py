"""The ledger: its arithmetic, its loss intervals, and what survives a killed writer."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from drill.errors import RecordIncompleteError
from drill.ledger import Accounting, Bitmap, Ledger, LedgerHeader, account, ledgers
from drill.record import RunRecord

RATE, START = 100.0, 1_700_000_000.0


def _make(folder: Path, attempted: int, producer_id: int = 0, partitions: int = 3) -> Ledger:
    header = LedgerHeader(run_id="r", producer_id=producer_id, topic="t", partitions=partitions)
    ledger = Ledger.create(folder / str(producer_id), header, capacity=attempted)
    ledger.begin_stage(START, RATE)
    ledger.attempt(attempted)
    return ledger


def _drained(ledger: Ledger, seen: list[int] | np.ndarray) -> Accounting:
    ledger.forget_seen()
    ledger.seen.set(seen)
    return account([ledger])


@pytest.mark.parametrize("seed", range(20))
def test_accounting_equals_set_arithmetic(tmp_path: Path, seed: int) -> None:
    """Whatever happened to the records, the bitmaps count what plain sets count."""
    random = np.random.default_rng(seed)
    n = int(random.integers(1, 3000))
    acked = set(np.flatnonzero(random.random(n) < 0.8).tolist())
    failed = set(np.flatnonzero(random.random(n) < 0.1).tolist()) - acked
    seen = set(np.flatnonzero(random.random(n) < 0.9).tolist())
    twice = {each for each in seen if random.random() < 0.1}
    ledger = _make(tmp_path, n)
    for bitmap, members in (
        (ledger.acked, acked),
        (ledger.failed, failed),
        (ledger.seen, seen),
        (ledger.twice, twice),
    ):
        bitmap.set(sorted(members))
        assert set(bitmap.indices().tolist()) == members
    known = acked | failed
    result = account([Ledger.open(ledger.folder)], limit=10**6)
    assert result.attempted == n == result.acked + result.failed + result.indeterminate
    assert result.model_dump(include={"acked", "failed", "seen", "seen_twice", "lost"}) == {
        "acked": len(acked),
        "failed": len(failed),
        "seen": len(seen),
        "seen_twice": len(twice),
        "lost": len(acked - seen),
    }
    assert result.indeterminate_seen == len(seen - known)
    assert result.failed_seen == len(seen & failed)
    listed = {seq for interval in result.lost_intervals for seq in range(interval.first_seq, interval.last_seq + 1, 3)}
    assert listed == acked - seen
    assert sum(interval.count for interval in result.lost_intervals) == result.lost


def test_nothing_lost_when_every_acked_record_is_seen(tmp_path: Path) -> None:
    """An indeterminate record that is seen, or is not, is no loss."""
    ledger = _make(tmp_path, 30)
    ledger.acked.set(range(20))
    result = _drained(ledger, np.arange(25))
    assert (result.lost, result.indeterminate, result.indeterminate_seen) == (0, 10, 5)
    assert result.lost_intervals == ()


def test_losses_are_intervals_of_their_partition(tmp_path: Path) -> None:
    """A gap in one partition is one interval, though other partitions' records lie between."""
    ledger = _make(tmp_path, 90)
    ledger.acked.set(range(90))
    lost = {30, 33, 36, 40, 60}
    result = _drained(ledger, sorted(set(range(90)) - lost))
    assert [(i.partition, i.first_seq, i.last_seq, i.count) for i in result.lost_intervals] == [
        (0, 30, 36, 3),
        (1, 40, 40, 1),
        (0, 60, 60, 1),
    ]
    assert result.lost_intervals[0].first_time == pytest.approx(START + 0.30)
    assert result.lost_intervals[0].last_time == pytest.approx(START + 0.36)


def test_intervals_beyond_the_limit_are_counted(tmp_path: Path) -> None:
    """A cut list says how much it leaves out, and the sum stays exact."""
    ledger = _make(tmp_path, 100, partitions=1)
    ledger.acked.set(range(100))
    ledger.forget_seen()
    ledger.seen.set(range(0, 100, 2))
    result = account([ledger], limit=7)
    assert len(result.lost_intervals) == 7
    assert result.lost_intervals_omitted == 43
    assert result.lost == 50


def test_ledgers_of_two_producers_merge(tmp_path: Path) -> None:
    """Sums and intervals span producers, and say whose record it was."""
    (tmp_path / "scenario.yaml").write_text("name: x\n")
    for producer in (0, 7):
        ledger = _make(tmp_path / "load", 10, producer)
        ledger.acked.set(range(10))
        ledger.seen.set([seq for seq in range(10) if (producer, seq) != (7, 4)])
    found = ledgers(RunRecord.open(tmp_path))
    result = account(found)
    assert [ledger.header.producer_id for ledger in found] == [0, 7]
    assert (result.attempted, result.acked, result.lost) == (20, 20, 1)
    assert [(i.producer_id, i.partition, i.first_seq) for i in result.lost_intervals] == [(7, 1, 4)]


def test_a_record_without_a_ledger_is_incomplete(tmp_path: Path) -> None:
    """No ledger is missing data, never zero losses."""
    with pytest.raises(RecordIncompleteError, match="no record ledger"):
        ledgers(RunRecord(tmp_path))


def test_an_undrained_topic_is_incomplete(tmp_path: Path) -> None:
    """Without a drain there is no saying what was lost."""
    _make(tmp_path, 10)
    with pytest.raises(RecordIncompleteError, match="not drained"):
        account([Ledger.open(tmp_path / "0")])


def test_a_ledger_that_contradicts_itself_is_incomplete(tmp_path: Path) -> None:
    """A record can't be both acked and failed."""
    ledger = _make(tmp_path, 10)
    ledger.acked.set([3])
    ledger.failed.set([3])
    with pytest.raises(RecordIncompleteError, match="contradicts"):
        _drained(ledger, [])


@pytest.mark.parametrize("sequence", [10, 15, 16, 4000])
def test_a_record_that_was_never_attempted_is_incomplete(tmp_path: Path, sequence: int) -> None:
    """Bits beyond the last attempted record are an error, not a bonus."""
    ledger = _make(tmp_path, 10)
    with pytest.raises(RecordIncompleteError, match="never attempted"):
        _drained(ledger, [sequence])


def test_bitmaps_grow(tmp_path: Path) -> None:
    """A load that lasts longer than planned keeps its records."""
    bitmap = Bitmap(tmp_path / "b", capacity=8, writable=True)
    bitmap.set([1])
    bitmap.set(np.array([1_000_000]))
    assert bitmap.indices().tolist() == [1, 1_000_000]
    assert bitmap.has(np.array([1, 2, 1_000_000, 99_000_000])).tolist() == [True, False, True, False]


def test_intended_time_follows_the_stages(tmp_path: Path) -> None:
    """Each record's due time comes from the stage that it is in."""
    ledger = _make(tmp_path, 10)
    ledger.begin_stage(START + 5, 2.0)
    ledger.attempt(4)
    times = Ledger.open(ledger.folder).intended_time(np.array([0, 9, 10, 13]))
    assert times == pytest.approx([START, START + 0.09, START + 5, START + 6.5])


def test_a_killed_writer_leaves_its_acks(tmp_path: Path) -> None:
    """SIGKILL loses no ack that the process had noted, and the ledger is not closed."""
    program = (
        "import os, signal, sys; from pathlib import Path; from drill.ledger import *;"
        "header = LedgerHeader(run_id='r', producer_id=0, topic='t', partitions=3);"
        "ledger = Ledger.create(Path(sys.argv[1]), header, 1000); ledger.begin_stage(1.0, 10.0);"
        "ledger.attempt(500); ledger.acked.set(range(400)); ledger.failed.set([401]);"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = subprocess.run([sys.executable, "-c", program, str(tmp_path / "0")], check=False, env=os.environ)
    assert killed.returncode == -signal.SIGKILL
    ledger = Ledger.open(tmp_path / "0", writable=True)
    assert (ledger.attempted, ledger.acked.count(), ledger.closed) == (500, 400, False)
    result = _drained(ledger, np.arange(390))
    assert (result.indeterminate, result.failed, result.lost) == (99, 1, 10)


def test_closed_is_kept(tmp_path: Path) -> None:
    """A reader learns that the producer ended with nothing under way."""
    _make(tmp_path, 1).close()
    assert Ledger.open(tmp_path / "0").closed
