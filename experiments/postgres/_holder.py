"""The process that holds sessions open: a child of its own, with no way to outlive its purpose.

It reads one order as JSON from its stdin (a password has no business on a command line) and opens sessions until it
has as many as ordered, again and again where the server has no slot yet: as a client that leaks its connections, it
takes whatever comes free. It ends, and all its sessions with it,

- when its stdin closes, which the kernel does when the parent dies, however it dies;
- at its deadline, by the alarm clock of the kernel, should this process itself hang;
- when a session that it holds is ended by somebody else: that is the undo at work, from wherever, and what it ends
  must not come back.

It is started by its path, with nothing but psycopg to import: it must not have to wait for Chaos Toolkit's imports.
"""

import contextlib
import json
import os
import signal
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import psycopg

_PAUSE = 0.2
"""Seconds between two rounds of looking."""


@dataclass(frozen=True)
class Order:
    """What to hold."""

    conninfo: str = field(repr=False)
    sessions: int
    """How many."""
    statement: str
    """What each sends first, without waiting for its answer; empty: nothing."""
    seconds: float
    """The deadline."""
    queued: bool = False
    """Whether a session that is open may still have to wait in a pool's queue for what it asked for."""


class Held:
    """One session."""

    def __init__(self, order: Order) -> None:
        self._connection = psycopg.connect(order.conninfo, autocommit=True)
        self.granted = not order.queued
        """Whether it is more than a place in a queue, which its keeper may end at any time."""
        if order.statement:
            self._connection.pgconn.send_query(order.statement.encode())

    def alive(self) -> bool:
        """Whether the other side still keeps it; reads what came meanwhile."""
        link = self._connection.pgconn
        with contextlib.suppress(psycopg.OperationalError):
            link.consume_input()
        alive = link.status == psycopg.pq.ConnStatus.OK
        self.granted = self.granted or (alive and not link.is_busy())
        return alive


def hold(order: Order) -> None:
    """Open sessions and keep them, until one that was granted is ended by somebody else."""
    sessions: list[Held] = []
    told = ""
    while True:
        lost = [each for each in sessions if not each.alive()]
        if any(each.granted for each in lost):
            return
        sessions = [each for each in sessions if each not in lost]
        try:
            while len(sessions) < order.sessions:
                sessions.append(Held(order))
        except psycopg.OperationalError as error:
            if (trouble := " ".join(str(error).split())) != told:
                told = trouble
                sys.stderr.write(f"{len(sessions)} of {order.sessions} sessions: {trouble}\n")
        time.sleep(_PAUSE)


def _end_with_parent() -> None:
    sys.stdin.read()
    os._exit(0)


def main() -> None:
    """Read the order and hold."""
    order: dict[str, Any] = json.loads(sys.stdin.readline())
    signal.alarm(max(1, round(order["seconds"])))
    threading.Thread(target=_end_with_parent, daemon=True).start()
    hold(Order(**order))


if __name__ == "__main__":
    main()
