"""Leads through a game day: preflight, briefing, go or no-go, each scenario, hot findings, the end.

Everything that is asked and said is on the record's time line before anything follows from it; a day that was
interrupted is led again from the same file: what was answered is not asked again, what was run is not run again.
"""

import dataclasses
import hashlib
import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import yaml

from drill import clock, gameday, rollback
from drill.cluster import Cluster
from drill.errors import RefusedError, UsageError
from drill.exits import ExitCode
from drill.gameday import GameDayRecord, Summary, summary
from drill.interruption import InterruptedRunError
from drill.record import RECORD_VARIABLE, RunRecord
from drill.settings import Settings
from drill.verdicts import Outcome
from scenarios.gameday import _screen, words
from scenarios.gameday._screen import Screen
from scenarios.gameday._watch import Watch
from scenarios.gameday.answers import Answers, ClosedError, FromFile
from scenarios.gameday.model import Inject, Step
from scenarios.gameday.reader import Agenda, asks_an_operator
from scenarios.gameday.words import Answer, Kept, Prompt
from scenarios.preflight import guard, preflight
from scenarios.reader import Drill
from scenarios.runner import Run, Say, Witness

_SOURCE = "gameday"


@dataclass(frozen=True)
class Performed:
    """A scenario's run, judged."""

    run: Run
    outcome: Outcome
    reason: str = ""
    """The worst of what was judged, in one sentence."""


Perform = Callable[[Drill, Settings, Say, Sequence[Witness]], Performed]
"""Runs and judges one drill, and writes its report: the front door's business."""


