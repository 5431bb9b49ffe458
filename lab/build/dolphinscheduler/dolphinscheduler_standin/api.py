"""The API server: the REST endpoints that drills use, each with the path, parameters and answer of DolphinScheduler.

A request borrows one connection for its time. When none is to be had it fails as the real one's do: HTTP status 200,
`code` the endpoint's own error, `msg` with the pool's words. A workflow is started here, in one transaction that makes
the instance and its command, where the real API server asks a master to do just that (AbstractWorkflowTrigger); without
a live master it is refused, as there.
"""

import json
import logging
import secrets
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg
from aiohttp import web

from . import _answers as answers
from . import _model as model
from ._answers import page_parameters, required, result
from ._database import NOW, Connection, Database, Row, digest
from ._model import ReleaseState, ServiceError, Status, TaskState, WorkflowState
from ._registry import alive
from ._settings import Settings

BASE = "/dolphinscheduler"
_SESSION = 7200
"""Constants.SESSION_TIME_OUT."""
_EPOCH = 1609430400
"""2021-01-01 00:00:00 in Shanghai, where CodeGenerateUtils starts to count."""

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Call:
    """One request of a known user, with its connection."""

    connection: Connection
    settings: Settings
    user: Row
    path: Mapping[str, str]
    parameters: Mapping[str, str]

    async def rows(self, query: str, parameters: Any = ()) -> list[Row]:
        """What a query finds."""
        return await (await self.connection.execute(query, parameters)).fetchall()

    async def project(self) -> Row:
        """The project of the path."""
        code = int(self.path["projectCode"])
        if found := await self.rows("SELECT * FROM t_ds_project WHERE code = %s", [code]):
            return found[0]
        raise ServiceError(model.PROJECT_NOT_FOUND, code)


Handler = Callable[[Call], Awaitable[Any]]
ROUTES: list[tuple[str, str, Status, Handler]] = []


def route(method: str, path: str, error: Status) -> Callable[[Handler], Handler]:
    """Serve a path for a known user; `error` is the status of its unforeseen failures (its @ApiException)."""

    def add(handler: Handler) -> Handler:
        ROUTES.append((method, path, error, handler))
        return handler

    return add


def application(database: Database, settings: Settings) -> web.Application:
    """The API server as an aiohttp application."""
    made = web.Application()
    made.router.add_get(f"{BASE}/actuator/health", health(database))
    made.router.add_post(f"{BASE}/login", _login(database))
    for method, path, error, handler in ROUTES:
        made.router.add_route(method, BASE + path, _served(database, settings, error, handler))
    made.on_response_prepare.append(sign)
    return made


async def sign(_: web.Request, response: web.StreamResponse) -> None:
    """Say who answers."""
    response.headers["Server"] = answers.SERVER


def health(database: Database) -> Callable[[web.Request], Awaitable[web.Response]]:
    """Spring Boot's health endpoint: as healthy as a connection from the pool."""

    async def handle(_: web.Request) -> web.Response:
        try:
            async with database.connection():
                status, details = "UP", {"database": "PostgreSQL", "validationQuery": "isValid()"}
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the answer
            status, details = "DOWN", {"error": f"{type(error).__name__}: {error}"}
        content = {"status": status, "components": {"db": {"status": status, "details": details}}}
        return web.json_response(content, status=200 if status == "UP" else 503)

    return handle


def _login(database: Database) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(request: web.Request) -> web.Response:
        async def log_in() -> web.Response:
            parameters = await _parameters(request)
            name, password = required(parameters, "userName"), required(parameters, "userPassword")
            async with database.transaction() as connection:
                session = await _session(connection, name, password)
            content = {"sessionId": session, "securityConfigType": "PASSWORD"}
            response = result(content, model.LOGIN_SUCCESS._replace(code=0))
            for key, value in content.items():
                response.set_cookie(key, value, httponly=True)
            return response

        return await _answered(log_in, model.USER_LOGIN_FAILURE)

    return handle


async def _session(connection: Connection, name: str, password: str) -> str:
    """The session of a user, who has one at a time (SessionServiceImpl.createSessionIfAbsent)."""
    found = await connection.execute(
        "SELECT id FROM t_ds_user WHERE user_name = %s AND user_password = %s FOR UPDATE", [name, digest(password)]
    )
    if (user := await found.fetchone()) is None:
        raise ServiceError(model.USER_NAME_PASSWD_ERROR)
    await connection.execute(
        f"DELETE FROM t_ds_session WHERE user_id = %s AND last_login_time < {NOW} - make_interval(secs => %s)",
        [user["id"], _SESSION],
    )
    found = await connection.execute(
        f"UPDATE t_ds_session SET last_login_time = {NOW} WHERE user_id = %s RETURNING id",
        [user["id"]],
    )
    if session := await found.fetchone():
        return str(session["id"])
    new = str(uuid.uuid4())
    await connection.execute(
        f"INSERT INTO t_ds_session (id, user_id, last_login_time) VALUES (%s, %s, {NOW})",
        [new, user["id"]],
    )
    return new


