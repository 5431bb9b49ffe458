"""What a recovery check is: one function from a finished run to a finding, with its name, target and evidence."""

import functools
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import structlog

from drill.errors import RecordIncompleteError
from drill.objectives import Objectives
from drill.verdicts import Outcome, Verdict
from recovery._run import Run
from recovery._traffic import Traffic

_log = structlog.get_logger()

RECORDS = "{records}"
"""Stands in a target for what the accounted records of the run are called."""
REPLICAS = "{replicas}"
"""Stands in a target for what a service must be besides its pods."""
Target = Callable[[Objectives], str | None]


@dataclass(frozen=True)
class Finding:
    """What a check's function found; `Check` makes a verdict of it."""

    outcome: Outcome
    reason: str
    actual: str | None
    details: dict[str, Any]


def passed(reason: str, actual: str | None = None, **details: Any) -> Finding:
    """The objective is met, and that was seen."""
    return Finding(Outcome.PASS, reason, actual, details)


def failed(reason: str, actual: str | None = None, **details: Any) -> Finding:
    """The objective is not met, and that was seen."""
    return Finding(Outcome.FAIL, reason, actual, details)


def unsure(reason: str, actual: str | None = None, **details: Any) -> Finding:
    """Neither can be told from the record."""
    return Finding(Outcome.INCONCLUSIVE, reason, actual, details)


@dataclass(frozen=True)
class Check:
    """One recovery check; made by `check`."""

    name: str
    function: Callable[[Run], Finding]
    target: str | Target
    evidence: tuple[str, ...]
    applies: Callable[[Run], bool]

    def __call__(self, run: Run) -> Verdict | None:
        """The verdict; None when the scenario sets no objective for this check, or has nothing that it is about.

        Nothing is raised: what the function raises is an inconclusive verdict that says so.
        """
        if self not in run.verdicts:
            run.verdicts[self] = self._judge(run)
        return run.verdicts[self]

    def _judge(self, run: Run) -> Verdict | None:
        target: str | None = None
        try:
            target = self.aim(run.record.objectives)
            if target is None or not self.applies(run):
                return None
            target = _in_its_words(target, run)
            finding = self.function(run)
        except RecordIncompleteError as error:
            finding = unsure(_sentence(run.reason(error)))
        except Exception as error:  # noqa: BLE001 - a check that breaks is told as its verdict, and in the log
            _log.exception("check.broke", check=self.name)
            finding = unsure(f"The check itself broke: {type(error).__name__}: {error}.")
        return Verdict(
            check=self.name,
            outcome=finding.outcome,
            reason=finding.reason,
            target=target,
            actual=finding.actual,
            evidence=self._present(run),
            details=finding.details,
        )

    def aim(self, objectives: Objectives) -> str | None:
        """What a run with these objectives is held to; None: nothing."""
        return self.target if isinstance(self.target, str) else self.target(objectives)

    def expected(self, planned: Run) -> bool:
        """Whether there will be a verdict, as far as a run of which there is no more than its plan can tell."""
        try:
            return self.aim(planned.record.objectives) is not None and self.applies(planned)
        except Exception:  # noqa: BLE001 - it may be told by the whole record; one that breaks has a verdict that says so
            return True

    def _present(self, run: Run) -> tuple[str, ...]:
        root = run.record.path
        return tuple(path.relative_to(root).as_posix() for glob in self.evidence for path in sorted(root.glob(glob)))


def check(
    *evidence: str, target: str | Target, applies: Callable[[Run], bool] = lambda _: True
) -> Callable[[Callable[[Run], Finding]], Check]:
    """Make a check of a function; its name is the function's, in kebab-case.

    Args:
        evidence: globs of the files in the record that it rests on.
        target: what is held to, as text with its unit; or a function that reads it off the objectives, None when the
            scenario has no such objective.
        applies: whether the run has what it is about.
    """

    def make(function: Callable[[Run], Finding]) -> Check:
        return Check(function.__name__.replace("_", "-"), function, target, evidence, applies)

    return make


def each_stream(
    of: Callable[[Traffic], bool] = lambda _: True,
) -> Callable[[Callable[[Traffic], Finding]], Callable[[Run], Finding]]:
    """Make a check's function of one that judges a single stream; `of` says which streams it is about.

    A stream that it is not about has nothing to do with the verdict, and a run that has none of them can't be judged.
    """

    def make(function: Callable[[Traffic], Finding]) -> Callable[[Run], Finding]:
        @functools.wraps(function)
        def judged(run: Run) -> Finding:
            about = [traffic for traffic in run.traffic if of(traffic)]
            if not about:
                raise RecordIncompleteError("no load of this run is accounted for in that way")
            return combined({each.name: functools.partial(function, each) for each in about}, run)

        return judged

    return make


def combined(parts: Mapping[str, Callable[[], Finding]], run: Run) -> Finding:
    """The finding of the only part; of several, the worst outcome, and what was found of each.

    A part of which the record does not have what it needs is inconclusive, and keeps no other from being told.
    """
    if len(parts) == 1:
        return next(iter(parts.values()))()
    found = {name: _told(part, run) for name, part in parts.items()}
    order = (Outcome.FAIL, Outcome.INCONCLUSIVE, Outcome.PASS)
    outcome = next(each for each in order if any(part.outcome is each for part in found.values()))
    decisive = {name: each for name, each in found.items() if each.outcome is outcome}
    actuals = [f"{name}: {each.actual}" for name, each in found.items() if each.actual is not None]
    return Finding(
        outcome,
        _together({name: each.reason for name, each in decisive.items()}, of=len(found)),
        "; ".join(actuals) or None,
        {"parts": {name: {**each.details, "outcome": str(each.outcome)} for name, each in found.items()}},
    )


def _together(reasons: Mapping[str, str], of: int) -> str:
    """The reasons of some of so many parts; what all of them say is said once."""
    if len(reasons) == of and len(said := set(reasons.values())) == 1:
        return said.pop()
    return " ".join(f"{name}: {reason}" for name, reason in reasons.items())


def _told(part: Callable[[], Finding], run: Run) -> Finding:
    try:
        return part()
    except RecordIncompleteError as error:
        return unsure(_sentence(run.reason(error)))


def _in_its_words(target: str, run: Run) -> str:
    """A target in what the run's records are called; where that can't be known, records is what they are called."""
    nouns, kafka = "records", True
    if RECORDS in target or REPLICAS in target:
        with suppress(RecordIncompleteError):
            nouns, kafka = run.nouns, any(each.service == "kafka" for each in run.traffic)
    return target.replace(RECORDS, nouns).replace(REPLICAS, "all replicas in sync" if kafka else "all services whole")


def counted(number: int, noun: str) -> str:
    """`1 record`, `2 records`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")
