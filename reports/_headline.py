"""The first thing on the page: one sentence of what was tested and what came out, and the figures behind it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from drill.ledger import Accounting
from drill.objectives import Objectives
from drill.record import RunRecord
from drill.series import ClientSeries
from drill.verdicts import Outcome, Verdict
from recovery import Timeline
from reports._format import MINUS, duration, number, plural
from reports._measured import Missing, measured, or_missing


@dataclass(frozen=True)
class KeyFigure:
    """One number that leadership asks for, and how far it can be trusted."""

    name: str
    value: str | Missing
    small: str
    check: str = ""
    """The check that holds it to an objective; the page puts its outcome beside the number."""


def sentence(record: RunRecord, timeline: Timeline, books: Accounting | Missing) -> str:
    """What was tested and what came out, in plain words, measured things only."""
    tested = str(record.scenario.get("description") or record.scenario.get("name") or "A drill.").strip().rstrip(".")
    rate = (record.scenario.get("load") or {}).get("rate")
    under = f"Under {number(rate)} records/s, " if rate else ""
    result = f"{under}{_outage(timeline)}, and {_losses(books)}."
    return f"{tested}. {result[:1].upper()}{result[1:]}{_stopped(record)}"


def reasons(verdicts: Sequence[Verdict], outcome: Outcome) -> tuple[Verdict, ...]:
    """The checks that kept the run from passing, those that decided the outcome first."""
    order = (Outcome.FAIL, Outcome.INCONCLUSIVE)
    return tuple(
        verdict for kind in order for verdict in verdicts if verdict.outcome is kind and outcome is not Outcome.PASS
    )


def key_figures(
    record: RunRecord,
    timeline: Timeline,
    objectives: Objectives | Missing,
    books: Accounting | Missing,
    series: ClientSeries | Missing,
) -> tuple[KeyFigure, ...]:
    """Outage, recovery, loss, duplicates and latency: each with its error, its objective and its sample."""
    goals = Objectives() if isinstance(objectives, Missing) else objectives
    exact = f"± {duration(timeline.error)}" if timeline.error is not None else ""
    outage = timeline.outage_at_least if timeline.outage is None else timeline.outage
    rto = timeline.rto_at_least if timeline.rto is None else timeline.rto
    at_least = "at least " if timeline.outage is None else ""
    return (
        KeyFigure(
            f"Client outage (t5 {MINUS} t1)",
            _seconds(outage, at_least, timeline, "outage"),
            _join(exact, _goal(goals.client_outage, goals.min_client_outage), _worst(timeline)),
            "client-outage",
        ),
        KeyFigure(
            f"Recovery time (t5 {MINUS} t0)",
            _seconds(rto, "at least " if timeline.rto is None else "", timeline, "rto"),
            _join(exact, _goal(goals.rto), "worst partition"),
            "rto",
        ),
        KeyFigure(
            "Acknowledged records lost",
            books if isinstance(books, Missing) else number(books.lost),
            "" if isinstance(books, Missing) else f"of {number(books.acked)}, every one looked for",
            "no-acked-record-lost",
        ),
        KeyFigure(
            "Records seen twice",
            books if isinstance(books, Missing) else number(books.seen_twice),
            "" if isinstance(books, Missing) else f"of {number(books.seen)} seen",
            "duplicates",
        ),
        _latency(record, series, goals),
        KeyFigure("Clients against control plane", *_hidden(timeline)),
    )


def _stopped(record: RunRecord) -> str:
    """Who or what ended the fault before its time, and how soon after the limit was crossed."""
    fired = measured(record, lambda: record.events_of("stop.fired"))
    if isinstance(fired, Missing) or not fired:
        return ""
    halted = record.events_of("stop.halted")
    undone = halted[0].data.get("undone") if halted else None
    soon = "" if undone is None else f", and its fault was undone {duration(undone)} later"
    return f" The drill was {fired[0].data['reason']}{soon}."


def _outage(timeline: Timeline) -> str:
    if timeline.outage == 0:
        return "no client was out"
    if timeline.outage is not None:
        return f"clients were out for {duration(timeline.outage)}"
    if timeline.outage_at_least:
        return f"clients were out for at least {duration(timeline.outage_at_least)}"
    return "how long clients were out was not measured"


def _losses(books: Accounting | Missing) -> str:
    if isinstance(books, Missing):
        return "whether an acknowledged record was lost was not measured"
    were = {0: "none was", 1: "1 was"}.get(books.lost, f"{number(books.lost)} were")
    return f"of {plural(books.acked, 'acknowledged record')} {were} lost"


def _seconds(value: float | None, at_least: str, timeline: Timeline, field: str) -> str | Missing:
    if value is None:
        return or_missing(None, timeline.unmeasured.get(field, "the record does not say why"))
    return "none" if value == 0 else at_least + duration(value)


def _goal(most: float | None, least: float = 0) -> str:
    bounds = [f"≥ {number(least)} s"] if least else []
    bounds += [] if most is None else [f"≤ {number(most)} s"]
    return f"objective {' and '.join(bounds)}" if bounds else "no objective"


def _worst(timeline: Timeline) -> str:
    worst = max(timeline.outages, key=lambda outage: outage.at_least, default=None)
    return "" if worst is None else f"worst: {worst.path}"


def _latency(record: RunRecord, series: ClientSeries | Missing, goals: Objectives) -> KeyFigure:
    """The p99 that was judged, or else that of all acknowledged records."""
    if isinstance(series, Missing):
        return KeyFigure("Latency p99", series, "")
    samples = int(series.intended.sum(dtype=np.int64))
    judged = measured(record, lambda: next((v.actual for v in record.verdicts if v.check == "latency-p99"), None))
    if judged:
        return KeyFigure("Latency p99", str(judged), _join("± 1 %", _goal(goals.latency_p99)), "latency-p99")
    if not samples:
        return KeyFigure("Latency p99", Missing("no record was acknowledged"), "")
    p99 = series.latency_between(0.99, series.start, series.start + len(series.intended))
    return KeyFigure("Latency p99", duration(p99), _join("± 1 %", _goal(None), f"all {number(samples)} acknowledged"))


def _hidden(timeline: Timeline) -> tuple[str | Missing, str]:
    if timeline.hidden is None:
        return Missing(timeline.unmeasured.get("hidden", "the record does not say why")), ""
    if timeline.hidden > 0:
        return duration(timeline.hidden), f"clients still out after the control plane said Ready (t5 {MINUS} t4)"
    return duration(-timeline.hidden), f"clients were back before the control plane said Ready (t4 {MINUS} t5)"


def _join(*parts: str) -> str:
    return "; ".join(part for part in parts if part)
