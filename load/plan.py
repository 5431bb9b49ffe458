"""What load a scenario puts on its platform."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class LoadPlan(BaseModel):
    """Records a second, their size, and how the client sends them; durations in seconds, sizes in bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    profile: Literal["commodity_prices"] = Field(default="commodity_prices", description="the Locust file in load/")
    topic: str = Field(default="commodities", description="topic that takes the records; it must exist")
    rate: float = Field(default=7153.0, gt=0, description="records/s in all, arriving whether or not Kafka keeps up")
    record_bytes: int = Field(default=200, ge=160, le=100_000, description="a record's size without accounting header")
    warm_up: float = Field(default=10.0, ge=0, description="load before the baseline, s; measured, but not judged")
    baseline: float = Field(default=15.0, gt=0, description="steady load before the fault, s")
    duration: float = Field(
        default=60.0, gt=0, description="longest load in all, s; the runner ends it once recovery is seen"
    )
    workers: int = Field(default=1, ge=1, description="producers, each with its own ledger and its share of the rate")
    acks: Literal["all", "1", "0"] = Field(default="all", description="what the client calls acknowledged")
    idempotence: bool = Field(
        default=True, description="idempotent producer: retries make no duplicates; needs acks=all"
    )
    linger_ms: float = Field(default=5.0, ge=0, description="how long the client waits to fill a batch, ms")
    delivery_timeout: float = Field(default=60.0, gt=0, description="after this a record's fate is indeterminate, s")
    compression: Literal["none", "gzip", "snappy", "lz4", "zstd"] = Field(default="none", description="of batches")

    @model_validator(mode="after")
    def _idempotence_needs_every_ack(self) -> Self:
        if self.idempotence and self.acks != "all":
            raise ValueError(f"idempotence needs acks: all (acks is {self.acks}): set idempotence: false")
        return self

    @model_validator(mode="after")
    def _fits_its_duration(self) -> Self:
        if self.warm_up + self.baseline >= self.duration:
            raise ValueError(
                f"warm_up + baseline ({self.warm_up + self.baseline:g} s) leaves no time for the fault: "
                f"raise duration ({self.duration:g} s)"
            )
        return self
