"""Judgements: pure functions from a finished run record to verdicts and a time line; no cluster is asked."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recovery._judge import judge
    from recovery._run import timeline
    from recovery._timeline import Outage, Path, Service, Timeline

__all__ = ["Outage", "Path", "Service", "Timeline", "judge", "timeline"]

_HOMES = {"judge": "recovery._judge", "timeline": "recovery._run"}


def __getattr__(name: str) -> Any:
    """Import on first use: numpy and portion have no place in the start of `drill --help`."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES.get(name, "recovery._timeline")), name)
