"""The drain: reads back everything that the loads' services hold of a run, and notes what it saw of each record."""

from collections.abc import Callable

from drill import clock
from drill.errors import DrillError, RecordIncompleteError
from drill.ledger import Stream, streams
from drill.record import RunRecord
from drill.settings import Settings
from load._drain_rows import drain_rows
from load._drain_topic import drain_topic
from load._drain_workflows import drain_workflows
from load._drained import Drained

_Drain = Callable[[RunRecord, Stream, Settings, float], Drained]
_DRAINS: dict[str, _Drain] = {"kafka": drain_topic, "postgres": drain_rows, "dolphinscheduler": drain_workflows}
"""How each system is read back."""


def drain(record: RunRecord, settings: Settings, deadline: float) -> bool:
    """Read every accounted stream back, and write its ledgers' seen and twice bits and its evidence.

    Call it after the loads' last flush, and with everything whole again. What is not read by `deadline` (epoch seconds)
    makes the drain incomplete, and the reason is in the evidence: of a topic in evidence/drain.json, of any other
    stream in evidence/drain-<stream>.json.

    Returns:
        Whether everything was read.

    Raises:
        RecordIncompleteError: the record has no ledgers to drain for, or more topics than one.
    """
    found = [stream for stream in streams(record) if stream.header.accounted]
    if len([stream for stream in found if stream.system == "kafka"]) > 1:
        raise RecordIncompleteError(f"{record.path}: the producers disagree on the topic")
    # Each is read, also after one that could not be.
    complete = [_drain(record, stream, settings, deadline) for stream in found]
    return all(complete)


def _drain(record: RunRecord, stream: Stream, settings: Settings, deadline: float) -> bool:
    now = clock.now()
    try:
        drained = _DRAINS[stream.system](record, stream, settings, deadline)
    except RecordIncompleteError:
        raise
    except DrillError as error:
        drained = Drained(started=now, reading=now, reasons=(str(error),))
    reason = "; ".join(drained.reasons) or None
    finished = clock.now()
    read = sum(int(counts["read"]) for counts in drained.partitions.values())
    record.write_evidence(
        stream.drain,
        {
            "complete": reason is None,
            "reason": reason,
            "started": drained.started,
            "finished": finished,
            "seconds": finished - drained.started,
            "topic": stream.name,
            "partitions": drained.partitions,
            "rate": read / max(finished - drained.reading, 1e-9),
        },
    )
    record.emit("drain", "drain.finished", stream=stream.name, complete=reason is None, reason=reason)
    return reason is None
