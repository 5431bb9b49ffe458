"""What a drill holds its platform to."""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class ServiceObjectives(BaseModel):
    """What one service is held to instead of what the platform is; None: what the platform is."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    mandatory: bool = Field(
        default=True, description="its outage is the platform's; else it is held to its own objectives only"
    )
    client_outage: float | None = Field(default=None, ge=0, description="longest outage its clients may see, s")
    min_client_outage: float | None = Field(default=None, ge=0, description="how long each of its paths must stop, s")
    rto: float | None = Field(default=None, gt=0, description="recovery time objective on its worst path, s")
    rpo: float | None = Field(default=None, gt=0, description="how old its backup may be at the disaster, s")
    latency_p99: float | None = Field(default=None, gt=0, description="p99 of completion - intended time, s")
    achieved_over_offered: float | None = Field(
        default=None, gt=0, le=1, description="share of what it was offered that it must have acknowledged"
    )


class ServicesObjectives(BaseModel):
    """The services that are held to something of their own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kafka: ServiceObjectives | None = Field(default=None, description="its paths are the topic's partitions")
    postgres: ServiceObjectives | None = Field(default=None, description="transactions through the clients' pool")
    dolphinscheduler: ServiceObjectives | None = Field(default=None, description="the API, and starts of workflows")


SERVICES = tuple(ServicesObjectives.model_fields)


class Objectives(BaseModel):
    """Objectives of one scenario; durations in seconds. None: not an objective of this scenario."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    client_outage: float | None = Field(default=None, ge=0, description="longest outage a client may see (t5 - t1), s")
    min_client_outage: float = Field(
        default=0, ge=0, description="how long every path must be silent (writes must stop below min ISR), s"
    )
    rto: float | None = Field(default=None, gt=0, description="recovery time objective (t5 - t0) on the worst path, s")
    restored_within: float | None = Field(
        default=None,
        gt=0,
        description="how long the whole restoration by a runbook may take, from t0 to the slowest path's t5, s",
    )
    rpo: float | None = Field(
        default=None,
        gt=0,
        description="how much time of data a restore from backup may cost (disaster - start of the backup), s; with it "
        "the run is held to what a restore must prove",
    )
    lost_records: int = Field(default=0, ge=0, description="acknowledged records that may be lost")
    duplicates: int | None = Field(default=0, ge=0, description="records that may be seen twice; null: any number")
    latency_p99: float | None = Field(
        default=None, gt=0, description="p99 of completion - intended time over the whole measured load, s"
    )
    achieved_over_offered: float = Field(
        default=0.99, gt=0, le=1, description="share of the offered records that must have been acknowledged"
    )
    sustained: float = Field(default=5.0, gt=0, description="how long a path must stay good to count as recovered, s")
    recovery_timeout: float = Field(default=180.0, gt=0, description="how long recovery is awaited, s")
    services: ServicesObjectives = Field(
        default=ServicesObjectives(), description="what single services are held to instead"
    )

    def own(self, service: str) -> ServiceObjectives:
        """What a service is held to on its own account."""
        return getattr(self.services, service, None) or ServiceObjectives()

    def of(self, service: str) -> Self:
        """What a service is held to in all: where it has no objective of its own, the platform's holds.

        A service that is not mandatory is held to nothing but its own.
        """
        own = self.own(service)
        held = {name: value for name, value in own.model_dump(exclude={"mandatory"}).items() if value is not None}
        if not own.mandatory:
            held = {"client_outage": None, "min_client_outage": 0, "rto": None, "rpo": None, "latency_p99": None} | held
        return self.model_copy(update=held)

    @model_validator(mode="after")
    def _outage_bounds_in_order(self) -> Self:
        for _, held in self._all():
            if held.client_outage is not None and held.min_client_outage > held.client_outage:
                raise ValueError("min_client_outage is larger than client_outage")
        return self

    @model_validator(mode="after")
    def _recovery_is_awaited_as_long_as_it_may_take(self) -> Self:
        for name, held in self._all():
            if held.rto is not None and held.rto > self.recovery_timeout:
                raise ValueError(
                    f"{name}rto ({held.rto:g} s) is longer than recovery is awaited: raise recovery_timeout "
                    f"({self.recovery_timeout:g} s)"
                )
        return self

    def _all(self) -> list[tuple[str, Self]]:
        """The platform's objectives, and those of each service that has some of its own."""
        single = [name for name in SERVICES if getattr(self.services, name) is not None]
        return [("", self), *((f"services.{name}.", self.of(name)) for name in single)]


_RESTORES = "experiments.velero"
"""The package of all actions that restore a backup."""
_TAGS = {"velero", "restore"}


def needs_rpo(experiment: Mapping[str, Any]) -> bool:
    """Whether a Chaos Toolkit experiment restores a backup: by its tags, or by an action of its method.

    A run of one is held to what a restore must prove by its scenario's `rpo`, and by nothing else.
    """
    actions = [each for each in experiment.get("method") or () if each.get("type") == "action"]
    modules = (str((each.get("provider") or {}).get("module")) for each in actions)
    return set(experiment.get("tags") or ()) >= _TAGS or any(f"{each}.".startswith(f"{_RESTORES}.") for each in modules)
