"""The recorded contract is sound, the stand-in serves it, and the client asks for nothing else."""

import json
from datetime import datetime
from typing import Any

import pytest
from dolphinscheduler_standin import _answers as answers
from dolphinscheduler_standin import _model as model
from dolphinscheduler_standin.api import BASE, ROUTES
from jsonschema import Draft202012Validator

from drill.dolphinscheduler import NEW, OLD
from tests.contract.dolphinscheduler import CALLS, CONTRACT, deviations, failure

AT = datetime(2026, 1, 2, 3, 4, 5, 678901)  # noqa: DTZ001 - as the column has it
INSTANCE: dict[str, Any] = {
    "id": 7,
    "name": "drill-1",
    "project_code": 1,
    "state": 7,
    "start_time": AT,
    "end_time": AT,
    "run_times": 1,
    "host": "master:5679",
    "command_param": "{}",
    "global_params": "[]",
    "executor_id": 1,
    "dry_run": 0,
    "recovery": 0,
}
TASK: dict[str, Any] = {
    "id": 8,
    "name": "run",
    "task_type": "SHELL",
    "task_code": 9,
    "workflow_instance_id": 7,
    "state": 8,
    "submit_time": AT,
    "start_time": AT,
    "end_time": None,
    "host": "worker:1235",
    "retry_times": 0,
    "flag": 0,
}


@pytest.mark.parametrize("call", CALLS)
def test_every_call_is_recorded_whole(call: str) -> None:
    """Each has a schema that is one, and says where in DolphinScheduler's source it is."""
    Draft202012Validator.check_schema({**CALLS[call]["answer"], "$defs": CONTRACT["$defs"]})
    assert CALLS[call]["source"]
    assert CALLS[call].keys() >= {"method", "path", "required", "optional", "errors", "session"}


def test_the_stand_in_serves_each_call_and_no_other() -> None:
    """A path that is in the code only would be one that nobody looked up."""
    served = {(method, path) for method, path, _, _ in ROUTES} | {("GET", "/actuator/health"), ("POST", "/login")}
    assert served == {(call["method"], call["path"]) for call in CALLS.values()}
    assert CONTRACT["base"] == BASE


def test_the_stand_in_fails_with_the_recorded_statuses() -> None:
    """Every status that it can answer for a call, and every text, is DolphinScheduler's."""
    statuses = {each.code: each.msg for each in vars(model).values() if isinstance(each, model.Status)}
    for call in CALLS.values():
        for code, text in call["errors"].items():
            if code not in {"503", "10000"}:
                assert text.startswith(statuses[int(code)].strip())


def test_the_client_uses_the_recorded_names() -> None:
    """Of both generations."""
    start, instances = CALLS["start workflow"], CALLS["instances"]
    assert start["path"].endswith(f"/{NEW.start}")
    assert {NEW.code} <= set(start["required"])
    assert {NEW.priority, "startParams", "execType"} <= set(start["optional"])
    assert {NEW.of, "startDate"} <= set(instances["optional"])
    assert start["names_3_2"]["path"].endswith(f"/{OLD.start}")
    assert start["names_3_2"][NEW.code] == OLD.code
    assert start["names_3_2"][NEW.priority] == OLD.priority
    assert instances["names_3_2"][NEW.of] == OLD.of
    assert f"/{NEW.definition}" in CALLS["workflows"]["path"]
    assert f"/{OLD.definition}" in CALLS["workflows"]["names_3_2"]["path"]


def test_rows_become_answers_of_the_contract() -> None:
    """As the stand-in words them, with one row each."""
    page = answers.page([answers.instance(INSTANCE)], 1, 1, 10)
    assert deviations("instances", json.loads(answers.result(page).text or "")) == []
    task = answers.page([answers.task(TASK)], 1, 1, 10)
    assert deviations("task instances", json.loads(answers.result(task).text or "")) == []
    assert answers.task(TASK)["state"] == "NEED_FAULT_TOLERANCE"
    assert answers.instance(INSTANCE)["startTime"] == "2026-01-02 03:04:05"


def test_an_answer_that_is_not_of_the_contract_is_found() -> None:
    """The checks above can fail: a state that is a number, a field that is missing, a wrapper that says failed."""
    page = answers.page([{**answers.instance(INSTANCE), "state": 7}], 1, 1, 10)
    assert deviations("instances", json.loads(answers.result(page).text or ""))
    short = {name: value for name, value in answers.instance(INSTANCE).items() if name != "globalParams"}
    page = answers.page([short], 1, 1, 10)
    assert deviations("instances", json.loads(answers.result(page).text or ""))
    failed = json.loads(answers.result(status=model.START_WORKFLOW_INSTANCE_ERROR).text or "")
    assert deviations("start workflow", failed)
    assert not list(failure(50014).iter_errors(failed))
