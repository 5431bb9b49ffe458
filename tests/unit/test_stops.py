"""What stops a drill: each condition when it should and not when it should not, a missing number, people from afar."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from drill import clock, lease
from drill.cluster import ClusterError
from drill.errors import UsageError
from drill.lease import Abort, Notice
from drill.ledger import Ledger, LedgerHeader
from drill.record import RunRecord
from drill.settings import ContextSettings, KafkaTarget, PrometheusTarget, Settings
from scenarios import _conditions, _stops, preflight, reader
from scenarios._conditions import Condition, MissingError, Verdict, Watch, errors, promql
from scenarios._stop_plan import PromQL, StopPlan
from scenarios._stops import Stops
from scenarios._timeline import Tail
from tests.unit.prometheus_world import played_prometheus

SETTINGS = Settings(
    context="here",
    contexts={"here": ContextSettings(prometheus=PrometheusTarget(url="http://127.0.0.1:1"))},
)
ME, ANOTHER = "ana@laptop hold 01", "ben@desk hold 02"


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets the time."""

    def set_(seconds: float) -> None:
        monkeypatch.setattr(clock, "now", lambda: seconds)

    set_(0)
    return set_


@pytest.fixture
def record(tmp_path: Path) -> RunRecord:
    """A run that has begun."""
    made = RunRecord.create(tmp_path, "hold")
    made.emit("runner", "run.started")
    return made


def _condition(read: Callable[[], float], lasting: float = 0, missing: str = "inconclusive") -> Condition:
    return Condition("promql", "Prometheus (x)", "above 2", missing, lasting, read, lambda value: value > 2)


def _looks(condition: Condition, now: Callable[[float], None], seconds: int) -> list[Verdict]:
    watch = Watch(condition)
    found = []
    for second in range(seconds):
        now(second)
        if (verdict := watch.look()) is not None:
            found.append(verdict)
    return found


def test_a_condition_is_met_when_it_lasts(now: Callable[[float], None]) -> None:
    """Counted from the last look at which it was not; told once."""
    values = iter([1, 3, 1, 3, 3, 3, 3, 3.0])
    (verdict,) = _looks(_condition(lambda: next(values), lasting=3), now, 8)
    assert verdict == Verdict(missing=False, value="3", since=5)


def test_a_condition_that_does_not_last_is_not_met(now: Callable[[float], None]) -> None:
    """Nor one at its limit."""
    values = iter([3, 3, 2, 3, 3, 2, 3, 3.0])
    assert _looks(_condition(lambda: next(values), lasting=3), now, 8) == []
    assert _looks(_condition(lambda: 2.0), now, 8) == []


@pytest.mark.parametrize("error", [MissingError("no data"), ZeroDivisionError("no data")])
def test_a_number_that_stays_away_is_missing(now: Callable[[float], None], error: Exception) -> None:
    """Whatever the reason; told once, with it."""

    def read() -> float:
        raise error

    (verdict,) = _looks(_condition(read), now, 12)
    assert verdict == Verdict(missing=True, value="no data", since=_conditions.BLIND)


def test_nan_is_no_number(now: Callable[[float], None]) -> None:
    """It compares with nothing, so it would never stop anything."""
    (verdict,) = _looks(_condition(lambda: float("nan")), now, 12)
    assert verdict.missing


def test_a_number_that_comes_back_in_time_was_not_missing(now: Callable[[float], None]) -> None:
    """One lost answer stops nothing."""
    values = iter([1, None, None, 1, None, None, 1.0])

    def read() -> float:
        if (value := next(values)) is None:
            raise MissingError("a lost answer")
        return value

    assert _looks(_condition(read), now, 7) == []


def _ledger(record: RunRecord, producer: int, rate: float, t: float, attempted: int, acked: list[int]) -> None:
    header = LedgerHeader(run_id="x", producer_id=producer, topic="t", partitions=1)
    ledger = Ledger.create(record.path / "load" / str(producer), header, capacity=attempted)
    ledger.begin_stage(t, rate)
    ledger.attempt(attempted)
    ledger.acked.set(np.array(acked))


