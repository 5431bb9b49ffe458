"""A gate's result as JSON: what was measured, under which conditions, and what came out. A later gate's baseline."""

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from drill.errors import InputError, Mistake
from drill.verdicts import Outcome, Verdict
from recovery import Measure

HIGHER_IS_BETTER = ("throughput",)


def shown(name: str, value: float) -> str:
    """A value of a measure with its unit."""
    return f"{value:,.0f}/s" if name in HIGHER_IS_BETTER else f"{value:.2f} s"


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class RunResult(_Model):
    """One run."""

    record: str | None
    """Its folder, as it was seen from where the gate ran; None: there is none."""
    outcome: Outcome
    reason: str
    """Of `drill-ran`."""
    counts: dict[Outcome, int]
    """How many of its checks passed, failed, were inconclusive."""
    measures: tuple[Measure, ...]
    conditions: dict[str, Any] | None
    """None: the record does not say."""


class Summed(_Model):
    """One measure over all runs of a scenario."""

    name: str
    of: str
    median: float | None
    worst: float | None
    why: str | None = None
    """Why there is none: a run in which it was not measured says nothing of the median."""

    @property
    def words(self) -> str:
        """What it is."""
        return self.name.replace("_", " ") + (f" of {self.of}" if self.of else "")

    def text(self, value: float) -> str:
        """A value of it with its unit."""
        return shown(self.name, value)


class ScenarioResult(_Model):
    """All runs of one scenario."""

    scenario: str
    runs: tuple[RunResult, ...]
    measures: tuple[Summed, ...]
    verdicts: tuple[Verdict, ...] = ()
    """On its budgets, and beside the baseline."""


class Result(_Model):
    """What a gate came to."""

    format: Literal["drill-gate/1"] = "drill-gate/1"
    gate: str | None
    """The profile's name; None: scenario files were run without one."""
    context: str
    started: str
    finished: str
    outcome: Outcome
    exit_code: int
    scenarios: tuple[ScenarioResult, ...]

    @property
    def failed(self) -> tuple[str, ...]:
        """The scenarios of which a run or a verdict on all runs failed, also where that was not asked for."""
        return tuple(
            each.scenario
            for each in self.scenarios
            if Outcome.FAIL in {*(run.outcome for run in each.runs), *(verdict.outcome for verdict in each.verdicts)}
        )

    def scenario(self, name: str) -> ScenarioResult | None:
        """All runs of one scenario."""
        return next((each for each in self.scenarios if each.scenario == name), None)


def read_result(path: Path) -> Result:
    """Read a result to compare with.

    Raises:
        FileNotFoundError: there is none.
        InputError: it is something else.
    """
    cure = "Make it anew with `drill gate PROFILE --save-baseline`."
    try:
        return Result.model_validate_json(path.read_text(encoding="utf-8"))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "(document)"
        raise InputError([Mistake(str(path), None, field, f"not a gate's result: {first['msg']}", cure)]) from error
    except (UnicodeDecodeError, IsADirectoryError, PermissionError) as error:
        raise InputError([Mistake(str(path), None, "(document)", f"can't be read: {error}", cure)]) from error


def write_result(path: Path, result: Result) -> None:
    """Write it, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(json.dumps(result.model_dump(mode="json"), indent=2) + "\n", encoding="utf-8")
    partial.replace(path)
