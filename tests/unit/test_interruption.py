"""A signal ends a run in order, and never a rollback."""

import os
import signal
import threading

import pytest

from drill.interruption import InterruptedRunError, Interruption, undisturbed
from scenarios.runner import _limited


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_raises_where_the_run_is(number: signal.Signals) -> None:
    """By its name."""
    with Interruption() as interruption, pytest.raises(InterruptedRunError, match=number.name):
        os.kill(os.getpid(), number)
        signal.pause()
    assert interruption.reason == number.name


def test_a_shielded_run_only_notes_it() -> None:
    """Rollback and drain are not cut short by a second Ctrl-C."""
    with Interruption() as interruption:
        interruption.shield()
        os.kill(os.getpid(), signal.SIGINT)
    assert interruption.reason == "SIGINT"


def test_another_thread_can_interrupt_with_its_reason() -> None:
    """A lost Lease does."""
    with Interruption() as interruption, pytest.raises(InterruptedRunError, match="lease lost"):
        threading.Thread(target=interruption.from_thread, args=("lease lost",)).start()
        signal.pause()


def test_the_handlers_of_before_are_put_back() -> None:
    """Nothing of a run stays behind in the process."""
    before = signal.getsignal(signal.SIGTERM)
    with Interruption():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before


def test_nothing_cuts_an_undo_short() -> None:
    """A dying harness signals more than once; what came is raised when the undo is done, once."""
    came: list[int] = []
    before = signal.signal(signal.SIGUSR1, lambda number, _frame: came.append(number))
    try:
        with undisturbed():
            signal.raise_signal(signal.SIGUSR1)
            signal.raise_signal(signal.SIGUSR1)
            undone_with = list(came)
        assert undone_with == []
        assert came == [signal.SIGUSR1]
        with undisturbed():
            pass
        assert came == [signal.SIGUSR1]
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_a_run_is_interrupted_when_its_time_is_over() -> None:
    """For the reason that it was given; a run that ends before is not."""
    with Interruption() as interruption, _limited(3600, "too long", interruption):
        pass
    assert interruption.reason is None
    with (
        pytest.raises(InterruptedRunError, match="too long"),
        Interruption() as interruption,
        _limited(0, "too long", interruption),
    ):
        signal.pause()
