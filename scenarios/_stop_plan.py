"""What stops a drill while its fault is on, as a scenario says it."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class _Condition(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    missing: Literal["stop", "inconclusive"] = Field(
        default="inconclusive",
        description="when the number can't be had: stop the drill, or let it go on, which then can't pass",
    )


class ErrorBudget(_Condition):
    """How much of what clients ask for may go wrong: failed, refused, or without an answer; of each load by itself."""

    share: float = Field(
        gt=0, lt=1, description="share of what was due in the window that may be without success: 0.5 is half"
    )
    window: float = Field(default=30, ge=1, description="looked at together: the last so many seconds, s")


class UnderReplicated(_Condition):
    """How many Kafka partitions may be short of replicas in sync."""

    max: int = Field(ge=0, description="partitions that may be under-replicated at a time")
    lasting: float = Field(default=0, ge=0, description="only when more are for so long on end, s")


class PromQL(_Condition):
    """A number that Prometheus knows, and its limit."""

    expr: str = Field(
        min_length=1,
        description="PromQL that gives a number, without a comparison (`up < 1` is empty when all is well, and when "
        "nothing is known); of several series the worst counts",
    )
    above: float | None = Field(default=None, description="stop when it is above this")
    below: float | None = Field(default=None, description="stop when it is below this")
    lasting: float = Field(default=0, ge=0, description="only when it is for so long on end, s")

    @model_validator(mode="after")
    def _one_limit(self) -> Self:
        if (self.above is None) == (self.below is None):
            raise ValueError("give one limit: above or below")
        return self


class StopPlan(BaseModel):
    """Stop conditions, watched each second from the injection to recovery; the first that is met ends the fault.

    A person's `drill abort`, a freeze and the experiment's own timeout always stop a drill, whatever is said here.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    error_budget: ErrorBudget | None = Field(default=None, description="stop when clients have too many errors")
    under_replicated: UnderReplicated | None = Field(
        default=None, description="stop when too many partitions lack replicas"
    )
    promql: tuple[PromQL, ...] = Field(default=(), description="stop by what Prometheus knows")
