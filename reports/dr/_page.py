"""The names that the template of the DR report uses."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from drill.verdicts import WORST_FIRST, Outcome
from reports._measured import Missing
from reports._summary import RTO, SERVICES, Site, Summary
from reports._templates import draw
from reports.dr._details import Details
from reports.dr._drill import ASIDE, Drill, Objective
from reports.dr._findings import Row, findings
from reports.dr._standards import MAPPING

ROLES = ("Owner of the exercise", "Platform owner", "Risk and compliance")
"""Who signs where nobody has said it: the lines are empty then."""
_EARLIER = 5
"""Most earlier drills of a scenario in the comparison."""


@dataclass(frozen=True)
class Before:
    """One drill of a scenario in the comparison; numbers in seconds."""

    identity: str
    started: float | Missing
    outcome: Outcome
    rto: str
    rpo: str
    lost: str
    where: str
    """The cluster, where that is not known to be the one of this report's drill; empty: it is."""
    current: bool


@dataclass(frozen=True)
class Kept:
    """A file of the evidence, and its SHA-256."""

    path: str
    sha256: str


def page(
    drills: Sequence[Drill],
    details: Details,
    history: Sequence[Summary],
    kept: Sequence[Kept],
    digest: str,
    version: str,
) -> str:
    """The DR report as one HTML page."""
    rows = [row for drill in drills for row in drill.objectives]
    short, found = _short(rows), findings(drills, details)
    tested = frozenset[str]().union(*(drill.summary.systems for drill in drills))
    outcome = next(
        (each for each in WORST_FIRST if any(d.summary.outcome is each for d in drills)), Outcome.INCONCLUSIVE
    )
    starts = [each.summary.started for each in drills if not isinstance(each.summary.started, Missing)]
    return draw(
        "dr.html.j2",
        {
            "details": details,
            "drills": drills,
            "outcome": outcome,
            "counts": {each: sum(row.outcome is each for row in rows) for each in Outcome},
            "short": short,
            "fits": _fits(short, len(drills)),
            "tested": [SERVICES[each] for each in SERVICES if each in tested],
            "untested": [SERVICES[each] for each in SERVICES if each not in tested],
            "sites": tuple(dict.fromkeys(str(drill.summary.site) for drill in drills)),
            "restored": any(drill.summary.restored for drill in drills),
            "findings": found,
            "next_steps": _next(details, found, drills),
            "earlier": _earlier(drills, history),
            "mapping": MAPPING,
            "kept": kept,
            "digest": digest,
            "first": min(starts, default=None),
            "last": max(starts, default=None),
            "signatures": [(each.role, each.name) for each in details.sign_off] or [(role, None) for role in ROLES],
            "version": version,
            "Outcome": Outcome,
        },
    )


def _fits(rows: Sequence[Objective], drills: int) -> int:
    """How many of the rows are on the page of the summary, beside what is said of each drill; all that were not met."""
    unmet = sum(row.outcome is not Outcome.PASS for row in rows)
    return max(unmet, 3, min(10, 13 - 2 * drills))


def _short(rows: Sequence[Objective]) -> tuple[Objective, ...]:
    """The objectives that fit on one page: services that share run, measure, target and outcome in one row.

    What was met and leadership does not ask for by itself is left to the section of all objectives.
    """
    groups: dict[tuple[Any, ...], list[Objective]] = {}
    for row in rows:
        if row.outcome is Outcome.PASS and row.measure in ASIDE:
            continue
        groups.setdefault((row.anchor, row.measure, row.target, row.outcome, row.estimated), []).append(row)
    merged = []
    for found in groups.values():
        # A service that is told of by two checks alike is told of once.
        told = dict.fromkeys((row.service.partition(" (")[0], row.actual.removesuffix(" confirmed")) for row in found)
        services, actuals = zip(*told, strict=True)
        merged.append(replace(found[0], service=", ".join(services), actual="; ".join(actuals)))
    return tuple(sorted(merged, key=lambda row: WORST_FIRST.index(row.outcome)))


def _next(details: Details, found: Sequence[Row], drills: Sequence[Drill]) -> tuple[str, ...]:
    """People's own next steps, and what follows from the results by itself."""
    steps = list(details.next_steps)
    missed = sum(row.outcome is Outcome.FAIL for row in found)
    unproven = sum(row.outcome is Outcome.INCONCLUSIVE for row in found)
    if missed:
        steps.append(f"Put right what failed ({missed} of the findings), and test it again.")
    if unproven:
        steps.append(
            f"Repeat what could not be proven ({unproven} of the findings): until then it counts as not shown."
        )
    if stated := sum(row.outcome is None and row.status in {"open", "in progress"} for row in found):
        steps.append(f"Settle what people found ({stated} of the findings).")
    if not any(drill.summary.restored for drill in drills):
        steps.append("Test a restore from backup: these drills contain none.")
    if any(row.outcome is not None and row.owner is None for row in found):
        steps.append("Name an owner and a due date for each finding that has none.")
    return tuple(steps)


def _earlier(drills: Sequence[Drill], history: Sequence[Summary]) -> tuple[tuple[str, tuple[Before, ...]], ...]:
    """For each scenario the drills up to these, the newest first."""
    told = []
    ours = {drill.summary.identity for drill in drills}
    for name in dict.fromkeys(drill.summary.scenario for drill in drills):
        own = [drill.summary for drill in drills if drill.summary.scenario == name]
        newest = max(own, key=_at)
        last = _at(newest)
        older = [each for each in history if each.scenario == name and each.identity not in ours]
        # The same run may lie in two of the folders.
        older = list({each.identity: each for each in older if _at(each) <= last}.values())
        found = sorted([*own, *older[-_EARLIER:]], key=_at, reverse=True)
        told.append((name, tuple(_before(each, newest, current=each in own) for each in found)))
    return tuple(told)


def _at(summary: Summary) -> float:
    return -math.inf if isinstance(summary.started, Missing) else summary.started


def _before(summary: Summary, newest: Summary, *, current: bool) -> Before:
    return Before(
        identity=summary.identity,
        started=summary.started,
        outcome=summary.outcome,
        rto=_time(summary, *RTO),
        rpo=_time(summary, "rpo"),
        lost=summary.losses.total,
        where=_elsewhere(summary.site, newest.site) if summary is not newest else "",
        current=current,
    )


def _elsewhere(site: Site, here: Site) -> str:
    if not site.uid or not here.uid:
        return f"which cluster is not known; context {site.context or 'not known'}"
    return "" if site.uid == here.uid else f"another cluster: {site}"


def _time(summary: Summary, *checks: str) -> str:
    """The longest time of the first check that has one; no less than that where not all of it was measured."""
    for check in checks:
        if (worst := summary.worst(check)) is not None:
            in_part = not worst.at_least and any(each.value is None for each in summary.readings(check))
            return f"{'at least ' if in_part else ''}{worst.time}{' (estimate)' if worst.estimated else ''}"
    return "not measured"
