"""What is known of the drills themselves, as metrics: when each scenario was run last, and what came out.

For the textfile collector of the node exporter, or a Pushgateway. All are gauges without a time stamp of their own,
which is what that collector takes. An age would be wrong as soon as it is written, so that the time of the last run is
told: its age is `time() - drill_last_run_timestamp_seconds`. What was not measured is absent, and never a zero.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge, push_to_gateway
from prometheus_client.openmetrics.exposition import generate_latest

from drill import clock
from drill.errors import DrillError, RecordIncompleteError
from drill.ledger import account, ledgers
from drill.record import Event, RunRecord
from drill.verdicts import Outcome
from recovery import timeline
from recovery.restores import times

JOB = "drill"
_OF_LOSSES = {"no-acked-record-lost", "drain-complete", "accounting-adds-up"}
"""Checks without which nobody knows what was lost."""


class PushError(DrillError):
    """The Pushgateway did not take the metrics."""


@dataclass(frozen=True)
class Past:
    """A run of which metrics tell."""

    record: RunRecord
    scenario: str
    context: str
    began: float
    """Epoch seconds."""
    outcome: Outcome
    """Inconclusive where it was not judged, or is no longer what was judged."""


@dataclass(frozen=True)
class Measured:
    """The figures of one run; None: not measured."""

    seconds: float | None = None
    rto: float | None = None
    rpo: float | None = None
    outage: float | None = None
    lost: int | None = None


def metrics(runs: Path, expected: Sequence[str] = (), context: str = "") -> CollectorRegistry:
    """The metrics of all run records below `runs`.

    Args:
        runs: the folder of run records.
        expected: scenarios that are told although none was ever run: their last run was at 0, so that it is overdue.
        context: where those are expected.
    """
    found, unreadable = _past(runs)
    registry = CollectorRegistry()
    where = ("scenario", "context")
    last = _gauge(registry, "last_run_timestamp_seconds", "When the scenario was begun last; 0: never.", where)
    last_pass = _gauge(
        registry, "last_pass_timestamp_seconds", "When a run that passed was begun last; 0: never.", where
    )
    outcome = _gauge(registry, "last_run_outcome", "1 for what the last run came to.", (*where, "outcome"))
    count = _gauge(registry, "runs", "Runs in the folder of run records.", (*where, "outcome"))
    figures = {
        "seconds": _gauge(registry, "last_run_duration_seconds", "How long the last run took.", where),
        "rto": _gauge(registry, "last_run_rto_seconds", "Recovery time of the last run.", where),
        "rpo": _gauge(registry, "last_run_rpo_seconds", "Time of data that the last run cost.", where),
        "outage": _gauge(registry, "last_run_client_outage_seconds", "Longest client outage of the last run.", where),
        "lost": _gauge(registry, "last_run_lost_records", "Acknowledged and lost in the last run.", where),
    }
    known: dict[tuple[str, str], list[Past]] = {(each, context): [] for each in expected}
    for each in found:
        known.setdefault((each.scenario, each.context), []).append(each)
    for labels, past in known.items():
        newest = max(past, key=lambda each: each.began, default=None)
        last.labels(*labels).set(0 if newest is None else newest.began)
        last_pass.labels(*labels).set(max((each.began for each in past if each.outcome is Outcome.PASS), default=0))
        for end in Outcome:
            outcome.labels(*labels, end.value).set(newest is not None and newest.outcome is end)
            count.labels(*labels, end.value).set(sum(run.outcome is end for run in past))
        if newest is not None:
            for name, value in vars(_measured(newest.record)).items():
                if value is not None:
                    figures[name].labels(*labels).set(value)
    _gauge(registry, "unreadable_runs", "Folders that hold no readable run record.").set(unreadable)
    _gauge(registry, "metrics_timestamp_seconds", "When these metrics were made.").set(clock.now())
    return registry


def text(registry: CollectorRegistry) -> str:
    """In the OpenMetrics text format."""
    made: bytes = generate_latest(registry)  # type: ignore[no-untyped-call]
    return made.decode()


def write(registry: CollectorRegistry, path: Path) -> None:
    """Write a file that a collector never reads half-written."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text(registry), encoding="utf-8")
    partial.chmod(0o644)
    partial.replace(path)


