"""The loads of a run: started together, watched while they go, ended together, and read back."""

from collections.abc import Sequence

from drill import clock
from drill.errors import DrillError
from drill.interruption import deferred
from drill.record import RunRecord
from drill.settings import Settings
from load.drain import drain
from load.plan import AnyPlan
from load.process import command
from scenarios._child import Child

START = 60.0
"""How long a load may take to its first arrival, s."""
_FLUSH_SPARE = 15.0


class LoadFailedError(DrillError):
    """The load ended before it was told to: there is nothing to judge by."""


class Loads:
    """A child process for each load of the scenario; none of them runs before `start`."""

    def __init__(self, plans: Sequence[AnyPlan], record: RunRecord, settings: Settings, run_id: str) -> None:
        self._plans, self._record, self._settings, self._run_id = plans, record, settings, run_id
        self._children: list[tuple[AnyPlan, Child]] = []

    def start(self) -> None:
        """Start every load; returns without waiting for their first arrivals."""
        for plan in self._plans:
            argv, env = command(plan, self._record, self._settings, self._run_id)
            with deferred():
                self._children.append((plan, Child(argv, env, self._record.path / "logs" / self._log(plan))))

    def _log(self, plan: AnyPlan) -> str:
        return "load.log" if len(self._plans) == 1 else f"load-{plan.system}.log"

    @property
    def running(self) -> bool:
        """Whether they were started at all."""
        return bool(self._children)

    @property
    def begun(self) -> bool:
        """Whether each of them has begun to send."""
        # Children write events too: only a record that is opened anew knows them.
        began = {event.data.get("system", "kafka") for event in RunRecord(self._record.path).events_of("load.started")}
        return self.running and all(plan.system in began for plan in self._plans)

    @property
    def over(self) -> bool:
        """Whether all of them have ended."""
        return self.running and all(child.exit_status is not None for _, child in self._children)

    def ensure_unbroken(self, what: str, *, running: bool = True) -> None:
        """Look that no load has broken while waiting for `what`; unless `running`, one may end at its duration.

        Raises:
            LoadFailedError: one has.
        """
        for _, child in self._children:
            status = child.exit_status
            if status is not None and (running or status != 0):
                raise LoadFailedError(f"the load ended while waiting for {what} (status {status}):\n{child.tail()}")

    def tail(self) -> str:
        """The last lines that they printed."""
        return "\n".join(child.tail() for _, child in self._children)

    def stop(self) -> None:
        """End the arrivals and wait until every answer has come, or can no longer come."""
        for _, child in self._children:
            child.ask_to_end()
        for plan, child in self._children:
            child.stop(plan.patience + _FLUSH_SPARE)

    def drain(self, seconds: float) -> None:
        """Read back what was sent, within so many seconds; what was not read in them is said in the evidence."""
        if any((self._record.path / "load").iterdir()):
            drain(self._record, self._settings, deadline=clock.now() + seconds)
