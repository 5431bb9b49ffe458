"""A game day is led from its file: nothing is asked twice, nothing is forgotten, and it ends when it must."""

import json
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

import reports.gameday
from drill import settings
from drill.cluster import Cluster
from drill.errors import InputError, RefusedError, UsageError
from drill.exits import ExitCode
from drill.gameday import GameDayRecord, summary
from drill.interruption import InterruptedRunError
from drill.record import RunRecord
from drill.settings import Settings
from drill.verdicts import Outcome
from reports.dr import Details
from scenarios.gameday import _screen, answers, leader, reader, words
from scenarios.gameday.leader import Performed
from scenarios.gameday.words import Answer, Kept, SayingError
from scenarios.preflight import Preflight
from scenarios.reader import Drill
from scenarios.runner import Run, Say, Witness

EXAMPLES = Path(__file__).parents[2] / "docs" / "gameday"
TARGET = {"kind": "Pod", "namespace": "kafka", "name": "pool-0", "broker": 0}


def _day(tmp_path: Path, change: Callable[[dict[str, Any]], None] = lambda _: None) -> Path:
    content = yaml.safe_load((EXAMPLES / "kafka-quarterly.yaml").read_text())
    change(content)
    path = tmp_path / "day.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


def _answers(tmp_path: Path, **changed: Any) -> Path:
    content = yaml.safe_load((EXAMPLES / "kafka-quarterly.answers.yaml").read_text())
    content |= {name.replace("__", ".").replace("_", "-"): value for name, value in changed.items()}
    path = tmp_path / "answers.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Settings:
    """A context on which every preflight is content."""
    whole = Preflight((), (TARGET,), (), {})
    monkeypatch.setattr(Cluster, "connect", classmethod(lambda *_: None))
    monkeypatch.setattr(leader, "preflight", lambda *_: whole)
    monkeypatch.setattr(_screen, "PERIOD", 0.05)
    return settings.Settings(
        context="lab",
        runs=tmp_path / "runs",
        contexts={
            "lab": settings.ContextSettings(
                drillable=True, namespaces=("kafka",), kafka=settings.KafkaTarget(bootstrap="127.0.0.1:1")
            )
        },
    )


class Performer:
    """Plays `drill run`: each scenario comes to an outcome, or to something else."""

    def __init__(self, **ends: Outcome | Exception | str) -> None:
        self._ends = {name.replace("_", "-"): end for name, end in ends.items()}
        self.ran: list[str] = []

    def __call__(self, drill: Drill, chosen: Settings, say: Say, witnesses: Sequence[Witness]) -> Performed:
        """One run, with a record and witnesses as a real one has."""
        say(f"running {drill.scenario.name}")
        name = drill.scenario.name
        self.ran.append(name)
        end = self._ends.pop(name, Outcome.PASS)
        if isinstance(end, Exception):
            raise end
        record = RunRecord.create(chosen.runs, name)
        record.write_text("scenario.yaml", f"name: {name}\ndescription: {name}\n")
        record.emit("runner", "run.started", run_id="1", scenario=name, context="lab")
        for each in witnesses:
            each.opened(record)
        record.emit("experiment", "fault.effective", fault="kill", target=TARGET, proof={}, since=0.0)
        if name == "broker-kill-leader":
            _until(lambda: "inject.ended" in (_newest(chosen) / "events.jsonl").read_text())
        record.emit("experiment", "fault.undone", fault="kill", target=TARGET, proof={})
        record.emit("runner", "run.finished")
        for each in witnesses:
            each.closing()
        record.seal({})
        if end == "interrupted":
            return Performed(Run(record, interrupted="SIGINT"), Outcome.INCONCLUSIVE)
        if end == "rollback":
            return Performed(Run(record, rollback_failed=("it stays on",)), Outcome.FAIL, "it stays on")
        assert isinstance(end, Outcome)
        return Performed(Run(record), end, "" if end is Outcome.PASS else f"rto: {end}")


def _newest(chosen: Settings) -> Path:
    return max((chosen.runs / "game-days" / "kafka-quarterly").iterdir())


