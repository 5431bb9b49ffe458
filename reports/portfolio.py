"""All drills there are records of, beside all that there could be: what is known, how old it is, what nobody tried.

The score is the share of scenarios whose newest run passed and is fresh. No run, a failed one and an inconclusive one
are worth nothing, and a pass loses its worth with age, so that waiting can only lower it. It is made of the records and
of the scenarios that it is given: who takes records away can raise it, and a scenario that was never run counts where
drill ships it or somebody named it.

A cluster's failure is not mended by a pass on another one: each context of a scenario has a row of its own, and the
worst of them counts.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from markupsafe import Markup

from drill.ledger import streams
from drill.series import stream_series
from drill.verdicts import WORST_FIRST, Outcome
from reports._format import duration, number, plural
from reports._measured import Missing, measured
from reports._spark import spark
from reports._summary import RTO, SERVICES, Summary, summaries
from reports._templates import draw

DAY = 86_400.0
TREND = 10
"""Most runs in a trend."""
UNKNOWN = "not known"
"""The context of a run whose record does not say it."""
RUNBOOKS: dict[str, tuple[str, ...]] = {
    "A pod in CrashLoopBackOff": ("crashloop",),
    "Kafka answers slowly": ("kafka-latency",),
    "Trino queries are slow": ("trino-slow", "slow-trino", "trino-latency", "trino-slow-queries"),
    "PostgreSQL's connections are used up": ("pool-exhausted",),
    "Emergency: the platform is down": ("platform-down",),
    "Emergency: data may be lost": ("data-loss", "restore-drill", "object-store-loss"),
}
"""The platform's runbooks, and what drills call them."""


@dataclass(frozen=True)
class Entry:
    """One scenario on one context."""

    name: str
    context: str
    """Empty: it was never run."""
    about: str
    latest: Summary | None
    """Its newest run; None: it was never run."""
    age: float | None
    """Of that, s."""
    runs: int
    points: float
    """0 to 1."""
    why: str
    """How the points came about."""
    cells: tuple["Cell", ...]
    """One a system, in the order of SERVICES."""
    link: str | None


@dataclass(frozen=True)
class Cell:
    """What the newest run of a scenario says of one system; an outcome, untested, or none: it is not about it."""

    state: str
    text: str


@dataclass(frozen=True)
class Trend:
    """How one number went from run to run."""

    scenario: str
    context: str
    service: str
    measure: str
    picture: Markup
    latest: str
    change: str


@dataclass(frozen=True)
class Covered:
    """A system or a runbook of one context, and what last tested it."""

    name: str
    context: str
    by: tuple[str, ...]
    """The scenarios whose newest run tested it, those first that count."""
    state: str
    """pass, fail, inconclusive, expired or untested."""
    age: float | None


def write(
    runs: Path,
    catalogue: Mapping[str, str],
    *,
    into: Path,
    now: float,
    fresh: float,
    controls: Sequence[str] = (),
    context: str | None = None,
) -> Path:
    """Draw the portfolio of a folder of runs; returns the page's path.

    Args:
        runs: Where the records are, at any depth.
        catalogue: The scenarios that there are: name to description. Those that have runs count as well.
        into: The page.
        now: Epoch seconds: ages count to it.
        fresh: For how long a pass is worth all of its points, s; after twice that it is worth none.
        controls: Scenarios of the catalogue that must fail: they test drill and no platform, and don't count.
        context: Runs on other contexts are left out; None: all count.
    """
    found = [each for each in summaries(runs) if context in (None, _context(each))]
    by_place: dict[tuple[str, str], list[Summary]] = {}
    for each in found:
        by_place.setdefault((each.scenario, _context(each)), []).append(each)
    contexts = sorted({place for _, place in by_place}) or [context or ""]
    about = {**{name: _about(of[-1]) for (name, _), of in by_place.items()}, **catalogue}
    rows = {
        name: [
            _entry(name, place, about[name], by_place.get((name, place), []), now, fresh, into.parent)
            for place in [each for each in contexts if (name, each) in by_place] or [""]
        ]
        for name in sorted(about.keys() - set(controls))
    }
    entries = [entry for of in rows.values() for entry in of]
    counted = [min(of, key=_gravity) for of in rows.values()]
    into.write_text(
        draw(
            "portfolio.html.j2",
            {
                "entries": entries,
                "scenarios": len(counted),
                "contexts": contexts,
                "only": context,
                "score": round(100 * sum(each.points for each in counted) / len(counted)) if counted else 0,
                "counts": _counts(counted),
                "systems": tuple(_covered(entries, contexts, _tests, SERVICES, fresh)),
                "runbooks": tuple(_covered(entries, contexts, _rehearses, {name: name for name in RUNBOOKS}, fresh)),
                "services": SERVICES,
                "untested": [each for each in entries if each.latest is None],
                "expired": [each for each in entries if each.age is not None and each.age > fresh],
                "trends": tuple(_trends(by_place, controls)),
                "controls": sorted(set(controls) & about.keys()),
                "fresh": fresh,
                "now": now,
                "runs": len(found),
                "Outcome": Outcome,
            },
        ),
        encoding="utf-8",
    )
    return into


