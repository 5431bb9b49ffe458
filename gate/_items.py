"""What pytest collects: a scenario file or a profile, below it one item a check."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import recovery
from drill.errors import InputError
from drill.verdicts import Outcome, Verdict, overall
from gate import profile
from gate._drilled import RAN, Drilled, Slot
from gate._over_runs import checks, judge, result_of
from gate._result import ScenarioResult
from scenarios._locate import Document
from scenarios.reader import KINDS, Drill

if TYPE_CHECKING:
    from gate._gate import Gate


class NotPassedError(pytest.fail.Exception):  # type: ignore[name-defined, misc]
    """A verdict that is no pass, told in its own words; a traceback would say nothing of it."""

    def __init__(self, verdict: Verdict, drills: Sequence[Drilled]) -> None:
        lines = [f"{verdict.outcome.upper()}: {verdict.reason}"]
        lines += [f"target: {verdict.target}"] if verdict.target else []
        lines += [f"actual: {verdict.actual}"] if verdict.actual else []
        lines += [f"record: {each.record.path}" for each in drills if each.record is not None]
        super().__init__("\n".join(lines), pytrace=False)


class NotProvenError(NotPassedError):
    """A check is inconclusive."""


class NotHeldError(NotPassedError):
    """A check failed."""


def what_is(path: Path, *, named: bool) -> str:
    """`scenario`, `profile`, or in a few words what else a YAML file is.

    One that is named by the user is always taken for what it should be; of those that are found in a folder, an
    experiment beside its scenario is none, and neither is what belongs to somebody else.
    """
    try:
        document = Document(path)
    except InputError:
        return "scenario"  # a broken one must be told, not passed over
    if profile.is_profile(document):
        return "profile" if named else "a gate's profile: name it, to run it"
    if named or any(each in document.content for each in KINDS):
        return "scenario"
    return "an experiment" if "method" in document.content else "no scenario"


@dataclass(frozen=True)
class Asked:
    """A scenario that is to be run, and what is asked of its runs."""

    scenario: str
    slots: tuple[Slot, ...]
    allowed: tuple[str, ...]
    """Patterns of the checks that may be inconclusive."""
    together: "Together | None" = None
    """What all runs are held to together; None: nothing."""

    def unproven(self) -> Iterator[str]:
        """What keeps its runs from being good ones, whichever of their checks were selected."""
        done = [slot.done for slot in self.slots if slot.done is not None]
        if len(done) < len(self.slots):
            yield f"{self.scenario} was run {len(done)} of {len(self.slots)} times"
            return
        verdicts = [verdict for each in done for verdict in (each.ran, *each.verdicts)]
        yield from unproven(self.scenario, verdicts, self.allowed)
        if self.together is not None:
            yield from unproven(self.scenario, self.together.get().verdicts, self.allowed)


def unproven(scenario: str, verdicts: Sequence[Verdict], patterns: tuple[str, ...]) -> Iterator[str]:
    """The verdicts that are neither a pass nor inconclusive where they may be, in words."""
    for each in verdicts:
        inconclusive = each.outcome is Outcome.INCONCLUSIVE and profile.allowed(each.check, patterns)
        if each.outcome is not Outcome.PASS and not inconclusive:
            yield f"{each.check} of {scenario} is {each.outcome}"


class _File(pytest.File):
    """A file that is told from others by its name, also outside of pytest's root, where pytest gives it none."""

    def __init__(self, *, path: Path, parent: pytest.Collector, **more: Any) -> None:
        if not path.is_relative_to(parent.config.rootpath):
            more = {"nodeid": path.as_posix(), **more}
        super().__init__(path=path, parent=parent, **more)


class ScenarioFile(_File):
    """A scenario, which is run once."""

    gate: "Gate"

    def collect(self) -> Iterator[pytest.Item]:
        """One item a check."""
        drill = self.gate.read(self.path)
        slot = Slot(drill, self.gate.perform)
        self.gate.planned.append(Asked(drill.scenario.name, (slot,), self.gate.allowed))
        yield from check_items(self, self.gate, drill, slot, self.gate.allowed)


class ProfileFile(_File):
    """A gate's profile."""

    gate: "Gate"

    def collect(self) -> Iterator[pytest.Collector]:
        """One collector a scenario."""
        for planned in self.gate.read_profile(self.path):
            yield ScenarioCollector.from_parent(self, name=planned.drill.scenario.name, gate=self.gate, planned=planned)


class ScenarioCollector(pytest.Collector):
    """One scenario of a profile: its runs, and what they are held to together."""

    def __init__(self, *, gate: "Gate", planned: profile.Planned, **more: Any) -> None:
        super().__init__(**more)
        self.gate, self.planned = gate, planned
        self.slots = tuple(Slot(planned.drill, gate.perform, planned.seed) for _ in range(planned.repetitions))
        self.together = Together(self)
        self.allowed = (*planned.allow_inconclusive, *gate.allowed)
        gate.planned.append(Asked(planned.drill.scenario.name, self.slots, self.allowed, self.together))

    def collect(self) -> Iterator[pytest.Item | pytest.Collector]:
        """One item a check of each run; more where all runs together are held to something."""
        for number, slot in enumerate(self.slots, 1):
            if len(self.slots) == 1:
                yield from check_items(self, self.gate, self.planned.drill, slot, self.allowed)
            else:
                yield RunCollector.from_parent(self, name=f"run-{number}", of=self, slot=slot, allowed=self.allowed)
        for name in checks(self.planned.budgets, self.gate.baseline):
            item: CheckItem = CheckItem.from_parent(
                self, name=name, find=self.together.verdict, allowed=self.allowed, slots=self.slots
            )
            yield marked(item, self.planned.drill, self.gate)