def _served(
    database: Database, settings: Settings, error: Status, handler: Handler
) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(request: web.Request) -> web.Response:
        async def serve() -> web.Response:
            parameters = await _parameters(request)
            async with database.connection() as connection:
                found = await connection.execute(
                    "SELECT u.* FROM t_ds_session s JOIN t_ds_user u ON u.id = s.user_id WHERE s.id = %s",
                    [request.headers.get("sessionId") or request.cookies.get("sessionId")],
                )
                if (user := await found.fetchone()) is None:
                    return web.Response(status=401)
                return result(await handler(Call(connection, settings, user, request.match_info, parameters)))

        return await _answered(serve, error)

    return handle


async def _answered(act: Callable[[], Awaitable[web.Response]], error: Status) -> web.Response:
    """What it answers, or how ApiExceptionHandler words that it failed."""
    try:
        return await act()
    except ServiceError as refused:
        return result(status=Status(refused.code, str(refused)))
    except Exception as failure:  # noqa: BLE001 - the real one catches Throwable
        reason = " ".join(str(failure).split()) or repr(failure)
        _logger.warning("%s: %s", error.msg, reason)
        return result(status=error._replace(msg=f"{error.msg}:{reason}"))


async def _parameters(request: web.Request) -> dict[str, str]:
    form = await request.post() if request.method == "POST" else {}
    return {**request.query, **{name: str(value) for name, value in form.items()}}


def _code() -> int:
    """A new code: milliseconds, then ten bits that are random here and a machine's hash and counter there."""
    return (int((time.time() - _EPOCH) * 1000) << 10) | secrets.randbits(10)


async def _page(call: Call, table: str, where: str, order: str, values: Mapping[str, Any]) -> tuple[list[Row], int]:
    number, size = page_parameters(call.parameters)
    count = await call.rows(f"SELECT count(*) AS total FROM {table} WHERE {where}", values)
    rows = await call.rows(
        f"SELECT * FROM {table} WHERE {where} ORDER BY {order} LIMIT %(size)s OFFSET %(skip)s",
        {**values, "size": size, "skip": (number - 1) * size},
    )
    return rows, count[0]["total"]


def _search(call: Call) -> str:
    return f"%{call.parameters.get('searchVal', '')}%"


def _paged(call: Call, rows: list[Any], total: int) -> dict[str, Any]:
    return answers.page(rows, total, *page_parameters(call.parameters))


@route("GET", "/users/get-user-info", model.GET_USER_INFO_ERROR)
async def user_info(call: Call) -> Any:
    """Who is logged in: the cheapest read of a session."""
    return {
        **answers.shown({**call.user, "user_password": None, "time_zone": call.user["time_zone"] or "UTC"}),
        "userType": "ADMIN_USER",
    }


@route("POST", "/projects", model.CREATE_PROJECT_ERROR)
async def create_project(call: Call) -> Any:
    """Create a project."""
    name = required(call.parameters, "projectName")
    try:
        made = await call.rows(
            "INSERT INTO t_ds_project (name, code, description, user_id, create_time, update_time) "
            f"VALUES (%s, %s, %s, %s, {NOW}, {NOW}) RETURNING *",
            [name, _code(), call.parameters.get("description"), call.user["id"]],
        )
    except psycopg.errors.UniqueViolation:
        raise ServiceError(model.PROJECT_ALREADY_EXISTS, name) from None
    return _project(call, made[0])


@route("GET", "/projects", model.QUERY_PROJECTS_ERROR)
async def projects(call: Call) -> Any:
    """A page of the projects."""
    rows, total = await _page(call, "t_ds_project", "name LIKE %(search)s", "id DESC", {"search": _search(call)})
    return _paged(call, [_project(call, row) for row in rows], total)


def _project(call: Call, row: Row) -> dict[str, Any]:
    shown = answers.shown({name: value for name, value in row.items() if name != "flag"})
    return {**shown, "userName": call.user["user_name"], "perm": 7, "defCount": 0}


@route("GET", "/projects/{projectCode}/task-definition/gen-task-codes", model.QUERY_PROJECTS_ERROR)
async def task_codes(call: Call) -> Any:
    """New codes for the tasks of a definition."""
    number = int(required(call.parameters, "genNum"))
    if not 1 <= number <= 100:  # noqa: PLR2004 - as there
        raise ServiceError(model.DATA_IS_NOT_VALID, number)
    codes: set[int] = set()
    while len(codes) < number:
        codes.add(_code())
    return sorted(codes)