def _until(seen: Callable[[], bool]) -> None:
    for _ in range(2000):
        if seen():
            return
        threading.Event().wait(0.01)
    raise AssertionError("it was not seen")


def _lead(
    lab: Settings, day: Path, said: Path, performer: Performer, record: GameDayRecord | None = None
) -> tuple[leader.Led, GameDayRecord, list[str]]:
    agenda = reader.read(day)
    lines: list[str] = []
    source = answers.from_file(said, agenda)
    record = leader.begin(agenda, lab) if record is None else leader.go_on(agenda, lab, record)
    led = leader.lead(agenda, lab, record, source, performer, lines.append, plain=True)
    return led, GameDayRecord(record.path), lines


def _kinds(record: RunRecord) -> list[str]:
    return [each.kind for each in record.events]


# -- the whole day ---------------------------------------------------------------------------------------------------


def test_a_day_is_led_from_its_file_without_a_person(lab: Settings, tmp_path: Path) -> None:
    """Everything that was said is in the summary that reports use, and the record is sealed."""
    performer = Performer()
    led, record, lines = _lead(lab, _day(tmp_path), _answers(tmp_path), performer)
    assert performer.ran == ["kafka-leadership-moved", "broker-kill-leader", "controller-kill"]
    assert led.exit_code is ExitCode.PASS
    told = json.loads((record.path / "gameday.json").read_text())
    assert {"name": "Ana Lima", "role": "owner"} in told["participants"]
    assert [each["severity"] for each in told["findings"]] == ["medium", "low"]
    first, second = told["findings"]
    assert (first["owner"], first["due"]) == ("Chen Wei", "2026-12-17")
    assert (record.path / first["run"] / "scenario.yaml").is_file()
    assert second["run"] is None
    assert any(each.startswith("go in spite of: No release") for each in told["deviations"])
    assert [each["text"] for each in told["decisions"]] == ["the release only touches the connector"]
    assert told["injects"][0]["delivered"] is True
    assert record.altered_files() == ()
    assert record.changed_runs() == ()
    assert any("INJECT false-alarm, for observer" in line for line in lines)
    assert "fault ON: kill on pool-0" in (record.path / "screen.log").read_text()


def test_the_dr_report_takes_what_a_day_says(lab: Settings, tmp_path: Path) -> None:
    """As the file of its details, without a person who copies it."""
    said = _answers(tmp_path, controller_kill__before="skip no time")
    _, record, _ = _lead(lab, _day(tmp_path), said, Performer())
    stated = Details.model_validate(yaml.safe_load((record.path / "dr-details.yaml").read_text()))
    assert stated.kind == "game day"
    assert stated.participants[0].name == "Ana Lima"
    assert [(each.severity, each.scenario) for each in stated.findings] == [
        ("medium", "broker-kill-leader"),
        ("low", None),
    ]
    assert [each.what for each in stated.exclusions] == ["controller-kill"]
    assert [each.what for each in stated.manual_steps] == [
        "false-alarm, for observer: A colleague calls: is the network down?"
    ]


def test_a_byte_of_the_record_or_of_a_run_that_changes_is_caught(lab: Settings, tmp_path: Path) -> None:
    """On the page's first lines, too."""
    _, record, _ = _lead(lab, _day(tmp_path), _answers(tmp_path), Performer())
    assert 'role="alert"' not in reports.gameday.render(record)
    piece = summary(record).scenarios[0]
    run = record.path / str(piece.run)
    (run / "events.jsonl").write_text((run / "events.jsonl").read_text().replace("pool-0", "pool-1"))
    assert record.changed_runs() == (piece.run,)
    assert "A run is not what it was" in reports.gameday.render(record)
    (record.path / "screen.log").write_text("nothing happened\n")
    assert "screen.log" in record.altered_files()


def test_the_page_shows_what_was_not_run_as_loudly_as_what_failed(lab: Settings, tmp_path: Path) -> None:
    """And escapes what people typed."""
    said = _answers(
        tmp_path,
        controller_kill__before="skip <b>no time</b>",
        kafka_leadership_moved__after=["note <script>alert(1)</script>", "ok"],
    )
    led, record, _ = _lead(lab, _day(tmp_path), said, Performer())
    assert led.exit_code is ExitCode.INCONCLUSIVE
    page = reports.gameday.write(record).read_text()
    assert "skipped: &lt;b&gt;no time" in page
    assert "<script>" not in page
    assert "2 of 3 scenarios were run" in page
    assert "Report of" not in page, "no report was written, and none is linked"


