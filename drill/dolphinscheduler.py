"""DolphinScheduler's REST API, as probes, load and checks use it; the names of 3.3 and later, or those of 3.2.

What it relies on, with the source of each fact, is in docs/dolphinscheduler-contract.json.

**Accounting for starts.** `start(workflow, correlation)` passes the correlation as the start parameter
`drill_correlation`, which the master merges into the instance's global parameters (RunWorkflowCommandHandler of 3.3,
ProcessServiceImpl.setGlobalParamIfCommanded of 3.2), where every later query finds it. Count afterwards, once nobody
starts any more and every instance has ended: `Counter(each.correlation for each in instances(workflow, since))`.
An accepted start that is not there is lost; one that is there twice was started twice; `run_times` above 1 says that
an instance was run again. An instance that no master has handled has no correlation yet (None): it is neither lost nor
found before it has one, but its id is that of the accepted call (3.3 and later; 3.2 answers no id). An answer that did
not come (UnreachableError) or that the server could not complete (`FailedError`) is indeterminate: its start may have
been committed. Give each run a workflow of its own (`ensure_workflow(project, f"drill-{run_id}")`), so that the count
does not have to read what earlier runs left.

**What calls cost**, on a connection that is kept (each is one HTTP request and a session look-up on the server):
`health` no session, one pool connection; `whoami` the cheapest read; `start` four look-ups, an insert into each of two
tables, and a task that a worker forks a shell for, so some 10/s is much; `tasks` two or three look-ups; `instance` two;
`instances` two queries a page of 500, of which one counts: not for a load, but once after it. `login` writes a row.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import requests

from drill.cluster import Cluster
from drill.errors import DrillError, UsageError
from drill.settings import DolphinSchedulerTarget, Settings

CORRELATION = "drill_correlation"
"""The start parameter that carries the caller's id."""
PASSWORD_VARIABLE = "DRILL_DOLPHINSCHEDULER_PASSWORD"  # noqa: S105 - a variable's name
TIMEOUT = 10.0
_PAGE = 500
_TIME = "%Y-%m-%d %H:%M:%S"
_ZONES = timedelta(hours=14)
"""Times are answered in UTC, but a start date is read in the user's time zone: ask for more, and choose here."""
_COUNTS = 3
"""How often the instances are read before their number is held to be unstable."""
_SUCCESS, _PROJECT_EXISTS, _WORKFLOW_EXISTS = 0, 10019, 10168


class UnreachableError(DrillError):
    """No answer, not in time, or none of DolphinScheduler's; whether the call had its effect is unknown."""


class FailedError(DrillError):
    """DolphinScheduler answered that the call failed; `code` is its own status (api.enums.Status)."""

    def __init__(self, call: str, code: int, message: str) -> None:
        self.code = code
        super().__init__(f"{call}: {code} {message}")


class UnauthorizedError(DrillError):
    """The user, the password or the session is not accepted."""


class UnstableError(DrillError):
    """The instances changed while they were counted, so that the count would say nothing."""


@dataclass(frozen=True)
class Names:
    """What was renamed between versions."""

    definition: str
    """Path of workflow definitions; the instances' has `instances` in place of `definition`."""
    instances: str
    start: str
    code: str
    """Parameter: which workflow to start."""
    of: str
    """Parameter: whose instances."""
    priority: str


NEW = Names(
    "workflow-definition",
    "workflow-instances",
    "start-workflow-instance",
    "workflowDefinitionCode",
    "workflowDefinitionCode",
    "workflowInstancePriority",
)
"""3.3 and later."""
OLD = Names(
    "process-definition",
    "process-instances",
    "start-process-instance",
    "processDefinitionCode",
    "processDefineCode",
    "processInstancePriority",
)
"""3.2."""


@dataclass(frozen=True)
class Workflow:
    """One workflow, online."""

    project: int
    """The project's code."""
    code: int
    name: str
    names: Names = field(default=NEW, repr=False)


@dataclass(frozen=True)
class Started:
    """An accepted start."""

    correlation: str
    instance: int | None
    """None: this version does not answer it (3.2)."""
    at: datetime
    """When it was asked for, by our own clock."""


