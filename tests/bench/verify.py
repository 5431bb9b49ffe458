"""The verification read beside Kafka's own consumer tool.

python -m tests.bench.verify --kafka DIR [--bootstrap HOST:PORT]

Both read the same records of the same topic, in turns, from warm page caches. The drain checks every checksum, finds
duplicates and disorder, and writes the ledger's bits; the tool counts.
"""

import csv
import statistics
from pathlib import Path

from drill import clock
from drill.ledger import account, ledgers
from drill.settings import Settings
from load.drain import drain
from load.plan import LoadPlan
from tests.bench import _kafka
from tests.bench._table import Measure, at_least

ROUNDS, RATE, SECONDS = 3, 60_000.0, 80.0


def _tool_rate(kafka: Path, bootstrap: str, topic: str, records: int) -> float:
    """Records/s of kafka-consumer-perf-test, without the time in which it joins its group."""
    output = _kafka.tool(
        kafka,
        "kafka-consumer-perf-test.sh",
        *("--topic", topic, "--bootstrap-server", bootstrap, "--num-records", str(records), "--timeout", "20000"),
    )
    rows = list(csv.reader(output.strip().splitlines()))
    names, values = ([cell.strip() for cell in row] for row in (rows[0], rows[-1]))
    return float(values[names.index("fetch.nMsg.sec")])


def measure(target: Settings, kafka: Path) -> list[Measure]:
    """Fill a topic with accounted records, then read it with the tool and the drain in turns."""
    with _kafka.topic(target) as topic:
        plan = LoadPlan(topic=topic, rate=RATE, warm_up=0, baseline=1, duration=SECONDS)
        load = _kafka.Load(plan, target)
        load.finish()
        records = sum(each.attempted for each in ledgers(load.record))
        pairs = []
        for _ in range(ROUNDS):
            theirs = _tool_rate(kafka, target.kafka.bootstrap, topic, records)
            if not drain(load.record, target, clock.now() + 300):
                raise RuntimeError(f"the drain is incomplete: {load.record.evidence('drain')}")
            pairs.append((theirs, float(load.record.evidence("drain")["rate"])))
        result = account(ledgers(load.record))
        if result.seen != records:
            raise RuntimeError(f"{records} records were sent, and the drain saw {result.seen}")
    return [
        Measure("records read", records, ""),
        Measure("kafka-consumer-perf-test", statistics.median(theirs for theirs, _ in pairs), "records/s"),
        Measure("drain, all of it", statistics.median(ours for _, ours in pairs), "records/s"),
        at_least("ratio, median of pairs", statistics.median(ours / theirs for theirs, ours in pairs), "", 0.5),
    ]


if __name__ == "__main__":
    _kafka.run("verify", measure)
