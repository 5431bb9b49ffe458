"""The time line of a run that goes on, read as it grows."""

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