def push(registry: CollectorRegistry, gateway: str) -> None:
    """Put them in place of what the Pushgateway has of us.

    Raises:
        PushError: it did not take them.
    """
    try:
        push_to_gateway(gateway, JOB, registry, timeout=10)
    except OSError as error:  # urllib's errors are some
        raise PushError(f"the Pushgateway did not take the metrics: {error}") from error


def _gauge(registry: CollectorRegistry, name: str, meaning: str, labels: Sequence[str] = ()) -> Gauge:
    return Gauge(f"drill_{name}", meaning, labels, registry=registry)


def _past(runs: Path) -> tuple[list[Past], int]:
    found: list[Past] = []
    unreadable = 0
    for file in sorted(runs.glob("*/*/scenario.yaml")):
        record = RunRecord(file.parent)
        try:
            began = _started(record)
            scenario, context = str(began.data["scenario"]), str(began.data["context"])
        except (RecordIncompleteError, KeyError):
            unreadable += 1
            continue
        found.append(Past(record, scenario, context, began.t, _outcome(record)))
    return found, unreadable


def _started(record: RunRecord) -> Event:
    """The run's start, without the rest of a long time line."""
    for event in _events(record):
        if event.kind == "run.started":
            return event
    raise RecordIncompleteError(f"{record.path}: the time line has no run.started event")


def _events(record: RunRecord) -> Iterator[Event]:
    try:
        with (record.path / "events.jsonl").open(encoding="utf-8") as lines:
            for line in lines:
                yield Event.model_validate_json(line)
    except (OSError, ValueError) as error:
        raise RecordIncompleteError(f"{record.path}: no readable time line: {error}") from error


def _outcome(record: RunRecord) -> Outcome:
    try:
        told = Outcome(json.loads((record.path / "verdicts.json").read_text(encoding="utf-8"))["outcome"])
        return Outcome.INCONCLUSIVE if told is Outcome.PASS and record.altered_files() else told
    except (OSError, ValueError, KeyError, TypeError, RecordIncompleteError):
        return Outcome.INCONCLUSIVE


def _measured(record: RunRecord) -> Measured:
    """The figures that no check doubts: one that says why it can't tell is not to be overruled by a number."""
    doubted = _doubted(record)
    seconds = rto = rpo = outage = lost = None
    with suppress(DrillError):
        seconds = record.events[-1].t - record.first("run.started").t
    with suppress(DrillError):
        if record.objectives.rpo is not None:
            instants = times(record)
            return Measured(
                seconds,
                rto=None if "data-restored" in doubted else instants.rto,
                rpo=None if "rpo" in doubted else instants.rpo,
            )
    if not doubted & _OF_LOSSES:
        with suppress(DrillError):
            lost = account(each for each in ledgers(record) if each.header.accounted).lost
    with suppress(DrillError):
        line = timeline(record)
        outage = None if "client-outage" in doubted else line.outage
        rto = None if doubted & {"client-outage", "rto"} else line.rto
        if lost is not None:
            # What was lost was sent at `rpo` before the fault, or after it; nothing lost has cost no time of data.
            rpo = max(0.0, line.rpo) if line.rpo is not None else 0.0 if lost == 0 else None
    return Measured(seconds, rto, rpo, outage, lost)


def _doubted(record: RunRecord) -> set[str]:
    """The checks that could not tell; all that matter where the run was not judged or was changed since."""
    try:
        if not record.altered_files():
            return {each.check for each in record.verdicts if each.outcome is Outcome.INCONCLUSIVE}
    except (DrillError, OSError, ValueError):  # not sealed, or not judged
        pass
    return {"client-outage", "rto", "rpo", "data-restored", *_OF_LOSSES}
