"""The event log of a run, without the observations that say the same again."""

from dataclasses import dataclass

from drill.record import Event, RunRecord
from reports._format import plain

ROWS = 400
"""Most rows of the event log on the page; the rest is in events.jsonl."""
LETTERS = 300
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
        text = _said(event)
        if event.source == "observer":
            if last.get(event.kind) == text:
                continue
            last[event.kind] = text
        kept.append((event, text if len(text) <= LETTERS else f"{text[:LETTERS]}…"))
    return EventLog(tuple(kept[:ROWS]), len(record.events) - len(kept), len(kept[ROWS:]))


def _said(event: Event) -> str:
    """An event's data in short: of the observations only what a reader of the page looks for."""
    if event.kind == "observed.pods":
        pods = event.data["pods"]
        unready = [f"{pod['name']} {plain(pod.get('waiting') or pod['phase'])}" for pod in pods if not pod["ready"]]
        return f"{len(pods) - len(unready)} of {len(pods)} Ready" + (f"; not: {plain(unready)}" if unready else "")
    if event.kind == "observed.kafka":
        return plain({key: value for key, value in event.data.items() if key != "isr"})
    return plain(event.data) if event.data else ""
