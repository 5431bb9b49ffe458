"""The first thing on the page: one sentence of what was tested and what came out, and the figures behind it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from drill.objectives import Objectives
from drill.record import RunRecord
from drill.verdicts import Outcome, Verdict
from recovery import Service, Timeline
from reports._books import Account
from reports._format import MINUS, duration, number, plural
from reports._measured import Missing, measured, or_missing
from reports._scene import View, loads

_NOUNS = {"postgres_transactions": "transactions", "dolphinscheduler_api": "requests"}
"""What the rate of a load counts, by its profile; records where it says nothing else."""


@dataclass(frozen=True)
class KeyFigure:
    """One number that leadership asks for, and how far it can be trusted."""

    name: str
    value: str | Missing
    small: str
    check: str = ""
    """The check that holds it to an objective; the page puts its outcome beside the number."""
    mark: str = ""
    """A word beside it that keeps it from being taken for more than it is."""


def sentence(record: RunRecord, timeline: Timeline, accounts: Sequence[Account]) -> str:
    """What was tested and what came out, in plain words, measured things only."""
    tested = what(record)
    rates = [_rate(load) for load in loads(record) if load.get("rate")]
    *most, last = rates or [""]
    under = f"Under {', '.join(most)}{' and ' if most else ''}{last}, " if last else ""
    result = f"{under}{_outage(timeline)}, and {_losses(accounts)}."
    return f"{tested}. {result[:1].upper()}{result[1:]}{stopped(record)}"


def what(record: RunRecord) -> str:
    """What was tested, as the scenario says it, without the full stop."""
    return str(record.scenario.get("description") or record.scenario.get("name") or "A drill.").strip().rstrip(".")


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
    accounts: Sequence[Account],
    views: Sequence[View] | Missing,
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
            _join(exact, _goal(goals.rto), _slowest(timeline)),
            "rto",
        ),
        *_counts(accounts),
        _latency(record, views, goals),
        KeyFigure("Clients against control plane", *_hidden(timeline)),
    )


def stopped(record: RunRecord) -> str:
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


def _rate(load: dict[str, Any]) -> str:
    return f"{number(load['rate'])} {_NOUNS.get(str(load.get('profile')), 'records')}/s"


def _losses(accounts: Sequence[Account]) -> str:
    said = []
    for each in accounts:
        books, noun = each.books, each.noun
        if isinstance(books, Missing):
            said.append(f"whether an acknowledged {noun} was lost was not measured")
            continue
        were = {0: "none was", 1: "1 was"}.get(books.lost, f"{number(books.lost)} were")
        said.append(f"of {plural(books.acked, f'acknowledged {noun}')} {were} lost")
    *most, last = said or ["nothing was accounted for"]
    return f"{', '.join(most)}{' and ' if most else ''}{last}"


def _counts(accounts: Sequence[Account]) -> tuple[KeyFigure, KeyFigure]:
    """How much was lost, and how much was there twice: of all that was accounted for, if all of it was looked for."""
    nouns = " and ".join(dict.fromkeys(f"{each.noun}s" for each in accounts)) or "records"
    missing = [each.books for each in accounts if isinstance(each.books, Missing)]
    lost, twice = (f"Acknowledged {nouns} lost", f"{nouns.capitalize()} seen twice")
    if len(accounts) > 1:
        lost, twice = "Acknowledged and lost", "Seen twice"
    if missing or not accounts:
        reason = missing[0] if missing else Missing("nothing was accounted for")
        return KeyFigure(lost, reason, "", "no-acked-record-lost"), KeyFigure(twice, reason, "", "duplicates")
    all_books = [(each.noun, each.books) for each in accounts if not isinstance(each.books, Missing)]
    if len(all_books) == 1:
        acked, seen = (number(all_books[0][1].acked), number(all_books[0][1].seen))
    else:
        acked = ", ".join(plural(books.acked, noun) for noun, books in all_books)
        seen = ", ".join(plural(books.seen, noun) for noun, books in all_books)
    return (
        KeyFigure(
            lost,
            number(sum(books.lost for _, books in all_books)),
            f"of {acked}, every one looked for",
            "no-acked-record-lost",
        ),
        KeyFigure(twice, number(sum(books.seen_twice for _, books in all_books)), f"of {seen} seen", "duplicates"),
    )


def _slowest(timeline: Timeline) -> str:
    """Whose recovery time it is."""
    if len(timeline.services) <= 1:
        kafka = not timeline.services or timeline.services[0].name == "kafka"
        return "worst partition" if kafka else ""
    slowest = max((each for each in timeline.services if each.mandatory), key=_rto, default=None)
    return f"slowest mandatory service: {slowest.name}" if slowest and _rto(slowest) else "every mandatory service"


def _rto(service: Service) -> float:
    return service.rto_at_least or 0.0


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


def _latency(record: RunRecord, views: Sequence[View] | Missing, goals: Objectives) -> KeyFigure:
    """The p99 that was judged, or else that of all acknowledged records."""
    if isinstance(views, Missing):
        return KeyFigure("Latency p99", views, "")
    if len(views) > 1:
        return _latencies(record, views, goals)
    found = measured(record, lambda: views[0].series)
    if isinstance(found, Missing):
        return KeyFigure("Latency p99", found, "")
    series, noun = found, views[0].noun
    samples = int(series.intended.sum(dtype=np.int64))
    judged = measured(record, lambda: next((v.actual for v in record.verdicts if v.check == "latency-p99"), None))
    if judged:
        return KeyFigure("Latency p99", str(judged), _join("± 1 %", _goal(goals.latency_p99)), "latency-p99")
    if not samples:
        return KeyFigure("Latency p99", Missing(f"no {noun} was acknowledged"), "")
    p99 = series.latency_between(0.99, series.start, series.start + len(series.intended))
    return KeyFigure("Latency p99", duration(p99), _join("± 1 %", _goal(None), f"all {number(samples)} acknowledged"))


def _latencies(record: RunRecord, views: Sequence[View], goals: Objectives) -> KeyFigure:
    """The worst stream's p99, of all that it acknowledged, and those of the others."""
    found = {}
    for view in views:
        series = measured(record, lambda view=view: view.series)  # type: ignore[misc]
        if not isinstance(series, Missing) and series.intended.any():
            found[view.name] = series.latency_between(0.99, series.start, series.start + len(series.intended))
    if not found:
        return KeyFigure("Latency p99", Missing("nothing was acknowledged"), "")
    each = "; ".join(f"{name} {duration(p99)}" for name, p99 in found.items())
    return KeyFigure(
        "Latency p99, worst load", duration(max(found.values())), _join(each, _goal(goals.latency_p99)), "latency-p99"
    )


def _hidden(timeline: Timeline) -> tuple[str | Missing, str]:
    if timeline.hidden is None:
        return Missing(timeline.unmeasured.get("hidden", "the record does not say why")), ""
    if timeline.hidden > 0:
        return duration(timeline.hidden), f"clients still out after the control plane said Ready (t5 {MINUS} t4)"
    return duration(-timeline.hidden), f"clients were back before the control plane said Ready (t4 {MINUS} t5)"


def _join(*parts: str) -> str:
    return "; ".join(part for part in parts if part)