def _context(summary: Summary) -> str:
    said = measured(summary.record, lambda: str(summary.record.first("run.started").data["context"]))
    return UNKNOWN if isinstance(said, Missing) else said


def _about(summary: Summary) -> str:
    said = measured(summary.record, lambda: str(summary.record.scenario.get("description") or ""))
    return "" if isinstance(said, Missing) else said


def _entry(name: str, context: str, about: str, runs: Sequence[Summary], now: float, fresh: float, base: Path) -> Entry:
    latest = runs[-1] if runs else None
    age = None if latest is None or isinstance(latest.started, Missing) else max(0.0, now - latest.started)
    points, why = worth(None if latest is None else latest.outcome, age, fresh)
    link = None
    if latest is not None:
        page = latest.record.path / "report.html"
        link = page.relative_to(base).as_posix() if page.is_file() and page.is_relative_to(base) else None
    cells = tuple(_cell(latest, system) for system in SERVICES)
    return Entry(name, context, " ".join(about.split()), latest, age, len(runs), points, why, cells, link)


def _gravity(entry: Entry) -> tuple[float, int]:
    """The worst comes first: what is worth least, and of that what failed."""
    return entry.points, len(WORST_FIRST) if entry.latest is None else WORST_FIRST.index(entry.latest.outcome)


def worth(outcome: Outcome | None, age: float | None, fresh: float) -> tuple[float, str]:
    """What the newest run of a scenario is worth, 0 to 1, and why; never more with a greater age."""
    if outcome is None:
        return 0.0, "never run: 0"
    if outcome is not Outcome.PASS:
        return 0.0, f"{outcome}: 0"
    if age is None:
        return 0.0, "nobody knows when it was: 0"
    if age <= fresh:
        return 1.0, "passed, and fresh: 1"
    left = max(0.0, 2 - age / fresh)
    return left, f"passed, and {'expired' if not left else 'past its time'}: {left:.2f}"


def _cell(latest: Summary | None, system: str) -> Cell:
    if latest is None:
        return Cell("", "")
    readings = [each for check in RTO for each in latest.readings(check) if each.service == system]
    if readings:
        worst = next((each for each in readings if each.outcome is not Outcome.PASS), readings[0])
        value = "" if worst.value is None else worst.time.partition(" (")[0]
        return Cell(worst.outcome, f"{value}{' est.' if worst.estimated else ''}")
    if system in latest.systems:
        return Cell(latest.outcome, "")
    return Cell("", "")


def _counts(entries: Sequence[Entry]) -> dict[str, int]:
    states = [("untested" if each.latest is None else str(each.latest.outcome)) for each in entries]
    return {state: states.count(state) for state in ("pass", "fail", "inconclusive", "untested")}


def _tests(entry: Entry, system: str) -> bool:
    return entry.latest is not None and system in entry.latest.systems


def _rehearses(entry: Entry, book: str) -> bool:
    latest = entry.latest
    if latest is None:
        return False
    begun = measured(latest.record, lambda: latest.record.events_of("runbook.started"))
    done = () if isinstance(begun, Missing) else begun
    # A platform that was left to heal by itself had its runbook tested by nobody.
    return any(each.data.get("runbook") in RUNBOOKS[book] and each.data.get("mode") != "self-heal" for each in done)