@route("POST", "/projects/{projectCode}/workflow-definition", model.CREATE_WORKFLOW_DEFINITION_ERROR)
async def create_workflow(call: Call) -> Any:
    """Create a workflow with its tasks and their order."""
    project, name = await call.project(), required(call.parameters, "name")
    tasks = json.loads(required(call.parameters, "taskDefinitionJson"))
    relations = json.loads(required(call.parameters, "taskRelationJson"))
    if not tasks or not relations or {each["postTaskCode"] for each in relations} != {each["code"] for each in tasks}:
        raise ServiceError(model.DATA_IS_NOT_VALID, required(call.parameters, "taskRelationJson"))
    async with call.connection.transaction():
        try:
            made = await call.rows(
                "INSERT INTO t_ds_workflow_definition (code, name, description, project_code, user_id, global_params, "
                "locations, timeout, create_time, update_time) "
                f"VALUES (%s, %s, %s, %s, %s, %s, %s, %s, {NOW}, {NOW}) RETURNING *",
                [
                    _code(),
                    name,
                    call.parameters.get("description"),
                    project["code"],
                    call.user["id"],
                    call.parameters.get("globalParams", "[]"),
                    call.parameters.get("locations"),
                    int(call.parameters.get("timeout", "0")),
                ],
            )
        except psycopg.errors.UniqueViolation:
            raise ServiceError(model.WORKFLOW_DEFINITION_NAME_EXIST, name) from None
        for each in tasks:
            await call.connection.execute(
                "INSERT INTO t_ds_task_definition (code, name, project_code, user_id, task_type, task_params) "
                "VALUES (%s, %s, %s, %s, %s, %s)",
                [
                    each["code"],
                    each["name"],
                    project["code"],
                    call.user["id"],
                    each["taskType"],
                    json.dumps(each["taskParams"]),
                ],
            )
        for each in relations:
            await call.connection.execute(
                "INSERT INTO t_ds_workflow_task_relation (project_code, workflow_definition_code, "
                "workflow_definition_version, pre_task_code, post_task_code) VALUES (%s, %s, 1, %s, %s)",
                [project["code"], made[0]["code"], each["preTaskCode"], each["postTaskCode"]],
            )
    return _definition(made[0])


@route("GET", "/projects/{projectCode}/workflow-definition", model.QUERY_WORKFLOW_DEFINITIONS_ERROR)
async def workflows(call: Call) -> Any:
    """A page of a project's workflows."""
    values = {"project": (await call.project())["code"], "search": _search(call)}
    where = "project_code = %(project)s AND name LIKE %(search)s"
    rows, total = await _page(call, "t_ds_workflow_definition", where, "update_time DESC, id", values)
    return _paged(call, [_definition(row) for row in rows], total)


def _definition(row: Row) -> dict[str, Any]:
    return {**answers.shown(row), "executionType": "PARALLEL"}


@route("POST", "/projects/{projectCode}/workflow-definition/{code}/release", model.RELEASE_WORKFLOW_DEFINITION_ERROR)
async def release_workflow(call: Call) -> Any:
    """Bring a workflow online, or take it offline."""
    project, code = await call.project(), int(call.path["code"])
    found = await call.connection.execute(
        f"UPDATE t_ds_workflow_definition SET release_state = %s, update_time = {NOW} "
        "WHERE code = %s AND project_code = %s",
        [ReleaseState[required(call.parameters, "releaseState")], code, project["code"]],
    )
    if not found.rowcount:
        raise ServiceError(model.WORKFLOW_DEFINITION_NOT_EXIST, code)
    return True


