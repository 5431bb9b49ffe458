"""One run of an exercise: what it tested, what it was held to, when what happened, and what went other than planned."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from drill.objectives import Objectives
from drill.verdicts import Outcome, Verdict
from recovery import Timeline, timeline
from recovery.restores import Times, times
from reports._alarms import Alarm, alarms
from reports._faults import faults
from reports._format import clock, duration, plain, words
from reports._headline import what
from reports._measured import Missing, measured
from reports._objectives import room
from reports._restore import Proof, restore
from reports._restore import outcome as what_came_back
from reports._runbook import Phase, runbook
from reports._scene import Scene
from reports._services import CHECK as OF_SERVICES
from reports._services import services
from reports._summary import SERVICES, Losses, Reading, Summary
from reports.figures import Drawn, figures, gantt, renamed

MEASURES = {
    "data-restored": ("Recovery time (RTO)", "from the loss until the data was proven"),
    "lakehouse-restored": ("Recovery time (RTO)", "from the loss until objects and answers were proven"),
    "rto": ("Recovery time (RTO)", "from the fault until its clients were served steadily"),
    "platform-restored": ("Recovery time of the platform", "until the slowest service served its clients"),
    OF_SERVICES: ("Recovery time (RTO)", "from the loss until its data was proven and it answered a client"),
    "rpo": ("Data at risk (RPO)", "age of the backup at the loss"),
    "no-acked-record-lost": ("Confirmed data lost", "records, transactions or workflows that had been confirmed"),
    "nothing-newer-lost": ("Data lost for good (RPO)", "what came back is what was there last"),
    "tables-as-backed-up": ("Data proven", "tables whose every row is as it was backed up"),
    "kafka-records-kept": ("Data proven", "records that had been confirmed before the backup"),
    "kafka-records-lost": ("Data lost since the backup", "records that no backup has, counted"),
    "answer-the-same": ("Data proven", "rows of a query's answer as before"),
    "client-outage": ("Outage for clients", "the longest time without service"),
    "phases-within-budget": ("Runbook in time", "phases within their budget"),
}
"""The checks that are objectives in the sense of a recovery plan: what they are called, and what that means."""
ASIDE = tuple(MEASURES[check][0] for check in ("client-outage", "phases-within-budget"))
"""Measures that say more of a recovery time; the summary has them where they were not met."""

TIMES = ("rto", "data-restored", "lakehouse-restored", "platform-restored", "rpo", "client-outage")
_LIMIT = re.compile(r"(<=|>=) ([\d.]+) s\b")
LOSS, NO_LOSS = "no-acked-record-lost", "none lost"


@dataclass(frozen=True)
class Objective:
    """One objective of one service."""

    service: str
    measure: str
    meaning: str
    target: str
    actual: str
    margin: str
    estimated: bool
    outcome: Outcome
    anchor: str
    """Of the run on the page."""


@dataclass(frozen=True)
class Moment:
    """One row of the time line; epoch seconds."""

    at: float
    what: str


@dataclass(frozen=True)
class Drill:
    """One run."""

    number: int
    summary: Summary
    about: str
    """What was tested, as the scenario says."""
    result: str
    owner: str | None
    objectives: tuple[Objective, ...]
    moments: tuple[Moment, ...]
    origin: float | None
    """The fault or the loss, epoch seconds."""
    phases: tuple[Phase, ...]
    how: str | None
    """Who followed the runbook."""
    pictures: tuple[Drawn, ...]
    alarms: tuple[Alarm, ...]
    deviations: tuple[str, ...]
    by_hand: tuple[str, ...]
    proofs: tuple[Proof, ...]
    """What was verified of restored data, and by what."""
    unverified: tuple[str, ...]
    troubles: tuple[Verdict, ...]
    """The checks that did not pass, those that failed first."""

    @property
    def brief(self) -> str:
        """The first clause of that, for a page on which there is little room."""
        return re.split(r"(?<=\w)[;.](?:\s|$)", self.about, maxsplit=1)[0].rstrip(".") + "."

    @property
    def anchor(self) -> str:
        """Its place on the page."""
        return f"run-{self.number}"

    @property
    def folder(self) -> str:
        """Its evidence, inside the report's folder; whatever a record calls itself, it never leads out of that."""
        name = re.sub(r"[^A-Za-z0-9_-]+", "-", self.summary.scenario).strip("-") or "run"
        return f"evidence/{name}/{self.summary.record.path.resolve().name}"


