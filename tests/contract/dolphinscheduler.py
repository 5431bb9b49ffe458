"""The recorded contract of DolphinScheduler's API, as the tests hold answers against it."""

import json
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

CONTRACT: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "docs" / "dolphinscheduler-contract.json").read_text()
)
CALLS: dict[str, dict[str, Any]] = CONTRACT["calls"]


def validator(call: str) -> Draft202012Validator:
    """Of a call's answer, its wrapper included where it has one."""
    schema = CALLS[call]["answer"]
    if CALLS[call]["wrapped"]:
        succeeded = {"code": {"const": 0}, "success": {"const": True}, "failed": {"const": False}, "data": schema}
        schema = {"allOf": [{"$ref": "#/$defs/result"}, {"properties": succeeded}]}
    return Draft202012Validator({**schema, "$defs": CONTRACT["$defs"]})


def failure(code: int) -> Draft202012Validator:
    """Of the answer of a call that failed."""
    failed = {"code": {"const": code}, "success": {"const": False}, "failed": {"const": True}, "data": {"type": "null"}}
    return Draft202012Validator(
        {"allOf": [{"$ref": "#/$defs/result"}, {"properties": failed}], "$defs": CONTRACT["$defs"]}
    )


def deviations(call: str, answer: Any) -> list[str]:
    """What in an answer is not as the contract has it."""
    return [f"{'.'.join(map(str, each.path))}: {each.message}" for each in validator(call).iter_errors(answer)]
