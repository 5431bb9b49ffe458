"""Markers: rows and records that a drill writes before and after a backup, so that a restore shows what it has."""

import hashlib
from typing import Literal

from pydantic import BaseModel, ConfigDict

TABLE = "drill.drill_markers"
"""Where they are in a database: what it holds proves nothing of anybody's data but the drill's."""
Phase = Literal["before-backup", "after-backup"]


class Marker(BaseModel):
    """A marker as it was written: what a restore is held to."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    run: str
    phase: Phase
    at: float
    """When it was written, epoch seconds by the database's clock."""
    digest: str
    """SHA-256 of its payload."""


class FoundMarker(Marker):
    """A marker as it was read."""

    payload_digest: str
    """SHA-256 of the payload that was read; `digest` is what the row itself claims."""


def payload(run: str, sequence: int) -> bytes:
    """What a record of a drill holds: made of its number, so that whoever judges can tell what must be in it."""
    return hashlib.sha512(f"{run}:{sequence}".encode()).hexdigest().encode()


def payload_digest(value: bytes) -> str:
    """A record's content in a few characters."""
    return hashlib.sha256(value).hexdigest()[:16]