def drill(summary: Summary, number: int) -> Drill:
    """Everything of a run that the report shows; what the record lacks is said in its place."""
    record = summary.record
    line = measured(record, lambda: timeline(record))
    known = Timeline() if isinstance(line, Missing) else line
    instants = times(record) if summary.restored else None
    book = measured(record, lambda: runbook(record, known))
    rehearsed = None if isinstance(book, Missing) else book
    told = measured(record, lambda: restore(record, summary.judged))
    back = None if isinstance(told, Missing) else told
    kept = () if isinstance(summary.verdicts, Missing) else summary.verdicts
    # What is in doubt is told once, as an alarm, and not by each check that had passed.
    troubles = [each for each in kept if each.outcome is not Outcome.PASS]
    origin = instants.disaster if instants is not None else known.t0
    return Drill(
        number=number,
        summary=summary,
        about=str(measured(record, lambda: f"{what(record)}.")),
        result=" ".join(filter(None, (summary.doubt, _result(summary, known, instants)))),
        owner=_owner(summary),
        objectives=tuple(_objectives(summary, f"run-{number}")),
        moments=tuple(sorted(_moments(summary, known, instants), key=lambda each: each.at)),
        origin=origin,
        phases=rehearsed.phases if rehearsed else (),
        how=rehearsed.how if rehearsed else None,
        pictures=_pictures(summary, known, number, book=rehearsed is not None),
        alarms=alarms(record),
        deviations=tuple(_deviations(summary)),
        by_hand=tuple(_by_hand(summary)),
        proofs=back.proofs if back else (),
        unverified=back.unverified if back else (),
        troubles=tuple(sorted(troubles, key=lambda each: each.outcome is Outcome.INCONCLUSIVE)),
    )


def _owner(summary: Summary) -> str | None:
    said = measured(summary.record, lambda: summary.record.scenario.get("owner"))
    return None if isinstance(said, Missing) or not said else str(said)


def _result(summary: Summary, line: Timeline, instants: Times | None) -> str:
    """What came out, in words for somebody who has never seen a time line."""
    if instants is not None:
        whole = next((each for each in summary.judged if each.check == "nothing-newer-lost"), None)
        if whole is not None and instants.rto is not None and instants.rpo is None:
            return f"The data was proven {duration(instants.rto)} after it was lost. {whole.reason}"
        return what_came_back(instants)
    if not line.services and line.outage is None:
        return (
            f"How long clients were without service is not known: {line.unmeasured.get('outage', 'nobody knows why')}."
        )
    said = []
    for service in line.services:
        name = SERVICES.get(service.name, service.name)
        if service.outage == 0:
            said.append(f"{name} was never out")
        elif service.outage is not None:
            said.append(f"{name} was out for {duration(service.outage)}")
        else:
            said.append(f"{name} was out for at least {duration(service.outage_at_least or 0.0)}")
    said += _lost(summary.losses)
    *most, last = said
    text = f"{'; '.join(most)}{'; and ' if most else ''}{last}."
    return text[:1].upper() + text[1:]


def _lost(losses: Losses) -> Iterator[str]:
    """What was lost of all that had been confirmed: nothing only where all of it was looked for."""
    for records, number in losses.counted.items():
        if number:
            yield f"{number:,} of the confirmed {records} {'was' if number == 1 else 'were'} lost"
    for records in losses.unknown:
        yield f"whether {'more ' if losses.counted.get(records) else ''}confirmed {records} were lost is not known"
    if not losses.counted and not losses.unknown:
        yield "whether confirmed data were lost is not known"
    if not losses.unknown and losses.counted and not any(losses.counted.values()):
        yield "nothing that had been confirmed was lost"


