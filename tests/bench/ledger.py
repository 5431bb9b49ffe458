"""The ledger at half an hour of load: its size on disk and in memory, and how long judging takes.

python -m tests.bench.ledger
"""

import tempfile
import time
import tracemalloc
from pathlib import Path

import numpy as np

from drill.ledger import Ledger, LedgerHeader, account
from tests.bench._table import Measure, at_most, show

RECORDS, RATE, BATCH = 12_600_000, 7000.0, 1 << 16


def _synthetic(folder: Path) -> Ledger:
    """A load in which one record in 10,000 stayed unanswered, and in each half million 100 acked ones are lost."""
    header = LedgerHeader(run_id="bench", producer_id=0, topic="t", partitions=3)
    ledger = Ledger.create(folder, header, capacity=RECORDS)
    ledger.begin_stage(1e9, RATE)
    ledger.attempt(RECORDS)
    for first in range(0, RECORDS, BATCH):
        sequences = np.arange(first, min(first + BATCH, RECORDS))
        ledger.acked.set(sequences[sequences % 10_000 != 0])
        ledger.seen.set(sequences[sequences % 500_000 >= 100])
    ledger.close()
    return ledger


def measure() -> list[Measure]:
    """Build, size and judge a ledger of 12.6 million records."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "0"
        started = time.perf_counter()
        _synthetic(path)
        built = time.perf_counter() - started
        size = sum(file.stat().st_blocks * 512 for file in path.iterdir())
        started = time.perf_counter()
        result = account([Ledger.open(path)])
        judged = time.perf_counter() - started
        tracemalloc.start()
        account([Ledger.open(path)])
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    expected = 100 * -(-RECORDS // 500_000) - len([n for n in range(0, RECORDS, 500_000) if n % 10_000 == 0])
    if result.lost != expected:
        raise AssertionError(f"the ledger counts {result.lost} lost records, and there are {expected}")
    return [
        Measure("records", RECORDS, ""),
        at_most("ledger on disk", size / 1e6, "MB", 10),
        at_most("memory of judging, mapped ledger included", (peak + size) / 1e6, "MB", 10),
        at_most("judging", judged, "s", 5),
        Measure("noting acked and seen", built / RECORDS * 1e9, "ns/record"),
    ]


if __name__ == "__main__":
    show("ledger", measure())
