"""One drill of a gate: run once, by the call that `drill run` uses, judged, and kept for the checks that ask for it."""

import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import recovery
import reports
from drill.errors import DrillError, InterruptedEarlyError, UsageError
from drill.exits import ExitCode
from drill.ledger import Accounting, account, streams
from drill.notify import Notifier
from drill.record import RunRecord
from drill.settings import Settings
from drill.verdicts import Outcome, Verdict, overall
from scenarios import runner
from scenarios.reader import Drill

RAN = "drill-ran"
"""The check that a drill came to its own end, besides those by which its record is judged."""


@dataclass(frozen=True)
class Drilled:
    """A drill that was run, or why it was not."""

    scenario: str
    record: RunRecord | None
    ran: Verdict
    """Of the check `drill-ran`."""
    exit_code: ExitCode
    """As `drill run` would have ended."""
    interrupted: str | None = None
    log: str = ""
    """What it said on its way."""

    @cached_property
    def verdicts(self) -> tuple[Verdict, ...]:
        """What its record was judged; without a record nothing was."""
        return () if self.record is None else self.record.verdicts

    @property
    def outcome(self) -> Outcome:
        """Of all its checks together."""
        return overall((self.ran, *self.verdicts))

    @cached_property
    def measures(self) -> tuple[recovery.Measure, ...]:
        """What is compared with other runs."""
        return () if self.record is None else recovery.measures(self.record)

    def verdict(self, check: str) -> Verdict:
        """What one check concluded.

        Raises:
            UsageError: no such check judged it.
        """
        for each in (self.ran, *self.verdicts):
            if each.check == check:
                return each
        raise UsageError(f"{check!r} did not judge this run; {', '.join(each.check for each in self.verdicts)} did")

    def books(self, stream: str | None = None) -> Accounting:
        """The sums over the ledgers of a stream, or of the only one that was accounted for.

        Raises:
            UsageError: there is no such stream, or several and none was named.
            RecordIncompleteError: it was not read back.
        """
        found = {} if self.record is None else {each.name: each for each in streams(self.record)}
        accounted = [name for name, each in found.items() if each.header.accounted]
        name = stream if stream is not None else accounted[0] if len(accounted) == 1 else None
        if name not in found:
            raise UsageError(f"name one of the streams of this run: {', '.join(accounted) or '(none)'}")
        return account(found[name].ledgers)


def not_run(scenario: str, reason: str, exit_code: ExitCode = ExitCode.INCONCLUSIVE, log: str = "") -> Drilled:
    """A drill that was not begun: nothing of it is known."""
    verdict = Verdict(check=RAN, outcome=Outcome.INCONCLUSIVE, reason=f"The drill was not run: {reason}")
    return Drilled(scenario, None, verdict, exit_code, log=log)


def perform(
    drill: Drill,
    settings: Settings,
    say: Callable[[str], None],
    seed: int | None = None,
    limit: tuple[float, str] | None = None,
) -> Drilled:
    """Run a drill, judge it, and write its page; never raises: what went wrong is its verdict and its exit code."""
    said: list[str] = []
    name = drill.scenario.name

    def tell(line: str) -> None:
        said.append(line)
        say(line)

    try:
        with warnings.catch_warnings():
            # A test suite that makes errors of warnings must not break a drill half-way.
            warnings.simplefilter("default")
            notifier = Notifier(settings)
            done = runner.run(drill, settings, tell, seed, witnesses=(notifier,), limit=limit)
            outcome = reports.conclude(done.record)
            if notifier.judged(outcome, str(done.record.path / "report.html")):
                reports.write(RunRecord(done.record.path))
    except InterruptedEarlyError as error:
        missed = not_run(name, str(error), error.exit_code, "\n".join(said))
        return Drilled(**{**vars(missed), "interrupted": str(error)})
    except DrillError as error:
        return not_run(name, str(error), error.exit_code, "\n".join(said))
    except Exception as error:  # noqa: BLE001 - told, with its trace, as what became of the drill
        said.append(traceback.format_exc())
        reason = f"the harness broke: {type(error).__name__}: {error}"
        return not_run(name, reason, ExitCode.HARNESS_ERROR, "\n".join(said))
    return Drilled(
        name,
        RunRecord(done.record.path),
        _ran(done),
        done.exit_code(outcome),
        interrupted=done.interrupted,
        log="\n".join(said),
    )


def _ran(done: runner.Run) -> Verdict:
    """Whether the drill came to its own end, whatever its checks say."""

    def verdict(outcome: Outcome, reason: str) -> Verdict:
        return Verdict(check=RAN, outcome=outcome, reason=reason, evidence=("events.jsonl",))

    if done.rollback_failed:
        failed = "; ".join(done.rollback_failed)
        remedy = "look at the cluster first, then `drill rollback`"
        return verdict(Outcome.FAIL, f"A fault could not be undone: {failed} ({remedy}).")
    if done.interrupted:
        return verdict(Outcome.INCONCLUSIVE, f"The drill was interrupted, and its fault undone: {done.interrupted}.")
    if done.error:
        return verdict(Outcome.INCONCLUSIVE, f"The harness broke: {done.error} (logs/failure.txt in the record).")
    if done.refusals:
        return verdict(Outcome.INCONCLUSIVE, f"The drill was refused: {'; '.join(done.refusals)}.")
    return verdict(Outcome.PASS, "The drill came to its own end, and nothing was left to undo.")


class Slot:
    """A place for one drill, which is run when the first of its checks asks for it, and never twice."""

    def __init__(self, drill: Drill, run: Callable[[Drill, int | None], Drilled], seed: int | None = None) -> None:
        self.drill, self.seed, self._run = drill, seed, run
        self.done: Drilled | None = None

    def get(self) -> Drilled:
        """The drill, run by now."""
        if self.done is None:
            self.done = self._run(self.drill, self.seed)
        return self.done
