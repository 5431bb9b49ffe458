"""What came of reading a stream back."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Drained:
    """What was read of one stream; instants in epoch seconds."""

    started: float
    """When the end of what is to be read was taken."""
    reading: float
    """When the reading itself began."""
    partitions: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Counts by partition: read, ours, foreign, duplicates, corrupt; start, end and reached where there is a log."""
    reasons: tuple[str, ...] = ()
    """Why something that is there may not have been read; empty: all was."""
