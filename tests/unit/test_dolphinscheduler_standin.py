"""The stand-in's own reasoning, and how it fails without a database."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import ClientSession, web
from dolphinscheduler_standin import _answers as answers
from dolphinscheduler_standin import worker
from dolphinscheduler_standin._database import digest, persevere
from dolphinscheduler_standin._model import Relation, ServiceError, Step, TaskState, WorkflowState, next_step
from dolphinscheduler_standin._settings import Settings
from dolphinscheduler_standin.api import application
from psycopg_pool import PoolTimeout

DIAMOND = [Relation(0, 1), Relation(1, 2), Relation(1, 3), Relation(2, 4), Relation(3, 4)]
S, F, R = TaskState.SUCCESS, TaskState.FAILURE, TaskState.RUNNING_EXECUTION


@pytest.mark.parametrize(
    ("states", "step"),
    [
        ({}, Step(start=(1,))),
        ({1: R}, Step()),
        ({1: S}, Step(start=(2, 3))),
        ({1: S, 2: S, 3: R}, Step()),
        ({1: S, 2: S, 3: S}, Step(start=(4,))),
        ({1: S, 2: S, 3: S, 4: S}, Step(end=WorkflowState.SUCCESS)),
        ({1: S, 2: S, 3: F}, Step(end=WorkflowState.FAILURE)),
        ({1: F}, Step(end=WorkflowState.FAILURE)),
    ],
)
def test_a_workflow_goes_on_by_its_graph(states: dict[int, TaskState], step: Step) -> None:
    """A task starts when all before it succeeded, once; an instance ends when nothing can start."""
    assert next_step(DIAMOND, states) == step


def test_a_workflow_of_nothing_fails() -> None:
    """No task is no success."""
    assert next_step([], {}) == Step(end=WorkflowState.FAILURE)


@pytest.mark.parametrize(("total", "pages"), [(0, 1), (10, 1), (11, 2)])
def test_pages_are_counted_as_page_info_does(total: int, pages: int) -> None:
    """An empty list has one page."""
    page = answers.page([], total, 1, 10)
    assert (page["totalPage"], page["pageNo"]) == (pages, 0)


def test_a_page_needs_a_number_and_a_size() -> None:
    """As Spring and BaseController say it."""
    with pytest.raises(ValueError, match="Required request parameter 'pageSize' is not present"):
        answers.page_parameters({"pageNo": "1"})
    with pytest.raises(ServiceError, match="request parameter pageNo is not valid"):
        answers.page_parameters({"pageNo": "0", "pageSize": "10"})


def test_start_parameters_beat_those_of_the_definition() -> None:
    """By their names; an object of them and a list of properties are the same."""
    given = answers.start_parameters('{"id": "x"}')
    assert given == answers.start_parameters(json.dumps(given))
    merged = answers.merged([{"prop": "id", "value": ""}, {"prop": "other", "value": "1"}], given)
    assert {each["prop"]: each["value"] for each in merged} == {"id": "x", "other": "1"}
    assert answers.filled("echo ${id} ${other} ${none}", merged) == "echo x 1 ${none}"


def test_a_password_is_kept_as_dolphinscheduler_keeps_it() -> None:
    """The initial user of its own schema is admin, dolphinscheduler123."""
    assert digest("dolphinscheduler123") == "7ad2410b2f4c074479a8937a28a22b8f"


def test_a_script_is_run_and_its_exit_code_told() -> None:
    """Success is the script's own."""
    assert asyncio.run(worker.run_script("exit 3")) == 3
    assert asyncio.run(worker.run_script("true")) == 0


def test_a_lost_database_is_met_again() -> None:
    """A server does not die of it; any other error is a bug and goes on."""
    tries: list[int] = []

    async def act() -> None:
        tries.append(1)
        if len(tries) < 2:
            raise PoolTimeout("none")

    asyncio.run(persevere("it", act))
    assert len(tries) == 2

    async def wrong() -> None:
        raise KeyError("bug")

    with pytest.raises(KeyError):
        asyncio.run(persevere("it", wrong))


class Exhausted:
    """A database whose pool has nothing to lend."""

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Any]:
        """None is to be had."""
        raise PoolTimeout("DolphinScheduler - Connection is not available, request timed out after 30000ms.")
        yield

    transaction = connection


async def _ask() -> dict[str, tuple[int, Any, str]]:
    runner = web.AppRunner(application(Exhausted(), Settings.load("api")))  # type: ignore[arg-type]
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    base = f"http://127.0.0.1:{port}/dolphinscheduler"
    start = f"{base}/projects/1/executors/start-workflow-instance"
    answered = {}
    async with ClientSession() as client:
        for name, method, url in (
            ("health", "GET", f"{base}/actuator/health"),
            ("login", "POST", f"{base}/login?userName=a&userPassword=b"),
            ("start", "POST", start),
        ):
            async with client.request(method, url) as answer:
                answered[name] = (answer.status, await answer.json(), answer.headers["Server"])
    await runner.cleanup()
    return answered


def test_an_exhausted_pool_fails_calls_as_the_real_one_does() -> None:
    """Health is DOWN with 503; a call answers 200 with its own code, and says why; and who answers is not hidden."""
    answered = asyncio.run(_ask())
    status, health, server = answered["health"]
    assert (status, health["status"], server) == (503, "DOWN", "DolphinScheduler-stand-in")
    for call, code, text in (("login", 10043, "user login failure"), ("start", 50014, "start workflow instance error")):
        status, content, _ = answered[call]
        assert (status, content["code"], content["success"]) == (200, code, False)
        assert content["msg"].startswith(f"{text}:DolphinScheduler - Connection is not available")
