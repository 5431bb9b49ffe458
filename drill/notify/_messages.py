"""What is told, made from the events of a run."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

from drill.record import Event


@dataclass(frozen=True)
class Message:
    """One thing that people should know of."""

    kind: str
    """started, fault-on, fault-off, breach, rollback-failed, ended."""
    t: float
    """When it happened, epoch seconds."""
    text: str
    """In one or two sentences, without links."""
    scenario: str
    context: str
    run_id: str
    link: str | None = None
    """Of the run's report, once there is one."""
    data: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """As the webhook's receiver gets it."""
        at = datetime.fromtimestamp(self.t, UTC).isoformat(timespec="milliseconds")
        return {"version": 1, **vars(self), "at": at}


@dataclass(frozen=True)
class Origin:
    """Which run it is."""

    scenario: str
    context: str
    run_id: str

    def message(self, kind: str, t: float, text: str, **data: Any) -> Message:
        """One message of this run."""
        return Message(kind, t, text, self.scenario, self.context, self.run_id, data=data)


_KINDS = {
    "fault.effective": "fault-on",
    "fault.undone": "fault-off",
    "stop.fired": "breach",
    "rollback.failed": "rollback-failed",
}


def messages(events: Iterable[Event], origin: Origin) -> Iterator[Message]:
    """What is worth telling of new events; the targets of one fault are told together."""
    told = (each for each in events if each.kind in _KINDS)
    for (kind, fault), group in groupby(told, key=_group):
        some = list(group)
        yield origin.message(_KINDS[kind], some[0].t, _TEXTS[kind](origin.scenario, some), fault=fault)


def unfinished(events: list[Event]) -> tuple[list[Event], list[Event]]:
    """The events before the last group of one fault, and that group, to which more may belong that are to come."""
    told = [each for each in events if each.kind in _KINDS]
    group = next((list(group) for _, group in groupby(reversed(told), key=_group)), [])
    return told[: len(told) - len(group)], told[len(told) - len(group) :]


def _group(event: Event) -> tuple[str, object]:
    return event.kind, event.data.get("fault")


def _on(scenario: str, events: list[Event]) -> str:
    return f"{scenario}: the fault is on: {events[0].data['fault']} on {_targets(events)}"


def _off(scenario: str, events: list[Event]) -> str:
    return f"{scenario}: the fault is undone: {events[0].data['fault']} on {_targets(events)}"


def _breach(scenario: str, events: list[Event]) -> str:
    return f"{scenario}: {events[0].data['reason']}; the fault is being undone"


def _failed(scenario: str, events: list[Event]) -> str:
    return f"{scenario}: ROLLBACK FAILED, look at the cluster now: {events[0].data.get('error')}"


_TEXTS: dict[str, Callable[[str, list[Event]], str]] = {
    "fault.effective": _on,
    "fault.undone": _off,
    "stop.fired": _breach,
    "rollback.failed": _failed,
}


def _targets(events: list[Event]) -> str:
    return ", ".join(dict.fromkeys(str(each.data["target"].get("name")) for each in events))
