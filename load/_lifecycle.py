"""What every Locust file of ours does around its users: open a record, end on what breaks, await the last answers."""

import math
import os
from typing import Any

import gevent
import gevent.event
from locust import events
from locust.env import Environment
from locust.runners import WorkerRunner

from drill import clock
from drill.exits import ExitCode
from load import _session
from load.plan import Arrivals

TICK = 0.01
"""How often arrivals are sent, s."""
unfinished: list[gevent.event.Event] = []
"""One for each user that began, set when its last answers are in."""


def attend(kind: type[Arrivals]) -> None:
    """Give Locust the options of this kind of plan, and see the run through to its end."""

    @events.init_command_line_parser.add_listener  # type: ignore[untyped-decorator]
    def _add_arguments(parser: Any) -> None:
        _session.add_arguments(parser, kind)

    @events.init.add_listener  # type: ignore[untyped-decorator]
    def _begin(environment: Environment, **_: Any) -> None:
        if not isinstance(environment.runner, WorkerRunner):
            _session.begin_record(environment.parsed_options, kind)

    @events.user_error.add_listener  # type: ignore[untyped-decorator]
    def _give_up(user_instance: Any, **_: Any) -> None:
        # A load with a broken user measures nothing: end it at once, and say so by the exit code.
        environment = getattr(user_instance, "user", user_instance).environment  # Locust passes a task set or a user
        environment.process_exit_code = int(ExitCode.HARNESS_ERROR)
        gevent.spawn(environment.runner.quit)

    @events.quit.add_listener  # type: ignore[untyped-decorator]
    def _await_last_answers(**_: Any) -> None:
        # Locust's second shutdown (duration over, then SIGTERM) does not wait for users that its first one is stopping.
        gevent.wait(unfinished)


def until_next_tick() -> float:
    """Seconds."""
    now = clock.now()
    return max(0.0, (math.floor(now / TICK) + 1) * TICK - now)


def tell_and_look_around(environment: Environment, kind: str, name: str, answered: int) -> None:
    """Once a second: a line for whoever watches Locust, and an end where the runner is gone.

    Locust's statistics round, and cost more than a record does: they are for the eye only.
    """
    environment.events.request.fire(
        request_type=kind,
        name=f"{name} answered in a second (as Content Size)",
        response_time=0.0,
        response_length=answered,
        exception=None,
        context={},
    )
    parent = int(os.environ.get(_session.variable("parent"), "0"))
    if parent and os.getppid() != parent:
        # The runner was killed, so nobody would ever stop this load.
        gevent.spawn(environment.runner.quit)
