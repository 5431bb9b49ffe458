"""The event log of a run, without the observations that say the same again."""

import json
from dataclasses import dataclass

from drill.record import Event, RunRecord

ROWS = 400
"""Most rows of the event log on the page; the rest is in events.jsonl."""
LETTERS = 600
"""Most letters of one event's data on the page."""


@dataclass(frozen=True)
class EventLog:
    """What is shown, and how much is not."""

    shown: tuple[tuple[Event, str], ...]
    repeated: int
    """Observations left out because nothing had changed since the last one of their kind."""
    beyond: int
    """Events left out because the log is too long for a page."""


def event_log(record: RunRecord) -> EventLog:
    """The events, in the order of time, each with its data as text."""
    last: dict[str, str] = {}
    kept: list[tuple[Event, str]] = []
    for event in record.events:
        text = json.dumps(event.data, ensure_ascii=False, sort_keys=True)
        if event.source == "observer":
            if last.get(event.kind) == text:
                continue
            last[event.kind] = text
        kept.append((event, text if len(text) <= LETTERS else f"{text[:LETTERS]}… ({len(text)} letters)"))
    return EventLog(tuple(kept[:ROWS]), len(record.events) - len(kept), len(kept[ROWS:]))