class RunCollector(pytest.Collector):
    """One of several runs of a scenario."""

    def __init__(self, *, of: ScenarioCollector, slot: Slot, allowed: tuple[str, ...], **more: Any) -> None:
        super().__init__(**more)
        self._of, self._slot, self._allowed = of, slot, allowed

    def collect(self) -> Iterator[pytest.Item]:
        """One item a check."""
        yield from check_items(self, self._of.gate, self._of.planned.drill, self._slot, self._allowed)


class Together:
    """What all runs of a scenario come to; asking for it makes those that were not made."""

    def __init__(self, collector: ScenarioCollector) -> None:
        self._collector = collector
        self._found: ScenarioResult | None = None

    def get(self) -> ScenarioResult:
        """Median, worst and verdicts."""
        if self._found is None:
            of = self._collector
            runs = [slot.get() for slot in of.slots]
            name, gate = of.planned.drill.scenario.name, of.gate
            found = result_of(name, runs)
            verdicts = judge(found, of.planned.budgets, gate.baseline, gate.before(name))
            self._found = found.model_copy(update={"verdicts": verdicts})
        return self._found

    def verdict(self, check: str) -> Verdict:
        """One of its verdicts."""
        return next(each for each in self.get().verdicts if each.check == check)


class CheckItem(pytest.Item):
    """One check: passes, fails, or is inconclusive, as its verdict is."""

    def __init__(
        self, *, find: Callable[[str], Verdict | None], allowed: tuple[str, ...], slots: Sequence[Slot], **more: Any
    ) -> None:
        super().__init__(**more)
        self._find, self._allowed, self._slots = find, allowed, slots
        self.verdict: Verdict | None = None

    @property
    def drills(self) -> tuple[Drilled, ...]:
        """The drills that it is about, as far as they were run."""
        return tuple(slot.done for slot in self._slots if slot.done is not None)

    @property
    def may_be_inconclusive(self) -> bool:
        """Whether somebody said so."""
        return profile.allowed(self.name, self._allowed)

    def setup(self) -> None:
        """Have the drill run; a check that could not be proven is no test that failed, but one that was not made."""
        self.verdict = verdict = self._find(self.name)
        if verdict is None:
            pytest.skip("the run has nothing that this check is about")
        self.user_properties += [
            (name, value)
            for name, value in (
                ("drill_outcome", str(verdict.outcome)),
                ("drill_target", verdict.target),
                ("drill_actual", verdict.actual),
                *(("drill_record", str(each.record.path)) for each in self.drills if each.record is not None),
            )
            if value is not None
        ]
        if verdict.outcome is Outcome.INCONCLUSIVE:
            raise NotProvenError(verdict, self.drills)

    def runtest(self) -> None:
        """A check that was made."""
        if self.verdict is not None and self.verdict.outcome is Outcome.FAIL:
            raise NotHeldError(self.verdict, self.drills)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Where it comes from."""
        return self.path, None, self.nodeid.partition("::")[2]


def check_items(
    parent: pytest.Collector, gate: "Gate", drill: Drill, slot: Slot, allowed: tuple[str, ...]
) -> Iterator[pytest.Item]:
    """The checks that a run of a scenario will be judged by, before it is made; first, that it came to its own end."""
    judged = recovery.expected(drill.scenario.model_dump(mode="json"), drill.experiment)
    known = tuple(dict.fromkeys((RAN, *judged)))

    def find(check: str) -> Verdict | None:
        return _verdict(slot.get(), check, known)

    for name in known:
        item: CheckItem = CheckItem.from_parent(parent, name=name, find=find, allowed=allowed, slots=(slot,))
        yield marked(item, drill, gate)


def _verdict(drilled: Drilled, check: str, known: Sequence[str]) -> Verdict | None:
    """The verdict of a check; of one that could not be judged, because there is no record, that it is not known."""
    if check == RAN:
        return _with_unforeseen(drilled, known)
    if drilled.record is None:
        return Verdict(check=check, outcome=Outcome.INCONCLUSIVE, reason=drilled.ran.reason)
    return next((each for each in drilled.verdicts if each.check == check), None)


def _with_unforeseen(drilled: Drilled, known: Sequence[str]) -> Verdict:
    """The verdict on the drill itself, with those for which there is no item: none may be lost."""
    unforeseen = [each for each in drilled.verdicts if each.check not in known and each.outcome is not Outcome.PASS]
    if not unforeseen:
        return drilled.ran
    told = "; ".join(f"{each.check}: {each.reason}" for each in unforeseen)
    return drilled.ran.model_copy(
        update={"outcome": overall((drilled.ran, *unforeseen)), "reason": f"{drilled.ran.reason} {told}"}
    )


def marked(item: CheckItem, drill: Drill, gate: "Gate") -> CheckItem:
    """The item with markers for `-m`: drill, the services that are loaded, and the experiment's own tags."""
    tags = [*(load.system for load in drill.scenario.load), *map(str, drill.experiment.get("tags") or ())]
    for name in dict.fromkeys(("drill", *(tag.replace("-", "_") for tag in tags))):
        if name.isidentifier():
            gate.know_marker(name)
            item.add_marker(name)
    return item