@dataclass(frozen=True)
class Instance:
    """One run of a workflow."""

    id: int
    correlation: str | None
    """None: no master has handled it yet, or it was not started by `start`."""
    state: str
    """WorkflowExecutionStatus: SUBMITTED_SUCCESS, RUNNING_EXECUTION, SUCCESS, FAILURE, STOP, PAUSE, ..."""
    start: datetime | None
    end: datetime | None
    run_times: int
    host: str | None
    """Of the master that runs it."""

    @property
    def finished(self) -> bool:
        """Whether it will not go on by itself (WorkflowExecutionStatus.isFinished)."""
        return self.state in {"SUCCESS", "FAILURE", "STOP", "PAUSE"}


@dataclass(frozen=True)
class Task:
    """One run of a task of an instance."""

    id: int
    name: str
    state: str
    """TaskExecutionStatus: SUBMITTED_SUCCESS, RUNNING_EXECUTION, SUCCESS, FAILURE, NEED_FAULT_TOLERANCE, ..."""
    host: str | None
    """Of the worker."""
    start: datetime | None
    end: datetime | None
    valid: bool
    """False: it was lost with its worker, or retried, and another one took its place."""


class Client:
    """A session of one user; `timeout` in seconds, for the connection and again for the answer. Not for many threads.

    It logs in by itself, and again when the session has expired.
    """

    def __init__(self, url: str, user: str, password: str, timeout: float = TIMEOUT) -> None:
        self.url = url.rstrip("/")
        self._user = user
        self._password = password
        self._timeout = timeout
        self._http = requests.Session()

    @classmethod
    def connect(cls, settings: Settings, timeout: float = TIMEOUT) -> Self:
        """Make a client of the selected context; the password is read from its Secret or the environment.

        Raises:
            UsageError: there is no password.
            ClusterError: the Secret could not be read.
        """
        target = settings.dolphinscheduler
        return cls(target.url, target.user, password(settings, target), timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def login(self) -> str:
        """Begin a session and return its id; DolphinScheduler keeps one a user, so that processes share it.

        Raises:
            UnauthorizedError: it refused.
            UnreachableError: no answer.
        """
        try:
            answer = self._result("POST", "login", data={"userName": self._user, "userPassword": self._password})
        except FailedError as error:
            raise UnauthorizedError(f"login of {self._user!r}: {error}") from error
        session = str(answer["sessionId"])
        self._http.headers["sessionId"] = session
        return session

    def whoami(self) -> str:
        """The name of the user whose session it is: the cheapest read."""
        return str(self._call("GET", "users/get-user-info")["userName"])

    def ensure_project(self, name: str) -> int:
        """The code of a project, made if need be."""
        if found := self._named("projects", name):
            return int(found["code"])
        try:
            return int(self._call("POST", "projects", data={"projectName": name, "description": "drills"})["code"])
        except FailedError as error:
            if error.code != _PROJECT_EXISTS:
                raise
        return self.ensure_project(name)

    def ensure_workflow(self, project: str, name: str, script: str = ":") -> Workflow:
        """A workflow of one shell task, in a project, online; both are made if need be.

        Args:
            project: Name of the project.
            name: Name of the workflow; one that exists keeps its script.
            script: What its task runs in a shell; `sleep 2` makes it last.
        """
        code = self.ensure_project(project)
        names, found = self._definition(code, name)
        path = f"projects/{code}/{names.definition}"
        if found is None:
            try:
                found = self._call("POST", path, data=self._definition_of(code, name, script))
            except FailedError as error:
                if error.code != _WORKFLOW_EXISTS:
                    raise
                return self.ensure_workflow(project, name, script)
        if found["releaseState"] != "ONLINE":
            self._call("POST", f"{path}/{found['code']}/release", data={"releaseState": "ONLINE"})
        return Workflow(code, int(found["code"]), name, names)

    def start(self, workflow: Workflow, correlation: str) -> Started:
        """Start a workflow.

        Raises:
            FailedError: DolphinScheduler says that it could not; whether it did is not certain where its own database
                was lost meanwhile.
            UnreachableError: no answer; it may have been started.
        """
        names, at = workflow.names, datetime.now(UTC)
        answer = self._call(
            "POST",
            f"projects/{workflow.project}/executors/{names.start}",
            data={
                names.code: workflow.code,
                "scheduleTime": "",
                "failureStrategy": "CONTINUE",
                "warningType": "NONE",
                "execType": "START_PROCESS",
                names.priority: "MEDIUM",
                "startParams": json.dumps({CORRELATION: correlation}),
            },
        )
        return Started(correlation, int(answer[0]) if isinstance(answer, list) and answer else None, at)

    def find(self, workflow: Workflow, started: Started) -> Instance | None:
        """The instance of an accepted start; None: there is none yet."""
        if started.instance is not None:
            return self.instance(workflow, started.instance)
        since = started.at - timedelta(minutes=1)  # the server's clock may be behind ours
        return next((each for each in self.instances(workflow, since) if each.correlation == started.correlation), None)

    def instance(self, workflow: Workflow, identity: int) -> Instance:
        """One instance by its id."""
        return _instance(self._call("GET", f"projects/{workflow.project}/{workflow.names.instances}/{identity}"))

    def instances(self, workflow: Workflow, since: datetime) -> Iterator[Instance]:
        """The instances of a workflow that started at `since` or later, each once, the latest first.

        Raises:
            UnstableError: their number kept changing: wait until nobody starts any more.
        """
        first = since.replace(microsecond=0)  # times are answered in whole seconds, cut off
        for _ in range(_COUNTS):
            found, total = self._count(workflow, since)
            if len(found) == total:
                return iter([each for each in found.values() if each.start is None or each.start >= first])
        raise UnstableError(f"instances of {workflow.name!r}: {len(found)} seen of {total}: they change meanwhile")

    def tasks(self, workflow: Workflow, instance: int) -> list[Task]:
        """The tasks of an instance, also those that were lost with their worker."""
        path = f"projects/{workflow.project}/task-instances"
        of = "workflowInstanceId" if workflow.names is NEW else "processInstanceId"
        answer = self._call("GET", path, params={of: instance, "pageNo": 1, "pageSize": _PAGE})
        return [_task(each) for each in answer["totalList"]]

    def _count(self, workflow: Workflow, since: datetime) -> tuple[dict[int, Instance], int]:
        path = f"projects/{workflow.project}/{workflow.names.instances}"
        start = (since - _ZONES).astimezone(UTC).strftime(_TIME)
        found: dict[int, Instance] = {}
        page = pages = 1
        total = 0
        while page <= pages:
            asked = {workflow.names.of: workflow.code, "startDate": start, "pageNo": page, "pageSize": _PAGE}
            answer = self._call("GET", path, params=asked)
            total, pages = int(answer["total"]), int(answer["totalPage"])
            found |= {each.id: each for each in map(_instance, answer["totalList"])}
            page += 1
        return found, total

    def _definition(self, project: int, name: str) -> tuple[Names, dict[str, Any] | None]:
        """Which names this version has, and the workflow, if it is there."""
        try:
            return NEW, self._named(f"projects/{project}/{NEW.definition}", name)
        except _UnknownPathError:
            return OLD, self._named(f"projects/{project}/{OLD.definition}", name)

    def _definition_of(self, project: int, name: str, script: str) -> dict[str, Any]:
        task = int(self._call("GET", f"projects/{project}/task-definition/gen-task-codes", params={"genNum": 1})[0])
        definition = {
            "code": task,
            "name": "run",
            "description": "",
            "taskType": "SHELL",
            "taskParams": {"localParams": [], "rawScript": script, "resourceList": []},
            "flag": "YES",
            "isCache": "NO",
            "taskPriority": "MEDIUM",
            "taskExecuteType": "BATCH",
            "workerGroup": "default",
            "environmentCode": -1,
            "failRetryTimes": 0,
            "failRetryInterval": 1,
            "timeoutFlag": "CLOSE",
            "timeoutNotifyStrategy": None,
            "timeout": 0,
            "delayTime": 0,
        }
        relation = {
            "name": "",
            "preTaskCode": 0,
            "preTaskVersion": 0,
            "postTaskCode": task,
            "postTaskVersion": 1,
            "conditionType": "NONE",
            "conditionParams": {},
        }
        parameter = {"prop": CORRELATION, "direct": "IN", "type": "VARCHAR", "value": ""}
        return {
            "name": name,
            "description": "drills",
            "globalParams": json.dumps([parameter]),
            "locations": json.dumps([{"taskCode": task, "x": 100, "y": 100}]),
            "timeout": 0,
            "taskDefinitionJson": json.dumps([definition]),
            "taskRelationJson": json.dumps([relation]),
            "executionType": "PARALLEL",
        }

    def _named(self, path: str, name: str) -> dict[str, Any] | None:
        answer = self._call("GET", path, params={"searchVal": name, "pageNo": 1, "pageSize": _PAGE})
        for each in answer["totalList"]:
            if each["name"] == name:
                return dict(each)
        return None

    def _call(self, method: str, path: str, **arguments: Any) -> Any:
        """The data of an answer to a known user."""
        if "sessionId" not in self._http.headers:
            self.login()
        try:
            return self._result(method, path, **arguments)
        except UnauthorizedError:
            self.login()
            return self._result(method, path, **arguments)

    def _result(self, method: str, path: str, **arguments: Any) -> Any:
        call = f"{method} {self.url}/{path}"
        try:
            answer = self._http.request(
                method, f"{self.url}/{path}", timeout=self._timeout, allow_redirects=False, **arguments
            )
        except requests.RequestException as error:
            raise UnreachableError(f"{call}: {error}") from error
        if answer.status_code == requests.codes.unauthorized:
            raise UnauthorizedError(f"{call}: HTTP 401: no such session")
        content = _json(answer)
        if not isinstance(content, dict) or "code" not in content:
            raise _unlike(call, answer)
        if content["code"] != _SUCCESS:
            raise FailedError(call, int(content["code"]), str(content.get("msg")))
        return content.get("data")


class _UnknownPathError(UnreachableError):
    """The server has no such path: it answered its user interface's page (DsErrorController), or 404."""


def password(settings: Settings, target: DolphinSchedulerTarget) -> str:
    """The password of the context's user.

    Raises:
        UsageError: there is none.
        ClusterError: the Secret could not be read.
    """
    if target.password is not None:
        secret = target.password
        return Cluster.connect(settings).secret(secret.namespace or target.namespace, secret.name, secret.key)
    if given := os.environ.get(PASSWORD_VARIABLE):
        return given
    raise UsageError(
        f"no password of DolphinScheduler's {target.user!r}: set {PASSWORD_VARIABLE}, or `dolphinscheduler.password` "
        "of the context to the Secret that holds it"
    )


def health(target: DolphinSchedulerTarget, timeout: float = TIMEOUT) -> dict[str, Any]:
    """Spring Boot's health of one API server, its database included: `{"status": "UP" | "DOWN", ...}`.

    Raises:
        UnreachableError: no answer, or none that a health endpoint gives.
    """
    call = f"GET {target.url.rstrip('/')}/actuator/health"
    try:
        answer = requests.get(call.removeprefix("GET "), timeout=timeout, allow_redirects=False)
    except requests.RequestException as error:
        raise UnreachableError(f"{call}: {error}") from error
    content = _json(answer)
    if not isinstance(content, dict) or "status" not in content:
        raise _unlike(call, answer)
    return content


def _unlike(call: str, answer: requests.Response) -> UnreachableError:
    kind = answer.headers.get("Content-Type", "no content type")
    page = answer.ok and "html" in kind
    error = _UnknownPathError if page or answer.status_code == requests.codes.not_found else UnreachableError
    return error(f"{call}: HTTP {answer.status_code}, {kind}: not an answer of DolphinScheduler's API")


def _json(answer: requests.Response) -> Any:
    try:
        return answer.json()
    except ValueError:
        return None


def _instance(content: dict[str, Any]) -> Instance:
    return Instance(
        id=int(content["id"]),
        correlation=_correlation(content.get("globalParams")),
        state=str(content["state"]),
        start=_time(content.get("startTime")),
        end=_time(content.get("endTime")),
        run_times=int(content["runTimes"]),
        host=content.get("host"),
    )


def _correlation(parameters: str | None) -> str | None:
    for each in json.loads(parameters or "[]"):
        if each["prop"] == CORRELATION and each.get("value"):
            return str(each["value"])
    return None


def _task(content: dict[str, Any]) -> Task:
    return Task(
        id=int(content["id"]),
        name=str(content["name"]),
        state=str(content["state"]),
        host=content.get("host"),
        start=_time(content.get("startTime")),
        end=_time(content.get("endTime")),
        valid=content.get("flag") != "NO",
    )


def _time(text: str | None) -> datetime | None:
    return datetime.strptime(text, _TIME).replace(tzinfo=UTC) if text else None
