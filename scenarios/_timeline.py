"""The last events of a run that goes on."""

import threading

from drill.news import News
from drill.record import Event, RunRecord


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
