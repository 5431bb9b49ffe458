"""Under which conditions a run was measured: numbers of two runs mean something beside each other only in the same."""

import json
import re
from collections.abc import Iterator
from typing import Any

from drill.errors import RecordIncompleteError
from drill.record import RunRecord

SAME = 0.02
"""By which share two numbers (a machine's memory) may differ and still be called the same."""
_MEMORY = re.compile(r"^(\d+)(Ki|Mi|Gi)?$")
_UNITS = {None: 1, "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30}

Conditions = dict[str, Any]
"""By group: load, fault, kubernetes, machine, harness."""


def conditions(record: RunRecord) -> Conditions:
    """The conditions of a run, by group.

    `load` and `fault` are what was done; `kubernetes`, `machine` and `harness` with what. What is under test, the
    platform's own versions and settings, is none of them. Neither is the cluster's identity: one that is made anew for
    each gate, of the same nodes, is the same.

    Raises:
        RecordIncompleteError: the record does not say one of them.
    """
    scenario, manifest = record.scenario, record.manifest
    try:
        cluster = manifest["cluster"]
        nodes = cluster["nodes"]
        return {
            "load": {"load": scenario["load"], "sustained": record.objectives.sustained},
            "fault": {"sha256": record.experiment_sha256},
            "kubernetes": {
                "server": cluster["server_version"],
                "kubelets": sorted(node["kubelet"] for node in nodes),
                "runtimes": sorted(node["runtime"] for node in nodes),
            },
            "machine": {
                "kernels": sorted(node["kernel"] for node in nodes),
                "cpus": sorted(str(node["cpu"]) for node in nodes),
                "memory": sorted(_bytes(node["memory"]) for node in nodes),
            },
            "harness": {**manifest["versions"], **manifest["harness"]},
        }
    except (KeyError, TypeError, AttributeError) as error:
        raise RecordIncompleteError(f"the record does not say under which conditions it was made: {error!r}") from error


def differences(one: Conditions, other: Conditions) -> dict[str, tuple[str, ...]]:
    """What differs, in words, by group; empty: the conditions are the same."""
    found = {group: tuple(_differing(one.get(group), other.get(group), group)) for group in {**one, **other}}
    return {group: words for group, words in found.items() if words}


def _differing(one: Any, other: Any, place: str) -> Iterator[str]:
    if isinstance(one, dict) and isinstance(other, dict):
        for key in {**one, **other}:
            yield from _differing(one.get(key), other.get(key), f"{place}.{key}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for first, second in zip(one, other, strict=True):
            yield from _differing(first, second, place)
    elif not _same(one, other):
        yield f"{place} is {_words(one)}, and was {_words(other)}"


def _same(one: Any, other: Any) -> bool:
    if _is_number(one) and _is_number(other):
        return bool(abs(one - other) <= SAME * max(abs(one), abs(other)))
    return bool(one == other)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _words(value: Any) -> str:
    return "not said" if value is None else json.dumps(value)


def _bytes(text: str) -> int:
    """Kubernetes' quantity of memory in bytes."""
    found = _MEMORY.match(str(text))
    if found is None:
        raise RecordIncompleteError(f"a node's memory is {text!r}, which is no quantity")
    return int(found[1]) * _UNITS[found[2]]
