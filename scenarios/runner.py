"""One drill from preflight to a sealed record: load, baseline, experiment, recovery, drain, each on the time line.

The runner decides nothing about success: it drives, watches, undoes and writes down. `recovery` judges the record.
"""

import json
import os
import secrets
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import yaml

import experiments
import recovery
from drill import clock, lease, rollback
from drill.actor import actor
from drill.cluster import Cluster
from drill.errors import DrillError, InterruptedEarlyError, RecordIncompleteError
from drill.exits import ExitCode
from drill.interruption import InterruptedRunError, Interruption, deferred
from drill.record import RECORD_VARIABLE, Event, RunRecord
from drill.settings import Settings
from drill.verdicts import Outcome
from scenarios import _alerts
from scenarios._child import Child
from scenarios._desk import Desk
from scenarios._facts import facts
from scenarios._loads import START as LOAD_START
from scenarios._loads import LoadFailedError, Loads
from scenarios._narration import Narration
from scenarios._observer import Observer
from scenarios._services import services
from scenarios._stops import Stops
from scenarios.preflight import guard, preflight
from scenarios.reader import Drill

Say = Callable[[str], None]
"""Tells a person, in one line, what the run is at."""

_POLL = 0.25
_ROLLBACK_GRACE = 90.0
_UNDO_BEGINS = 2.0
"""When an experiment that was told to end has not begun to undo after so many seconds, the runner does it."""
_DRAIN = 300.0
_DRAIN_AFTER_INTERRUPTION = 60.0


class ExperimentFailedError(DrillError):
    """The experiment did not come to its own end, so what it did is not known to be what it should do."""


class Witness(Protocol):
    """Follows a run from outside, by its record; what it does must not block, and where it raises the drill goes on."""

    def opened(self, record: RunRecord) -> None:
        """The record is there, and its time line begins."""

    def closing(self) -> None:
        """The record is about to be sealed: nothing may be written into it any more."""


@dataclass(frozen=True)
class Run:
    """How a run ended; what it proved is in its record."""

    record: RunRecord
    refusals: tuple[str, ...] = ()
    interrupted: str | None = None
    rollback_failed: tuple[str, ...] = ()
    error: str | None = None

    def exit_code(self, judged: Outcome) -> ExitCode:
        """What a command that ran it, and judged its record so, ends with: the gravest comes first."""
        if self.rollback_failed:
            return ExitCode.ROLLBACK_FAILED
        if self.interrupted:
            return ExitCode.INTERRUPTED
        if self.error:
            return ExitCode.HARNESS_ERROR
        return judged.exit_code


def run(
    drill: Drill,
    settings: Settings,
    say: Say,
    seed: int | None = None,
    witnesses: Sequence[Witness] = (),
    limit: tuple[float, str] | None = None,
) -> Run:
    """Run one drill on the settings' cluster and seal its record.

    Args:
        drill: What to run.
        settings: Where.
        say: Who is told what the run is at.
        seed: Of its random choices; None: another one each time.
        witnesses: Who follows it.
        limit: After so many seconds it is interrupted, for that reason, as a person would.

    Raises:
        UsageError: the context or a namespace is not declared drillable.
        RefusedError: another drill holds the cluster's Lease.
    """
    guard(drill.scenario, settings)
    cluster = Cluster.connect(settings)
    run_id = secrets.token_hex(8)
    holder = f"{actor()} {drill.scenario.name} {run_id}"
    with Interruption() as interruption, ExitStack() as timing:
        try:
            with lease.held(cluster.coordination, settings.target.lease_namespace, holder, interruption.from_thread):
                record = RunRecord.create(settings.runs, drill.scenario.name)
                if limit is not None:
                    timing.enter_context(_limited(*limit, interruption))
                return _Runner(
                    drill, settings, cluster, record, run_id, holder, seed, say, interruption, witnesses
                ).run()
        except InterruptedRunError as error:
            raise InterruptedEarlyError(f"interrupted ({error}) before the drill began") from error