def _objectives(summary: Summary, anchor: str) -> Iterator[Objective]:
    """One row a check and service; a service that shares its objective with others is told by itself."""
    by_check = {each.check: each for each in summary.judged}
    goals = measured(summary.record, lambda: summary.record.objectives)
    for check, (measure, meaning) in MEASURES.items():
        verdict = by_check.get(check)
        if verdict is None:
            continue
        if check == OF_SERVICES:
            yield from _of_services(summary, anchor)
            continue
        for reading in summary.readings(check):
            target = _target(verdict, check, reading.service, goals)
            row = Objective(
                service=_service(summary, reading.service, check),
                measure=measure,
                meaning=meaning,
                target=_in_words(check, target),
                actual=_actual(reading, verdict),
                margin=_margin(check, target, reading),
                estimated=reading.estimated,
                outcome=reading.outcome,
                anchor=anchor,
            )
            yield row if check != "phases-within-budget" else replace(row, service="The runbook")


def _of_services(summary: Summary, anchor: str) -> Iterator[Objective]:
    """Each service that was to come back, held to its own recovery time and to the age of its backup."""
    for held in services(summary):
        yield Objective(
            service=held.service,
            measure=MEASURES[OF_SERVICES if held.measure == "rto" else "rpo"][0],
            meaning=MEASURES[OF_SERVICES][1] if held.measure == "rto" else "age of its own backup at the loss",
            target=held.target,
            actual=held.actual,
            margin=held.margin,
            estimated=False,
            outcome=held.outcome,
            anchor=anchor,
        )


def _in_words(check: str, target: str) -> str:
    """A target as people say it: hours and minutes for seconds."""
    if check == LOSS and target.startswith("<= 0"):
        return NO_LOSS
    return _LIMIT.sub(lambda found: f"{found[1]} {duration(float(found[2]))}", target) if check in TIMES else target


def _margin(check: str, target: str, reading: Reading) -> str:
    """The room that was left; none where nothing was proven, and none to speak of where nothing may be lost."""
    if reading.outcome is Outcome.INCONCLUSIVE or check == LOSS:
        return ""
    return room(target, reading.text) or ""


def _target(verdict: Verdict, check: str, service: str, goals: Objectives | Missing) -> str:
    """What a service is held to: its own objective where it has one."""
    target = verdict.target or "none set"
    if isinstance(goals, Missing) or check not in ("rto", "client-outage") or service not in SERVICES:
        return target
    its = goals.of(service)
    limit = its.rto if check == "rto" else its.client_outage
    return target if limit is None else f"<= {limit:g} s"


def _actual(reading: Reading, verdict: Verdict) -> str:
    if reading.text == "not measured":
        return f"not measured: {verdict.reason}"
    if verdict.check in TIMES and reading.value is not None:
        return reading.time
    return reading.text.replace("acknowledged", "confirmed")


def _service(summary: Summary, name: str, check: str) -> str:
    if check == "platform-restored":
        return "The platform"
    return summary.labels.get(name, name) or "The run"


def _moments(summary: Summary, line: Timeline, instants: Times | None) -> Iterator[Moment]:
    record = summary.record
    if instants is not None and instants.backup is not None:
        yield Moment(instants.backup, "The backup began that was restored.")
    if instants is not None and instants.proven is not None:
        yield Moment(instants.proven, "The restored data was proven.")
    hits = measured(record, lambda: faults(record))
    for fault in () if isinstance(hits, Missing) else hits:
        if not isinstance(fault.since, Missing):
            yield Moment(fault.since, f"{words(fault.name)}: {fault.at} ({fault.method}).")
        if not isinstance(fault.recovered, Missing):
            yield Moment(fault.recovered, f"{fault.at} was seen to be whole again.")
    for kind, say in _TOLD.items():
        yield from (Moment(event.t, say(event.data)) for event in _events(summary, kind))
    yield from _of_clients(line)


def _of_clients(line: Timeline) -> Iterator[Moment]:
    for service in line.services:
        name = SERVICES.get(service.name, service.name)
        if service.t1 is not None:
            yield Moment(service.t1, f"{name}: the last success of a client before its longest outage.")
        if service.t5 is not None:
            yield Moment(service.t5, f"{name}: clients are served steadily again.")
    if line.t4 is not None:
        yield Moment(line.t4, "Kubernetes called every pod Ready again.")