# -- its ends --------------------------------------------------------------------------------------------------------


def test_a_no_go_runs_nothing_and_is_inconclusive(lab: Settings, tmp_path: Path) -> None:
    """The end is still asked for: findings come from days that did not begin, too."""
    performer = Performer()
    led, record, _ = _lead(lab, _day(tmp_path), _answers(tmp_path, go="no-go the owner is ill"), performer)
    assert performer.ran == []
    assert led.exit_code is ExitCode.INCONCLUSIVE
    assert summary(record).go is False
    assert summary(record).aborted == "no-go: the owner is ill"
    assert len(summary(record).findings) == 1


def test_an_abort_criterion_that_is_met_ends_the_day(lab: Settings, tmp_path: Path) -> None:
    """The criterion is on `fail`; an inconclusive scenario does not meet it."""
    performer = Performer(kafka_leadership_moved=Outcome.INCONCLUSIVE, broker_kill_leader=Outcome.FAIL)
    led, record, _ = _lead(lab, _day(tmp_path), _answers(tmp_path), performer)
    assert performer.ran == ["kafka-leadership-moved", "broker-kill-leader"]
    assert led.exit_code is ExitCode.FAIL
    assert "abort criterion" in str(summary(record).aborted)
    assert summary(record).scenarios[2].reason == "the day ended before it"


def test_a_fault_that_could_not_be_undone_ends_the_day_at_once(lab: Settings, tmp_path: Path) -> None:
    """With the exit code that says so."""
    performer = Performer(kafka_leadership_moved="rollback")
    led, record, _ = _lead(lab, _day(tmp_path), _answers(tmp_path), performer)
    assert performer.ran == ["kafka-leadership-moved"]
    assert led.exit_code is ExitCode.ROLLBACK_FAILED
    assert "could not be undone" in str(summary(record).aborted)


def test_a_scenario_that_is_refused_is_skipped_and_told(lab: Settings, tmp_path: Path) -> None:
    """Another drill held the Lease, for instance: nothing was touched."""
    performer = Performer(broker_kill_leader=RefusedError("another drill is running"))
    led, record, _ = _lead(lab, _day(tmp_path), _answers(tmp_path), performer)
    assert led.exit_code is ExitCode.INCONCLUSIVE
    assert summary(record).scenarios[1].reason == "skipped: another drill is running"
    assert performer.ran[-1] == "controller-kill"


def test_what_an_interruption_left_is_gone_on_with(lab: Settings, tmp_path: Path) -> None:
    """What was answered is not asked again, what was run not run again, and nothing that was said is said twice."""
    day, said, performer = _day(tmp_path), _answers(tmp_path), Performer(broker_kill_leader="interrupted")
    with pytest.raises(InterruptedRunError):
        _lead(lab, day, said, performer)
    record = GameDayRecord(_newest(lab))
    assert _kinds(record)[-1] == "gameday.interrupted"
    assert not record.sealed
    assert "is not over" in reports.gameday.render(record)
    assert summary(record).outcome is Outcome.INCONCLUSIVE

    led, record, _ = _lead(lab, day, said, performer, record)
    assert performer.ran == [
        *("kafka-leadership-moved", "broker-kill-leader"),
        *("broker-kill-leader", "controller-kill"),
    ]
    assert led.exit_code is ExitCode.PASS
    told = summary(record)
    assert told.interruptions == 1
    assert told.scenarios[1].attempts == 2
    assert len(told.decisions) == len(told.notes[:1]) == 1
    assert len(told.injects) == 1
    assert _kinds(record).count("gameday.started") == 1


