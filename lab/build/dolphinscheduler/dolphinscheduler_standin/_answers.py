"""How DolphinScheduler's API words what it answers: the Result wrapper, pages, names, times."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import IntEnum
from typing import Any

from aiohttp import web

from ._model import (
    REQUEST_PARAMS_NOT_VALID,
    SUCCESS,
    Flag,
    ReleaseState,
    ServiceError,
    Status,
    TaskState,
    WorkflowState,
)

SERVER = "DolphinScheduler-stand-in"
TIME = "%Y-%m-%d %H:%M:%S"
"""spring.jackson.date-format of the API server, in UTC."""

_COMMON: dict[str, type[IntEnum]] = {"flag": Flag, "recovery": Flag, "releaseState": ReleaseState}
_INSTANCE: dict[str, type[IntEnum]] = {**_COMMON, "state": WorkflowState}
_TASK: dict[str, type[IntEnum]] = {**_COMMON, "state": TaskState}


def result(data: Any = None, status: Status = SUCCESS) -> web.Response:
    """The wrapper of every answer; a failed call has HTTP status 200 too (ApiExceptionHandler sets none)."""
    content = {
        "code": status.code,
        "msg": status.msg,
        "data": data,
        "failed": status.code != SUCCESS.code,
        "success": status.code == SUCCESS.code,
    }
    return web.Response(text=json.dumps(content, separators=(",", ":")), content_type="application/json")


def page(rows: Sequence[Any], total: int, number: int, size: int) -> dict[str, Any]:
    """A PageInfo: its page numbers start at 1, and an empty list has one page."""
    return {
        "totalList": rows,
        "total": total,
        "totalPage": max(1, -(-total // size)),
        "pageSize": size,
        "currentPage": number,
        "pageNo": (number - 1) * size,
    }


def page_parameters(parameters: Mapping[str, str]) -> tuple[int, int]:
    """Number and size of the page that is asked for (BaseController.checkPageParams)."""
    number, size = int(required(parameters, "pageNo")), int(required(parameters, "pageSize"))
    for name, value in (("pageNo", number), ("pageSize", size)):
        if value <= 0:
            raise ServiceError(REQUEST_PARAMS_NOT_VALID, name)
    return number, size


def required(parameters: Mapping[str, str], name: str) -> str:
    """One parameter, without which the call fails as Spring words it."""
    if name not in parameters:
        raise ValueError(f"Required request parameter '{name}' is not present")
    return parameters[name]


def camel(name: str) -> str:
    """A column's name as the JSON has it."""
    first, *others = name.split("_")
    return first + "".join(each.capitalize() for each in others)


def shown(row: Mapping[str, Any], enums: Mapping[str, type[IntEnum]] = _COMMON) -> dict[str, Any]:
    """A row as an entity's JSON: camel case, times as text, states by their names."""
    return {key: _value(value, enums.get(key)) for key, value in ((camel(each), row[each]) for each in row)}


def instance(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of t_ds_workflow_instance."""
    return {**shown(row, _INSTANCE), "commandType": "START_PROCESS", "duration": _duration(row)}


def task(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of t_ds_task_instance."""
    return {**shown(row, _TASK), "taskExecuteType": "BATCH", "duration": _duration(row)}


def start_parameters(text: str | None) -> list[dict[str, str]]:
    """`startParams` as a list of Property: an object {name: value}, or such a list (task.api.utils.PropertyUtils)."""
    if not text:
        return []
    content = json.loads(text)
    if isinstance(content, dict):
        return [{"prop": name, "direct": "IN", "type": "VARCHAR", "value": value} for name, value in content.items()]
    return list(content)


def merged(*lists: Iterable[dict[str, str]]) -> list[dict[str, str]]:
    """Parameters by name, where a later one beats an earlier one (RunWorkflowCommandHandler)."""
    return list({each["prop"]: each for properties in lists for each in properties}.values())


def filled(script: str, parameters: Iterable[Mapping[str, str]]) -> str:
    """A script with its `${name}` replaced by the parameters' values."""
    for each in parameters:
        script = script.replace(f"${{{each['prop']}}}", str(each["value"]))
    return script


def _value(value: Any, enum: type[IntEnum] | None) -> Any:
    if isinstance(value, datetime):
        return value.strftime(TIME)
    return value if enum is None or value is None else enum(value).name


def _duration(row: Mapping[str, Any]) -> str | None:
    start, end = row["start_time"], row["end_time"]
    return f"{max(0, round((end - start).total_seconds()))}s" if start and end else None
