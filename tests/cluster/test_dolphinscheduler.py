"""DolphinScheduler's stand-in on the lab: it keeps the recorded contract, and runs each workflow once whatever dies."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import pytest
import requests

from drill import dolphinscheduler
from drill.cluster import Cluster, PodState
from drill.dolphinscheduler import Client, FailedError, Instance, UnreachableError, Workflow
from drill.settings import Settings
from experiments.dolphinscheduler import probes
from tests.contract.dolphinscheduler import CALLS, deviations, failure

T = TypeVar("T")


class Caller:
    """Makes a contract's calls by hand and holds each answer against its schema."""

    def __init__(self, settings: Settings) -> None:
        self._target = settings.dolphinscheduler
        self._password = dolphinscheduler.password(settings, self._target)
        self.http = requests.Session()
        self.made: set[str] = set()

    def ask(self, call: str, path: dict[str, Any] | None = None, **parameters: Any) -> requests.Response:
        """Make a call, with the parameters that it needs and no other than it knows."""
        about = CALLS[call]
        assert set(about["required"]) <= set(parameters) <= {*about["required"], *about["optional"]}
        url = self._target.url + about["path"].format(**path or {})
        where = "params" if about["method"] == "GET" else "data"
        return self.http.request(about["method"], url, timeout=10, **{where: parameters})

    def data(self, call: str, path: dict[str, Any] | None = None, **parameters: Any) -> Any:
        """The same; the answer is of the contract."""
        answer = self.ask(call, path, **parameters)
        content = answer.json()
        assert deviations(call, content) == []
        self.made.add(call)
        return content.get("data", content)

    def log_in(self) -> None:
        """Begin a session."""
        session = self.data("login", userName=self._target.user, userPassword=self._password)["sessionId"]
        self.http.headers["sessionId"] = session


@pytest.fixture
def caller(lab_platform: Settings) -> Iterator[Caller]:
    """By hand, logged in."""
    made = Caller(lab_platform)
    made.log_in()
    yield made
    made.http.close()


@pytest.fixture
def client(lab_platform: Settings) -> Iterator[Client]:
    """The one that everybody else uses."""
    with Client.connect(lab_platform) as made:
        yield made


def awaited(look: Callable[[], T | None], within: float) -> T:
    """What `look` finds at last."""
    deadline = time.monotonic() + within
    while (found := look()) is None:
        assert time.monotonic() < deadline, f"not within {within:g} s"
        time.sleep(0.5)
    return found


def settled(client: Client, workflow: Workflow, since: datetime, within: float) -> list[Instance]:
    """The instances of a workflow, when all of them have ended."""

    def look() -> list[Instance] | None:
        try:
            found = list(client.instances(workflow, since))
        except (UnreachableError, FailedError):
            return None
        return found if found and all(each.finished for each in found) else None

    return awaited(look, within)


def test_every_call_keeps_the_contract(caller: Caller) -> None:
    """From health to the tasks of an instance that ran, each answer as DolphinScheduler's own source has it."""
    stamp = f"{time.time():.3f}"
    page = {"pageNo": 1, "pageSize": 10}
    caller.data("health")
    caller.data("whoami")
    project = {"projectCode": caller.data("create project", projectName=f"contract-{stamp}")["code"]}
    assert caller.data("projects", searchVal=f"contract-{stamp}", **page)["total"] == 1
    task = caller.data("task codes", project, genNum=1)[0]
    runs = {"rawScript": "test ${id} = x"}
    workflow = caller.data(
        "create workflow",
        project,
        name="w",
        globalParams=json.dumps([{"prop": "id", "direct": "IN", "type": "VARCHAR", "value": ""}]),
        taskDefinitionJson=json.dumps([{"code": task, "name": "t", "taskType": "SHELL", "taskParams": runs}]),
        taskRelationJson=json.dumps([{"preTaskCode": 0, "postTaskCode": task}]),
    )
    start = {
        "workflowDefinitionCode": workflow["code"],
        "scheduleTime": "",
        "failureStrategy": "CONTINUE",
        "warningType": "NONE",
        "startParams": '{"id":"x"}',
    }
    refused = caller.ask("start workflow", project, **start)
    assert not list(failure(50004).iter_errors(refused.json()))
    caller.data("release workflow", {**project, "code": workflow["code"]}, releaseState="ONLINE")
    assert caller.data("workflows", project, searchVal="w", **page)["totalList"][0]["releaseState"] == "ONLINE"
    one = {**project, "id": caller.data("start workflow", project, **start)[0]}
    ended = awaited(lambda: (found := caller.data("instance", one))["endTime"] and found, 30)
    assert (ended["state"], ended["runTimes"]) == ("SUCCESS", 1)
    listed = caller.data("instances", project, stateType="SUCCESS", workflowDefinitionCode=workflow["code"], **page)
    assert [each["id"] for each in listed["totalList"]] == [one["id"]]
    assert caller.data("tasks of an instance", one)["taskList"][0]["state"] == "SUCCESS"
    assert caller.data("task instances", project, workflowInstanceId=one["id"], **page)["total"] == 1
    assert caller.made == CALLS.keys()


