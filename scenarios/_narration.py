"""Tells a person what happens while an experiment runs, from its events: a long drill is never silent for long."""

from collections.abc import Callable
from typing import Any

from drill.news import News
from drill.record import RunRecord

_SENTENCES: dict[str, Callable[[dict[str, Any]], str]] = {
    "fault.effective": lambda data: f"on: {data['fault']} on {_name(data)}",
    "fault.ineffective": lambda data: f"NOT on: {data['fault']} on {_name(data)}: {data['reason']}",
    "fault.undone": lambda data: f"undone: {data['fault']} on {_name(data)}",
    "fault.recovered": lambda data: f"whole again: {_name(data)}",
    "fault.unrecovered": lambda data: f"NOT whole again: {_name(data)}: {data['reason']}",
    "phase.started": lambda data: f"runbook: {data['phase']}, budget {data['budget'] / 60:.3g} min",
    "phase.ended": lambda data: (
        f"runbook: {data['phase']} {'done' if data['ok'] else 'NOT done'} in {data['seconds']:.1f} s"
    ),
}


class Narration:
    """Says each new event that a person should know of."""

    def __init__(self, record: RunRecord, say: Callable[[str], None]) -> None:
        self._news, self._say = News(record), say

    def go_on(self) -> None:
        """Say what has happened since the last time."""
        for event in self._news.events():
            if sentence := _SENTENCES.get(event.kind):
                self._say(f"  {sentence(event.data)}")


def _name(data: dict[str, Any]) -> str:
    return str(data["target"].get("name"))