def test_a_file_goes_on_with_what_a_person_began(lab: Settings, tmp_path: Path) -> None:
    """What the person said is kept, and what the file says is said once, however often the day is gone on with."""
    day, agenda = _day(tmp_path), reader.read(_day(tmp_path))
    record = leader.begin(agenda, lab)
    record.emit("gameday", "gameday.started", name=agenda.day.name, context="lab", attended=True, file_sha256="")
    record.emit("gameday", "said.note", prompt="briefing", text="from a person")
    record.emit("gameday", "said.note", prompt="briefing", text="all four are on the call")
    led, _, _ = _lead(lab, day, _answers(tmp_path), Performer(), GameDayRecord(record.path))
    assert led.exit_code is ExitCode.PASS
    assert [each.text for each in led.summary.notes if each.at == "briefing"] == [
        *("from a person", "all four are on the call"),
    ]


def test_a_day_that_is_over_or_another_file_is_not_gone_on_with(lab: Settings, tmp_path: Path) -> None:
    """Its record would say what never happened."""
    day, said = _day(tmp_path), _answers(tmp_path)
    _, record, _ = _lead(lab, day, said, Performer())
    with pytest.raises(UsageError, match="is over"):
        leader.go_on(reader.read(day), lab, record)
    (record.path / "manifest.json").unlink()
    changed = _day(tmp_path, lambda content: content.update(title="Another"))
    with pytest.raises(UsageError, match="changed since"):
        leader.go_on(reader.read(changed), lab, record)


def test_a_day_is_gone_on_with_on_its_own_context_only(lab: Settings, tmp_path: Path) -> None:
    """The record says on which cluster the faults are; nothing is undone or run on another one."""
    other = lab.model_copy(update={"context": "other", "contexts": {**lab.contexts, "other": lab.target}})
    day, said = _day(tmp_path), _answers(tmp_path)
    with pytest.raises(InterruptedRunError):
        _lead(lab, day, said, Performer(broker_kill_leader="interrupted"))
    record, performer = GameDayRecord(_newest(lab)), Performer()
    before = _kinds(record)
    with pytest.raises(UsageError, match="begun on lab, not on other; go on with --context lab"):
        _lead(other, day, said, performer, record)
    assert performer.ran == []
    assert _kinds(GameDayRecord(record.path)) == before


def test_a_context_that_is_not_drillable_gets_no_record(lab: Settings, tmp_path: Path) -> None:
    """Before anything is written or asked."""
    closed = lab.model_copy(update={"contexts": {"lab": lab.target.model_copy(update={"drillable": False})}})
    with pytest.raises(UsageError, match="not declared drillable"):
        leader.begin(reader.read(_day(tmp_path)), closed)
    assert not lab.runs.exists()


# -- the file --------------------------------------------------------------------------------------------------------


def _problems(tmp_path: Path, change: Callable[[dict[str, Any]], None]) -> str:
    with pytest.raises(InputError) as raised:
        reader.read(_day(tmp_path, change))
    assert all(each.line and each.remedy for each in raised.value.mistakes)
    return str(raised.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda day: day["participants"].pop(0), "participants: nobody is owner"),
        (lambda day: day["participants"].append(day["participants"][0]), "there twice: Ana Lima (owner)"),
        (lambda day: day["scenarios"].append({"scenario": "controller-kill"}), "two scenarios are called"),
        (lambda day: day["scenarios"].append({"scenario": "controler-kill"}), "Did you mean controller-kill?"),
        (lambda day: day.update(date="soon"), "date: "),
        (lambda day: day.update(abort_criteria=[]), "abort_criteria"),
        (lambda day: day["escalation"].pop("L3"), "escalation.L3"),
        (lambda day: day["escalation"]["L1"].update(after=60), "a later level is called earlier"),
        (lambda day: day["checklist"].append(day["checklist"][0]), "there twice: backups-fresh"),
        (lambda day: day.update(objectivs=["x"]), "Did you mean `objectives`?"),
    ],
)
def test_a_mistake_in_the_file_has_its_place(
    tmp_path: Path, change: Callable[[dict[str, Any]], None], said: str
) -> None:
    """File, line, field and remedy."""
    assert said in _problems(tmp_path, change)


def test_the_same_scenario_twice_takes_two_names(tmp_path: Path) -> None:
    """Answers are given by them."""
    path = _day(tmp_path, lambda day: day["scenarios"].append({"scenario": "controller-kill", "name": "again-2"}))
    assert [step.name for step, _ in reader.read(path).steps][-1] == "again-2"


