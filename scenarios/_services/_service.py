"""What a service is to a run."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from drill.cluster import Permission

if TYPE_CHECKING:
    from scenarios.reader import Drill


@dataclass(frozen=True)
class Check:
    """One thing that preflight looked at."""

    name: str
    ok: bool
    detail: str


@dataclass(frozen=True)
class Looked:
    """What preflight found of a service."""

    checks: tuple[Check, ...]
    state: Any = None
    """As plain JSON types; None: it did not answer."""


class Service(Protocol):
    """One service, or the pods of all; only reads."""

    name: str
    """As its events (`observed.<name>`) and its part of a snapshot are called."""
    permissions: tuple[Permission, ...]
    """What asking it takes."""

    def look(self, drill: "Drill") -> Looked:
        """Whether the drill may start; what is wrong is told, not raised."""

    def sample(self) -> dict[str, Any]:
        """How it is now, for the time line. Whatever it raises is recorded as not being able to see."""

    def snapshot(self) -> Any:
        """How it is now, for the evidence; raises where it can't be asked."""

    def setup(self) -> dict[str, Any]:
        """Evidence of how it is set up, by name; raises where it can't be asked."""

    def configuration(self) -> dict[str, Any]:
        """What the settings say of it, with no secret."""