def _covered(
    entries: Sequence[Entry],
    contexts: Sequence[str],
    about: Callable[[Entry, str], bool],
    names: Mapping[str, str],
    fresh: float,
) -> Iterator[Covered]:
    """Each thing of a context is as well covered as by the best of what tests it there; a failure is in its row."""
    order = ("pass", "expired", "fail", "inconclusive")
    for key, name in names.items():
        for context in contexts:
            here = [entry for entry in entries if entry.context == context and about(entry, key)]
            found = [(_state(entry, fresh), entry) for entry in here]
            found.sort(key=lambda each: (order.index(each[0]), each[1].age or 0.0))
            if not found:
                yield Covered(name, context, (), "untested", None)
                continue
            state, best = found[0]
            yield Covered(name, context, tuple(entry.name for _, entry in found), state, best.age)


def _state(entry: Entry, fresh: float) -> str:
    assert entry.latest is not None  # noqa: S101 - asked for what was run only
    if entry.latest.outcome is Outcome.PASS and (entry.age is None or entry.age > fresh):
        return "expired"
    return str(entry.latest.outcome)


# -- trends ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Point:
    """One number of one run."""

    value: float | None = None
    """None: it was not measured."""
    at_least: bool = False

    def text(self, say: Callable[[float], str]) -> str:
        """The number as people say it, or that there is none."""
        if self.value is None:
            return "not measured"
        return f"{'at least ' if self.at_least else ''}{say(self.value)}"


def _trends(by_place: Mapping[tuple[str, str], Sequence[Summary]], controls: Sequence[str]) -> Iterator[Trend]:
    """Recovery time, data at risk, losses and p99, by scenario, context and service, where there are several runs."""
    for (name, context), of in sorted(by_place.items()):
        runs = of[-TREND:]
        if name in controls or len(runs) < 2:  # noqa: PLR2004 - one is no trend
            continue
        for measure, read in _MEASURES.items():
            rows = [read(each) for each in runs]
            for service in dict.fromkeys(key for row in rows for key in row):
                points = [row.get(service, Point()) for row in rows]
                if any(each.value is not None for each in points):
                    # The newest run may have no books to say what its streams were.
                    label = next((each.labels[service] for each in reversed(runs) if service in each.labels), service)
                    yield _trend(name, context, label, measure, points)


def _trend(scenario: str, context: str, service: str, measure: str, points: Sequence[Point]) -> Trend:
    say = (lambda value: number(int(value))) if measure == _LOST else duration
    said = [each.text(say) for each in points]
    told = f"{measure}, {len(points)} runs, the oldest first: {', '.join(said)}."
    missing = sum(each.value is None for each in points)
    words = _change(points[-2], points[-1], say) + (f"; not measured in {plural(missing, 'run')}" if missing else "")
    return Trend(scenario, context, service, measure, spark([each.value for each in points], told), said[-1], words)


def _change(before: Point, newest: Point, say: Callable[[float], str]) -> str:
    if before.value is None or newest.value is None or before.at_least or newest.at_least:
        return "not to be told"
    change = newest.value - before.value
    return f"{say(abs(change))} {'more' if change > 0 else 'less'} than before" if change else "as before"


_LOST = "Confirmed and lost"


def _times(*checks: str) -> Callable[[Summary], dict[str, Point]]:
    """By service, what the first of the checks found that found any number; else what one of them could not find."""

    def read(summary: Summary) -> dict[str, Point]:
        unmeasured: dict[str, Point] = {}
        for check in checks:
            found = {each.service: Point(each.value, each.at_least) for each in summary.readings(check)}
            if any(each.value is not None for each in found.values()):
                return found
            unmeasured = unmeasured or found
        return unmeasured

    return read


def _losses(summary: Summary) -> dict[str, Point]:
    """By stream."""
    return _times("no-acked-record-lost")(summary)


def _p99(summary: Summary) -> dict[str, Point]:
    """Of all that each stream had acknowledged, s."""
    found: dict[str, Point] = {}
    loaded = measured(summary.record, lambda: streams(summary.record))
    for stream in () if isinstance(loaded, Missing) else loaded:
        series = measured(summary.record, lambda stream=stream: stream_series(stream))  # type: ignore[misc]
        if not isinstance(series, Missing) and series.intended.sum(dtype=np.int64):
            until = series.start + len(series.intended)
            found[stream.name] = Point(series.latency_between(0.99, series.start, until))
    return found


_MEASURES: dict[str, Callable[[Summary], dict[str, Point]]] = {
    "Recovery time (RTO)": _times(*RTO),
    "Data at risk (RPO)": _times("rpo"),
    _LOST: _losses,
    "Latency p99": _p99,
}
