"""Runbooks: phases that are timed and kept, a person who is asked, several faults undone as one."""

import io
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from drill.errors import UsageError
from drill.record import RECORD_VARIABLE, RunRecord
from drill.rollback import NotRestoredError
from drill.settings import Settings
from experiments._fault import Injection
from experiments._watch import NotSeenError
from experiments.platform._together import together, undo_each
from experiments.runbooks import operator
from experiments.runbooks._phases import Mode, Phase, Runbook, StepFailedError, self_heal
from experiments.runbooks._rehearsal import Rehearsal, rehearsal
from scenarios import _desk
from scenarios._desk import Desk


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunRecord:
    """The record of the run that a test is a part of."""
    made = RunRecord.create(tmp_path / "runs", "rehearsal")
    monkeypatch.setenv(RECORD_VARIABLE, str(made.path))
    return made


def phase(name: str, perform: Callable[[float], dict[str, Any]] | None = None, **more: Any) -> Phase:
    """A phase that finds nothing, in no time."""
    return Phase(name, **{"budget": 60.0, "instruction": f"Do {name}.", "perform": perform or (lambda _: {}), **more})


def fails(_: float) -> dict[str, Any]:
    """A step that saw something and did not get there."""
    raise StepFailedError("kong-postgres-0 is Pending", {"pods": ["kong-postgres-0"]})


def follow(record: RunRecord, mode: Mode, *phases: Phase) -> tuple[list[dict[str, Any]], RunRecord]:
    """Follow a runbook; what it returned, and the record as it is then."""
    return Runbook("rehearsal", mode, phases).perform(), RunRecord(record.path)


def test_each_phase_is_told_and_its_evidence_kept(record: RunRecord) -> None:
    """A phase that failed stops no other, and what it saw is kept with its reason."""
    done, record = follow(
        record, "runbook", phase("assess", lambda _: {"nodes": 3}), phase("restart", fails, acts=True), phase("verify")
    )
    assert [(each["phase"], each["ok"]) for each in done] == [("assess", True), ("restart", False), ("verify", True)]
    assert record.evidence("runbook-assess")["nodes"] == 3
    kept = record.evidence("runbook-restart")
    assert (kept["reason"], kept["pods"]) == ("kong-postgres-0 is Pending", ["kong-postgres-0"])
    (started,) = record.events_of("runbook.started")
    assert started.data["phases"] == [{"phase": each, "budget": 60.0} for each in ("assess", "restart", "verify")]
    assert [event.data["phase"] for event in record.events_of("phase.started")] == ["assess", "restart", "verify"]
    assert [event.data["ok"] for event in record.events_of("phase.ended")] == [True, False, True]


def test_a_phase_over_its_budget_is_not_done_as_planned(record: RunRecord) -> None:
    """However well it ended."""
    ((assess,), _) = follow(record, "runbook", phase("assess", budget=0.0))
    assert assess["ok"] is False
    assert "of 0 s" in assess["reason"]


@pytest.mark.parametrize(
    ("mode", "acts", "told"), [("runbook", True, 1), ("runbook", False, 0), ("self-heal", True, 0)]
)
def test_the_operator_acts_when_the_first_step_that_changes_something_begins(
    record: RunRecord, mode: Mode, acts: bool, told: int
) -> None:
    """Once, and never where nobody does."""
    _, record = follow(record, mode, phase("look"), phase("first", acts=acts), phase("second", acts=acts))
    acted = record.events_of("operator.acted")
    assert [event.data["phase"] for event in acted] == ["first"] * told


def test_left_alone_first_the_pods_and_then_the_answers_are_awaited(record: RunRecord) -> None:
    """Each with the budget that it is given."""
    looks = iter([NotSeenError("kong-postgres-0 is not Ready"), {"whole": True}])

    def whole() -> dict[str, Any]:
        seen = next(looks)
        if isinstance(seen, NotSeenError):
            raise seen
        return dict(seen)

    done, record = follow(record, "self-heal", *self_heal(whole, lambda: {"kafka": "answers"}, (30, 10)))
    assert [(each["phase"], each["budget"], each["ok"]) for each in done] == [("ready", 30, True), ("answer", 10, True)]
    assert record.evidence("runbook-answer")["kafka"] == "answers"


