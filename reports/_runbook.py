"""A runbook as the report shows it: what each phase took and found, and when each service was back."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from drill.errors import RecordIncompleteError
from drill.record import RunRecord
from recovery import Timeline
from reports._format import duration, plural

_MODES = {
    "runbook": "The harness followed the runbook, step by step, through the interfaces of the systems themselves.",
    "operator": "A person followed the runbook; the harness prompted, timed and looked for itself.",
    "self-heal": "Nobody acted: the platform was left to heal by itself.",
}


@dataclass(frozen=True)
class Phase:
    """One phase."""

    name: str
    budget: float
    started: float
    ended: float | None
    ok: bool
    found: tuple[str, ...]
    """What it found or did, a few words each."""
    evidence: str | None
    """Path inside the record."""

    @property
    def seconds(self) -> float | None:
        """How long it took; None: it was not seen to end."""
        return None if self.ended is None else self.ended - self.started

    @property
    def share(self) -> float:
        """Of its budget, at most 1."""
        return min(1.0, (self.seconds or 0.0) / self.budget)


@dataclass(frozen=True)
class Runbook:
    """All of it."""

    name: str
    mode: str
    how: str
    phases: tuple[Phase, ...]
    services: tuple[tuple[str, str, str], ...]
    """Name, outage and RTO of each service, in words."""


def runbook(record: RunRecord, line: Timeline) -> Runbook | None:
    """The runbook of a run; None: it had none."""
    begun = record.events_of("runbook.started")
    if not begun:
        return None
    data = begun[0].data
    services = tuple(
        (each.name, _measured(each.outage, each.outage_at_least), _measured(each.rto, each.rto_at_least))
        for each in line.services
    )
    return Runbook(str(data["runbook"]), str(data["mode"]), _MODES[data["mode"]], phases(record), services)


def phases(record: RunRecord) -> tuple[Phase, ...]:
    """The phases that were begun, in their order."""
    ended = {event.data["phase"]: event for event in record.events_of("phase.ended")}
    return tuple(
        Phase(
            name=str(event.data["phase"]),
            budget=float(event.data["budget"]),
            started=event.t,
            ended=ended[event.data["phase"]].t if event.data["phase"] in ended else None,
            ok=event.data["phase"] in ended and bool(ended[event.data["phase"]].data["ok"]),
            **_evidence(record, str(event.data["phase"])),
        )
        for event in record.events_of("phase.started")
    )


def _evidence(record: RunRecord, phase: str) -> dict[str, Any]:
    name = f"runbook-{phase}"
    try:
        kept = record.evidence(name)
    except RecordIncompleteError:
        return {"found": (), "evidence": None}
    return {"found": tuple(_found(kept)), "evidence": f"evidence/{name}.json"}


def _found(kept: dict[str, Any]) -> list[str]:
    """What the evidence of a phase says, in words; what it has no words for is in the file."""
    said = [str(kept["reason"])] if kept.get("reason") else []
    said += [f"the operator: {kept['note']}"] if kept.get("note") and "answered_ok" in kept else []
    seen = kept.get("seen", {}) if "answered_ok" in kept else kept
    return said + [say(seen[key]) for key, say in _WORDS.items() if seen.get(key)]


def _rolled_out(rows: list[dict[str, Any]]) -> str:
    took = ((row["workload"].partition("/")[2], row.get("whole_at"), row["at"]) for row in rows)
    return "; ".join(f"{name} {'not in time' if end is None else f'in {duration(end - at)}'}" for name, end, at in took)


def _read(logs: list[dict[str, Any]]) -> str:
    read = sum(bool(each["current"] or each["previous"]) for each in logs)
    return f"logs of {plural(read, 'container')} read" if read else "no log was left to read"


_WORDS: dict[str, Callable[[Any], str]] = {
    "nodes": lambda nodes: f"{sum(bool(each['ready']) for each in nodes)} of {plural(len(nodes), 'node')} Ready",
    "failing": lambda pods: f"{plural(len(pods), 'pod')} not well",
    "logs": _read,
    "note": str,
    "restarts": lambda rows: f"rolled out: {_rolled_out(rows)}",
    "answers": lambda answers: f"{', '.join(answers)} answer",
    "rounds": lambda rounds: f"{plural(sum(each['ended'] for each in rounds), 'idle session')} ended",
    "sessions": lambda now: f"{now['used']} of {now['max_connections']} sessions taken",
    "silent": lambda brokers: f"silent: broker {', '.join(map(str, brokers))}",
    "markers": lambda count: f"{plural(count, 'marker')} of before" if isinstance(count, int) else "markers read",
    "mutations": lambda count: f"{plural(count, 'row')} written that must not come back",
    "tables": lambda count: plural(count, "table"),
    "rows": lambda count: plural(count, "row"),
    "lost": lambda keys: f"{plural(len(keys), 'object')} found to be lost",
    "files": lambda count: f"{plural(count, 'data file')} read" if isinstance(count, int) else "data files read",
    "restored": lambda done: f"{plural(len(done), 'object')} brought back" if isinstance(done, dict) else str(done),
    "backup": lambda backup: f"backup {backup['name'] if isinstance(backup, dict) else backup}",
    "restore": lambda name: f"restore {name}",
    "items": lambda count: plural(count, "object"),
    "claims": lambda claims: (
        f"{sum(each['phase'] == 'Bound' for each in claims)} of {plural(len(claims), 'claim')} Bound"
    ),
    "workloads": lambda found: (
        f"{sum(each['ready'] >= each['wanted'] for each in found)} of {plural(len(found), 'workload')} Ready"
    ),
    "under_replicated": lambda count: f"{plural(count, 'partition')} under-replicated",
    "missing": lambda brokers: f"broker {', '.join(map(str, brokers))} missing from them",
    "restarted": lambda brokers: f"broker {', '.join(map(str, brokers))} restarted",
    "to_revision": lambda revision: f"back to revision {revision}",
    "previous": lambda log: f"it said: {log.strip().splitlines()[-1][:120]}" if log.strip() else "it said nothing",
}
"""By what a phase's evidence has, how to say it."""


def _measured(value: float | None, at_least: float | None) -> str:
    if value is not None:
        return duration(value)
    return "not measured" if at_least is None else f"at least {duration(at_least)}"