def test_refusals_keep_the_contract(caller: Caller) -> None:
    """HTTP status 200 with a code, 401 with nothing; and the stand-in says what it is."""
    one = {"projectCode": 1, "id": 1}
    unknown = caller.ask("instance", one)
    assert unknown.status_code == 200
    assert not list(failure(10018).iter_errors(unknown.json()))
    assert not list(failure(10001).iter_errors(caller.ask("projects", pageNo=0, pageSize=1).json()))
    assert not list(failure(10013).iter_errors(caller.ask("login", userName="admin", userPassword="wrong").json()))
    assert unknown.headers["Server"] == "DolphinScheduler-stand-in"
    caller.http.headers["sessionId"] = "none"
    caller.http.cookies.clear()
    answer = caller.ask("whoami")
    assert (answer.status_code, answer.content) == (401, b"")


def test_probes_see_it_run(lab_platform: Settings) -> None:  # noqa: ARG001 - settings in the environment
    """A workflow goes through API, master, worker and database."""
    assert probes.healthy()
    assert probes.api_answers()
    assert probes.workflows_run(within=30)


def test_probes_see_that_nobody_answers(lab_platform: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an API server none of them is true."""
    monkeypatch.setenv(
        "DRILL_CONTEXTS",
        f'{{"{lab_platform.context}": {{"dolphinscheduler": {{"url": "http://198.18.0.11:1/dolphinscheduler"}}}}}}',
    )
    assert not probes.healthy(timeout=2)
    assert not probes.api_answers(timeout=2)
    assert not probes.workflows_run(within=2, timeout=2)


@pytest.mark.slow
def test_each_workflow_runs_once_though_a_worker_and_an_api_pod_die(lab_platform: Settings, client: Client) -> None:
    """Those accepted are all there, each once and successful; a task that died with its worker was taken over."""
    cluster, target = Cluster.connect(lab_platform), lab_platform.dolphinscheduler
    workflow = client.ensure_workflow(target.project, f"once-{time.time():.3f}", "sleep 8")
    since = datetime.now(UTC) - timedelta(minutes=1)
    accepted: list[str] = []
    indeterminate: list[str] = []
    for number in range(60):
        if number == 30:
            worker = awaited(lambda: _busy_worker(client, workflow, since), 10)
            for pod in cluster.pods(target.namespace, _labels("worker")):
                if pod.name == worker:
                    cluster.delete_pod(pod, grace_period=0)
            cluster.delete_pod(_pod(cluster, target.namespace, "api"), grace_period=0)
        correlation = f"once-{number}"
        try:
            client.start(workflow, correlation)
            accepted.append(correlation)
        except (UnreachableError, FailedError):
            indeterminate.append(correlation)
        time.sleep(0.2)
    found = settled(client, workflow, since, within=120)
    counted = Counter(each.correlation for each in found)
    assert len(accepted) >= 40
    assert set(accepted) <= counted.keys() <= {*accepted, *indeterminate}
    assert set(counted.values()) == {1}
    assert {(each.state, each.run_times) for each in found} == {("SUCCESS", 1)}
    tasks = [task for each in found for task in client.tasks(workflow, each.id)]
    assert sum(task.valid for task in tasks) == len(found)
    lost = [task for task in tasks if not task.valid]
    assert {task.state for task in lost} == {"NEED_FAULT_TOLERANCE"}
    assert {str(task.host).partition(":")[0] for task in lost} == {worker}


def _busy_worker(client: Client, workflow: Workflow, since: datetime) -> str | None:
    """A worker's pod that runs a task now, of those that were started last: it has some seconds to go."""
    for instance in client.instances(workflow, since):
        for task in client.tasks(workflow, instance.id):
            if task.state == "RUNNING_EXECUTION" and task.host:
                return task.host.partition(":")[0]
    return None


def _pod(cluster: Cluster, namespace: str, component: str) -> PodState:
    return next(each for each in cluster.pods(namespace, _labels(component)) if each.ready)


def _labels(component: str) -> str:
    return f"app.kubernetes.io/name=dolphinscheduler,app.kubernetes.io/component={component}"
