"""Ctrl-C and SIGTERM at any moment: the first ends the run in order, none ever cuts a rollback short."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Self

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)


class InterruptedRunError(BaseException):
    """Raised in the main thread where a signal found it; not an `Exception`, so that no handler keeps it."""


@contextmanager
def deferred() -> Iterator[None]:
    """Let signals wait while a block makes something that must not be made without being noted (a child process)."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Let nothing cut an undo short: what comes meanwhile is raised after it.

    A dying harness tells its children more than once: the kernel sends the signal of PR_SET_PDEATHSIG at the death of
    each of its threads, one after the other. Handlers, not masks: another thread would take what this one blocks.
    """
    if threading.current_thread() is not threading.main_thread():  # signals are the main thread's
        yield
        return
    came: list[int] = []
    before = {each: signal.signal(each, lambda number, _frame: came.append(number)) for each in _ENDING}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
        for number in dict.fromkeys(came):
            signal.raise_signal(number)


class Interruption:
    """Turns SIGINT and SIGTERM into `InterruptedRunError` until `shield` is called, and only notes them after."""

    def __init__(self) -> None:
        self.reason: str | None = None
        self._shielded = False
        self._previous: dict[signal.Signals, signal._HANDLER] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._previous[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def shield(self) -> None:
        """From here on the run is being undone and put away: signals are noted and break nothing."""
        self._shielded = True

    def from_thread(self, reason: str) -> None:
        """Interrupt the run from another thread, for `reason`."""
        self.reason = self.reason or reason
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        self.reason = self.reason or signal.Signals(number).name
        if not self._shielded:
            self._shielded = True
            raise InterruptedRunError(self.reason)