def _pictures(summary: Summary, line: Timeline, number: int, *, book: bool) -> tuple[Drawn, ...]:
    """The run at a glance, and its runbook; their ids are this run's own, since several runs share the page."""
    record = summary.record
    hits = measured(record, lambda: faults(record))
    scene = Scene(record, line, () if isinstance(hits, Missing) else hits)
    # Where no clients ran, the runbook says all that the glance would.
    found = list(figures(scene, only=("phases",))) if scene.loaded or not book else []
    if book:
        found.append(gantt(scene))
    # The links to what they are drawn from are in the run's own report.
    return tuple(replace(renamed(each, f"run{number}"), sources=()) for each in found)


def _deviations(summary: Summary) -> Iterator[str]:
    """What the record itself says that went other than planned."""
    for kind, say in _AMISS.items():
        yield from (say(event.data) for event in _events(summary, kind))
    checks = measured(summary.record, lambda: summary.record.evidence("preflight")["checks"])
    for each in () if isinstance(checks, Missing) else checks:
        if each.get("ok") is not True:
            yield f"Before the fault did not hold: {words(str(each.get('name')))} ({plain(each.get('detail'))})."


def _by_hand(summary: Summary) -> Iterator[str]:
    """What a person did, as they told the harness; and what the harness did in a person's place."""
    asked = measured(summary.record, lambda: _answers(summary))
    yield from () if isinstance(asked, Missing) else asked
    begun = _events(summary, "runbook.started")
    modes = dict.fromkeys(str(each.data.get("mode")) for each in begun)
    if "runbook" in modes:
        yield "No step was done by hand: the harness followed the runbook in the operator's place."
    if "self-heal" in modes:
        yield "No step was done by hand: the platform was left to heal by itself."


def _answers(summary: Summary) -> list[str]:
    record = summary.record
    found = []
    for path in sorted((record.path / "evidence").glob("runbook-*.json")):
        kept = record.evidence(path.stem)
        if isinstance(kept, dict) and "answered_ok" in kept:
            done = "done" if kept["answered_ok"] else "not done"
            at = clock(float(kept["began"])) if kept.get("began") else "at an unknown time"
            note = f": {kept['note']}" if kept.get("note") else ""
            found.append(f"{at} UTC, {words(str(kept.get('phase')))}: the operator said that it was {done}{note}.")
    return found


def _events(summary: Summary, kind: str) -> tuple[Any, ...]:
    found = measured(summary.record, lambda: summary.record.events_of(kind))
    return () if isinstance(found, Missing) else found


_TOLD: dict[str, Callable[[dict[str, Any]], str]] = {
    "run.started": lambda _: "The drill began.",
    "alert.fired": lambda data: f"Alert {data.get('alert', 'without a name')} fired.",
    "operator.acted": lambda data: f"The first step that changes something began: {words(str(data.get('phase')))}.",
    "run.finished": lambda _: "The drill ended, and its record was sealed.",
}
"""The events that belong on a time line for people, and what they say."""
_AMISS: dict[str, Callable[[dict[str, Any]], str]] = {
    "run.refused": lambda data: f"The drill was refused: {data.get('reason')}.",
    "run.interrupted": lambda data: f"The drill was ended early by {data.get('signal')}.",
    "run.failed": lambda data: f"The harness broke: {data.get('error')}.",
    "stop.fired": lambda data: f"The fault was ended early: {data.get('reason')}.",
    "steady-state.not-met": lambda data: f"The steady state was not met {data.get('when')} the fault.",
    "fault.ineffective": lambda data: f"The fault was not seen to take effect: {data.get('reason')}.",
    "recovery.not-seen": lambda data: f"Recovery was not seen within {duration(float(data.get('waited', 0)))}.",
    "rollback.failed": lambda data: f"The fault could not be undone at first: {data.get('error')}.",
}
"""The events that say that something went other than planned."""
