"""The books of a run: what the clients sent and were promised, and what was read back."""

from collections.abc import Mapping
from dataclasses import dataclass

from drill.errors import RecordIncompleteError
from drill.ledger import ledgers
from drill.record import RunRecord

COLUMNS = ("start", "end", "read", "ours", "foreign", "duplicates", "reordered", "corrupt")


@dataclass(frozen=True)
class Sent:
    """What the clients know by themselves, whether or not the topic was drained."""

    attempted: int
    acked: int
    failed: int

    @property
    def indeterminate(self) -> int:
        """Neither promised nor refused."""
        return self.attempted - self.acked - self.failed


@dataclass(frozen=True)
class Drain:
    """How the topic was read back; counts by partition in the order of COLUMNS, None where one was not taken."""

    complete: bool
    reason: str
    seconds: float | None
    rate: float | None
    partitions: dict[str, tuple[int | None, ...]]


def sent(record: RunRecord) -> Sent:
    """The clients' own counts."""
    found = ledgers(record)
    return Sent(
        sum(ledger.attempted for ledger in found),
        sum(ledger.acked.count() for ledger in found),
        sum(ledger.failed.count() for ledger in found),
    )


def drain(record: RunRecord) -> Drain:
    """What evidence/drain.json says.

    Raises:
        RecordIncompleteError: it does not say what was read.
    """
    found = record.evidence("drain")
    if not isinstance(found, Mapping) or not isinstance(found.get("partitions"), Mapping):
        raise RecordIncompleteError("evidence/drain.json does not say what was read")
    return Drain(
        complete=found.get("complete") is True,
        reason=str(found.get("reason") or "no reason given"),
        seconds=found.get("seconds"),
        rate=found.get("rate"),
        partitions={
            str(name): tuple(read.get(column) for column in COLUMNS) for name, read in found["partitions"].items()
        },
    )
