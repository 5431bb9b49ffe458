"""Reads back, once every instance has ended, what became of each workflow that a load has started."""

import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from drill import clock
from drill.dolphinscheduler import Client, Instance, UnreachableError, UnstableError, Workflow
from drill.ledger import Ledger, Stream
from drill.record import RunRecord
from drill.settings import Settings
from load._drained import Drained
from load._workflows import sequence_of, workflow_name

_POLL = 1.0
_MARGIN = timedelta(minutes=5)
"""How long before the first start an instance may have begun, by a server whose clock is behind."""


def drain_workflows(record: RunRecord, stream: Stream, settings: Settings, deadline: float) -> Drained:
    """Wait until no instance of the run is unfinished, then look for the one of each start.

    A start is seen when an instance of it ended with SUCCESS, and twice when several did, or a task of one did.
    """
    started = clock.now()
    (ledger,) = (Ledger.open(each.folder, writable=True) for each in stream.ledgers)
    ledger.forget_seen()
    header = stream.header
    patience = float(header.producer_settings["completion_timeout"])
    since = datetime.fromtimestamp(header.stages[0].t, UTC) - _MARGIN
    record.emit("drain", "drain.started", stream=stream.name)
    with Client.connect(settings) as client:
        workflow = client.ensure_workflow(settings.dolphinscheduler.project, workflow_name(header.run_id))
        found, reasons = _await_ended(client, workflow, since, min(deadline, started + patience))
        reading = clock.now()
        counts = _look(client, workflow, found, ledger, deadline)
    if counts.pop("cut"):
        reasons.append("not every task was looked at before the deadline")
    return Drained(started, reading, {"0": counts}, tuple(reasons))


def _await_ended(
    client: Client, workflow: Workflow, since: datetime, deadline: float
) -> tuple[list[Instance], list[str]]:
    """The instances once all have ended; those of the last look and what is wrong with them when time is over."""
    found: list[Instance] = []
    reason = "the instances were never listed"
    while True:
        try:
            found = list(client.instances(workflow, since))
        except (UnreachableError, UnstableError) as error:
            reason = str(error)
        else:
            unhandled = sum(each.correlation is None for each in found)
            unended = sum(not each.finished for each in found)
            if not unended and not unhandled:
                return found, []
            reason = f"{unended} of {len(found)} instances had not ended, {unhandled} had not been handled by a master"
        if clock.now() >= deadline:
            return found, [reason]
        time.sleep(_POLL)


def _look(client: Client, workflow: Workflow, found: list[Instance], ledger: Ledger, deadline: float) -> dict[str, Any]:
    """Note each start's instances in the ledger's bits; returns the counts, and `cut` where the deadline came first."""
    run_id = ledger.header.run_id
    counts = {**dict.fromkeys(("ours", "foreign", "corrupt", "duplicates", "failed", "cut"), 0), "read": len(found)}
    times: Counter[int] = Counter()
    again: set[int] = set()
    for each in found:
        sequence = sequence_of(run_id, each.correlation)
        if sequence is None or sequence >= ledger.attempted:
            counts["foreign"] += 1  # started by a person, say: the workflow is there for everybody
        elif each.state != "SUCCESS":
            counts["failed"] += int(each.finished)
        elif clock.now() >= deadline:
            counts["cut"] = 1
        else:
            counts["ours"] += 1
            counts["duplicates"] += int(times[sequence] > 0)
            times[sequence] += 1
            if times[sequence] > 1 or _ran_again(client, workflow, each):
                again.add(sequence)
    ledger.seen.set(np.array(sorted(times), dtype=np.int64))
    ledger.twice.set(np.array(sorted(again), dtype=np.int64))
    return counts


def _ran_again(client: Client, workflow: Workflow, instance: Instance) -> bool:
    """Whether its task came to its end more than once; one that was lost with its worker, and repeated, did not."""
    if instance.run_times > 1:
        return True
    return sum(task.state == "SUCCESS" for task in client.tasks(workflow, instance.id)) > 1
