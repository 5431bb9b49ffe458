"""The control plane's view of a run, beside the client's: each service and the pods, sampled while it goes."""

import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from drill.record import RunRecord
from scenarios._services import Service

PERIOD = 0.5
"""Seconds between two samples; what the observer says is exact to this and no better."""


class Observer:
    """Samples each service in a thread of its own from entering to leaving the context."""

    def __init__(self, record: RunRecord, services: Sequence[Service]) -> None:
        self._record = record
        self._done = threading.Event()
        self._threads = [
            threading.Thread(target=self._repeat, args=(service,), name=f"observe-{service.name}", daemon=True)
            for service in services
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()

    def _repeat(self, service: Service) -> None:
        last: dict[str, Any] | None = None
        while not self._done.is_set():
            try:
                seen = service.sample()
            except Exception as error:  # noqa: BLE001 - not being able to see is itself what is recorded
                self._record.emit("observer", f"observed.{service.name}-unreachable", error=str(error))
            else:
                # The pods say much and change seldom; a count that stands still was looked at, and is told.
                if service.name != "pods" or seen != last:
                    self._record.emit("observer", f"observed.{service.name}", **seen)
                last = seen
            self._done.wait(PERIOD)
