"""The time line of a run that goes on, read as it grows."""

import threading

from drill.record import Event, RunRecord


class Tail:
    """The last event of each kind; only what is new is read, so that looking each second stays cheap. Thread-safe."""

    def __init__(self, record: RunRecord) -> None:
        self._path = record.path / "events.jsonl"
        self._lock = threading.Lock()
        self._read = 0
        self._last: dict[str, Event] = {}

    def last(self, *kinds: str) -> Event | None:
        """The last event of any of these kinds so far."""
        with self._lock:
            self._refresh()
            found = [self._last[kind] for kind in kinds if kind in self._last]
        return max(found, key=lambda event: event.t, default=None)

    def _refresh(self) -> None:
        try:
            with self._path.open("rb") as timeline:
                timeline.seek(self._read)
                text = timeline.read()
        except FileNotFoundError:
            return
        *lines, half_written = text.split(b"\n")
        self._read += len(text) - len(half_written)
        for line in lines:
            event = Event.model_validate_json(line)
            self._last[event.kind] = event
