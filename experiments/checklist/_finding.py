"""What a check found."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

from drill.verdicts import Outcome
from experiments.checklist._scene import Scene


@dataclass(frozen=True)
class Finding:
    """One line of the checklist."""

    object: str
    """What it is about: `kind namespace/name`, or the thing in a few words."""
    outcome: Outcome
    reason: str
    remedy: str = ""
    """One sentence; empty where nothing is wrong."""
    check: str = ""
    """The name of the check, kebab-case."""
    weakness: bool = False
    """It holds today, and would not in a fault."""

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON types."""
        return asdict(self)


Check = Callable[[Scene], Iterable[Finding]]


def passed(object_: str, reason: str) -> Finding:
    """It was looked at and is well."""
    return Finding(object_, Outcome.PASS, reason)


def failed(object_: str, reason: str, remedy: str) -> Finding:
    """It was looked at and is not well."""
    return Finding(object_, Outcome.FAIL, reason, remedy)


def unknown(object_: str, reason: str, remedy: str) -> Finding:
    """It could not be looked at."""
    return Finding(object_, Outcome.INCONCLUSIVE, reason, remedy)


def judged(what: str, total: int, bad: Iterable[Finding], well: str) -> list[Finding]:
    """The bad ones, or that all `total` are `well`; nothing to look at is inconclusive."""
    found = list(bad)
    if not found and not total:
        return [unknown(what, "there are none", "Look whether `namespaces` in the settings name the right ones.")]
    return found or [passed(what, f"{total} {well}")]