def test_errors_are_what_was_due_in_the_window_without_success(record: RunRecord) -> None:
    """Failed or unanswered alike; what was due before the window does not count, nor what is not due yet."""
    _ledger(record, 1, rate=10, t=1000, attempted=100, acked=[*range(50), *range(60, 65), *range(95, 100)])
    assert errors(record, "kafka", now=1010, window=5) == pytest.approx(0.8)
    assert errors(record, "kafka", now=1010, window=2) == pytest.approx(0.75)
    assert errors(record, "kafka", now=1010, window=1000) == pytest.approx(0.4)


def test_nothing_due_is_no_number(record: RunRecord) -> None:
    """A load that has ended can't say that clients are well."""
    _ledger(record, 1, rate=10, t=1000, attempted=100, acked=list(range(100)))
    with pytest.raises(MissingError, match="nothing was due"):
        errors(record, "kafka", now=1020, window=5)
    with pytest.raises(MissingError, match="no client of postgres has begun"):
        errors(record, "postgres", now=1010, window=5)


@pytest.mark.parametrize(
    ("limit", "values", "beyond"),
    [
        ({"above": 2}, (1, 3), True),
        ({"above": 3}, (1, 3), False),
        ({"below": 2}, (1, 3), True),
        ({"below": 1}, (1, 3), False),
    ],
)
def test_of_several_series_the_worst_counts(limit: dict[str, float], values: tuple[float, ...], beyond: bool) -> None:
    """The highest against `above`, the lowest against `below`."""
    with played_prometheus() as played:
        played.has(*values)
        condition = promql(PromQL(expr="x", **limit), played.target)  # type: ignore[arg-type]
        assert condition.beyond(condition.read()) is beyond
        played.has()
        with pytest.raises(MissingError, match="no data for x"):
            condition.read()


@pytest.mark.parametrize(
    ("plan", "says"),
    [
        ({"promql": [{"expr": "up"}]}, "give one limit"),
        ({"promql": [{"expr": "up", "above": 1, "below": 1}]}, "give one limit"),
        ({"promql": [{"expr": "up", "above": 1, "missing": "ignore"}]}, "'stop' or 'inconclusive'"),
        ({"error_budget": {"share": 1}}, "less than 1"),
        ({"under_replicated": {}}, "Field required"),
        ({"errorbudget": {}}, "Extra inputs"),
    ],
)
def test_a_plan_that_cannot_be_meant(plan: dict[str, Any], says: str) -> None:
    """A number that is missing can't be ignored, by nobody's choice."""
    with pytest.raises(ValidationError, match=says):
        StopPlan.model_validate(plan)


def test_a_condition_of_prometheus_needs_one() -> None:
    """A brake that could not be read is bad usage, before anything begins."""
    scenario = reader.read(reader.find("broker-kill")).scenario
    watched = scenario.model_copy(update={"stop": StopPlan(promql=(PromQL(expr="up", below=1),))})
    here = ContextSettings(drillable=True, namespaces=("kafka",), kafka=KafkaTarget(bootstrap="127.0.0.1:1"))
    chosen = SETTINGS.model_copy(update={"contexts": {"here": here}})
    preflight.guard(scenario, chosen)
    with pytest.raises(UsageError, match="declares no prometheus"):
        preflight.guard(watched, chosen)


# -- together, in their threads ------------------------------------------------------------------------------------


