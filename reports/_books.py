"""The books of a run: what the clients sent and were promised, and what was read back."""

from collections.abc import Mapping
from dataclasses import dataclass

from drill.errors import RecordIncompleteError
from drill.ledger import Accounting, Stream
from drill.record import RunRecord
from reports._measured import Missing, measured
from reports._scene import Scene

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


@dataclass(frozen=True)
class Account:
    """What became of all that one load sent of one kind."""

    name: str
    noun: str
    store: str
    partitioned: bool
    accounted: bool
    sent: Sent | Missing
    books: Accounting | Missing
    drain: Drain | Missing


def accounts(record: RunRecord, scene: Scene) -> tuple[Account, ...]:
    """One a stream; where not even the streams are known, one of what is missing."""
    views = measured(record, lambda: scene.views)
    if isinstance(views, Missing):
        read = measured(record, lambda: drain(record))
        return (Account("", "record", "topic", partitioned=True, accounted=True, sent=views, books=views, drain=read),)
    unread = Missing(f"{' and '.join(f'{each.noun}s' for each in views if not each.accounted)} change nothing")
    return tuple(
        Account(
            view.name,
            view.noun,
            view.store,
            partitioned=view.stream.system == "kafka",
            accounted=view.accounted,
            sent=measured(record, lambda view=view: sent(view.stream)),  # type: ignore[misc]
            books=measured(record, lambda view=view: view.books) if view.accounted else unread,  # type: ignore[misc]
            drain=measured(record, lambda view=view: drain(record, view.stream.drain)) if view.accounted else unread,  # type: ignore[misc]
        )
        for view in views
    )


def sent(stream: Stream) -> Sent:
    """The clients' own counts."""
    found = stream.ledgers
    return Sent(
        sum(ledger.attempted for ledger in found),
        sum(ledger.acked.count() for ledger in found),
        sum(ledger.failed.count() for ledger in found),
    )


def drain(record: RunRecord, name: str = "drain") -> Drain:
    """What a drain's evidence says.

    Raises:
        RecordIncompleteError: it does not say what was read.
    """
    found = record.evidence(name)
    if not isinstance(found, Mapping) or not isinstance(found.get("partitions"), Mapping):
        raise RecordIncompleteError(f"evidence/{name}.json does not say what was read")
    return Drain(
        complete=found.get("complete") is True,
        reason=str(found.get("reason") or "no reason given"),
        seconds=found.get("seconds"),
        rate=found.get("rate"),
        partitions={
            str(name): tuple(read.get(column) for column in COLUMNS) for name, read in found["partitions"].items()
        },
    )