@contextmanager
def _limited(seconds: float, reason: str, interruption: Interruption) -> Iterator[None]:
    """Interrupt the run when its time is over; what is being undone or put away by then goes on to its end."""
    timer = threading.Timer(max(0.0, seconds), interruption.from_thread, (reason,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


class _Runner:
    """The state of one run; `run` reads from top to bottom as the run goes."""

    def __init__(
        self,
        drill: Drill,
        settings: Settings,
        cluster: Cluster,
        record: RunRecord,
        run_id: str,
        holder: str,
        seed: int | None,
        say: Say,
        interruption: Interruption,
        witnesses: Sequence[Witness],
    ) -> None:
        self.seed = secrets.randbits(32) if seed is None else seed
        self.drill, self.settings, self.cluster = drill.seeded(self.seed), settings, cluster
        self.record, self.run_id, self.holder = record, run_id, holder
        self.say, self.interruption, self.witnesses = say, interruption, witnesses
        self.scenario = drill.scenario
        self.started = clock.now()
        self.services = services(self.scenario, settings, cluster)
        self.loads = Loads(self.scenario.load, record, settings, run_id)
        systems = dict.fromkeys(plan.system for plan in self.scenario.load)
        self.stops = Stops(record, self.scenario.stop, systems, settings, cluster, holder, interruption.from_thread)
        self.experiment: Child | None = None
        self.told: float | None = None
        self.error: str | None = None

    def run(self) -> Run:
        # In this process too: a rollback tells the same time line.
        os.environ.update(self._environment())
        refusals: tuple[str, ...] = ()
        with ExitStack() as watching:
            try:
                try:
                    self._open_record()
                    watching.enter_context(self.stops)
                    refusals = self._preflight()
                    if not refusals:
                        self._prepare()
                        watching.enter_context(self._observer())
                        watching.enter_context(Desk(self.record, self.settings, self.say))
                        self._drive()
                    self.interruption.shield()
                except Exception as failure:  # noqa: BLE001 - told, with its trace, by the command and in the record
                    self.interruption.shield()
                    self._note(failure)
            except InterruptedRunError as interrupted:
                self.say(f"interrupted ({interrupted}): undoing")
                self.record.emit("runner", "run.interrupted", signal=str(interrupted))
            rollback_failed = self._undo()
            try:
                self._put_away()
            except Exception as failure:  # noqa: BLE001 - as above; the record is sealed whatever broke
                self._note(failure)
        self._seal(rollback_failed)
        return Run(self.record, refusals, self.interruption.reason, rollback_failed, self.error)

    def _note(self, failure: Exception) -> None:
        """Keep what broke; the fault is undone and the record sealed all the same."""
        self.error = f"{type(failure).__name__}: {failure}"
        self.record.emit("runner", "run.failed", error=self.error)
        self.record.write_text("logs/failure.txt", traceback.format_exc())

    # -- the run, in its order ---------------------------------------------------------------------------------------

    def _open_record(self) -> None:
        scenario = self.scenario.model_dump(mode="json")
        scenario["target"]["context"] = self.settings.context
        self.record.write_text("scenario.yaml", yaml.safe_dump(scenario, sort_keys=False, allow_unicode=True))
        self.record.write_json("experiment.json", self.drill.experiment)
        self.record.emit(
            "runner", "run.started", run_id=self.run_id, scenario=self.scenario.name, context=self.settings.context
        )
        for each in self.witnesses:
            self._tell(each, lambda witness: witness.opened(self.record))

    def _preflight(self) -> tuple[str, ...]:
        with self._phase("preflight"):
            found = preflight(self.drill, self.settings, self.cluster, self.services, self.holder)
            self.record.write_evidence("preflight", found.as_dict())
            for refusal in found.refusals:
                self.record.emit("runner", "run.refused", reason=refusal)
            return found.refusals

    def _observer(self) -> Observer:
        return Observer(self.record, self.services)

    def _prepare(self) -> None:
        experiments.prepare(self.drill.experiment)
        for service in self.services:
            for name, content in service.setup().items():
                self.record.write_evidence(name, content)
        self._snapshot("cluster-before")

    def _drive(self) -> None:
        if self.scenario.load:
            self._drive_load()
        with self._phase("experiment", self.scenario.description):
            self._run_experiment()
        if self.scenario.load:
            with self._phase("recovery", "until every client path is good again"):
                self._await_recovery()

    def _drive_load(self) -> None:
        load, words = self.scenario.load[0], " and ".join(each.words for each in self.scenario.load)
        with self._phase("load", f"{words}, warming up {load.warm_up:.0f} s"):
            self.loads.start()
            if not self._until(lambda: self.loads.begun, LOAD_START, "the load's first record"):
                raise LoadFailedError(f"the load did not start within {LOAD_START:g} s:\n{self.loads.tail()}")
            self._under_load(load.warm_up, "warm-up")
        with self._phase("baseline", f"{load.baseline:.0f} s"):
            self.record.emit("runner", "baseline.started")
            self._under_load(load.baseline, "baseline")
            self.record.emit("runner", "baseline.ended")

    def _await_recovery(self) -> None:
        if not self._events("fault.injected"):
            return  # nothing was broken: the steady state was not met, or the fault refused
        timeout = self.scenario.objectives.recovery_timeout
        self._until(lambda: self._has_recovered() or self.loads.over, timeout, "recovery", every=1, loaded=False)
        if not self._has_recovered():
            self.record.emit("runner", "recovery.not-seen", waited=timeout)

    def _run_experiment(self) -> None:
        with deferred():
            self.experiment = Child(
                [
                    *(sys.executable, "-m", "chaostoolkit", "--no-version-check"),
                    *("--log-file", str(self.record.path / "logs" / "chaostoolkit.log")),
                    *("run", "--rollback-strategy", "always"),
                    *("--journal-path", str(self.record.path / "journal.json")),
                    str(self.record.path / "experiment.json"),
                ],
                {},
                self.record.path / "logs" / "chaos.log",
                ends_on=signal.SIGUSR1,
            )
        experiment = self.experiment
        deadman = self.scenario.experiment.timeout
        narration = Narration(self.record, self.say)

        def ended() -> bool:
            narration.go_on()
            return experiment.exit_status is not None or self.stops.breached

        self._until(ended, deadman, "the experiment's end", loaded=False)
        if experiment.exit_status is None:
            if not self.stops.breached:
                self.stops.deadman(deadman)
            self.say(f"{self.stops.reason}: undoing")
            self._halt(experiment)
        self._note_steady_state()
        if not self.stops.breached and (experiment.exit_status is None or experiment.exit_status < 0):
            raise ExperimentFailedError(f"the experiment was killed (status {experiment.exit_status})")

    def _halt(self, experiment: Child) -> None:
        """End the experiment, so that it undoes its fault; where it does not begin to in time, undo it from here."""
        told = self.told = self.told or clock.now()  # an interruption may find it half-way
        experiment.ask_to_end()
        while experiment.exit_status is None and clock.now() < told + _UNDO_BEGINS and not self.stops.acting(told):
            time.sleep(_POLL / 5)
        if experiment.exit_status is None and not self.stops.acting(told):
            self._undo_pending()  # beside it, since every undo looks at the state itself
        experiment.stop(_ROLLBACK_GRACE)
        self._undo_pending()  # what it left, had it to be killed
        self.stops.halted(told)

    def _note_steady_state(self) -> None:
        try:
            journal = json.loads((self.record.path / "journal.json").read_text())
        except (FileNotFoundError, json.JSONDecodeError) as error:
            self.record.emit("runner", "experiment.no-journal", error=str(error))
            return
        self.record.emit("runner", "experiment.ended", status=journal["status"], deviated=journal["deviated"])
        for when, state in (journal.get("steady_states") or {}).items():
            if state:
                kind = "steady-state.met" if state["steady_state_met"] else "steady-state.not-met"
                probes = [
                    {"name": each["activity"]["name"], "met": each.get("tolerance_met"), "output": each.get("output")}
                    for each in state.get("probes", [])
                ]
                self.record.emit("runner", kind, when=when, probes=probes)

    def _undo(self) -> tuple[str, ...]:
        """End the experiment and undo what its rollback log still holds; returns what could not be undone."""
        if self.experiment is not None and self.experiment.exit_status is None:
            self._halt(self.experiment)
            self._note_steady_state()
        failures = self._undo_pending()
        self.stops.let_go(failures)
        return failures

    def _undo_pending(self) -> tuple[str, ...]:
        try:
            results = rollback.undo_pending(self.record.path / rollback.FILE)
        except Exception as error:  # noqa: BLE001 - an undo that could not even be tried is one that failed
            self.record.emit("rollback", "rollback.failed", id=None, error=str(error))
            return (str(error),)
        return tuple(f"{each.undo}: {each.error}" for each in results if not each.ok)

    def _put_away(self) -> None:
        """End the load, read back what it sent, and look at the cluster once more."""
        if self.loads.running:
            with self._phase("drain", "the load flushes, then every record is read back"):
                self.loads.stop()
                self.loads.drain(_DRAIN_AFTER_INTERRUPTION if self.interruption.reason else _DRAIN)
        with self._phase("record"):
            self._snapshot("cluster-after")
            _alerts.note(self.record, self.settings)
            try:
                rollback.settle(self.record.path / rollback.FILE)
            except DrillError as error:
                self.say(f"undos that are done are still listed in the cluster: {error}")

    def _seal(self, rollback_failed: tuple[str, ...]) -> None:
        for failure in rollback_failed:
            self.say(f"ROLLBACK FAILED: {failure}")
        self.record.emit("runner", "run.finished")
        for each in self.witnesses:
            self._tell(each, lambda witness: witness.closing())
        self.record.seal(
            facts(
                self.cluster,
                self.settings,
                self.services,
                run_id=self.run_id,
                scenario=self.scenario.name,
                started=self.started,
                seed=self.seed,
            )
        )

    def _tell(self, witness: Witness, what: Callable[[Witness], None]) -> None:
        """Let a witness know; one that breaks is told of, and stops no drill."""
        try:
            what(witness)
        except Exception as error:  # noqa: BLE001 - whatever it is; without its text, which may hold a secret
            at = traceback.extract_tb(error.__traceback__)[-1]
            name, where = (
                type(witness).__name__,
                f"{type(error).__name__} in {at.name}, line {at.lineno} of {at.filename}",
            )
            self.record.emit("runner", "witness.failed", witness=name, error=where)
            self.say(f"{name} broke, and the drill goes on without it: {where}")

    # -- small parts -------------------------------------------------------------------------------------------------

    @contextmanager
    def _phase(self, name: str, detail: str = "") -> Iterator[None]:
        self.record.emit("runner", "run.phase", phase=name)
        self.say(f"{name}{': ' if detail else ''}{detail}")
        yield

    def _environment(self) -> dict[str, str]:
        return {
            **self.settings.environment(),
            RECORD_VARIABLE: str(self.record.path.resolve()),
            clock.ANCHOR_VARIABLE: clock.anchor(),
            rollback.HOLDER_VARIABLE: self.holder,
        }

    def _until(
        self, condition: Callable[[], bool], timeout: float, what: str, *, every: float = _POLL, loaded: bool = True
    ) -> bool:
        """Wait for `condition`, at most `timeout` seconds; whether it came.

        The load must not break meanwhile; where it need not be `loaded`, it may end at its longest duration.
        """
        deadline = time.monotonic() + timeout
        while not condition():
            self.loads.ensure_unbroken(what, running=loaded)
            if time.monotonic() >= deadline:
                return False
            time.sleep(every)
        return True

    def _under_load(self, seconds: float, what: str) -> None:
        """Let `seconds` pass while the load lives."""
        self._until(lambda: False, seconds, what)

    def _events(self, kind: str) -> tuple[Event, ...]:
        """The events of a kind so far: children write them too."""
        return RunRecord(self.record.path).events_of(kind)

    def _has_recovered(self) -> bool:
        try:
            return recovery.timeline(RunRecord(self.record.path)).recovered
        except RecordIncompleteError:
            return False

    def _snapshot(self, name: str) -> None:
        """Keep what the control plane says now; not being able to ask is itself the evidence."""
        snapshot: dict[str, Any] = {}
        for service in self.services:
            try:
                snapshot[service.name] = service.snapshot()
            except Exception as error:  # noqa: BLE001 - told in the record, and judged inconclusive there
                snapshot["error"] = f"{service.name}: {error}"
        self.record.write_evidence(name, snapshot)
