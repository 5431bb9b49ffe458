"""Judgements: pure functions from a finished run record to verdicts and a time line; no cluster is asked."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recovery._check import Check, Finding, check, failed, passed, unsure
    from recovery._judge import expected, judge
    from recovery._measures import Measure, measures
    from recovery._run import Run, timeline
    from recovery._timeline import Outage, Path, Service, Timeline

__all__ = [
    "Check",
    "Finding",
    "Measure",
    "Outage",
    "Path",
    "Run",
    "Service",
    "Timeline",
    "check",
    "expected",
    "failed",
    "judge",
    "measures",
    "passed",
    "timeline",
    "unsure",
]

_HOMES = {
    **dict.fromkeys(("expected", "judge"), "recovery._judge"),
    **dict.fromkeys(("Measure", "measures"), "recovery._measures"),
    **dict.fromkeys(("Run", "timeline"), "recovery._run"),
    **dict.fromkeys(("Check", "Finding", "check", "failed", "passed", "unsure"), "recovery._check"),
}


def __getattr__(name: str) -> Any:
    """Import on first use: numpy and portion have no place in the start of `drill --help`."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES.get(name, "recovery._timeline")), name)