def answering(record: RunRecord, tmp_path: Path, text: str) -> Desk:
    """A desk with a file of answers."""
    file = tmp_path / "answers.txt"
    file.write_text(text)
    return Desk(record, Settings(answers=file), lambda _: None)


def test_a_person_answers_from_a_file_and_the_harness_looks_for_itself(record: RunRecord, tmp_path: Path) -> None:
    """The note is kept; of what only reads, the harness keeps what it saw itself; what acts it leaves to the person."""
    mine: list[str] = []
    with answering(record, tmp_path, "# in order\n+0 three pods down\n\nrestarted all\n"):
        done, record = follow(
            record,
            "operator",
            phase("assess", lambda _: {"failing": 3}),
            phase("restart", lambda _: {"mine": mine.append("restart")}, acts=True),
        )
    assert [each["ok"] for each in done] == [True, True]
    assert record.evidence("runbook-assess")["note"] == "three pods down"
    assert record.evidence("runbook-assess")["seen"] == {"failing": 3}
    assert record.evidence("runbook-restart")["note"] == "restarted all"
    assert mine == []


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ("!no access to the cluster", "the operator: no access to the cluster"),
        ("", "the operator: the file has no more answers"),
        ("all is well", "kong-postgres-0 is Pending"),
    ],
)
def test_what_a_person_could_not_do_or_says_wrongly_is_not_done(
    record: RunRecord, tmp_path: Path, answers: str, reason: str
) -> None:
    """Also where the person says that all is well, and the harness sees that it is not."""
    with answering(record, tmp_path, answers):
        ((verify,), _) = follow(record, "operator", phase("verify", fails))
    assert (verify["ok"], verify["reason"]) == (False, reason)


def test_nobody_who_answers_is_waited_for_twice_the_budget_only(record: RunRecord) -> None:
    """A phase that nobody ended is one that was not done."""
    ((assess,), _) = follow(record, "operator", phase("assess", budget=0.1))
    assert assess["ok"] is False
    assert assess["reason"].startswith("nobody answered")


def test_outside_of_a_run_nobody_can_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bare `chaos run` has no desk."""
    monkeypatch.delenv(RECORD_VARIABLE, raising=False)
    with pytest.raises(UsageError, match="needs `drill run`"):
        operator.ask("rehearsal", "assess", "Look.", 60)


def test_a_terminal_is_read_line_by_line_and_may_be_closed(
    record: RunRecord, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As a person at a plain terminal has it: the prompt, a note, the end of file."""
    typed = tmp_path / "typed"
    typed.write_text("two pods crash\n")
    said: list[str] = []
    with typed.open() as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        with Desk(record, Settings(), said.append):
            done, _ = follow(record, "operator", phase("assess"), phase("logs"))
    assert said[0] == "OPERATOR, assess (1 min): Do assess."
    assert [(each["ok"], each["reason"]) for each in done] == [
        (True, None),
        (False, "the operator: the terminal was closed"),
    ]