class Desk:
    """What people have written on the Lease, and what they are answered."""

    def __init__(self) -> None:
        self.notice = Notice(holder=ME)
        self.answers: list[dict[str, str]] = []
        self.down = False

    def look(self, *_: Any) -> Notice:
        """As `lease.look`."""
        if self.down:
            raise ClusterError("no route to host")
        return self.notice

    def note(self, _cluster: Any, _namespace: str, notes: dict[str, str]) -> None:
        """As `lease.note`."""
        self.answers.append(notes)


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A played Lease, looked at all the time."""
    made = Desk()
    monkeypatch.setattr(_stops, "PERIOD", 0.005)
    monkeypatch.setattr(_conditions, "BLIND", 0.0)
    monkeypatch.setattr(lease, "look", made.look)
    monkeypatch.setattr(lease, "note", made.note)
    return made


@contextmanager
def _watching(
    record: RunRecord, plan: StopPlan | None = None, settings: Settings = SETTINGS
) -> Iterator[tuple[Stops, threading.Event]]:
    interrupted = threading.Event()
    stops = Stops(record, plan or StopPlan(), ("kafka",), settings, None, ME, lambda _reason: interrupted.set())  # type: ignore[arg-type]
    with stops:
        yield stops, interrupted


def _await(record: RunRecord, kind: str) -> dict[str, Any]:
    tail = Tail(record)
    waited = threading.Event()
    for _ in range(1000):
        if (event := tail.last(kind)) is not None:
            return event.data
        waited.wait(0.01)
    pytest.fail(f"no {kind}")


def _under_replicated(record: RunRecord, count: int) -> None:
    record.emit("observer", "observed.kafka", under_replicated=count)


def test_a_breach_ends_the_fault_and_not_the_drill(record: RunRecord, desk: Desk) -> None:
    """Only from the injection on; the record has the number, the limit, and how soon it was over."""
    with _watching(record, StopPlan.model_validate({"under_replicated": {"max": 2}})) as (stops, interrupted):
        _under_replicated(record, 3)
        assert not stops.breached
        record.emit("experiment", "fault.injected")
        told = _await(record, "stop.fired")
        assert (told["condition"], told["value"], told["limit"]) == ("under-replicated", "3 partitions", "2 partitions")
        assert stops.breached
        assert not interrupted.is_set()
        record.emit("experiment", "fault.undone")
        stops.halted(told["breach"])
        stops.let_go(())
    halted = _await(record, "stop.halted")
    assert 0 <= halted["undo_begun"] <= halted["undone"] <= halted["over"]
    assert _await(record, "stop.watched")["worst"] == "3 partitions"
    assert desk.answers == []


def test_what_is_within_its_limit_stops_nothing(record: RunRecord, desk: Desk) -> None:
    """And was looked at nevertheless."""
    assert desk.answers == []
    with _watching(record, StopPlan.model_validate({"under_replicated": {"max": 3}})) as (stops, _interrupted):
        _under_replicated(record, 3)
        record.emit("experiment", "fault.injected")
        assert any(stops._watches[0].looks or threading.Event().wait(0.01) for _ in range(1000))
        stops.let_go(())
    assert not stops.breached
    assert RunRecord(record.path).events_of("stop.fired") == ()
    assert _await(record, "stop.watched")["looks"] > 0


@pytest.mark.parametrize(("missing", "kind"), [("stop", "stop.fired"), ("inconclusive", "stop.blind")])
def test_a_missing_number_is_never_ignored(record: RunRecord, desk: Desk, missing: str, kind: str) -> None:
    """It stops the drill or keeps it from passing, as the scenario says; nobody listens at this Prometheus."""
    assert desk.answers == []
    plan = StopPlan.model_validate({"promql": [{"expr": "up", "below": 1, "missing": missing}]})
    with _watching(record, plan) as (stops, _interrupted):
        record.emit("experiment", "fault.injected")
        told = _await(record, kind)
    assert told["missing"]
    assert "127.0.0.1" in told["value"]
    assert stops.breached is (missing == "stop")


def test_kafka_that_cannot_be_seen_is_a_missing_number(record: RunRecord, desk: Desk) -> None:
    """A cluster that does not answer is not one without under-replicated partitions."""
    assert desk.answers == []
    with _watching(record, StopPlan.model_validate({"under_replicated": {"max": 0, "missing": "stop"}})):
        record.emit("observer", "observed.kafka-unreachable", error="timed out")
        record.emit("experiment", "fault.injected")
        assert "timed out" in _await(record, "stop.fired")["value"]


def test_a_person_ends_the_drill_from_afar(record: RunRecord, desk: Desk) -> None:
    """With the words of the person; who asked is told when the fault is off."""
    with _watching(record) as (stops, interrupted):
        at = datetime(2026, 11, 24, tzinfo=UTC)
        desk.notice = Notice(holder=ME, abort=Abort(ME, "cy@phone", "wrong cluster", at))
        assert interrupted.wait(10)
        told = _await(record, "stop.fired")
        assert told["reason"] == "stopped by cy@phone: wrong cluster"
        assert told["asked_at"] == at.isoformat()
        assert not stops.breached
        assert desk.answers == []
        stops.let_go(("undo: no route to host",))
    (answer,) = desk.answers
    assert ME in answer[lease.HALTED]
    assert "no route to host" in answer[lease.HALTED]


def test_an_abort_after_the_fault_is_off_is_answered_at_once(record: RunRecord, desk: Desk) -> None:
    """The records are being read back then."""
    with _watching(record) as (stops, interrupted):
        stops.let_go(())
        desk.notice = Notice(holder=ME, abort=Abort(None, "an annotation", "stop", None))
        assert interrupted.wait(10)
    assert len(desk.answers) == 1


def test_an_abort_that_means_another_run_is_not_ours(record: RunRecord, desk: Desk) -> None:
    """One that was written for the holder before."""
    looked = threading.Event()
    desk.notice = Notice(holder=ME, abort=Abort(ANOTHER, "cy@phone", "wrong cluster", None))
    original = desk.look
    desk.look = lambda *_: (looked.set(), original())[1]  # type: ignore[method-assign]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lease, "look", desk.look)
        with _watching(record) as (_stops, interrupted):
            assert looked.wait(10)
    assert not interrupted.is_set()
    assert RunRecord(record.path).events_of("stop.fired") == ()


def test_a_freeze_that_appears_is_an_abort(record: RunRecord, desk: Desk, tmp_path: Path) -> None:
    """On the cluster, or as a file."""
    with _watching(record) as (_stops, interrupted):
        desk.notice = Notice(holder=ME, freeze="release week")
        assert interrupted.wait(10)
    assert _await(record, "stop.fired")["condition"] == "freeze"
    desk.notice = Notice(holder=ME)
    file = tmp_path / "FREEZE"
    with _watching(record, settings=SETTINGS.model_copy(update={"freeze_file": file})) as (_stops, interrupted):
        assert not interrupted.is_set()
        (tmp_path / "written").write_text("stop it\n")
        (tmp_path / "written").rename(file)  # all of it at once
        assert interrupted.wait(10)
    assert "stop it" in RunRecord(record.path).events_of("stop.fired")[-1].data["reason"]


def test_an_api_server_that_is_down_is_told_and_stops_nothing(record: RunRecord, desk: Desk) -> None:
    """Some drills take it down; once each time, and that it is back."""
    desk.down = True
    with _watching(record) as (_stops, interrupted):
        _await(record, "stop.unasked")
        desk.down = False
        _await(record, "stop.asked")
        assert not interrupted.is_set()
    assert len(RunRecord(record.path).events_of("stop.unasked")) == 1


def test_the_deadman_timer_is_one_of_them(record: RunRecord, desk: Desk) -> None:
    """In the same words."""
    assert desk.answers == []
    with _watching(record) as (stops, _interrupted):
        stops.deadman(300)
        assert stops.breached
    told = _await(record, "stop.fired")
    assert told["reason"] == "stopped by the deadman timer: the experiment was not over (limit: 300 s)"
