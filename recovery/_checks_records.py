"""What became of the records: lost, doubled, out of order, corrupt, and whether the books balance.

What is found wrong is a failure however much was read. That nothing is wrong can only be said when the topic was read
to its end.
"""

from recovery._check import Finding, check, counted, failed, passed, unsure
from recovery._run import Run

LEDGER, DRAIN = "load/*/*.bits", "evidence/drain.json"


@check(LEDGER, DRAIN, target=lambda o: f"<= {o.lost_records} records")
def no_acked_record_lost(run: Run) -> Finding:
    """Every acknowledged record was found when the topic was read to its end.

    A record that is missing from a topic that was not read to its end is not lost, as far as is known.
    """
    books = run.accounting
    if trouble := run.drain_trouble:
        return unsure(f"Whether records were lost is not known: {trouble}.")
    actual = f"{books.lost:,} of {books.acked:,} acknowledged"
    if books.lost <= run.record.objectives.lost_records:
        return passed(
            "Every acknowledged record was found." if not books.lost else "No more were lost than the scenario allows.",
            actual,
        )
    intervals = [interval.model_dump() for interval in books.lost_intervals]
    partitions = sorted({interval.partition for interval in books.lost_intervals})
    return failed(
        f"{counted(books.lost, 'acknowledged record')} of partition {', '.join(map(str, partitions))} "
        f"not found, in {counted(len(intervals) + books.lost_intervals_omitted, 'interval')}.",
        actual,
        intervals=intervals,
        omitted=books.lost_intervals_omitted,
        rpo=run.timeline.rpo,
    )


@check(LEDGER, DRAIN, target=lambda o: None if o.duplicates is None else f"<= {o.duplicates} records")
def duplicates(run: Run) -> Finding:
    """No more records than allowed are in the topic more than once."""
    twice, allowed = run.accounting.seen_twice, run.record.objectives.duplicates
    return _counted(run, twice, allowed or 0, "seen more than once", "No record was seen more than once.")


@check(DRAIN, target="0 records")
def order_kept(run: Run) -> Finding:
    """In each partition the sequence numbers of each producer rise (one that is seen again is a duplicate)."""
    return _counted(run, run.read("reordered"), 0, "read out of order", "Every partition kept its order.")


@check(DRAIN, target="0 records")
def no_corrupt_record(run: Run) -> Finding:
    """Every record that was read has the checksum that it was sent with."""
    return _counted(run, run.read("corrupt"), 0, "with a wrong checksum", "Every record read was as it was sent.")


@check(LEDGER, DRAIN, target="0 records")
def no_anomaly(run: Run) -> Finding:
    """No record was stored of which the client was told that it was not.

    That is Adya's aborted read (G1a), and a failure as in Jepsen's checkers, not a doubt: only errors after which the
    protocol rules out that the record was appended are counted as definite, so the cluster broke its word. (Should
    that list be wrong, the failure is ours; it must not go by unseen then, either.)
    """
    return _counted(
        run,
        run.accounting.failed_seen,
        0,
        "found in the topic though the client was told of a definite failure",
        "Nothing is in the topic that was refused.",
    )


@check(DRAIN, "events.jsonl", target="every partition read to its end")
def drain_complete(run: Run) -> Finding:
    """The topic was read from the run's start to the end offsets taken after the last flush; else inconclusive."""
    if trouble := run.drain_trouble:
        return unsure(f"The topic was not read back as it must be: {trouble}.")
    actual = f"{run.read('read'):,} records in {len(run.drain['partitions'])} partitions"
    return passed("Every partition was read to its end.", actual)


@check(LEDGER, "load/*/counters.i64", "load/*/rates.u32", DRAIN, target="attempted = acked + failed + indeterminate")
def accounting_adds_up(run: Run) -> Finding:
    """What the ledgers, the clients' series and the drain counted agree; else inconclusive: our books are wrong."""
    books, series = run.accounting, run.series
    answered = all(ledger.closed for ledger in run.ledgers)
    pairs = {
        "acknowledged by ledger and by series": (books.acked, int(series.acked.sum())),
        "seen by ledger and by drain": (books.seen, run.read("ours") - run.read("duplicates")),
    }
    if answered:
        pairs["errors by ledger and by series"] = (books.failed + books.indeterminate, int(series.failed.sum()))
    actual = f"{books.attempted:,} = {books.acked:,} + {books.failed:,} + {books.indeterminate:,}"
    wrong = {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
    if wrong:
        name, (one, other) = next(iter(wrong.items()))
        return unsure(f"The books do not balance: {name}: {one} and {other}.", actual, wrong=wrong)
    return passed(
        "Ledgers, series and drain agree on every count.", actual, **books.model_dump(exclude={"lost_intervals"})
    )


def _counted(run: Run, found: int, allowed: int, wrong: str, right: str) -> Finding:
    actual = counted(found, "record")
    if found > allowed:
        return failed(f"{actual} {wrong}.", actual, partitions=run.drain["partitions"])
    if trouble := run.drain_trouble:
        return unsure(f"Only a part was looked at: {trouble}.", actual)
    return passed(right if not found else f"{actual} {wrong}, which the scenario allows.", actual)
