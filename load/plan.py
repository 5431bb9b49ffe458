"""What load a scenario puts on its platform: one plan a profile, and what a mix of them must agree on."""

from typing import Annotated, Any, ClassVar, Literal, Self, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    SerializerFunctionWrapHandler,
    Tag,
    WrapSerializer,
    model_validator,
)

SCHEDULE = ("warm_up", "baseline", "duration")
"""What all loads of a scenario share, s: they begin together, are judged by one baseline, and end together."""


class Arrivals(BaseModel):
    """What every profile has: how often something is due, and for how long; durations in seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    system: ClassVar[str]
    """The service that the load is on: `kafka`, `postgres`, `dolphinscheduler`."""
    profile: str

    warm_up: float = Field(default=10.0, ge=0, description="load before the baseline, s; measured, but not judged")
    baseline: float = Field(default=15.0, gt=0, description="steady load before the fault, s")
    duration: float = Field(
        default=60.0, gt=0, description="longest load in all, s; the runner ends it once recovery is seen"
    )

    @property
    def users(self) -> int:
        """How many Locust users the load is."""
        return 1

    @property
    def patience(self) -> float:
        """After its last arrival, how long an answer may take, s."""
        raise NotImplementedError

    @property
    def words(self) -> str:
        """The load in words: how much of what, and where to."""
        raise NotImplementedError

    @model_validator(mode="after")
    def _fits_its_duration(self) -> Self:
        if self.warm_up + self.baseline >= self.duration:
            raise ValueError(
                f"warm_up + baseline ({self.warm_up + self.baseline:g} s) leaves no time for the fault: "
                f"raise duration ({self.duration:g} s)"
            )
        return self


class LoadPlan(Arrivals):
    """Records into a Kafka topic: how many a second, their size, and how the client sends them; sizes in bytes."""

    system: ClassVar[str] = "kafka"

    profile: Literal["commodity_prices"] = Field(default="commodity_prices", description="the Locust file in load/")
    topic: str = Field(
        default="commodities",
        pattern=r"^[a-zA-Z0-9._-]{1,249}$",
        description="topic that takes the records; it must exist",
    )
    rate: float = Field(default=7153.0, gt=0, description="records/s in all, arriving whether or not Kafka keeps up")
    record_bytes: int = Field(default=200, ge=160, le=100_000, description="a record's size without accounting header")
    workers: int = Field(default=1, ge=1, description="producers, each with its own ledger and its share of the rate")
    acks: Literal["all", "1", "0"] = Field(default="all", description="what the client calls acknowledged")
    idempotence: bool = Field(
        default=True, description="idempotent producer: retries make no duplicates; needs acks=all"
    )
    linger_ms: float = Field(default=5.0, ge=0, description="how long the client waits to fill a batch, ms")
    delivery_timeout: float = Field(default=60.0, gt=0, description="after this a record's fate is indeterminate, s")
    compression: Literal["none", "gzip", "snappy", "lz4", "zstd"] = Field(default="none", description="of batches")

    @property
    def users(self) -> int:
        """Each worker is a user."""
        return self.workers

    @property
    def patience(self) -> float:
        """The client gives a record up after its delivery timeout."""
        return self.delivery_timeout

    @property
    def words(self) -> str:
        """Records to a topic."""
        return f"{self.rate:,.0f} records/s to {self.topic} (acks={self.acks})"

    @model_validator(mode="after")
    def _idempotence_needs_every_ack(self) -> Self:
        if self.idempotence and self.acks != "all":
            raise ValueError(f"idempotence needs acks: all (acks is {self.acks}): set idempotence: false")
        return self


class PostgresPlan(Arrivals):
    """Transactions through PostgreSQL's pool, each of which writes one accounted row."""

    system: ClassVar[str] = "postgres"

    profile: Literal["postgres_transactions"] = Field(description="the Locust file in load/")
    rate: float = Field(default=50.0, gt=0, le=2000, description="transactions/s, arriving whether or not any succeeds")
    connections: int = Field(default=20, ge=1, le=200, description="client connections to the pool, at most")
    row_bytes: int = Field(default=200, ge=0, le=100_000, description="payload of a row, bytes")
    timeout: float = Field(
        default=10.0, gt=0, description="longest wait for a connection, and again for each answer of the server, s"
    )

    @property
    def patience(self) -> float:
        """A transaction waits for a connection, connects, and is answered, each within the timeout."""
        return 3 * self.timeout

    @property
    def words(self) -> str:
        """Transactions over so many connections."""
        return f"{self.rate:,.0f} transactions/s over {self.connections} connections to PostgreSQL"


