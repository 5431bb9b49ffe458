"""What a drill holds its platform to."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


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

    @model_validator(mode="after")
    def _outage_bounds_in_order(self) -> Self:
        if self.client_outage is not None and self.min_client_outage > self.client_outage:
            raise ValueError("min_client_outage is larger than client_outage")
        return self
