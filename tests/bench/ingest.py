"""Accounted ingestion beside Kafka's own producer tool, and what a record costs.

python -m tests.bench.ingest --kafka DIR [--bootstrap HOST:PORT]

Both send records of one size to one topic with the same acks, linger and batch size, in turns; both are measured after
a warm-up of their own. The load is offered more than the tool reached, so that it is the load that limits it.
"""

import re
import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from drill import clock
from drill.ledger import account, ledgers
from drill.series import client_series
from drill.settings import Settings
from load._codec import HEADER_BYTES
from load.drain import drain
from load.plan import LoadPlan
from tests.bench import _kafka
from tests.bench._table import Measure, at_least, at_most

ROUNDS, TOOL_RECORDS, WARM_UP, OFFERED = 3, 1_500_000, 3.0, 10.0
DEFAULT_RATE = 7153.0


@contextmanager
def _plan(target: Settings) -> Iterator[LoadPlan]:
    """The load's plan, with a topic of its own."""
    with _kafka.topic(target) as topic:
        yield LoadPlan(topic=topic, warm_up=0, baseline=1)


def _tool_rate(kafka: Path, bootstrap: str, plan: LoadPlan) -> float:
    """Records/s of kafka-producer-perf-test in its steady state."""
    output = _kafka.tool(
        kafka,
        "kafka-producer-perf-test.sh",
        *("--topic", plan.topic, "--bootstrap-server", bootstrap, "--throughput", "-1"),
        *("--num-records", str(TOOL_RECORDS), "--warmup-records", str(TOOL_RECORDS // 3)),
        *("--record-size", str(HEADER_BYTES + plan.record_bytes)),
        *("--command-property", f"acks={plan.acks}", f"linger.ms={plan.linger_ms:g}", "batch.size=1000000"),
        "buffer.memory=268435456",
    )
    steady = [line for line in output.splitlines() if "99.9th" in line][-1]
    (rate,) = re.findall(r"([\d.]+) records/sec", steady)
    return float(rate)


def _our_rate(target: Settings, plan: LoadPlan, offered: float) -> tuple[float, float]:
    """Records/s acked after the warm-up, and CPU seconds a record, of the load when offered `offered` records/s."""
    load = _kafka.Load(plan.model_copy(update={"rate": offered, "duration": OFFERED}), target)
    started = load.await_start()
    _kafka.wait_until(started + WARM_UP)
    used = -load.cpu()
    _kafka.wait_until(started + OFFERED - 1)
    used += load.cpu()
    load.finish()
    _whole(load)
    series = client_series(load.record)
    acked = series.acked.sum(axis=0)
    first, watched = (round((started + t - series.start) / series.bin) for t in (WARM_UP, OFFERED - 1))
    last = int(acked.nonzero()[0][-1]) + 1
    return float(acked[first:last].sum() / ((last - first) * series.bin)), used / int(acked[first:watched].sum())


def _cores(target: Settings, plan: LoadPlan) -> float:
    """Cores that the load uses at the default rate, over 30 s after its warm-up."""
    load = _kafka.Load(plan.model_copy(update={"rate": DEFAULT_RATE, "duration": 60.0}), target)
    _kafka.wait_until(load.await_start() + WARM_UP)
    before, since = load.cpu(), clock.now()
    _kafka.wait_until(since + 30)
    used, seconds = load.cpu() - before, clock.now() - since
    load.stop()
    _whole(load)
    return used / seconds


def _held(target: Settings, rate: float) -> bool:
    """Whether `rate` is held for 60 s: nothing late, and every record acked, drained and accounted for."""
    with _plan(target) as plan:
        load = _kafka.Load(plan.model_copy(update={"rate": rate, "duration": 62.0}), target)
        load.finish()
        drained = drain(load.record, target, clock.now() + 120)
    result, series = account(ledgers(load.record)), client_series(load.record)
    late = series.latency_between(0.99, series.start + WARM_UP, series.start + 60)
    whole = result.attempted == result.acked == result.seen and result.lost == result.seen_twice == 0
    return drained and whole and late < 1.0 and series.max_lag < 1.0


def _whole(load: _kafka.Load) -> None:
    result = [(each.attempted, each.acked.count(), each.closed) for each in ledgers(load.record)]
    if any(attempted != acked or not closed for attempted, acked, closed in result):
        raise RuntimeError(f"records are missing, so there is nothing to compare: {result}")


def measure(target: Settings, kafka: Path) -> list[Measure]:
    """Run the tool and the load in turns, then look for the highest rate that is held."""
    with _plan(target) as plan:
        reference = _tool_rate(kafka, target.kafka.bootstrap, plan)  # also warms the brokers up
    pairs = []
    for _ in range(ROUNDS):
        with _plan(target) as plan:
            theirs = _tool_rate(kafka, target.kafka.bootstrap, plan)
            ours, cpu = _our_rate(target, plan, 1.3 * max(reference, theirs))
            pairs.append((theirs, ours, cpu))
    ratio = statistics.median(ours / theirs for theirs, ours, _ in pairs)
    capacity = statistics.median(ours for _, ours, _ in pairs)
    with _plan(target) as plan:
        cores = _cores(target, plan)
    held = next((rate for share in (0.9, 0.75, 0.6, 0.45, 0.3) if _held(target, rate := share * capacity)), 0.0)
    return [
        Measure("kafka-producer-perf-test", statistics.median(theirs for theirs, _, _ in pairs), "records/s"),
        Measure("accounted load", capacity, "records/s"),
        at_least("ratio, median of pairs", ratio, "", 0.8),
        Measure("CPU at full speed", statistics.median(cpu for _, _, cpu in pairs) * 1e6, "us/record"),
        at_most(f"CPU at {DEFAULT_RATE:g} records/s", cores, "cores", 0.25),
        at_least("rate held for 60 s, fully accounted", held, "records/s", DEFAULT_RATE),
    ]


if __name__ == "__main__":
    _kafka.run("ingest", measure)
