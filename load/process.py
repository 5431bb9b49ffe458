"""The supervised load: how to start Locust so that it sends what the plan says, and ends when told to."""

import os
import sys
from pathlib import Path

from drill import clock
from drill.record import RECORD_VARIABLE, RunRecord
from drill.settings import Settings
from load import _session
from load.plan import Arrivals


def command(plan: Arrivals, record: RunRecord, settings: Settings, run_id: str) -> tuple[list[str], dict[str, str]]:
    """The command and the whole environment of the load's process, to be started by the calling process itself.

    SIGTERM and SIGINT stop the arrivals; the process then waits for answers as long as the plan has patience for them,
    closes its ledgers and exits 0. It does the same by itself when `plan.duration` is over or its parent is gone.
    Any other exit code means that the load broke. `plan.users` producers share the rate.
    """
    arguments = [
        *(sys.executable, "-m", "locust", "-f", str(Path(__file__).with_name(f"{plan.profile}.py"))),
        *("--headless", "--only-summary", "--exit-code-on-error", "0", "--skip-log-setup"),
        *("--users", str(plan.users), "--spawn-rate", str(plan.users), "--run-time", f"{plan.duration:g}s"),
    ]
    options = {**{name: str(value) for name, value in plan.model_dump().items()}, "run_id": run_id}
    environment = {
        **os.environ,
        **settings.environment(),
        **{_session.variable(name): value for name, value in options.items()},
        _session.variable("parent"): str(os.getpid()),
        RECORD_VARIABLE: str(record.path.resolve()),
        clock.ANCHOR_VARIABLE: clock.anchor(),
    }
    return arguments, environment
