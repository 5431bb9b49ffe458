"""The client of DolphinScheduler's API against a server that answers what a test tells it to."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from drill import dolphinscheduler
from drill.dolphinscheduler import (
    CORRELATION,
    NEW,
    OLD,
    Client,
    FailedError,
    Started,
    UnauthorizedError,
    UnreachableError,
    UnstableError,
    Workflow,
)
from drill.errors import UsageError
from drill.settings import DolphinSchedulerTarget, Settings

Answer = tuple[int, Any]
"""HTTP status, and what is answered as JSON; text as HTML."""
Page = Callable[[dict[str, str]], Answer]
SINCE = datetime(2026, 1, 1, tzinfo=UTC)


def result(data: Any = None, code: int = 0, msg: str = "success") -> Answer:
    """As DolphinScheduler wraps it."""
    return 200, {"code": code, "msg": msg, "data": data, "success": code == 0, "failed": code != 0}


def page(rows: list[Any], total: int | None = None, pages: int = 1) -> Answer:
    """One page of a list."""
    return result({"totalList": rows, "total": len(rows) if total is None else total, "totalPage": pages})


def instance(identity: int, correlation: str | None = None, **more: Any) -> dict[str, Any]:
    """A workflow instance, as listed."""
    parameters = [{"prop": CORRELATION, "direct": "IN", "type": "VARCHAR", "value": correlation}]
    return {
        "id": identity,
        "state": "SUCCESS",
        "startTime": "2026-01-02 03:04:05",
        "endTime": None,
        "runTimes": 1,
        "host": None,
        "globalParams": None if correlation is None else json.dumps(parameters),
        **more,
    }


class World:
    """A server: what it answers by method and path, and what it was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, Page] = {
            "POST /login": lambda _: result({"sessionId": "s1", "securityConfigType": "PASSWORD"})
        }
        self.asked: list[tuple[str, dict[str, str], str | None]] = []
        world = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer()

            def do_POST(self) -> None:
                self._answer()

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

            def _answer(self) -> None:
                parts = urlsplit(self.path)
                body = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
                parameters = dict(parse_qsl(parts.query) + parse_qsl(body, keep_blank_values=True))
                call = f"{self.command} {parts.path.removeprefix('/dolphinscheduler')}"
                world.asked.append((call, parameters, self.headers.get("sessionId")))
                status, content = world.answers.get(call, lambda _: (200, "<html>the user interface</html>"))(
                    parameters
                )
                kind = "text/html" if isinstance(content, str) else "application/json"
                sent = (content if isinstance(content, str) else json.dumps(content)).encode()
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(sent)))
                self.end_headers()
                self.wfile.write(sent)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/dolphinscheduler"

    def calls(self) -> Counter[str]:
        """How often each was asked."""
        return Counter(call for call, _, _ in self.asked)


@pytest.fixture
def world() -> Iterator[World]:
    """A server for the time of a test."""
    made = World()
    thread = Thread(target=made.server.serve_forever, args=[0.01])
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


@pytest.fixture
def client(world: World) -> Iterator[Client]:
    """A client of it."""
    with Client(world.url, "admin", "secret", timeout=5) as made:
        yield made


WORKFLOW = Workflow(project=1, code=2, name="w")


def test_it_logs_in_once_and_again_when_the_session_is_over(world: World, client: Client) -> None:
    """A 401 is answered by a new login, once."""
    sessions = iter(["s1", "s2"])
    world.answers["POST /login"] = lambda _: result({"sessionId": next(sessions), "securityConfigType": "PASSWORD"})
    world.answers["GET /users/get-user-info"] = lambda _: (
        (401, {}) if world.asked[-1][2] == "s1" and len(world.asked) > 3 else result({"userName": "admin"})
    )
    assert [client.whoami(), client.whoami(), client.whoami()] == ["admin"] * 3
    assert world.calls()["POST /login"] == 2
    assert world.asked[-1][2] == "s2"


def test_a_session_that_is_never_accepted_is_no_endless_login(world: World, client: Client) -> None:
    """One more login, then an error."""
    world.answers["GET /users/get-user-info"] = lambda _: (401, {})
    with pytest.raises(UnauthorizedError, match="no such session"):
        client.whoami()
    assert world.calls()["POST /login"] == 2


def test_a_refused_login_is_told(world: World, client: Client) -> None:
    """With DolphinScheduler's own words, and without the password."""
    world.answers["POST /login"] = lambda _: result(code=10013, msg="user name or password error")
    with pytest.raises(UnauthorizedError, match="10013 user name or password error") as refused:
        client.login()
    assert "secret" not in str(refused.value)


