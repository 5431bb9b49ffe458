"""One `up` or `down` at a time."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from lab._addresses import cache
from lab._progress import Step


@contextmanager
def alone(step: Step) -> Iterator[None]:
    """Hold the lab; the kernel frees it when its holder dies, however it dies."""
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / "lab.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with step("Waiting for another `drill lab` to finish"):
                fcntl.flock(file, fcntl.LOCK_EX)
        yield
