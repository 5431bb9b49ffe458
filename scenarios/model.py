"""The scenario: one YAML file, validated before anything is touched."""

from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from drill.names import Namespace, Namespaces
from drill.objectives import SERVICES, Objectives
from load.plan import Loads
from scenarios._stop_plan import StopPlan

Text = Annotated[str, Field(pattern=r"\S")]
"""Some words, or at least one."""

Share = Annotated[int, Field(ge=0)] | Annotated[str, Field(pattern=r"^(100|\d{1,2})%$")]
"""A count, or a share of what there is."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Target(_Model):
    """Where faults may land. The context comes from the settings, so that one scenario fits every cluster."""

    namespaces: Namespaces = Field(min_length=1, description="namespaces that the experiment touches, by their names")
    buckets: tuple[Text, ...] = Field(default=(), description="buckets whose objects the experiment damages")
    scratch: Namespace | None = Field(
        default=None,
        description="a namespace that is not there, and that the drill makes and deletes; with it nothing else is "
        "touched: `namespaces` are only read, and need not be drillable",
    )
    whole_cluster: bool = Field(
        default=False,
        description="the whole cluster is lost, and `namespaces` come back in another one: only where the settings say "
        "`cluster_loss = true`",
    )


class Hypothesis(_Model):
    """The steady state: probes with tolerances, in Chaos Toolkit's own form."""

    title: str
    probes: tuple[dict[str, Any], ...] = Field(min_length=1, description="Chaos Toolkit probes, each with a tolerance")


class Experiment(_Model):
    """The Chaos Toolkit experiment that brings the fault."""

    file: str = Field(description="path beside the scenario, or a name in experiments/catalogue")
    configuration: dict[str, str | int | float | bool | None] = Field(
        default={}, description="values that replace those of the file's own `configuration`"
    )
    timeout: float = Field(default=300, gt=0, description="deadman: after so many seconds it is ended and undone, s")


class BlastRadius(_Model):
    """The most that may be broken at once; checked before and at the moment of injection."""

    max_brokers_down: int = Field(default=1, ge=0, description="brokers that may be down at the same time")
    max_pods: Share = Field(default=1, description="pods of a workload that may be hit at once: a count, or 33%")
    max_nodes: int = Field(default=1, ge=0, description="nodes that may be unavailable at the same time")
    max_objects: Share = Field(default=1, description="data files of a table that may be damaged: a count, or 10%")
    max_sessions: Share = Field(default="100%", description="PostgreSQL sessions that may be taken: a count, or 80%")


class Scenario(_Model):
    """One drill: steady state, load, fault, objectives, blast radius."""

    name: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", description="kebab-case; the run record's folder")
    description: Text
    owner: Text
    target: Target
    hypothesis: Hypothesis | None = Field(
        default=None, description="steady state, instead of the one that the experiment's own file has"
    )
    experiment: Experiment
    stop: StopPlan = Field(default=StopPlan(), description="what ends the fault early, besides a person")
    objectives: Objectives = Objectives()
    load: Loads = Field(
        default=(),
        validate_default=True,
        description="one load, or a list of them, told apart by `profile`; they begin and end together",
    )
    blast_radius: BlastRadius = BlastRadius()
    checks: tuple[Annotated[str, Field(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$")], ...] = Field(
        default=(), description="checks of your own beside those that drill has: module.name, found by PYTHONPATH"
    )

    @field_validator("load", mode="wrap")
    @classmethod
    def _only_data_is_measured_without_clients(
        cls, value: Any, validate: ValidatorFunctionWrapHandler, info: ValidationInfo
    ) -> Any:
        """A restore is proven by the data that is there afterwards; all else by what clients saw."""
        if value != ():
            return validate(value)
        objectives, target = info.data.get("objectives"), info.data.get("target")
        of_data = target is not None and target.buckets
        if objectives is not None and objectives.rpo is None and not of_data:
            raise PydanticCustomError("missing", "no load: without clients there is nothing to measure")
        return ()

    @model_validator(mode="after")
    def _holds_only_what_it_loads(self) -> Self:
        loaded = {plan.system for plan in self.load}
        if idle := [name for name in SERVICES if getattr(self.objectives.services, name) and name not in loaded]:
            raise ValueError(
                f"objectives.services holds {', '.join(idle)} to something, which no load of the scenario measures"
            )
        return self


CATALOGUE = Path(__file__).parent / "catalogue"
EXPERIMENTS = Path(__file__).parent.parent / "experiments" / "catalogue"
