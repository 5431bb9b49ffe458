"""Two runs side by side: what was alike, what each measured, and by how much they differ.

It judges nothing: what differs between two single runs may be chance, and is not read as better or worse where the
conditions were others.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from drill.errors import RecordIncompleteError
from drill.record import RunRecord
from drill.verdicts import Verdict
from recovery import Timeline, timeline
from reports._books import accounts
from reports._faults import faults
from reports._format import duration, number, plain, words
from reports._measured import Missing, measured
from reports._runbook import phases
from reports._scene import Scene
from reports._summary import Summary
from reports._templates import draw
from reports.figures import Drawn, figures, gantt, renamed

NONE = "not measured"


@dataclass(frozen=True)
class Number:
    """One measured number; None: it was not measured, and `text` says so."""

    value: float | None
    text: str


@dataclass(frozen=True)
class Row:
    """One measure of both runs."""

    measure: str
    of: str
    """Of which service, load or phase."""
    first: str
    second: str
    change: str
    """From the first to the second, in words."""
    check: str
    """The check in each run's report that names the evidence."""


@dataclass(frozen=True)
class Condition:
    """Something that was not alike, or that nobody knows to have been."""

    name: str
    first: str
    second: str


@dataclass(frozen=True)
class Changed:
    """A check whose outcome is not the same."""

    check: str
    first: Verdict | None
    second: Verdict | None


@dataclass(frozen=True)
class Comparison:
    """Two runs."""

    runs: tuple[Summary, Summary]
    conditions: tuple[Condition, ...]
    rows: tuple[Row, ...]
    checks: tuple[Changed, ...]


def compare(first: RunRecord, second: RunRecord) -> Comparison:
    """Hold two finished runs against each other; what one of them lacks is said in its place."""
    runs = (Summary(first), Summary(second))
    return Comparison(runs, tuple(_conditions(*runs)), tuple(_rows(*runs)), tuple(_checks(*runs)))


def write(comparison: Comparison, into: Path) -> Path:
    """Draw the comparison as one HTML page; returns its path."""
    pictures = [_pictures(summary, number) for number, summary in enumerate(comparison.runs, 1)]
    page = {"it": comparison, "pictures": pictures, "pages": [_page_of(each, into) for each in comparison.runs]}
    into.write_text(draw("compare.html.j2", page), encoding="utf-8")
    return into


def _page_of(summary: Summary, beside: Path) -> str | None:
    """A run's own report, as a link from another page; None: it is not there."""
    page = summary.record.path / "report.html"
    return quote(os.path.relpath(page.resolve(), beside.resolve().parent)) if page.is_file() else None


# -- conditions ------------------------------------------------------------------------------------------------------


def _conditions(first: Summary, second: Summary) -> Iterator[Condition]:
    one, other = (_facts(each) for each in (first, second))
    for name in dict.fromkeys([*one, *other]):
        here, there = one.get(name, "not there"), other.get(name, "not there")
        # What neither record knows was not alike for all that anybody can tell.
        if here != there or isinstance(here, Missing):
            yield Condition(name, str(here), str(there))


def _facts(summary: Summary) -> dict[str, str | Missing]:
    """The scenario as it was run, and with what, flat: `load.rate` to its value."""
    record = summary.record
    found: dict[str, str | Missing] = {}
    scenario = measured(record, lambda: dict(record.scenario))
    if isinstance(scenario, Missing):
        found["scenario"] = scenario
    else:
        _flatten("", {name: value for name, value in scenario.items() if name != "description"}, found)
    # A scenario names its experiment; two files of one name are two faults.
    found["experiment.json"] = measured(record, lambda: f"sha256 {record.experiment_sha256[:12]}")
    # The seed differs from run to run, and is in each run's own report.
    for name in ("versions", "harness", "cluster", "configuration"):
        _flatten(name, measured(record, lambda name=name: _stated(record, name)), found)  # type: ignore[misc]
    return found


def _stated(record: RunRecord, name: str) -> Any:
    if (stated := record.manifest.get(name)) is None:
        raise RecordIncompleteError(f"the manifest says nothing of its {name}")
    return stated


def _flatten(prefix: str, value: Any, into: dict[str, str | Missing]) -> None:
    if isinstance(value, Missing):
        into[prefix] = value
    elif isinstance(value, Mapping):
        for name, each in value.items():
            _flatten(f"{prefix}.{name}" if prefix else str(name), each, into)
    else:
        into[prefix] = plain(value)


# -- numbers ---------------------------------------------------------------------------------------------------------


def _rows(first: Summary, second: Summary) -> Iterator[Row]:
    for measure, (read, check) in _MEASURES.items():
        one, other = (read(each) for each in (first, second))
        for of in dict.fromkeys([*one, *other]):
            yield _row(measure, of, one.get(of), other.get(of), check)


def _row(measure: str, of: str, one: Number | None, other: Number | None, check: str) -> Row:
    here, there = (Number(None, NONE) if each is None else each for each in (one, other))
    return Row(measure, of, here.text, there.text, _change(here, there, count=measure in _COUNTS), check)


