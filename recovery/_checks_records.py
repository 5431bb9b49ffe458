"""What became of the records: lost, doubled, out of order, corrupt, and whether the books balance.

Of each stream by itself: the records of a topic, the transactions of a database, the workflows of a scheduler. What is
found wrong is a failure however much was read. That nothing is wrong can only be said when all was read to its end.
"""

from recovery._check import RECORDS, Finding, check, counted, each_stream, failed, passed, unsure
from recovery._traffic import Traffic

LEDGER, DRAIN = "load/*/*.bits", "evidence/drain*.json"
_accounted = each_stream(lambda traffic: traffic.accounted)
_log = each_stream(lambda traffic: traffic.service == "kafka")


@check(LEDGER, DRAIN, target=lambda o: f"<= {o.lost_records} {RECORDS}")
@_accounted
def no_acked_record_lost(traffic: Traffic) -> Finding:
    """Every acknowledged record was found when what holds it was read to its end.

    A record that is missing from a topic that was not read to its end is not lost, as far as is known.
    """
    books, noun = traffic.accounting, traffic.noun
    if trouble := traffic.drain_trouble:
        return unsure(f"Whether {noun}s were lost is not known: {trouble}.")
    actual = f"{books.lost:,} of {books.acked:,} acknowledged"
    if books.lost <= traffic.run.record.objectives.lost_records:
        every = f"Every acknowledged {noun} was found."
        return passed("No more were lost than the scenario allows." if books.lost else every, actual)
    intervals = [interval.model_dump() for interval in books.lost_intervals]
    partitions = sorted({interval.partition for interval in books.lost_intervals})
    where = f"of partition {', '.join(map(str, partitions))} " if traffic.service == "kafka" else ""
    return failed(
        f"{counted(books.lost, f'acknowledged {noun}')} {where}"
        f"not found, in {counted(len(intervals) + books.lost_intervals_omitted, 'interval')}.",
        actual,
        intervals=intervals,
        omitted=books.lost_intervals_omitted,
        rpo=traffic.run.timeline.rpo,
    )


@check(LEDGER, DRAIN, target=lambda o: None if o.duplicates is None else f"<= {o.duplicates} {RECORDS}")
@_accounted
def duplicates(traffic: Traffic) -> Finding:
    """No more records than allowed are there more than once."""
    twice, allowed = traffic.accounting.seen_twice, traffic.run.record.objectives.duplicates
    return _counted(traffic, twice, allowed or 0, "seen more than once", f"No {traffic.noun} was seen more than once.")


@check(DRAIN, target="0 records", applies=lambda run: any(each.service == "kafka" for each in run.traffic))
@_log
def order_kept(traffic: Traffic) -> Finding:
    """In each partition the sequence numbers of each producer rise (one that is seen again is a duplicate).

    Only a log promises an order: transactions of several connections, and workflows, come as they come.
    """
    return _counted(traffic, traffic.read("reordered"), 0, "read out of order", "Every partition kept its order.")


@check(DRAIN, target=f"0 {RECORDS}")
@_accounted
def no_corrupt_record(traffic: Traffic) -> Finding:
    """Every record that was read has the checksum that it was sent with."""
    wrong, right = "with a wrong checksum", f"Every {traffic.noun} read was as it was sent."
    return _counted(traffic, traffic.read("corrupt"), 0, wrong, right)


@check(LEDGER, DRAIN, target=f"0 {RECORDS}")
@_accounted
def no_anomaly(traffic: Traffic) -> Finding:
    """No record was stored of which the client was told that it was not.

    That is Adya's aborted read (G1a), and a failure as in Jepsen's checkers, not a doubt: only errors after which the
    protocol rules out that the record was appended are counted as definite, so the cluster broke its word. (Should
    that list be wrong, the failure is ours; it must not go by unseen then, either.)
    """
    return _counted(
        traffic,
        traffic.accounting.failed_seen,
        0,
        f"found in the {traffic.store} though the client was told of a definite failure",
        f"Nothing is in the {traffic.store} that was refused.",
    )


@check(DRAIN, "events.jsonl", target="every partition read to its end")
@_accounted
def drain_complete(traffic: Traffic) -> Finding:
    """All was read, from the run's start to the end that was taken after the last answer; else inconclusive."""
    if trouble := traffic.drain_trouble:
        return unsure(f"The {traffic.store} was not read back as it must be: {trouble}.")
    actual = f"{traffic.read('read'):,} {traffic.noun}s"
    if traffic.service != "kafka":
        return passed(f"The {traffic.store} was read to its end.", actual)
    return passed("Every partition was read to its end.", f"{actual} in {len(traffic.drain['partitions'])} partitions")


@check(LEDGER, "load/*/counters.i64", "load/*/rates.u32", DRAIN, target="attempted = acked + failed + indeterminate")
@_accounted
def accounting_adds_up(traffic: Traffic) -> Finding:
    """What the ledgers, the clients' series and the drain counted agree; else inconclusive: our books are wrong."""
    books, series = traffic.accounting, traffic.series
    answered = all(ledger.closed for ledger in traffic.ledgers)
    pairs = {
        "acknowledged by ledger and by series": (books.acked, int(series.acked.sum())),
        "seen by ledger and by drain": (books.seen, traffic.read("ours") - traffic.read("duplicates")),
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


def _counted(traffic: Traffic, found: int, allowed: int, wrong: str, right: str) -> Finding:
    actual = counted(found, traffic.noun)
    if found > allowed:
        return failed(f"{actual} {wrong}.", actual, partitions=traffic.drain["partitions"])
    if trouble := traffic.drain_trouble:
        return unsure(f"Only a part was looked at: {trouble}.", actual)
    return passed(right if not found else f"{actual} {wrong}, which the scenario allows.", actual)
