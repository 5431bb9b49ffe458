"""A gate's profile: which scenarios, how often, within which budgets, against which baseline, in how much time."""

import fnmatch
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from drill.errors import InputError, Mistake
from drill.verdicts import Outcome
from gate._result import Result, read_result
from recovery import Measure
from scenarios import reader
from scenarios._locate import Document, Location
from scenarios._validated import validated

MEASURES: tuple[str, ...] = get_args(Measure.model_fields["name"].annotation)
Positive = Annotated[float, Field(gt=0)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Budget(_Model):
    """What all runs of a scenario together may take, at most; of throughput, what they must reach."""

    median: Positive | None = Field(default=None, description="bound of the median of all runs")
    worst: Positive | None = Field(default=None, description="bound of the worst of all runs")

    @model_validator(mode="after")
    def _bounds_something(self) -> Self:
        if self.median is None and self.worst is None:
            raise ValueError("give median, worst, or both; a number alone is the worst")
        return self


def _number_is_worst(value: object) -> object:
    return {"worst": value} if isinstance(value, int | float) and not isinstance(value, bool) else value


AnyBudget = Annotated[Budget | None, BeforeValidator(_number_is_worst, json_schema_input_type=float | Budget | None)]


class Budgets(_Model):
    """Budgets by what is measured; seconds, and of throughput acknowledged records a second."""

    rto: AnyBudget = Field(default=None, description="recovery time of the platform (t5 - t0), s")
    client_outage: AnyBudget = Field(default=None, description="longest outage that a client saw (t5 - t1), s")
    latency_p99: AnyBudget = Field(default=None, description="p99 of completion - intended time, of each load, s")
    throughput: AnyBudget = Field(default=None, description="acknowledged records a second, of each load: at least")


class Regression(_Model):
    """By how much of the baseline's median a median may be worse; 0.2: by a fifth. None: it is not compared."""

    rto: float | None = Field(default=0.25, ge=0, description="share by which the RTO may be longer")
    client_outage: float | None = Field(default=None, ge=0, description="share by which the outage may be longer")
    latency_p99: float | None = Field(default=0.25, ge=0, description="share by which the p99 may be longer")
    throughput: float | None = Field(default=0.05, ge=0, lt=1, description="share by which the throughput may be less")


class Baseline(_Model):
    """An earlier gate's result, and how far from it this one may be."""

    file: str = Field(pattern=r"\S", description="what `drill gate PROFILE --save-baseline` wrote, beside this file")
    regression: Regression = Regression()
    may_differ: tuple[Literal["kubernetes", "machine", "harness"], ...] = Field(
        default=(), description="conditions that need not be the baseline's: kubernetes, machine, harness"
    )


class Entry(_Model):
    """One scenario of a gate; what it leaves open is as the profile says for all."""

    scenario: str = Field(pattern=r"\S", description="a path beside the profile, or a name of `drill list`")
    repetitions: int | None = Field(default=None, ge=1, le=100, description="how often it is run")
    budgets: Budgets | None = Field(default=None, description="instead of the profile's")
    allow_inconclusive: tuple[str, ...] | None = Field(default=None, description="instead of the profile's")
    seed: int | None = Field(default=None, description="of its random choices, so that each run makes the same")


def _name_is_entry(value: object) -> object:
    return {"scenario": value} if isinstance(value, str) else value


class Profile(_Model):
    """A gate: what a release must stand before it goes out."""

    name: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", description="kebab-case")
    description: str = Field(default="", description="what the gate is for")
    scenarios: tuple[Annotated[Entry, BeforeValidator(_name_is_entry, json_schema_input_type=str | Entry)], ...] = (
        Field(min_length=1, description="scenarios in the order in which they are run")
    )
    repetitions: int = Field(default=1, ge=1, le=100, description="how often each scenario is run")
    budgets: Budgets = Field(default=Budgets(), description="what all runs of a scenario together are held to")
    allow_inconclusive: tuple[str, ...] = Field(
        default=(), description="checks (patterns) that may be inconclusive; shown as such, but not failing the gate"
    )
    time_limit: float | None = Field(
        default=None, gt=0, description="after so many seconds a running drill is interrupted and no other begun, s"
    )
    baseline: Baseline | None = Field(default=None, description="what this gate is compared with")


@dataclass(frozen=True)
class Planned:
    """One scenario of a profile, ready to run, every default filled in."""

    drill: reader.Drill
    path: Path
    repetitions: int
    budgets: Budgets
    allow_inconclusive: tuple[str, ...]
    seed: int | None


@dataclass(frozen=True)
class GateFile:
    """A profile that is ready to run."""

    path: Path
    profile: Profile
    planned: tuple[Planned, ...]
    baseline: Result | None
    """None: nothing is compared."""

    @property
    def baseline_file(self) -> Path | None:
        """Where the baseline is, or is to be."""
        return None if self.profile.baseline is None else self.path.parent / self.profile.baseline.file


def allowed(check: str, patterns: tuple[str, ...]) -> bool:
    """Whether a check may be inconclusive."""
    return any(fnmatch.fnmatchcase(check, pattern) for pattern in patterns)


def read(path: Path, *, compare: bool = True) -> GateFile:
    """Read a profile, every scenario that it names, and its baseline.

    Args:
        path: The file.
        compare: Whether its baseline is needed.

    Raises:
        InputError: with every mistake found in all of them.
    """
    document = Document(path)
    profile, mistakes = validated(Profile, document)
    if profile is None or mistakes:
        raise InputError(mistakes)
    planned, baseline = [], None
    for at, entry in enumerate(profile.scenarios):
        try:
            file = _find(document, at, entry.scenario)
            drill = reader.read(file)
        except InputError as error:
            mistakes += error.mistakes
            continue
        planned.append(
            Planned(
                drill=drill,
                path=file,
                repetitions=profile.repetitions if entry.repetitions is None else entry.repetitions,
                budgets=profile.budgets if entry.budgets is None else entry.budgets,
                allow_inconclusive=profile.allow_inconclusive
                if entry.allow_inconclusive is None
                else entry.allow_inconclusive,
                seed=entry.seed,
            )
        )
    mistakes += _twice(document, planned)
    if profile.baseline is not None and compare:
        place = ("baseline", "file")
        file = path.parent / profile.baseline.file
        cure = f"Make it with `drill gate {path} --save-baseline`, on a release that is known to be good."
        try:
            baseline = read_result(file)
            if baseline.outcome is not Outcome.PASS:
                mistakes.append(document.mistake(place, f"{file} is of a gate that did not pass", cure))
            elif failed := ", ".join(baseline.failed):
                mistakes.append(document.mistake(place, f"{file} has a failed run of {failed}", cure))
        except FileNotFoundError:
            mistakes.append(document.mistake(place, f"{file} is not there", cure))
        except InputError as error:
            mistakes += error.mistakes
    if mistakes:
        raise InputError(mistakes)
    return GateFile(path, profile, tuple(planned), baseline)


def is_profile(document: Document) -> bool:
    """Whether a file is meant as a gate's profile."""
    return "scenarios" in document.content


def _find(document: Document, at: int, name: str) -> Path:
    beside = document.path.parent / name
    try:
        return reader.find(str(beside) if beside.is_file() else name)
    except InputError as error:
        place: Location = ("scenarios", at)
        place = (*place, "scenario") if document.has((*place, "scenario")) else place
        raise InputError(
            [document.mistake(place, f"{name}: {each.problem}", each.remedy) for each in error.mistakes]
        ) from error


def _twice(document: Document, planned: list[Planned]) -> list[Mistake]:
    """Scenarios that are named twice: their runs and measures could not be told apart."""
    names = [each.drill.scenario.name for each in planned]
    cure = "Name it once, and say how often in `repetitions`."
    return [
        document.mistake(("scenarios", at), f"{name} is there already", cure)
        for at, name in enumerate(names)
        if len(names) == len(document.content["scenarios"]) and name in names[:at]
    ]