def test_a_workflow_is_made_and_brought_online(world: World, client: Client) -> None:
    """Project, task code, definition, release; with the correlation among its global parameters."""
    world.answers |= {
        "GET /projects": lambda _: page([]),
        "POST /projects": lambda _: result({"code": 1}),
        "GET /projects/1/workflow-definition": lambda _: page([{"name": "w-other", "code": 9}]),
        "GET /projects/1/task-definition/gen-task-codes": lambda _: result([55]),
        "POST /projects/1/workflow-definition": lambda _: result({"code": 2, "releaseState": "OFFLINE"}),
        "POST /projects/1/workflow-definition/2/release": lambda _: result(True),
    }
    assert client.ensure_workflow("drill", "w", "sleep 1") == WORKFLOW
    asked = {call: parameters for call, parameters, _ in world.asked}
    made = asked["POST /projects/1/workflow-definition"]
    assert json.loads(made["taskDefinitionJson"])[0]["taskParams"]["rawScript"] == "sleep 1"
    assert json.loads(made["taskRelationJson"])[0]["postTaskCode"] == 55
    assert json.loads(made["globalParams"])[0]["prop"] == CORRELATION
    assert asked["POST /projects/1/workflow-definition/2/release"] == {"releaseState": "ONLINE"}


def test_a_workflow_that_is_there_and_online_is_left_alone(world: World, client: Client) -> None:
    """Nothing is written for it."""
    world.answers |= {
        "GET /projects": lambda _: page([{"name": "drill", "code": 1}]),
        "GET /projects/1/workflow-definition": lambda _: page([{"name": "w", "code": 2, "releaseState": "ONLINE"}]),
    }
    assert client.ensure_workflow("drill", "w") == WORKFLOW
    assert not [call for call in world.calls() if call.startswith("POST /projects")]


def test_one_that_somebody_else_made_meanwhile_is_taken(world: World, client: Client) -> None:
    """Two generators begin at once."""
    seen: list[int] = []

    def projects(_: dict[str, str]) -> Answer:
        seen.append(1)
        return page([{"name": "drill", "code": 1}] if len(seen) > 1 else [])

    world.answers |= {"GET /projects": projects, "POST /projects": lambda _: result(code=10019, msg="exists")}
    assert client.ensure_project("drill") == 1


def test_a_start_carries_its_correlation_and_tells_its_instance(world: World, client: Client) -> None:
    """By the names of 3.3."""
    world.answers["POST /projects/1/executors/start-workflow-instance"] = lambda _: result([7])
    started = client.start(WORKFLOW, "r1-5")
    assert (started.correlation, started.instance) == ("r1-5", 7)
    sent = world.asked[-1][1]
    assert json.loads(sent["startParams"]) == {CORRELATION: "r1-5"}
    assert (sent["workflowDefinitionCode"], sent["workflowInstancePriority"]) == ("2", "MEDIUM")
    assert {"scheduleTime", "failureStrategy", "warningType"} <= sent.keys()


def test_a_server_of_3_2_is_known_by_its_paths(world: World, client: Client) -> None:
    """It answers its user interface where 3.3 has a path, and a trigger's code for a start."""
    world.answers |= {
        "GET /projects": lambda _: page([{"name": "drill", "code": 1}]),
        "GET /projects/1/process-definition": lambda _: page([{"name": "w", "code": 2, "releaseState": "ONLINE"}]),
        "POST /projects/1/executors/start-process-instance": lambda _: result(123456),
        "GET /projects/1/process-instances": lambda _: page([instance(3, "b"), instance(4, "a")]),
    }
    workflow = client.ensure_workflow("drill", "w")
    assert workflow.names is OLD
    started = client.start(workflow, "a")
    assert started.instance is None
    assert world.asked[-1][1]["processDefinitionCode"] == "2"
    found = client.find(workflow, Started("a", None, SINCE))
    assert found is not None
    assert found.id == 4
    assert client.find(workflow, Started("c", None, SINCE)) is None
    assert world.asked[-1][1]["processDefineCode"] == "2"


def test_a_call_that_failed_says_so(world: World, client: Client) -> None:
    """HTTP status 200 is no success."""
    world.answers["POST /projects/1/executors/start-workflow-instance"] = lambda _: result(
        code=50014, msg="start workflow instance error:Connection is not available"
    )
    with pytest.raises(FailedError, match="Connection is not available") as failed:
        client.start(WORKFLOW, "x")
    assert failed.value.code == 50014


