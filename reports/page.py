"""The page: everything the templates show, computed once from a record."""

import math
from collections.abc import Sequence
from typing import Any

from drill.record import RunRecord
from drill.verdicts import Outcome, Verdict
from recovery import Timeline, timeline
from reports._alarms import alarms
from reports._books import COLUMNS, Account, accounts
from reports._comparison import comparison
from reports._environment import environment, manifest_digest, preflight, reproduce
from reports._events import event_log
from reports._faults import faults
from reports._headline import KeyFigure, key_figures, reasons, sentence, stopped, what
from reports._lakehouse import Lakehouse, lakehouse
from reports._lakehouse import key_figures as of_lakehouse
from reports._lakehouse import outcome as what_was_lost
from reports._limits import limits
from reports._measured import Missing, measured
from reports._objectives import not_set, objectives
from reports._restore import Restore, restore
from reports._restore import key_figures as of_restore
from reports._restore import outcome as what_came_back
from reports._runbook import runbook
from reports._scene import Scene
from reports._summary import Summary
from reports._templates import draw
from reports.figures import figures, gantt, present

OF_CLIENTS = ("t1", "t5", "t6")
"""The instants that only clients can tell."""
INSTANTS = {
    "t0": "The fault took effect",
    "t1": "Last success of a client before its longest outage",
    "t2": "An alert fired",
    "t3": "The operator acted, or the harness in their place: the runbook's first change",
    "t4": "The control plane said Ready",
    "t5": "Start of the first sustained good window of the worst {part}",
    "t6": "The backlog was drained",
}


def render(record: RunRecord) -> str:
    """The report of a record, as one HTML page that needs no network."""
    return draw("report.html.j2", view(record))


def view(record: RunRecord) -> dict[str, Any]:
    """The names that the templates use; whatever the record lacks is a `Missing`."""
    verdicts = measured(record, lambda: record.verdicts)
    judged: tuple[Verdict, ...] = () if isinstance(verdicts, Missing) else verdicts
    outcome = Summary(record).outcome  # in doubt none that passed
    times = measured(record, lambda: timeline(record))
    line = Timeline() if isinstance(times, Missing) else times
    hits = measured(record, lambda: faults(record))
    found = () if isinstance(hits, Missing) else hits
    goals = measured(record, lambda: record.objectives)
    scene = Scene(record, line, found)
    part = "Partition" if all(path.service == "kafka" for path in line.paths) else "Path"
    views, told = measured(record, lambda: scene.views), accounts(record, scene)
    accounted = tuple(each for each in told if each.accounted)
    restored = measured(record, lambda: restore(record, judged))
    objects = measured(record, lambda: lakehouse(record, judged))

    def key() -> tuple[KeyFigure, ...]:
        of_data = of_restore(restored, judged) if isinstance(restored, Restore) else ()
        of_data += of_lakehouse(judged) if isinstance(objects, Lakehouse) else ()
        return of_data + (key_figures(record, line, goals, accounted, views) if scene.loaded else ())

    def said() -> str:
        if isinstance(objects, Lakehouse) and not scene.loaded:
            return f"{what(record)}. {what_was_lost(judged)}{stopped(record)}"
        return _sentence(record, line, accounted, restored, loaded=scene.loaded)

    return {
        "record": record,
        "name": measured(record, lambda: str(record.scenario["name"])),
        "alarms": alarms(record),
        "outcome": outcome,
        "verdicts": verdicts,
        "sentence": measured(record, said),
        "outcomes": {verdict.check: verdict.outcome for verdict in judged},
        "reasons": reasons(judged, outcome),
        "counts": {each: sum(verdict.outcome is each for verdict in judged) for each in Outcome},
        "key_figures": measured(record, key),
        "objectives": objectives(judged),
        "not_set": () if isinstance(goals, Missing) or not scene.loaded else not_set(goals),
        "timeline": times,
        "instants": _instants(line, part.lower(), restored, loaded=scene.loaded),
        "restore": restored,
        "lakehouse": objects,
        "loaded": scene.loaded,
        "figures": figures(scene),
        "runbook": measured(record, lambda: runbook(record, line)),
        "gantt": gantt(scene),
        "comparisons": _comparisons(record, line, scene),
        "accounts": told,
        "columns": COLUMNS,
        "ledgers": present(record, "load/*/*.bits", "evidence/drain*.json"),
        "faults": hits,
        "log": measured(record, lambda: event_log(record)),
        "origin": measured(record, lambda: scene.origin),
        "limits": measured(record, lambda: limits(record, line, found, accounted, views, loaded=scene.loaded)),
        "environment": environment(record),
        "preflight": measured(record, lambda: preflight(record)),
        "reproduce": measured(record, lambda: reproduce(record)),
        "digest": measured(record, lambda: manifest_digest(record)),
        "files": measured(record, lambda: len(record.manifest["files"])),
        "altered": measured(record, record.altered_files),
        "started": measured(record, lambda: record.first("run.started").t),
        "context": measured(record, lambda: str(record.first("run.started").data["context"])),
        "seconds": measured(record, lambda: record.events[-1].t - record.first("run.started").t),
        "Outcome": Outcome,
        "parts": part,
    }


def _sentence(
    record: RunRecord, line: Timeline, accounted: Sequence[Account], restored: Restore | Missing | None, *, loaded: bool
) -> str:
    """What was tested and what came out."""
    if not isinstance(restored, Restore):
        return sentence(record, line, accounted)
    came_back = what_came_back(restored.times)
    if not loaded:
        return f"{what(record)}. {came_back}{stopped(record)}"
    return f"{sentence(record, line, accounted)} {came_back}"


def _instants(
    line: Timeline, part: str, restored: Restore | Missing | None, *, loaded: bool
) -> list[tuple[str, str, float | None, str | None]]:
    """Name, meaning, epoch seconds (None: not measured) and the reason of each instant."""
    rows = [
        (name, meaning.format(part=part), getattr(line, name), line.unmeasured.get(name))
        for name, meaning in INSTANTS.items()
        if loaded or name not in OF_CLIENTS
    ]
    if not isinstance(restored, Restore):
        return rows
    times = restored.times
    more = (("backup", "The backup began that was restored"), ("proven", "The restored data was proven"))
    rows += [(name, meaning, getattr(times, name), times.unmeasured.get(name)) for name, meaning in more]
    return sorted(rows, key=lambda row: math.inf if row[2] is None else row[2])


def _comparisons(record: RunRecord, line: Timeline, scene: Scene) -> tuple[tuple[str, Any], ...]:
    """Before, during and after, of each stream by its name; a stream that is alone needs none."""
    views = measured(record, lambda: scene.views)
    if isinstance(views, Missing):
        return (("", views),)
    return tuple(
        (view.name if len(views) > 1 else "", measured(record, lambda view=view: comparison(record, line, view.series)))  # type: ignore[misc]
        for view in views
    )
