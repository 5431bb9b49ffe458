"""One process at a time: for builds, and for `up` and `down`."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from lab._addresses import cache
from lab._progress import Step


@contextmanager
def alone(step: Step, name: str, other: str) -> Iterator[None]:
    """Hold the lock `name` of the cache, after `other` (who may hold it) has finished.

    The kernel frees it when its holder dies, however it dies.
    """
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / f"{name}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with step(f"Waiting for another {other} to finish"):
                fcntl.flock(file, fcntl.LOCK_EX)
        yield