@route("POST", "/projects/{projectCode}/executors/start-workflow-instance", model.START_WORKFLOW_INSTANCE_ERROR)
async def start_workflow(call: Call) -> Any:
    """Start a workflow: an instance and its command, both or neither; answers the instance's id in a list."""
    for name in ("scheduleTime", "failureStrategy", "warningType"):
        required(call.parameters, name)
    code = int(required(call.parameters, "workflowDefinitionCode"))
    given = answers.start_parameters(call.parameters.get("startParams"))
    found = await call.rows("SELECT * FROM t_ds_workflow_definition WHERE code = %s", [code])
    if not found:
        raise ServiceError(model.INTERNAL_SERVER_ERROR, f"Cannot find the workflow: {code}")
    workflow = found[0]
    if workflow["release_state"] != ReleaseState.ONLINE:
        raise ServiceError(model.WORKFLOW_DEFINITION_NOT_RELEASE, code, workflow["version"])
    if not await alive(call.connection, "master", call.settings.session_timeout):
        raise ServiceError(model.INTERNAL_SERVER_ERROR, "no master server available")
    stamp = datetime.now(UTC).strftime("%Y%m%d%H%M%S%f")[:17]
    async with call.connection.transaction():
        made = await call.rows(
            "INSERT INTO t_ds_workflow_instance (name, workflow_definition_code, workflow_definition_version, "
            "project_code, state, start_time, restart_time, run_times, executor_id, executor_name, worker_group, "
            f"tenant_code, timeout) VALUES (%s, %s, %s, %s, %s, {NOW}, {NOW}, 1, %s, %s, %s, %s, %s) "
            "RETURNING id",
            [
                f"{workflow['name']}-{stamp}",
                code,
                workflow["version"],
                workflow["project_code"],
                WorkflowState.SUBMITTED_SUCCESS,
                call.user["id"],
                call.user["user_name"],
                call.parameters.get("workerGroup", "default"),
                call.parameters.get("tenantCode", "default"),
                workflow["timeout"],
            ],
        )
        await call.connection.execute(
            "INSERT INTO t_ds_command (command_type, workflow_definition_code, workflow_definition_version, "
            "workflow_instance_id, command_param, start_time, update_time) "
            f"VALUES (0, %s, %s, %s, %s, {NOW}, {NOW})",
            [code, workflow["version"], made[0]["id"], json.dumps({"commandParams": given, "startNodes": []})],
        )
    return [made[0]["id"]]


@route("GET", "/projects/{projectCode}/workflow-instances", model.QUERY_WORKFLOW_INSTANCES_ERROR)
async def workflow_instances(call: Call) -> Any:
    """A page of a project's instances, the latest first."""
    given = call.parameters
    values = {
        "project": (await call.project())["code"],
        "workflow": int(given.get("workflowDefinitionCode", "0")),
        "search": _search(call),
        "state": WorkflowState[given["stateType"]] if given.get("stateType") else None,
        "start": _time(given.get("startDate")),
        "end": _time(given.get("endDate")),
    }
    where = (
        "project_code = %(project)s AND name LIKE %(search)s "
        "AND (%(workflow)s = 0 OR workflow_definition_code = %(workflow)s) "
        "AND (%(state)s::int IS NULL OR state = %(state)s) "
        "AND (%(start)s::timestamp IS NULL OR start_time >= %(start)s) "
        "AND (%(end)s::timestamp IS NULL OR start_time <= %(end)s)"
    )
    order = "start_time DESC, end_time DESC"
    rows, total = await _page(call, "t_ds_workflow_instance", where, order, values)
    return _paged(call, [answers.instance(row) for row in rows], total)


def _time(text: str | None) -> datetime | None:
    return datetime.strptime(text, answers.TIME) if text else None  # noqa: DTZ007 - the column has no zone


@route("GET", "/projects/{projectCode}/workflow-instances/{id}", model.QUERY_WORKFLOW_INSTANCE_ERROR)
async def workflow_instance(call: Call) -> Any:
    """One instance."""
    return answers.instance(await _instance(call))


@route("GET", "/projects/{projectCode}/workflow-instances/{id}/tasks", model.QUERY_TASKS_OF_INSTANCE_ERROR)
async def tasks_of_instance(call: Call) -> Any:
    """The valid tasks of an instance: not those that a dead worker lost."""
    instance = await _instance(call)
    rows = await call.rows(
        "SELECT * FROM t_ds_task_instance WHERE workflow_instance_id = %s AND flag = 1 ORDER BY start_time DESC",
        [instance["id"]],
    )
    return {
        "workflowInstanceState": WorkflowState(instance["state"]).name,
        "taskList": [answers.task(row) for row in rows],
    }


async def _instance(call: Call) -> Row:
    project, identity = await call.project(), int(call.path["id"])
    found = await call.rows(
        "SELECT * FROM t_ds_workflow_instance WHERE id = %s AND project_code = %s", [identity, project["code"]]
    )
    if not found:
        raise ServiceError(model.WORKFLOW_INSTANCE_NOT_EXIST, identity)
    return found[0]


@route("GET", "/projects/{projectCode}/task-instances", model.QUERY_TASK_LIST_PAGING_ERROR)
async def task_instances(call: Call) -> Any:
    """A page of a project's task instances, those that a dead worker lost too."""
    given = call.parameters
    values = {
        "project": (await call.project())["code"],
        "instance": int(given.get("workflowInstanceId", "0")),
        "search": _search(call),
        "state": TaskState[given["stateType"]] if given.get("stateType") else None,
    }
    where = (
        "project_code = %(project)s AND name LIKE %(search)s "
        "AND (%(instance)s = 0 OR workflow_instance_id = %(instance)s) "
        "AND (%(state)s::int IS NULL OR state = %(state)s)"
    )
    rows, total = await _page(call, "t_ds_task_instance", where, "submit_time DESC, id DESC", values)
    return _paged(call, [answers.task(row) for row in rows], total)
