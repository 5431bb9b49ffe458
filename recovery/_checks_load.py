"""Whether the load was what it was to be, and what clients saw of latency."""

import math
from collections.abc import Callable

from drill.errors import RecordIncompleteError
from drill.ledger import Ledger
from drill.objectives import SERVICES, Objectives
from recovery._check import Finding, check, counted, each_stream, failed, passed, unsure
from recovery._traffic import Traffic

LATE_P99, LATE_MAX = 0.25, 1.0
"""A scheduler that hands records over later than this, s, offers another load than planned, and its own stalls can be
taken for the platform's. A shorter stall makes an outage look longer by no more than itself: `Timeline.error`."""
SENT_SHARE = 0.99
"""The share of the planned records that a load generator must have handed to its client to be worth judging by."""


@check(
    "load/*/header.json",
    "load/*/counters.i64",
    "load/*/lag.u32",
    "events.jsonl",
    target=f">= {SENT_SHARE:.1%} sent, at most {LATE_MAX:g} s late, p99 <= {LATE_P99:g} s",
)
@each_stream()
def offered_load_achieved(traffic: Traffic) -> Finding:
    """The planned records were sent, in time, and every one got its answer (ack, error or timeout).

    Else inconclusive: the platform was spared load that a real client would have offered. What became of the records
    is for `achieved-over-offered`; this is about the load generator only. A record that found no room in the client's
    queue was due, but not sent.
    """
    if died := _died(traffic):
        return unsure(died)
    noun, series = traffic.noun, traffic.series
    planned = sum(_planned(ledger, traffic) for ledger in traffic.ledgers)
    if planned < 1:
        raise RecordIncompleteError("no load was planned")
    never_sent = sum(_never_sent(ledger, traffic) for ledger in traffic.ledgers)
    sent = sum(ledger.attempted for ledger in traffic.ledgers) - never_sent
    share, late, worst = sent / planned, series.lag_p99, series.max_lag
    if math.isnan(worst):
        raise RecordIncompleteError(f"how late the load generator handed {noun}s over was not recorded")
    actual = f"{share:.1%} of {planned:,.0f} {noun}s, {worst * 1000:.1f} ms late at worst, p99 {late * 1000:.1f} ms"
    details = {"sent": sent, "never_sent": never_sent, "planned": planned, "lag_p99": late, "max_lag": worst}
    # The schedule of each producer ends between two arrivals, which is one of few where it is slow.
    if share < SENT_SHARE and planned - sent > len(traffic.ledgers):
        full = f": {counted(never_sent, noun)} never left the client" if never_sent else ""
        return unsure(f"Fewer {noun}s were sent than planned{full}.", actual, **details)
    if late > LATE_P99 or worst > LATE_MAX:
        return unsure(
            "The load generator itself lagged, so that its silence can't be told from the platform's.",
            actual,
            **details,
        )
    return passed("The planned load was offered in time.", actual, **details)


@check(
    "load/*/acked.bits",
    "load/*/failed.bits",
    "load/*/counters.i64",
    target=lambda o: _with_own(o, "achieved_over_offered", lambda share: f">= {share:.1%} acknowledged"),
)
@each_stream()
def achieved_over_offered(traffic: Traffic) -> Finding:
    """The platform acknowledged the share of the offered records that it must.

    Offered is every record that was due, also one for which the client had no room left: a platform that answers too
    slowly fills the client's queue.
    """
    if died := _died(traffic):
        return unsure(died)
    noun = traffic.noun
    attempted = sum(ledger.attempted for ledger in traffic.ledgers)
    acked = sum(ledger.acked.count() for ledger in traffic.ledgers)
    refused = sum(ledger.failed.count() for ledger in traffic.ledgers)
    if attempted == 0:
        raise RecordIncompleteError(f"no {noun} was offered")
    # Cut, not rounded: what is short of the objective is not to look like it.
    actual = f"{1000 * acked // attempted / 10:.1f}% of {attempted:,} {noun}s"
    unanswered = attempted - acked - refused
    details = {"attempted": attempted, "acked": acked, "failed": refused, "indeterminate": unanswered}
    rest = f"{counted(refused, noun)} failed and {unanswered:,} had no answer"
    if acked / attempted < traffic.objectives.achieved_over_offered:
        return failed(f"The platform did not take in time what it was offered: {rest}.", actual, **details)
    if acked < attempted:
        return passed(f"The platform took what it was offered, but for what is allowed: {rest}.", actual, **details)
    return passed(f"The platform acknowledged every {noun} that it was offered.", actual, **details)


