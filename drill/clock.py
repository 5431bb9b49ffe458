"""One clock for a whole run: UTC that never steps, shared by every process of the run."""

import os
import time

ANCHOR_VARIABLE = "DRILL_CLOCK"


def _anchor() -> tuple[float, float]:
    """The pair (UTC, monotonic) taken once a run; children of the runner inherit it by environment."""
    inherited = os.environ.get(ANCHOR_VARIABLE)
    if inherited:
        utc, monotonic = inherited.split(":")
        return float(utc), float(monotonic)
    return time.time(), time.monotonic()


_UTC, _MONOTONIC = _anchor()
OFFSET = _UTC - _MONOTONIC
"""Epoch seconds minus monotonic seconds, fixed for the run."""


def now() -> float:
    """Seconds since the epoch, advancing with the monotonic clock, so that a stepped wall clock bends no duration."""
    return time.monotonic() + OFFSET


def anchor() -> str:
    """The value of `DRILL_CLOCK` for a child process on the same machine."""
    return f"{_UTC!r}:{_MONOTONIC!r}"