@pytest.mark.parametrize("answer", [(502, "<html>bad gateway</html>"), (200, {"hello": 1}), (200, "<html></html>")])
def test_an_answer_that_is_not_dolphinschedulers_is_none(world: World, client: Client, answer: Answer) -> None:
    """A proxy's page and another service do not pass for an acceptance."""
    world.answers["POST /projects/1/executors/start-workflow-instance"] = lambda _: answer
    with pytest.raises(UnreachableError, match="not an answer of DolphinScheduler"):
        client.start(WORKFLOW, "x")


def test_no_server_is_unreachable() -> None:
    """And so is its health."""
    with Client("http://127.0.0.1:1/dolphinscheduler", "admin", "secret", timeout=1) as client:
        with pytest.raises(UnreachableError):
            client.whoami()
        with pytest.raises(UnreachableError):
            dolphinscheduler.health(DolphinSchedulerTarget(url=client.url), timeout=1)


def test_instances_are_read_page_by_page_each_once(world: World, client: Client) -> None:
    """With their correlation; one that no master has handled has none; what began before is left out."""
    pages = {
        "1": [instance(5), instance(4, "b")],
        "2": [
            instance(3, "a", runTimes=2, state="RUNNING_EXECUTION"),
            instance(2, "o", startTime="2025-12-31 23:00:00"),
        ],
    }
    world.answers["GET /projects/1/workflow-instances"] = lambda asked: page(pages[asked["pageNo"]], 4, 2)
    found = list(client.instances(WORKFLOW, datetime(2026, 1, 2, 3, 4, 5, 900000, tzinfo=UTC)))
    assert [(each.id, each.correlation) for each in found] == [(5, None), (4, "b"), (3, "a")]
    assert [each.finished for each in found] == [True, True, False]
    assert found[2].run_times == 2
    asked = datetime.strptime(world.asked[-1][1]["startDate"], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    assert asked <= datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC) - timedelta(hours=14)


def test_instances_that_change_while_they_are_counted_are_no_count(world: World, client: Client) -> None:
    """A page that moved on shows one twice and another not at all: rather no answer than that."""
    pages = {"1": [instance(5, "c"), instance(4, "b")], "2": [instance(4, "b")]}
    world.answers["GET /projects/1/workflow-instances"] = lambda asked: page(pages[asked["pageNo"]], 3, 2)
    with pytest.raises(UnstableError, match="2 seen of 3"):
        client.instances(WORKFLOW, SINCE)


def test_tasks_are_told_with_those_that_were_lost(world: World, client: Client) -> None:
    """By the flag that says which is valid."""
    task = {"name": "run", "host": "w", "startTime": None, "endTime": None}
    world.answers["GET /projects/1/task-instances"] = lambda _: page(
        [
            {"id": 2, "state": "SUCCESS", "flag": "YES", **task},
            {"id": 1, "state": "NEED_FAULT_TOLERANCE", "flag": "NO", **task},
        ]
    )
    assert [(each.id, each.valid) for each in client.tasks(WORKFLOW, 7)] == [(2, True), (1, False)]
    assert world.asked[-1][1]["workflowInstanceId"] == "7"


def test_health_is_told_as_it_is(world: World) -> None:
    """DOWN comes with HTTP status 503, and is an answer."""
    target = DolphinSchedulerTarget(url=world.url)
    world.answers["GET /actuator/health"] = lambda _: (503, {"status": "DOWN"})
    assert dolphinscheduler.health(target)["status"] == "DOWN"
    world.answers["GET /actuator/health"] = lambda _: (200, "<html></html>")
    with pytest.raises(UnreachableError):
        dolphinscheduler.health(target)


def test_the_password_is_the_environments_where_no_secret_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """And its lack is told with the way to give it."""
    target = DolphinSchedulerTarget(url="http://x")
    monkeypatch.delenv(dolphinscheduler.PASSWORD_VARIABLE, raising=False)
    with pytest.raises(UsageError, match=dolphinscheduler.PASSWORD_VARIABLE):
        dolphinscheduler.password(Settings(), target)
    monkeypatch.setenv(dolphinscheduler.PASSWORD_VARIABLE, "p")
    assert dolphinscheduler.password(Settings(), target) == "p"


def test_the_names_of_both_generations_differ() -> None:
    """Else there would be nothing to tell apart."""
    assert not set(vars(NEW).values()) & set(vars(OLD).values())