@check(
    "load/*/intended.u32",
    "load/*/counters.i64",
    target=lambda o: _with_own(o, "latency_p99", lambda p99: f"<= {p99:g} s"),
)
@each_stream(lambda traffic: traffic.objectives.latency_p99 is not None)
def latency_p99(traffic: Traffic) -> Finding:
    """The p99 of completion - intended time from the baseline's start to the end of the load is within the objective.

    A record that was never acknowledged took forever: it counts among the slowest.
    """
    p99, never = slowest_percent(traffic)
    if math.isinf(p99):
        reason = f"{never:,} {traffic.noun}s, more than 1 %, were never acknowledged."
        return failed(reason, actual="no p99", never=never)
    actual, objective = f"{p99:.3f} s", traffic.objectives.latency_p99
    if objective is not None and p99 > objective:
        return failed(f"The slowest 1 % of the {traffic.noun}s took longer than the objective allows.", actual)
    return passed(f"The slowest 1 % of the {traffic.noun}s aside, latency was within the objective.", actual)


def slowest_percent(traffic: Traffic) -> tuple[float, int]:
    """The p99 of the measured load, s, infinite where it has none; and how many records were never acknowledged.

    Raises:
        RecordIncompleteError: nothing was acknowledged after the baseline began.
    """
    begin, end, series = traffic.run.baseline[0], traffic.load_end, traffic.series
    acked = int(series.intended[math.ceil(begin - series.start) : math.floor(end - series.start)].sum())
    never = sum(ledger.attempted - ledger.acked.count() for ledger in traffic.ledgers)
    if acked == 0:
        raise RecordIncompleteError("nothing was acknowledged after the baseline began")
    q = 0.99 * (acked + never) / acked
    return (math.inf if q > 1 else series.latency_between(q, begin, end)), never


def _with_own(objectives: Objectives, name: str, words: Callable[[float], str]) -> str | None:
    """What the platform is held to, and after it what single services are; None: nothing is."""
    held = {"": getattr(objectives, name)}
    held |= {f"{service} ": getattr(objectives.own(service), name) for service in SERVICES}
    return ", ".join(f"{whose}{words(value)}" for whose, value in held.items() if value is not None) or None


def _died(traffic: Traffic) -> str | None:
    """That a producer did not live to take every answer; None when all did."""
    unclosed = [ledger.header.producer_id for ledger in traffic.ledgers if not ledger.closed]
    if not unclosed:
        return None
    who = f"producer {unclosed[0]}" if traffic.service == "kafka" else f"that of {traffic.name}"
    return f"The load died: {who} did not see its last {traffic.noun}s through."


def _never_sent(ledger: Ledger, traffic: Traffic) -> int:
    """Records that a producer's client did not take, by the producer's own word."""
    producer = ledger.header.producer_id
    said = [event.data for event in traffic.run.events_of("load.stopped") if event.data["producer_id"] == producer]
    if not said or "refusals" not in said[-1]:
        raise RecordIncompleteError(f"whether producer {producer} sent all its {traffic.noun}s is not in the record")
    return sum(count for reason, count in said[-1]["refusals"].items() if reason.startswith("never sent:"))


def _planned(ledger: Ledger, traffic: Traffic) -> float:
    """Records that a producer's schedule had due until its arrivals ended."""
    producer, stages = ledger.header.producer_id, ledger.header.stages
    ends = [event.t for event in traffic.run.events_of("load.flushing") if event.data["producer_id"] == producer]
    if not ends or not stages:
        raise RecordIncompleteError(f"when the arrivals of producer {producer} began and ended is not in the record")
    until = [*(stage.t for stage in stages[1:]), ends[-1]]
    return sum(stage.rate * max(0.0, t - stage.t) for stage, t in zip(stages, until, strict=True))
