"""What is known of the drills themselves, as metrics: when each scenario was run last, and what came out.

For the textfile collector of the node exporter, or a Pushgateway. All are gauges without a time stamp of their own,
which is what that collector takes. An age would be wrong as soon as it is written, so that the time of the last run is
told: its age is `time() - drill_last_run_timestamp_seconds`. What was not measured is absent, and never a zero.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge, push_to_gateway
from prometheus_client.openmetrics.exposition import generate_latest

from drill import clock
from drill.errors import DrillError, RecordIncompleteError
from drill.object_store import ObjectStore
from drill.record import Event, RunRecord
from drill.settings import PublishTarget
from drill.verdicts import Outcome
from reports import published
from reports._figures import Figures, figures
from reports._rejudged import believed

JOB = "drill"


class PushError(DrillError):
    """The Pushgateway did not take the metrics."""


@dataclass(frozen=True)
class Past:
    """A run of which metrics tell."""

    scenario: str
    context: str
    began: float
    """Epoch seconds."""
    outcome: Outcome
    """Inconclusive where it was not judged, or is no longer what was judged."""
    figures: Callable[[], Figures]
    """Worked out for the newest runs only: it takes a while from a record."""


@dataclass(frozen=True)
class Known:
    """What is known of the drills in one place."""

    runs: tuple[Past, ...]
    unreadable: int
    """Runs that hold no readable record."""

    def of(self, context: str) -> "Known":
        """The same of one context; whose the unreadable runs were is not known, so that they are told of each."""
        return replace(self, runs=tuple(each for each in self.runs if each.context == context))


def of_folder(runs: Path) -> Known:
    """What the records below a folder tell."""
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
        found.append(Past(scenario, context, began.t, _outcome(record), partial(figures, record)))
    return Known(tuple(found), unreadable)


def of_bucket(store: ObjectStore, target: PublishTarget) -> Known:
    """What the runs that were published tell, of all contexts, as they were when they were published.

    Raises:
        ObjectStoreError: the store refused or did not answer.
    """
    found = [told for _place, told in published.runs(store, target)]
    readable = [each for each in found if each is not None]
    return Known(
        tuple(
            Past(each.scenario, each.context, each.began, each.outcome, partial(_as_published, each))
            for each in readable
        ),
        len(found) - len(readable),
    )


def metrics(known: Known, expected: Sequence[str] = (), context: str = "") -> CollectorRegistry:
    """The metrics of all runs that are known.

    Args:
        known: the runs.
        expected: scenarios that are told although none was ever run: their last run was at 0, so that it is overdue.
        context: where those are expected.
    """
    registry = CollectorRegistry()
    where = ("scenario", "context")
    last = _gauge(registry, "last_run_timestamp_seconds", "When the scenario was begun last; 0: never.", where)
    last_pass = _gauge(
        registry, "last_pass_timestamp_seconds", "When a run that passed was begun last; 0: never.", where
    )
    outcome = _gauge(registry, "last_run_outcome", "1 for what the last run came to.", (*where, "outcome"))
    count = _gauge(registry, "runs", "Runs of which there is a record.", (*where, "outcome"))
    gauges = {
        "seconds": _gauge(registry, "last_run_duration_seconds", "How long the last run took.", where),
        "rto": _gauge(registry, "last_run_rto_seconds", "Recovery time of the last run.", where),
        "rpo": _gauge(registry, "last_run_rpo_seconds", "Time of data that the last run cost.", where),
        "rto_estimate": _gauge(
            registry, "last_run_rto_estimate_seconds", "Recovery time, had the last restore been of a loss.", where
        ),
        "rpo_estimate": _gauge(
            registry, "last_run_rpo_estimate_seconds", "Time of data, had the last restore been of a loss.", where
        ),
        "outage": _gauge(registry, "last_run_client_outage_seconds", "Longest client outage of the last run.", where),
        "lost": _gauge(registry, "last_run_lost_records", "Acknowledged and lost in the last run.", where),
    }
    told: dict[tuple[str, str], list[Past]] = {(each, context): [] for each in expected}
    for each in known.runs:
        told.setdefault((each.scenario, each.context), []).append(each)
    for labels, past in told.items():
        newest = max(past, key=lambda each: each.began, default=None)
        last.labels(*labels).set(0 if newest is None else newest.began)
        last_pass.labels(*labels).set(max((each.began for each in past if each.outcome is Outcome.PASS), default=0))
        for end in Outcome:
            outcome.labels(*labels, end.value).set(newest is not None and newest.outcome is end)
            count.labels(*labels, end.value).set(sum(run.outcome is end for run in past))
        if newest is not None:
            for name, value in newest.figures():
                if value is not None:
                    gauges[name].labels(*labels).set(value)
    _gauge(registry, "unreadable_runs", "Runs that hold no readable record.").set(known.unreadable)
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


def push(
    known: Known, gateway: str, expected: Sequence[str] = (), context: str = "", instance: str | None = None
) -> tuple[str, ...]:
    """Push the metrics of each context as a group of its own, in place of what the Pushgateway has of that group.

    A group is a context, so that who pushes for one cluster erases nothing of another.

    Args:
        known: the runs.
        gateway: the Pushgateway's URL.
        expected: as in `metrics`.
        context: where those are expected.
        instance: who pushes: a part of the group, where several push what they know of the same context.

    Returns: the contexts that were pushed; none where there is nothing to tell.

    Raises:
        PushError: it did not take them.
    """
    contexts = tuple(sorted({each.context for each in known.runs} | ({context} if context else set())))
    for each in contexts:
        group = {"context": each} | ({"instance": instance} if instance else {})
        found = metrics(known.of(each), expected if each == context else (), each)
        try:
            push_to_gateway(gateway, JOB, found, grouping_key=group, timeout=10)
        except OSError as error:  # urllib's errors are some
            raise PushError(f"the Pushgateway did not take the metrics of {each}: {error}") from error
    return contexts


def _gauge(registry: CollectorRegistry, name: str, meaning: str, labels: Sequence[str] = ()) -> Gauge:
    return Gauge(f"drill_{name}", meaning, labels, registry=registry)


def _as_published(run: published.Published) -> Figures:
    return run.figures


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
        return told if told is not Outcome.PASS or believed(record) else Outcome.INCONCLUSIVE
    except (OSError, ValueError, KeyError, TypeError, RecordIncompleteError):
        return Outcome.INCONCLUSIVE