class DolphinSchedulerPlan(Arrivals):
    """Requests to DolphinScheduler's API: reads, and accounted starts of workflows."""

    system: ClassVar[str] = "dolphinscheduler"

    profile: Literal["dolphinscheduler_api"] = Field(description="the Locust file in load/")
    rate: float = Field(
        default=5.0, gt=0, le=200, description="requests/s in all, arriving whether or not any succeeds"
    )
    starts: float = Field(default=0.2, gt=0, lt=1, description="share of the requests that start a workflow")
    connections: int = Field(default=20, ge=1, le=200, description="requests under way at once, at most")
    timeout: float = Field(
        default=10.0, gt=0, description="longest wait for a free connection, and again for an answer, s"
    )
    lasts: float = Field(default=1.0, ge=0, le=3600, description="how long a started workflow lasts, s")
    completion_timeout: float = Field(
        default=120.0, gt=0, description="how long the drain waits for the started workflows to end, s"
    )

    @property
    def patience(self) -> float:
        """A request waits for a connection, logs in, and is answered, each within the timeout."""
        return 3 * self.timeout

    @property
    def words(self) -> str:
        """Requests, and how many of them start a workflow."""
        return f"{self.rate:g} requests/s to DolphinScheduler, {self.rate * self.starts:g} of them workflow starts"


AnyPlan = LoadPlan | PostgresPlan | DolphinSchedulerPlan
PROFILES: dict[str, type[AnyPlan]] = {
    get_args(kind.model_fields["profile"].annotation)[0]: kind for kind in get_args(AnyPlan)
}
"""The plans by profile, which is also the name of the Locust file in load/."""


def _profile(value: Any) -> str | None:
    """A load that names no profile is commodity prices, as every scenario's was before there were others."""
    if isinstance(value, dict):
        return str(value.get("profile", "commodity_prices"))
    return getattr(value, "profile", None)


_OnePlan = Annotated[
    Annotated[LoadPlan, Tag("commodity_prices")]
    | Annotated[PostgresPlan, Tag("postgres_transactions")]
    | Annotated[DolphinSchedulerPlan, Tag("dolphinscheduler_api")],
    Discriminator(_profile),
]


def _listed(value: Any) -> Any:
    """One load need not be a list."""
    return [value] if isinstance(value, dict | Arrivals) else value


def _mixable(plans: tuple[AnyPlan, ...]) -> tuple[AnyPlan, ...]:
    if not plans:
        raise ValueError("give at least one load: without clients there is nothing to measure")
    profiles = [plan.profile for plan in plans]
    if twice := sorted({name for name in profiles if profiles.count(name) > 1}):
        raise ValueError(f"only one load a profile, and there are several of: {', '.join(twice)}")
    for name in SCHEDULE:
        if len(values := {getattr(plan, name) for plan in plans}) > 1:
            raise ValueError(
                f"the loads of a scenario begin, settle and end together: give {name} the same value in each "
                f"(it is {', '.join(f'{value:g}' for value in sorted(values))} s)"
            )
    return plans


def _as_written(plans: tuple[AnyPlan, ...], dump: SerializerFunctionWrapHandler) -> Any:
    """One load is a mapping, as most files have it and every reader of older records knows it."""
    dumped = dump(plans)
    return dumped[0] if len(plans) == 1 else dumped


Loads = Annotated[
    tuple[_OnePlan, ...],
    BeforeValidator(_listed, json_schema_input_type=_OnePlan | list[_OnePlan]),
    AfterValidator(_mixable),
    WrapSerializer(_as_written),
]
"""The loads of a scenario: one mapping, or a list of them, told apart by `profile`."""
