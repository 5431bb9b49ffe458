"""A start is acked, failed for certain, or unknown; and it is found by the number that it carries."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import pytest
import requests
from urllib3.exceptions import MaxRetryError, NewConnectionError

from drill import clock, dolphinscheduler
from drill.dolphinscheduler import (
    Client,
    FailedError,
    Instance,
    Started,
    Task,
    UnauthorizedError,
    UnreachableError,
    Workflow,
)
from drill.ledger import Ledger, LedgerHeader, account, streams
from drill.record import RunRecord
from drill.settings import ContextSettings, DolphinSchedulerTarget, Settings
from load._callers import Reader, Starter
from load._drain_workflows import drain_workflows
from load._open_loop import Fate
from load._workflows import correlation, sequence_of

WORKFLOW = Workflow(1, 2, "drill-r")
TARGET = DolphinSchedulerTarget(url="http://127.0.0.1:1/dolphinscheduler")
SETTINGS = Settings(context="c", contexts={"c": ContextSettings(dolphinscheduler=TARGET)})


def _unreachable(cause: Exception) -> UnreachableError:
    error = UnreachableError("POST ...")
    error.__cause__ = cause
    return error


REFUSED = requests.ConnectionError(MaxRetryError(None, "/", NewConnectionError(None, "refused")))  # type: ignore[arg-type]
RESET = requests.ConnectionError("Connection aborted.", ConnectionResetError())


class _Api:
    """Raises what it is told to, when a session is begun or a call is made."""

    def __init__(self, login: Exception | None = None, call: Exception | None = None) -> None:
        self._login, self._call = login, call

    def login(self) -> str:
        return self._answer(self._login)

    def whoami(self) -> str:
        return self._answer(self._call)

    def start(self, workflow: Workflow, correlation: str) -> Started:
        assert workflow is WORKFLOW
        self._answer(self._call)
        return Started(correlation, 42, datetime.now(UTC))

    def _answer(self, error: Exception | None) -> str:
        if error is not None:
            raise error
        return "ok"


@pytest.mark.parametrize(
    ("api", "fate"),
    [
        (_Api(), Fate.ACKED),
        (_Api(login=_unreachable(RESET)), Fate.FAILED),
        (_Api(call=_unreachable(REFUSED)), Fate.FAILED),
        (_Api(call=_unreachable(requests.ConnectTimeout())), Fate.FAILED),
        (_Api(call=UnauthorizedError("no such session")), Fate.FAILED),
        (_Api(call=_unreachable(requests.ReadTimeout())), Fate.INDETERMINATE),
        (_Api(call=_unreachable(RESET)), Fate.INDETERMINATE),
        (_Api(call=UnreachableError("HTTP 502")), Fate.INDETERMINATE),
        (_Api(call=FailedError("POST ...", 50014, "start error")), Fate.INDETERMINATE),
    ],
)
def test_a_start_has_failed_only_where_it_never_arrived(api: Any, fate: Fate) -> None:
    """Whatever else was answered, or was not, it may have been committed first."""
    started: list[int] = []
    answer = Starter(api, WORKFLOW, "r", started).send(5, 0.0)
    assert answer.fate is fate
    assert started == ([42] if fate is Fate.ACKED else [])


def test_a_read_that_was_not_answered_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    """It changes nothing, so that there is nothing to be unsure of; a server that calls itself down is out, too."""
    api: Any = _Api(call=_unreachable(requests.ReadTimeout()))
    reader = Reader(api, TARGET, 1.0, WORKFLOW, [])
    assert reader.send(2, 0.0).fate is Fate.FAILED
    for status, fate in (("UP", Fate.ACKED), ("DOWN", Fate.FAILED)):
        monkeypatch.setattr(dolphinscheduler, "health", lambda *_args, status=status: {"status": status})
        assert reader.send(0, 0.0).fate is fate


@pytest.mark.parametrize("text", [None, "", "7", "other/7", "r/", "r/-1", "r/x", "r/7/8", "xr/7"])
def test_what_is_not_ours_has_no_number(text: str | None) -> None:
    """A workflow is there for everybody to start."""
    assert sequence_of("r", text) is None
    assert sequence_of("r", correlation("r", 7)) == 7


class _Scheduler(_Api):
    """Has some instances."""

    def __init__(self, found: list[Instance], tasks: int = 1) -> None:
        super().__init__()
        self._found, self._tasks = found, tasks

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def ensure_workflow(self, *_: Any) -> Workflow:
        return WORKFLOW

    def instances(self, *_: Any) -> list[Instance]:
        return self._found

    def tasks(self, *_: Any) -> list[Task]:
        task = Task(1, "run", "SUCCESS", None, None, None, valid=True)
        killed = Task(2, "run", "NEED_FAULT_TOLERANCE", None, None, None, valid=False)
        return [*[task] * self._tasks, killed]


def _instance(number: int, sequence: int | None, state: str = "SUCCESS", run_times: int = 1) -> Instance:
    text = None if sequence is None else correlation("r", sequence)
    return Instance(number, text, state, datetime.now(UTC), None, run_times, None)


def _drained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheduler: _Scheduler, patience: float = 0.0) -> Any:
    header = LedgerHeader(
        run_id="r",
        producer_id=1,
        system="dolphinscheduler",
        topic="workflows",
        partitions=1,
        noun="workflow",
        producer_settings={"completion_timeout": patience},
    )
    ledger = Ledger.create(tmp_path / "load" / "workflows", header, 8)
    ledger.begin_stage(clock.now(), 1.0)
    ledger.attempt(5)
    ledger.acked.set([0, 1, 2])
    monkeypatch.setattr(Client, "connect", lambda _settings: scheduler)
    record = RunRecord(tmp_path)
    (stream,) = streams(record)
    drained = drain_workflows(record, stream, SETTINGS, clock.now() + 30)
    return drained, account(streams(record)[0].ledgers)


def test_each_start_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is not there is lost, also one that ended otherwise; one without an answer may be there."""
    found = [_instance(1, 0), _instance(2, 1, "FAILURE"), _instance(3, 4), _instance(4, 99)]
    drained, books = _drained(tmp_path, monkeypatch, _Scheduler(found))
    assert drained.reasons == ()
    assert (books.seen, books.lost, books.indeterminate_seen, books.seen_twice) == (2, 2, 1, 0)
    counts = drained.partitions["0"]
    assert (counts["ours"], counts["failed"], counts["foreign"], counts["read"]) == (2, 1, 1, 4)


@pytest.mark.parametrize(
    "scheduler",
    [
        _Scheduler([_instance(1, 0), _instance(2, 0)]),
        _Scheduler([_instance(1, 0, run_times=2)]),
        _Scheduler([_instance(1, 0)], tasks=2),
    ],
)
def test_what_ran_twice_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheduler: _Scheduler) -> None:
    """As two instances, as one that ran again, or as a task that came to its end twice."""
    _, books = _drained(tmp_path, monkeypatch, scheduler)
    assert (books.seen, books.seen_twice) == (1, 1)


@pytest.mark.parametrize("unfit", [_instance(1, 0, "RUNNING_EXECUTION"), _instance(1, None)])
def test_what_has_not_ended_makes_the_drain_incomplete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unfit: Instance
) -> None:
    """It is neither lost nor found, and may be either."""
    drained, _ = _drained(tmp_path, monkeypatch, _Scheduler([unfit]))
    assert "had not" in drained.reasons[0]