def _change(one: Number, other: Number, *, count: bool) -> str:
    if one.value is None or other.value is None:
        return "not to be told"
    by = other.value - one.value
    if not by:
        return "none"
    share = f" ({abs(by) / one.value:.0%})" if one.value else ""
    size = number(int(abs(by))) if count else duration(abs(by))
    return f"{size} {'more' if by > 0 else 'less'}{share}"


def _seconds(value: float | None, at_least: float | None) -> Number:
    """A bound is shown, and never reckoned with."""
    if value is not None:
        return Number(value, duration(value))
    return Number(None, NONE if at_least is None else f"at least {duration(at_least)}")


def _line(summary: Summary) -> Timeline:
    found = measured(summary.record, lambda: timeline(summary.record))
    return Timeline() if isinstance(found, Missing) else found


def _recoveries(summary: Summary) -> dict[str, Number]:
    return {summary.labels.get(s.name, s.name): _seconds(s.rto, s.rto_at_least) for s in _line(summary).services}


def _outages(summary: Summary) -> dict[str, Number]:
    return {summary.labels.get(s.name, s.name): _seconds(s.outage, s.outage_at_least) for s in _line(summary).services}


def _judged(check: str) -> Callable[[Summary], dict[str, Number]]:
    def read(summary: Summary) -> dict[str, Number]:
        return {
            summary.labels.get(each.service, each.service): Number(
                None if each.at_least else each.value,
                f"{each.time}{' (estimate)' if each.estimated and each.value is not None else ''}",
            )
            for each in summary.readings(check)
        }

    return read


def _counts(name: str) -> Callable[[Summary], dict[str, Number]]:
    def read(summary: Summary) -> dict[str, Number]:
        record = summary.record
        found = {}
        if record.scenario.get("load") == []:
            return {}
        for each in accounts(record, Scene(record, _line(summary), ())):
            source = each.books if name in ("lost", "seen_twice") else each.sent
            if each.accounted or name not in ("lost", "seen_twice"):
                value = None if isinstance(source, Missing) else int(getattr(source, name))
                label = summary.labels.get(each.name, each.name)
                found[label] = Number(value, NONE if value is None else number(value))
        return found

    return read


def _p99(summary: Summary) -> dict[str, Number]:
    record = summary.record
    found = {}
    views = measured(record, lambda: Scene(record, _line(summary), ()).views)
    for view in () if isinstance(views, Missing) else views:
        series = measured(record, lambda view=view: view.series)  # type: ignore[misc]
        if not isinstance(series, Missing) and series.intended.any():
            p99 = series.latency_between(0.99, series.start, series.start + len(series.intended))
            found[summary.labels.get(view.name, view.name)] = _seconds(p99, None)
    return found


def _phases(summary: Summary) -> dict[str, Number]:
    found = measured(summary.record, lambda: phases(summary.record))
    return {} if isinstance(found, Missing) else {words(each.name): _seconds(each.seconds, None) for each in found}


_COUNTS = ("Attempted", "Confirmed", "Confirmed and lost", "Seen twice")
_MEASURES: dict[str, tuple[Callable[[Summary], dict[str, Number]], str]] = {
    "Recovery time (t5 - t0)": (_recoveries, "rto"),
    "Outage for clients (t5 - t1)": (_outages, "client-outage"),
    "Recovery time, loss to data proven": (_judged("data-restored"), "data-restored"),
    "Data at risk (RPO)": (_judged("rpo"), "rpo"),
    "Phase of the runbook": (_phases, "phases-within-budget"),
    "Attempted": (_counts("attempted"), "accounting-adds-up"),
    "Confirmed": (_counts("acked"), "accounting-adds-up"),
    "Confirmed and lost": (_counts("lost"), "no-acked-record-lost"),
    "Seen twice": (_counts("seen_twice"), "duplicates"),
    "Latency p99": (_p99, "latency-p99"),
}
"""What is compared: how it is read off a run, and the check that is about it."""


# -- checks and pictures ---------------------------------------------------------------------------------------------


def _checks(first: Summary, second: Summary) -> Iterator[Changed]:
    one, other = ({verdict.check: verdict for verdict in each.judged} for each in (first, second))
    for name in dict.fromkeys([*one, *other]):
        here, there = one.get(name), other.get(name)
        if here is None or there is None or here.outcome is not there.outcome:
            yield Changed(name, here, there)


def _pictures(summary: Summary, at: int) -> tuple[Drawn, ...]:
    record = summary.record
    hits = measured(record, lambda: faults(record))
    scene = Scene(record, _line(summary), () if isinstance(hits, Missing) else hits)
    found = list(figures(scene, only=("phases", "availability", "latency")))
    if measured(record, lambda: phases(record)):
        found.append(gantt(scene))
    return tuple(replace(renamed(each, f"run{at}"), sources=()) for each in found)
