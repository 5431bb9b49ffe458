"""Waiting, which only observes: look again and again until it is seen or the time is over."""

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from drill.cluster import ClusterError
from drill.kafka import KafkaUnreachableError
from drill.postgres import PostgresUnreachableError

T = TypeVar("T")


class NotSeenError(Exception):
    """What was looked for is not there; the message says what is there instead."""


class GivenUpError(Exception):
    """It was not seen in time; the message is what the last look said."""

    def __init__(self, reason: str, waited: float) -> None:
        self.waited = waited
        super().__init__(reason)


def ticks(within: float, each: float = 0.25) -> Iterator[float]:
    """Yield the seconds waited so far: at once, then every `each` seconds, the last time when `within` is over."""
    start = time.monotonic()
    yield 0.0
    while (waited := time.monotonic() - start) < within:
        time.sleep(min(each, within - waited))
        yield time.monotonic() - start


def await_seen(look: Callable[[], T], within: float, each: float = 0.25) -> T:
    """What `look` returns, the first time that it does not raise NotSeenError; an unanswered look has seen nothing.

    Raises:
        GivenUpError: `within` seconds are over.
    """
    reason = "never looked"
    for _ in ticks(within, each):
        try:
            return look()
        except (NotSeenError, KafkaUnreachableError, PostgresUnreachableError, ClusterError) as error:
            reason = str(error)
    raise GivenUpError(reason, within)