def test_a_desk_that_nobody_sits_at_is_left_when_the_run_is_over(
    record: RunRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A prompt that waits for a person keeps no run from its end."""
    read, write = os.pipe()
    with open(read) as stdin, open(write, "w") as silent:  # noqa: PTH123 - file descriptors
        monkeypatch.setattr("sys.stdin", stdin)
        asked = threading.Event()
        with Desk(record, Settings(), lambda _: asked.set()):
            line = {"op": "asked", "id": "q", "runbook": "r", "phase": "p", "instruction": "i", "budget": 60.0}
            (record.path / operator.FILE).write_text(json.dumps(line) + "\n")
            assert asked.wait(10)
        assert not silent.closed
    assert len(operator.open_questions(record.path / operator.FILE)) == 1


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("mode", "stdin", "answers", "trouble"),
    [
        ("runbook", io.StringIO(), None, None),
        ("operator", _Terminal(), None, None),
        ("operator", io.StringIO(), "answers.txt", None),
        ("operator", io.StringIO(), "gone.txt", "no such file of answers"),
        ("operator", io.StringIO(), None, "give --answers FILE"),
        ("operator", None, None, "give --answers FILE"),
    ],
)
def test_an_operator_who_can_not_be_asked_is_found_before_the_drill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str, stdin: Any, answers: str | None, trouble: str | None
) -> None:
    """Preflight says what to do about it."""
    (tmp_path / "answers.txt").write_text("fine\n")
    monkeypatch.setattr("sys.stdin", stdin)
    settings = Settings(answers=tmp_path / answers if answers else None)
    found = _desk.trouble({"configuration": {"mode": mode}}, settings)
    assert (found is None) if trouble is None else (found is not None and trouble in found)


ENDED: list[str] = []


def undo_named(context: str, workload: str) -> dict[str, Any]:
    """An undo that can fail."""
    ENDED.append(workload)
    if workload == "broken":
        raise NotRestoredError(f"{workload} stays down in {context}")
    return {"back": workload}


def injection(name: str, seen: dict[str, bool], **more: Any) -> Injection:
    """A fault that is on once it was injected."""

    def effect() -> dict[str, Any]:
        if not seen.get(name):
            raise NotSeenError(f"{name} is up")
        return {"down": name}

    return Injection(
        **{
            "fault": name,
            "method": "delete",
            "targets": ({"kind": "Deployment", "name": name},),
            "permissions": (),
            "inject": lambda: seen.update({name: True}),
            "effect": effect,
            "undo": undo_named,
            "undo_arguments": {"context": "here", "workload": name},
            "recovered": lambda: {"whole": True},
            **more,
        }
    )


def all_down(seen: dict[str, bool], *names: str) -> Injection:
    """Several of them as one."""
    each = {name: injection(name, seen) for name in names}
    targets = [{"kind": "Deployment", "name": name} for name in names]
    return together("all_down", "here", each, targets, lambda: {"whole": True}, effect_timeout=1, recovery_timeout=1)


def test_faults_together_are_on_only_when_each_is() -> None:
    """And the proof has each by its name."""
    seen: dict[str, bool] = {}
    fault = all_down(seen, "kafka", "postgres")
    with pytest.raises(NotSeenError):
        fault.effect()
    fault.inject()
    assert fault.effect() == {"kafka": {"down": "kafka"}, "postgres": {"down": "postgres"}}


def test_an_undo_that_fails_keeps_no_other_from_its_own() -> None:
    """From the rollback log's own words, in a process that knows nothing else."""
    ENDED.clear()
    fault = all_down({}, "broken", "kafka")
    with pytest.raises(NotRestoredError, match="broken stays down in here"):
        undo_each(**json.loads(json.dumps(fault.undo_arguments)))
    assert ENDED == ["broken", "kafka"]
    assert undo_each(**all_down({}, "kafka").undo_arguments)["kafka"] == {"back": "kafka"}


def test_a_rehearsal_follows_its_runbook_while_the_fault_is_on(record: RunRecord) -> None:
    """The fault is undone after the runbook, and what both need is planned together."""
    ENDED.clear()
    seen: dict[str, bool] = {}
    order: list[tuple[str, ...]] = []

    @rehearsal
    def rehearse(select: str) -> Rehearsal:
        book = Runbook("rehearsal", "runbook", (phase("verify", lambda _: {"ended": order.append(tuple(ENDED))}),))
        return Rehearsal(all_down(seen, select), book)

    assert rehearse.plan("kafka").targets == ({"kind": "Deployment", "name": "kafka"},)
    assert not seen
    done = rehearse("kafka")
    assert order == [()]
    assert ENDED == ["kafka"]
    assert [each["phase"] for each in done["phases"]] == ["verify"]
    kinds = [event.kind for event in RunRecord(record.path).events if event.source == "experiment"]
    assert kinds.index("fault.effective") < kinds.index("phase.ended") < kinds.index("fault.undone")