class _OverError(Exception):
    """The day ends here."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Led:
    """How a day ended."""

    summary: Summary
    exit_code: ExitCode


def begin(agenda: Agenda, settings: Settings) -> GameDayRecord:
    """Make the record of a new day."""
    for drill in agenda.drills:
        guard(drill.scenario, settings)
    record = GameDayRecord.begin(settings.runs, agenda.day.name)
    record.write_text(gameday.FILE, agenda.text())
    return record


def go_on(agenda: Agenda, settings: Settings, record: GameDayRecord) -> GameDayRecord:
    """A day that was interrupted, to be led further.

    Raises:
        UsageError: it is over, it was led from another file, or on another context.
    """
    if record.sealed:
        raise UsageError(f"{record.path}: this game day is over; nothing is left to go on with")
    if (record.path / gameday.FILE).read_text(encoding="utf-8") != agenda.text():
        raise UsageError(f"{record.path}: it was led from another file, or the file was changed since")
    began_on = next((each.data["context"] for each in record.timeline if each.kind == "gameday.started"), None)
    if began_on is not None and began_on != settings.context:
        # Its faults are on that cluster, and an undo elsewhere would leave them there.
        raise UsageError(
            f"{record.path}: this game day was begun on {began_on}, not on {settings.context}; "
            f"go on with --context {began_on}, or begin a new day"
        )
    for drill in agenda.drills:
        guard(drill.scenario, settings)
    return record


def lead(
    agenda: Agenda,
    settings: Settings,
    record: GameDayRecord,
    answers: Answers,
    perform: Perform,
    say: Say,
    *,
    plain: bool = False,
) -> Led:
    """Lead through the day, or through what is left of it, and seal its record.

    Raises:
        InterruptedRunError: after the running fault was undone; the record waits to be gone on with.
    """
    return _Leader(agenda, settings, record, answers, perform, say, plain=plain).lead()


class _Leader:
    """The state of a day; `lead` reads from top to bottom as the day goes."""

    def __init__(
        self,
        agenda: Agenda,
        settings: Settings,
        record: GameDayRecord,
        answers: Answers,
        perform: Perform,
        say: Say,
        *,
        plain: bool,
    ) -> None:
        self.agenda, self.day, self.settings = agenda, agenda.day, settings
        self.record, self.answers, self.perform = record, answers, perform
        self.screen = Screen(record.path / gameday.SCREEN, say, plain=plain)
        self.say = self.screen.say
        events = record.timeline
        self.answered = {each.data["prompt"]: each.data for each in events if each.kind == "prompt.answered"}
        self.done = {each.data["step"] for each in events if each.kind in {"scenario.ended", "scenario.skipped"}}
        self.kept = {
            _said(each.data["prompt"], each.kind, each.data) for each in events if each.kind.startswith("said.")
        }
        self.begun = [each.data for each in events if each.kind == "scenario.begun"]
        self.records = {each.data["step"]: each.data["run"] for each in events if each.kind == "scenario.record"}
        self.injected = {(each.data["step"], each.data["name"]) for each in events if each.kind == "inject.ended"}
        self.before = bool(events)
        self.refused: list[str] = []
        self.rollback_failed = False

    def lead(self) -> Led:
        """From preflight to the seal."""
        if self.before:
            self.emit("gameday.resumed")
            self.say(f"going on with {self.record.path}")
        else:
            self.emit(
                "gameday.started",
                name=self.day.name,
                context=self.settings.context,
                attended=self.answers.attended,
                file_sha256=hashlib.sha256(self.agenda.text().encode()).hexdigest(),
            )
        try:
            try:
                self._preflight()
                self._briefing()
                self._go()
                for step, drill in self.agenda.steps:
                    if step.name not in self.done:
                        self._scenario(step, drill)
            except _OverError as over:
                self.emit("gameday.aborted", reason=over.reason)
                self.say(f"THE DAY ENDS HERE: {over.reason}")
            self._findings()
            self._ask(words.END, "The end: anything left to be noted?")
        except InterruptedRunError as error:
            self.emit("gameday.interrupted", reason=str(error))
            raise
        return self._seal()

    # -- the day, in its order ---------------------------------------------------------------------------------------

    def _preflight(self) -> None:
        self.say("PREFLIGHT: may every scenario start? (nothing is touched)")
        planned, today = self.day.date, datetime.fromtimestamp(clock.now(), UTC).date()
        if today != planned and not self.before:
            self._deviate(f"planned for {planned}, led on {today}")
        cluster = Cluster.connect(self.settings)
        for step, drill in self.agenda.steps:
            if step.name in self.done:
                continue
            found = preflight(drill, self._settings_of(step, drill), cluster)
            self.emit("preflight.looked", step=step.name, refusals=list(found.refusals), targets=list(found.targets))
            hit = ", ".join(str(each.get("name")) for each in found.targets) or "nothing"
            self.say(f"  {'ok     ' if not found.refusals else 'REFUSED'} {step.name}: would hit {hit}")
            for refusal in found.refusals:
                self.say(f"          {refusal}")
                self.refused.append(f"{step.name}: {refusal}")

    def _briefing(self) -> None:
        day = self.day
        lines = [
            f"BRIEFING: {day.title}, on {self.settings.context}",
            *([day.briefing.strip()] if day.briefing.strip() else []),
            "Here are: " + ", ".join(f"{each.name} ({each.role})" for each in day.participants),
            *(f"Objective: {each}" for each in day.objectives),
            *(
                f"Scenario {number}: {step.name}: {step.purpose or drill.scenario.description}"
                for number, (step, drill) in enumerate(self.agenda.steps, 1)
            ),
            *(f"We stop when: {each.text}" for each in day.abort_criteria),
            *(
                f"{name} after {level.after:g} min: {level.who}, {level.contact}"
                for name in words.LEVELS
                for level in [getattr(day.escalation, name)]
            ),
            "Stopping: Ctrl-C here, or `drill abort` from anywhere; the fault is undone within seconds.",
        ]
        self._ask(Prompt("briefing", "ok"), "\n".join(lines))

    def _go(self) -> None:
        missing = []
        for item in self.day.checklist:
            answer = self._ask(words.checklist(item.name), f"CHECKLIST {item.name}: {item.text}")
            if not answer.good:
                missing.append(f"{item.text}: {answer.reason}")
        against = [*missing, *self.refused]
        text = "\n".join([f"GO OR NO-GO? {len(against)} against it", *(f"  {each}" for each in against)])
        before = "go" in self.answered
        answer = self._ask(words.GO, text)
        if not answer.good:
            raise _OverError(f"no-go: {answer.reason}")
        if against and not before:
            self._deviate(f"go in spite of: {'; '.join(against)}")

    def _scenario(self, step: Step, drill: Drill) -> None:
        if any(each["step"] == step.name for each in self.begun):
            if not self._again(step):
                return
        else:
            words_ = f"SCENARIO {step.name}: {step.purpose or drill.scenario.description}"
            if not self._may(step, self._ask(words.before(step), words_)):
                return
        self.emit("scenario.begun", step=step.name, scenario=drill.scenario.name)
        try:
            performed = self._run(step, drill)
        except RefusedError as error:  # before anything was touched
            self.emit("scenario.skipped", step=step.name, reason=str(error))
            self._deviate(f"{step.name} was refused: {error}")
            return
        run, outcome = performed.run, performed.outcome
        self.emit(
            "scenario.ended",
            step=step.name,
            outcome=outcome,
            reason=performed.reason or None,
            run=self.record.relative(run.record),
            manifest_sha256=gameday.digest(run.record),
        )
        self.say(f"{outcome.upper()} {step.name}: {performed.reason}")
        if run.rollback_failed:
            self.rollback_failed = True
            raise _OverError(f"a fault of {step.name} could not be undone: {'; '.join(run.rollback_failed)}")
        answer = self._ask(words.after(step), f"AFTER {step.name}: what was seen? (note, decision, finding, deviation)")
        if not answer.good:
            raise _OverError(answer.reason)
        if criterion := self.day.aborting.get(outcome):
            raise _OverError(f"abort criterion: {criterion} ({step.name}: {outcome})")

    def _run(self, step: Step, drill: Drill) -> Performed:
        operator = asks_an_operator(drill)
        watch = Watch(
            self.day,
            step.model_copy(
                update={"injects": tuple(each for each in step.injects if (step.name, each.name) not in self.injected)}
            ),
            drill,
            self.screen,
            self.answers,
            typing=self.answers.attended and not operator,
            keep=self._keep,
            ended=lambda inject, answer: self._injected(step, inject, answer),
            opened=lambda run: self._opened(step, run),
        )
        with ExitStack() as stack:
            stack.enter_context(self.screen.live(panel=not operator))
            panel = self.answers.attended and not operator and not self.screen.plain
            stack.enter_context(_screen.keys() if panel else nullcontext())
            stack.callback(watch.end)
            performed = self.perform(drill, self._settings_of(step, drill), self.screen.say, (watch,))
        if watch.trouble is not None:
            self._deviate(f"the screen of {step.name} broke: {watch.trouble}")
        if performed.run.interrupted and not performed.run.rollback_failed:
            raise InterruptedRunError(performed.run.interrupted)
        return performed

    def _again(self, step: Step) -> bool:
        """What was interrupted is seen to be undone, and run once more if it is to be."""
        if (run := self.records.get(step.name)) is not None:
            record = RunRecord((self.record.path / run).resolve())
            os.environ[RECORD_VARIABLE] = str(record.path)
            results = record.amend(lambda: rollback.undo_pending(record.path / rollback.FILE))
            if failed := [f"{each.undo}: {each.error}" for each in results if not each.ok]:
                self.rollback_failed = True
                raise _OverError(f"what {step.name} had left could not be undone: {'; '.join(failed)}")
            for each in results:
                self._deviate(f"what the interrupted {step.name} had left was undone on resuming: {each.undo}")
        asked = dataclasses.replace(words.again(step), key=f"{step.name}.again")
        number = sum(each["step"] == step.name for each in self.begun)
        answer = self._ask(asked, f"{step.name} was interrupted (attempt {number})", memory=f"{asked.key}.{number}")
        return self._may(step, answer)

    def _may(self, step: Step, answer: Answer) -> bool:
        if answer.word == "abort":
            raise _OverError(answer.reason)
        if answer.word == "skip":
            self.emit("scenario.skipped", step=step.name, reason=answer.reason)
            self._deviate(f"{step.name} was skipped: {answer.reason}")
            return False
        return True

    def _findings(self) -> None:
        found = [each for each in self.record_now().events if each.kind == "said.finding"]
        lines = [f"  {each.data['severity']}: {each.data['title']}" for each in found] or ["  none yet"]
        text = "\n".join(["HOT FINDINGS: what is to be mended, by whom, until when?", *lines])
        self._ask(words.FINDINGS, text)

    def _seal(self) -> Led:
        self.emit("gameday.ended", outcome=summary(self.record_now()).outcome)
        told = summary(self.record_now())
        self.record.write_text(gameday.SUMMARY, told.model_dump_json(indent=2) + "\n")
        stated = yaml.safe_dump(gameday.details(told), sort_keys=False, allow_unicode=True)
        self.record.write_text(gameday.DETAILS, stated)
        self.record.seal(
            {
                "game_day": told.name,
                "context": told.context,
                "outcome": told.outcome,
                "runs": {each.run: each.manifest_sha256 for each in told.scenarios if each.run},
            }
        )
        return Led(told, ExitCode.ROLLBACK_FAILED if self.rollback_failed else told.outcome.exit_code)

    # -- small parts -------------------------------------------------------------------------------------------------

    def _ask(self, prompt: Prompt, text: str, memory: str | None = None) -> Answer:
        """The answer to a prompt; asked once, whatever interrupts the day."""
        key = memory or prompt.key
        if (known := self.answered.get(key)) is not None:
            return Answer(known["word"], known["reason"], good=known["good"])
        self.emit("prompt.asked", prompt=key)
        for told in text.splitlines():
            self.say(told)
        place = 0
        while True:
            try:
                line = self.answers.line(prompt, place)
            except ClosedError as error:
                raise InterruptedRunError(str(error)) from error
            if line is None:
                continue
            if isinstance(line.means, Answer):
                break
            # A person goes on where they were; a file would say again what was kept before an interruption.
            if self.answers.attended or _said(key, f"said.{line.means.kind}", line.means.data) not in self.kept:
                self._keep(key, line.means)
            place += 1
        answer = line.means
        self.emit("prompt.answered", prompt=key, word=answer.word, reason=answer.reason, good=answer.good)
        self.answered[key] = {"word": answer.word, "reason": answer.reason, "good": answer.good}
        self.say(f"> {answer.word}{' ' + answer.reason if answer.reason else ''}")
        return answer

    def _keep(self, key: str, kept: Kept) -> None:
        data = dict(kept.data)
        if kept.kind == "finding":
            step = key.partition(".")[0]
            data["run"] = self.records.get(step)
        self.emit(f"said.{kept.kind}", prompt=key, **data)
        told = data.get("text") or f"{data['severity']}: {data['title']}"
        self.say(f"> {kept.kind}: {told}")

    def _deviate(self, text: str) -> None:
        self.emit("said.deviation", prompt="leader", text=text)
        self.say(f"deviation: {text}")

    def _opened(self, step: Step, run: RunRecord) -> None:
        self.records[step.name] = self.record.relative(run)
        self.emit("scenario.record", step=step.name, run=self.records[step.name])

    def _injected(self, step: Step, inject: Inject, answer: Answer) -> None:
        text = f"for {inject.to}: {inject.text}{f' ({answer.reason})' if answer.reason else ''}"
        self.emit("inject.ended", step=step.name, name=inject.name, delivered=answer.good, text=text)
        if not answer.good:
            self._deviate(f"inject {inject.name} of {step.name} was not brought in: {answer.reason}")

    def _settings_of(self, step: Step, drill: Drill) -> Settings:
        """Where a file answers, its lines for the operator of this step become the file that the drill reads."""
        if not asks_an_operator(drill) or not isinstance(self.answers, FromFile):
            return self.settings
        lines = self.answers.operators[words.operator(step)]
        name = self.record.write_text(f"operators/{step.name}.txt", "".join(f"{line}\n" for line in lines))
        return self.settings.model_copy(update={"answers": self.record.path / name})

    def record_now(self) -> GameDayRecord:
        """The record read anew."""
        return GameDayRecord(self.record.path)

    def emit(self, kind: str, **data: Any) -> None:
        """One event of the day's own time line."""
        self.record.emit(_SOURCE, kind, **data)


def _said(prompt: str, kind: str, data: dict[str, Any]) -> tuple[str, str, str]:
    """What makes a line the same as one that was kept already."""
    return prompt, kind, str(data.get("text") or data.get("title"))


def plan(agenda: Agenda, settings: Settings) -> list[dict[str, Any]]:
    """What each scenario would hit and why it could not start; resolves real targets and touches nothing.

    Raises:
        UsageError: the settings do not allow one of them.
    """
    for drill in agenda.drills:
        guard(drill.scenario, settings)
    cluster = Cluster.connect(settings)
    found = []
    for step, drill in agenda.steps:
        seen = preflight(drill, settings, cluster)
        # Whether an operator can be asked is known on the day.
        refusals = [f"{each.name}: {each.detail}" for each in seen.checks if not each.ok and each.name != "operator"]
        found.append(
            {"step": step.name, "scenario": drill.scenario.name, "targets": list(seen.targets), "refusals": refusals}
        )
    return found
