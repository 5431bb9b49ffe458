"""The time line of a run that goes on, read as it grows."""

import threading

from drill.record import Event, RunRecord


class News:
    """What the time line has got since the last look; only that is read, so that looking each second stays cheap."""

    def __init__(self, record: RunRecord) -> None:
        self._path = record.path / "events.jsonl"
        self._read = 0

    def events(self) -> list[Event]:
        """The new events, in the order in which they were written."""
        try:
            with self._path.open("rb") as timeline:
                timeline.seek(self._read)
                text = timeline.read()
        except FileNotFoundError:
            return []
        *lines, half_written = text.split(b"\n")
        self._read += len(text) - len(half_written)
        return [Event.model_validate_json(line) for line in lines]


class Tail:
    """The last event of each kind. Thread-safe."""

    def __init__(self, record: RunRecord) -> None:
        self._news = News(record)
        self._lock = threading.Lock()
        self._last: dict[str, Event] = {}

    def last(self, *kinds: str) -> Event | None:
        """The last event of any of these kinds so far."""
        with self._lock:
            self._last.update((event.kind, event) for event in self._news.events())
            found = [self._last[kind] for kind in kinds if kind in self._last]
        return max(found, key=lambda event: event.t, default=None)
