"""Run other programs, and wait for what they bring about."""

import subprocess
from collections.abc import Callable
from typing import TypeVar

import stamina

from lab._errors import LabError

T = TypeVar("T")


def run(*argv: object, text: str = "", timeout: float = 300) -> str:
    """Run a command to its end, with `text` on its stdin, and return its stdout.

    Raises:
        LabError: it failed or took longer than `timeout` seconds; the message has its last words.
    """
    command = [str(part) for part in argv]
    try:
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=False, timeout=timeout)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LabError(f"{' '.join(command)}: {error}") from error
    if done.returncode:
        words = (done.stderr or done.stdout).strip()[-2000:]
        raise LabError(f"{' '.join(command)}: exit code {done.returncode}: {words}")
    return done.stdout


def until(condition: Callable[[], T], *, timeout: float, what: str) -> T:
    """Call `condition` until it returns something true, and return that.

    Raises:
        LabError: it did not within `timeout` seconds; `what` names what was awaited.
    """

    @stamina.retry(on=_NotYetError, attempts=None, timeout=timeout, wait_initial=0.05, wait_max=0.5, wait_jitter=0.05)
    def met() -> T:
        if result := condition():
            return result
        raise _NotYetError

    try:
        return met()
    except _NotYetError:
        raise LabError(f"{what}: not so after {timeout:.0f} s") from None


class _NotYetError(Exception):
    pass
