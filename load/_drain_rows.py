"""Reads back, with a session of its own to the server itself, every row that a load has committed."""

import time
from typing import Any

import numpy as np
import psycopg

from drill import clock
from drill.ledger import Ledger, Stream
from drill.postgres import conninfo
from drill.record import RunRecord
from drill.settings import Settings
from load import _rows
from load._bounded import Session
from load._drained import Drained

_BATCH = 5_000
_POLL = 0.2
_UNDER_WAY = """
select count(*) from pg_stat_activity where application_name = %s and state <> 'idle' and pid <> pg_backend_pid()
"""


def drain_rows(record: RunRecord, stream: Stream, settings: Settings, deadline: float) -> Drained:
    """Wait until no transaction of the load is under way on the server, then read the table in one snapshot."""
    started = clock.now()
    (writable,) = (Ledger.open(each.folder, writable=True) for each in stream.ledgers)
    writable.forget_seen()
    run_id = stream.header.run_id
    left = max(1, round(deadline - clock.now()))
    where = conninfo(settings, dbname=settings.postgres.database)
    record.emit("drain", "drain.started", stream=stream.name)
    reasons = []
    with Session.asking(where, left) as session:
        if under_way := _await_quiet(session, run_id, deadline):
            reasons.append(f"{under_way} transactions of the load were still under way on the server")
        reading = clock.now()
        try:
            counts = _read(session, writable, deadline)
        except psycopg.Error as error:
            return Drained(started, reading, {}, (*reasons, f"the table was not read to its end: {error}"))
    if counts.pop("cut"):
        reasons.append("the table was not read to its end at the deadline")
    return Drained(started, reading, {"0": counts}, tuple(reasons))


def _await_quiet(session: psycopg.Connection[Any], run_id: str, deadline: float) -> int:
    """How many transactions of the load are still under way when waiting for them is over."""
    while True:
        ((count,),) = session.execute(_UNDER_WAY, (_rows.application(run_id),)).fetchall()
        if not count or clock.now() >= deadline:
            return int(count)
        time.sleep(_POLL)


def _read(session: psycopg.Connection[Any], ledger: Ledger, deadline: float) -> dict[str, int]:
    """Note each row in the ledger's bits; returns the counts, and `cut` where the deadline came first."""
    header, attempted = ledger.header, ledger.attempted
    times = np.zeros(attempted, dtype=np.uint8)
    counts = dict.fromkeys(("read", "ours", "foreign", "corrupt", "duplicates", "cut"), 0)
    with session.transaction(), session.cursor(name="drain") as rows:
        rows.itersize = _BATCH
        rows.execute(_rows.SELECT, (header.run_id,))
        for producer, sequence, due_ns, checksum, payload in rows:
            if not counts["read"] % _BATCH and clock.now() >= deadline:
                counts["cut"] = 1
                break
            counts["read"] += 1
            intact = checksum == _rows.checksum(header.run_id, producer, sequence, due_ns, payload)
            if not intact or producer != header.producer_id or not 0 <= sequence < attempted:
                counts["corrupt"] += 1  # the run is ours, so that what it says can't be anybody else's
                continue
            counts["ours"] += 1
            counts["duplicates"] += int(times[sequence] > 0)
            times[sequence] = min(int(times[sequence]) + 1, 2)
    ledger.seen.set(np.flatnonzero(times))
    ledger.twice.set(np.flatnonzero(times > 1))
    return counts