# -- the answers -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"go": "maybe"}, "'maybe' is not understood here: go | no-go REASON"),
        ({"go": "no-go"}, "no-go wants a reason"),
        ({"gone": "ok"}, "Did you mean `go`?"),
        ({"end": True}, "True is not a line of text"),
        ({"end": []}, "an empty list"),
        ({"end": ["ok", "note too late"]}, "nothing after it is heard"),
        ({"end": ["note and then"]}, "it does not end the prompt"),
        ({"findings": ["finding grave: x", "ok"]}, "a finding begins with its severity"),
        ({"findings": ["finding low: x; due=2026-12-01", "ok"]}, "before the game day"),
        ({"findings": ["finding low: x; by=Ana", "ok"]}, "neither owner=NAME nor due=DATE"),
        ({"findings": ["escalate L4: x", "ok"]}, "not a level and a text"),
    ],
)
def test_a_file_of_answers_is_held_against_the_day_before_it_begins(
    tmp_path: Path, changed: dict[str, Any], said: str
) -> None:
    """Every mistake with its line."""
    agenda = reader.read(_day(tmp_path))
    with pytest.raises(InputError) as raised:
        answers.from_file(_answers(tmp_path, **changed), agenda)
    assert said in str(raised.value)


def test_a_prompt_without_an_answer_is_told_before_the_day_begins(tmp_path: Path) -> None:
    """An empty file lacks every one of them."""
    agenda = reader.read(_day(tmp_path))
    empty = tmp_path / "none.yaml"
    empty.write_text("{}")
    with pytest.raises(InputError) as raised:
        answers.from_file(empty, agenda)
    assert {each.field for each in raised.value.mistakes} == {
        each.key for each in words.prompts(agenda) if not each.optional
    }


def test_the_draft_of_answers_is_one(tmp_path: Path) -> None:
    """It says yes to everything, and is taken."""
    agenda = reader.read(_day(tmp_path))
    path = tmp_path / "draft.yaml"
    path.write_text(answers.draft(agenda))
    answers.from_file(path, agenda)


def test_an_operator_in_a_file_led_day_answers_from_the_file(lab: Settings, tmp_path: Path) -> None:
    """The lines reach the drill as the file of answers that it reads."""
    day = _day(tmp_path, lambda each: each.update(scenarios=[{"scenario": "platform-down-operator"}]))
    agenda = reader.read(day)
    path = tmp_path / "answers.yaml"
    path.write_text(answers.draft(agenda))
    source = answers.from_file(path, agenda)
    record = GameDayRecord.begin(lab.runs, "day")
    record.write_text("gameday.yaml", agenda.text())
    one = leader._Leader(agenda, lab, record, source, Performer(), lambda _: None, plain=True)
    (step,), (drill,) = agenda.day.scenarios, agenda.drills
    file = one._settings_of(step, drill).answers
    assert file is not None
    assert file.read_text() == "what was found or done\n"


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("go", Answer("go")),
        ("! the owner is ill", Answer("no-go", "the owner is ill", good=False)),
        ("+90 go", Answer("go")),
        ("note all here", Kept("note", {"text": "all here"})),
        ("escalate L2: called", Kept("escalation", {"level": "L2", "text": "L2: called"})),
    ],
)
def test_what_is_typed_is_understood(tmp_path: Path, text: str, means: Answer | Kept) -> None:
    """As the runbook's operator types, too."""
    line = words.understand(words.GO, text, reader.read(_day(tmp_path)).day)
    assert line.means == means
    assert line.later == (90 if text.startswith("+") else 0)


def test_enter_alone_is_no_go_for_nothing(tmp_path: Path) -> None:
    """A go is typed; an ok need not be."""
    day = reader.read(_day(tmp_path)).day
    with pytest.raises(SayingError):
        words.understand(words.GO, "", day)
    assert words.understand(words.END, "", day).means == Answer("ok")


def test_without_a_terminal_and_a_file_nobody_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would wait for ever."""
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(UsageError, match="--answers FILE"):
        answers.from_terminal(reader.read(_day(tmp_path)), lambda _: None)
