"""The record of a run under three loads at once: that of `records`, and beside it PostgreSQL and DolphinScheduler.

The database is out from 25 to 29 s, the API that lives on it from 25 to 34 s; no workflow is lost.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from drill.ledger import Ledger, LedgerHeader
from drill.record import RunRecord
from drill.series import SeriesWriter
from tests.unit.records import END, FAULT, RUN_ID, START, _facts, build_record

BACK = {"postgres": 29.0, "dolphinscheduler-api": 34.0, "workflows": 34.0}
STREAMS = {
    "postgres": ("postgres", "transaction", 50.0, True),
    "dolphinscheduler-api": ("dolphinscheduler", "request", 4.0, False),
    "workflows": ("dolphinscheduler", "workflow", 1.0, True),
}
"""System, noun, rate and whether it is accounted for, by stream."""


def build_mixed(
    tmp_path: Path,
    *,
    only: Iterable[str] = STREAMS,
    kafka: bool = True,
    back: dict[str, float] | None = None,
    lost: dict[str, Iterable[int]] | None = None,
    twice: dict[str, Iterable[int]] | None = None,
    unread: Iterable[str] = (),
    indeterminate: bool = False,
    **usual: Any,
) -> RunRecord:
    """Write the record of one run.

    Args:
        tmp_path: the `runs` folder.
        only: the streams beside Kafka's.
        kafka: whether Kafka is loaded, too.
        back: when each stream's clients are served again; infinite: never.
        lost: acked records that are not found, by stream.
        twice: those that are found twice.
        unread: streams that were not read to their end.
        indeterminate: what was due in an outage got no answer; else it was refused.
        usual: of `build_record`.
    """
    record = build_record(tmp_path, **usual)
    if not kafka:
        _forget_kafka(record)
    for number, name in enumerate(only):
        system, noun, rate, accounted = STREAMS[name]
        header = LedgerHeader(
            run_id=RUN_ID,
            producer_id=100 + number,
            system=system,
            topic=name,
            partitions=1,
            noun=noun,
            accounted=accounted,
            producer_settings={"connections": 20, "timeout": 10.0},
        )
        end = (BACK | (back or {}))[name]
        gone, again = ((each or {}).get(name, ()) for each in (lost, twice))
        _stream(record, header, rate, end, list(gone), list(again), name not in unread, indeterminate)
    for t in np.arange(-2, END, 0.5):
        if FAULT <= t < BACK["postgres"]:
            record.emit("observer", "observed.postgres-unreachable", at=START + float(t), error="connection refused")
        else:
            used = {"used": 12, "max_connections": 300, "reserved": 3, "by_state": {"idle": 12}}
            record.emit("observer", "observed.postgres", at=START + float(t), **used)
    _say_so(record, list(only), kafka=kafka)
    record.seal(_facts())
    return RunRecord.open(record.path)


def _forget_kafka(record: RunRecord) -> None:
    import shutil  # noqa: PLC0415 - for this alone

    for folder in (record.path / "load").iterdir():
        shutil.rmtree(folder)
    for name in ("drain", "topic-settings"):
        (record.path / "evidence" / f"{name}.json").unlink()
    for name in ("cluster-before", "cluster-after", "preflight"):
        content = record.evidence(name)
        del content["kafka"]
        record.write_evidence(name, content)
    lines = (record.path / "events.jsonl").read_text().splitlines()
    kept = [line for line in lines if '"observed.kafka"' not in line and '"source":"load"' not in line]
    record.write_text("events.jsonl", "\n".join(kept) + "\n")


def _stream(
    record: RunRecord,
    header: LedgerHeader,
    rate: float,
    back: float,
    lost: list[int],
    twice: list[int],
    read: bool,
    indeterminate: bool,
) -> None:
    folder = record.path / "load" / header.topic
    ledger = Ledger.create(folder, header, capacity=int(rate * END))
    ledger.begin_stage(START, rate)
    ledger.attempt(int(rate * END) + 1)
    series = SeriesWriter(folder, START, 1, END)
    sequences = np.arange(ledger.attempted)
    due = ledger.intended_time(sequences)
    out = (due >= START + FAULT) & (due < START + min(back, END))
    series.sent(0.0, np.full(len(due), -1e-4))
    for sequence, at, bad in zip(sequences, due, out, strict=True):
        one, place = np.array([sequence]), np.array([0])
        if not bad:
            ledger.acked.set(one)
            series.acked(float(at) + 0.004, place, np.array([at]))
        else:
            series.failed(float(at) + 0.004, place)
            if not indeterminate:
                ledger.failed.set(one)
    ledger.close()
    refused = {} if indeterminate else {"connection refused": int(out.sum())}
    who = {"producer_id": header.producer_id, "system": header.system, "stream": header.topic}
    record.emit("load", "load.started", at=START, **who, pid=1, rate=rate)
    record.emit("load", "load.flushing", at=START + END, producer_id=header.producer_id)
    record.emit(
        "load",
        "load.stopped",
        at=START + END + 0.5,
        producer_id=header.producer_id,
        attempted=ledger.attempted,
        acked=ledger.acked.count(),
        failed=ledger.failed.count(),
        outstanding=0,
        refusals=refused,
    )
    if not header.accounted:
        return
    ledger.forget_seen()
    found = Ledger.open(folder, writable=True)
    there = np.setdiff1d(sequences[~out], lost)
    found.seen.set(there)
    found.twice.set(np.array(twice, dtype=np.int64))
    counts = {"read": len(there) + len(twice), "ours": len(there) + len(twice), "duplicates": len(twice)}
    record.write_evidence(
        f"drain-{header.topic}",
        {
            "complete": read,
            "reason": None if read else "the deadline came first",
            "started": START + END + 1,
            "finished": START + END + 2,
            "seconds": 1.0,
            "topic": header.topic,
            "partitions": {"0": {**counts, "foreign": 0, "corrupt": 0}},
            "rate": 4000.0,
        },
    )


def _say_so(record: RunRecord, only: list[str], *, kafka: bool) -> None:
    """Put the loads into the scenario, and the services into the snapshots."""
    scenario = yaml.safe_load((record.path / "scenario.yaml").read_text())
    loads = [scenario["load"]] if kafka else []
    schedule = {name: scenario["load"][name] for name in ("warm_up", "baseline", "duration")}
    if "postgres" in only:
        loads.append({"profile": "postgres_transactions", "rate": 50.0, "connections": 20, **schedule})
    if "workflows" in only or "dolphinscheduler-api" in only:
        loads.append({"profile": "dolphinscheduler_api", "rate": 5.0, "starts": 0.2, **schedule})
    scenario |= {"load": loads if len(loads) > 1 else loads[0], "name": "platform-down"}
    scenario["description"] = "Everything critical goes down at once."
    record.write_text("scenario.yaml", yaml.safe_dump(scenario, sort_keys=False))
    for name in ("cluster-before", "cluster-after"):
        state = {"postgres": {"used": 12, "max_connections": 300}, "dolphinscheduler": {"status": "UP"}}
        record.write_evidence(name, record.evidence(name) | state)
    record.write_evidence("postgres-settings", {"server_version": "15.14", "synchronous_commit": "on", "fsync": "on"})
