"""The front door: the commands that `drill --help` lists.

Data goes to stdout, everything else to stderr. A room is imported by the command that needs it, when it is called,
so that `drill --help` answers at once.
"""

import os
import sys
from typing import NoReturn

from drill.cli import (
    _backups,
    _brakes,
    _catalogue,
    _check,
    _gameday,
    _gate,
    _init,
    _lab,
    _metrics,
    _new,
    _publish,
    _rbac,
    _record,
    _run,
    _scenario,
    _verify,
)
from drill.cli._common import app, say
from drill.errors import DrillError
from drill.exits import ExitCode
from drill.interruption import InterruptedRunError, Interruption

__all__ = ["app", "main"]

for _commands in (
    _init,
    _new,
    _run,
    _gate,
    _gameday,
    _brakes,
    _scenario,
    _catalogue,
    _check,
    _backups,
    _verify,
    _rbac,
    _record,
    _lab,
    _metrics,
    _publish,
):
    _commands.register(app)


def main() -> NoReturn:
    """The entry point: an error becomes one clear message and its exit code."""
    try:
        with Interruption():
            app()
    except InterruptedRunError as error:
        say(f"drill: interrupted ({error})")
        sys.exit(ExitCode.INTERRUPTED)
    except DrillError as error:
        say(f"drill: {error}")
        sys.exit(error.exit_code)
    except Exception as error:
        if os.environ.get("DRILL_DEBUG"):
            raise
        say(f"drill: the harness broke: {type(error).__name__}: {error} (DRILL_DEBUG=1 shows where)")
        sys.exit(ExitCode.HARNESS_ERROR)
    sys.exit(ExitCode.PASS)
