"""Stop conditions: how each is read, and the judgement of one that is read each second."""

import bisect
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from drill import clock, prometheus
from drill.errors import DrillError
from drill.ledger import Ledger, streams
from drill.record import RunRecord
from drill.settings import PrometheusTarget, Settings
from scenarios._stop_plan import ErrorBudget, PromQL, StopPlan, UnderReplicated
from scenarios._timeline import Tail

BLIND = 5.0
"""A number that can't be had for so many seconds on end is missing; one lost answer is not."""
_STALE = 5.0
"""An observation of Kafka that is older, s, says nothing of now."""
_PATIENCE = 2.0
"""Seconds after which a number that does not come is not had: a stop must not wait for it."""


class MissingError(DrillError):
    """The number can't be had now; the message says why."""


@dataclass(frozen=True)
class Condition:
    """Something that stops a drill when it is true."""

    kind: str
    """error-budget, under-replicated, promql."""
    who: str
    """Who says so, in words: what follows `stopped by`."""
    limit: str
    """In words."""
    missing: str
    """`stop` or `inconclusive`."""
    lasting: float
    read: Callable[[], float]
    """The number as it is now; raises DrillError where it can't be had."""
    beyond: Callable[[float], bool]
    show: Callable[[float], str] = "{:g}".format
    """The number in words."""
    worse: Callable[[float, float], float] = max


@dataclass(frozen=True)
class Verdict:
    """What a look at a condition has come to: it is met, or its number is missing."""

    missing: bool
    value: str
    """The number in words, or why there is none."""
    since: float
    """When this was so at the earliest, epoch seconds."""


@dataclass
class Watch:
    """One condition over time; `look` is called each second while the fault is on."""

    condition: Condition
    looks: int = 0
    worst: float | None = None
    reason: str = "never looked"
    _good: float | None = None
    """The last time when it was not met."""
    _seen: float | None = None
    """The last time when there was a number."""
    _told: set[bool] = field(default_factory=set)

    def look(self) -> Verdict | None:
        """Read the number now; the verdict, once, when the condition is met or the number has been missing for long."""
        now = clock.now()
        if self._good is None or self._seen is None:
            self._good = self._seen = now
        try:
            value = self.condition.read()
            if math.isnan(value):
                raise MissingError("it is not a number")  # noqa: TRY301 - the same as not having one
        except Exception as error:  # noqa: BLE001 - whatever the reason: without a number nobody watches
            self.reason = str(error) or type(error).__name__
            return self._once(missing=True, value=self.reason, since=self._seen + BLIND)
        self.looks, self._seen = self.looks + 1, clock.now()
        self.worst = value if self.worst is None else self.condition.worse(self.worst, value)
        if not self.condition.beyond(value):
            self._good = now
            return None
        return self._once(missing=False, value=self.condition.show(value), since=self._good + self.condition.lasting)

    def _once(self, *, missing: bool, value: str, since: float) -> Verdict | None:
        if clock.now() < since or missing in self._told:
            return None
        self._told.add(missing)
        return Verdict(missing, value, since)


def conditions(
    plan: StopPlan, systems: Iterable[str], record: RunRecord, settings: Settings, tail: Tail
) -> Iterator[Condition]:
    """Those of a scenario that loads `systems`, ready to be read: an error budget is each one's own."""
    if plan.error_budget:
        for system in systems:
            yield _error_budget(plan.error_budget, system, record)
    if plan.under_replicated:
        yield _under_replicated(plan.under_replicated, tail)
    for each in plan.promql:
        yield promql(each, settings.prometheus)


def _error_budget(plan: ErrorBudget, system: str, record: RunRecord) -> Condition:
    return Condition(
        kind="error-budget",
        who=f"the error budget of {system}'s clients",
        limit=f"{plan.share:.0%} of what was due in the last {plan.window:g} s",
        missing=plan.missing,
        lasting=0,
        read=lambda: errors(record, system, clock.now(), plan.window),
        beyond=lambda share: share > plan.share,
        show="{:.0%} without success".format,
    )


def _under_replicated(plan: UnderReplicated, tail: Tail) -> Condition:
    return Condition(
        kind="under-replicated",
        who="the limit of under-replicated partitions",
        limit=f"{plan.max} partitions" + _for(plan.lasting),
        missing=plan.missing,
        lasting=plan.lasting,
        read=lambda: _observed(tail),
        beyond=lambda count: count > plan.max,
        show="{:g} partitions".format,
    )


def promql(plan: PromQL, target: PrometheusTarget) -> Condition:
    """A condition that Prometheus is asked for."""
    above = plan.above
    limit = above if above is not None else plan.below
    assert limit is not None  # noqa: S101 - the plan has exactly one of the two
    return Condition(
        kind="promql",
        who=f"Prometheus ({plan.expr})",
        limit=f"{'above' if above is not None else 'below'} {limit:g}" + _for(plan.lasting),
        missing=plan.missing,
        lasting=plan.lasting,
        read=lambda: _asked(plan, target),
        beyond=(lambda value: value > limit) if above is not None else (lambda value: value < limit),
        worse=max if above is not None else min,
    )


def errors(record: RunRecord, system: str, now: float, window: float) -> float:
    """The share of what was due of a system's clients in the last `window` seconds that has had no success until now.

    Of several streams that of the worst.

    Raises:
        MissingError: nothing was due.
        RecordIncompleteError: there is no ledger.
    """
    shares = []
    for stream in streams(record):
        if stream.system != system:
            continue
        due = good = 0
        for ledger in stream.ledgers:
            sequences = np.arange(first_due(ledger, now - window), ledger.attempted)
            due += len(sequences)
            good += int(ledger.acked.has(sequences).sum())
        if not due:
            raise MissingError(f"nothing was due of {stream.name} in the last {window:g} s")
        shares.append(1 - good / due)
    if not shares:
        raise MissingError(f"no client of {system} has begun")
    return max(shares)


def first_due(ledger: Ledger, t: float) -> int:
    """The first sequence number that was due at `t` or later."""
    return bisect.bisect_left(
        range(ledger.attempted), t, key=lambda sequence: float(ledger.intended_time(np.array([sequence]))[0])
    )


def _observed(tail: Tail) -> float:
    seen = tail.last("observed.kafka", "observed.kafka-unreachable")
    if seen is None or clock.now() - seen.t > _STALE:
        raise MissingError("Kafka's metadata has not been looked at")
    if seen.kind == "observed.kafka-unreachable":
        raise MissingError(f"Kafka's metadata can't be had: {seen.data.get('error')}")
    return float(seen.data["under_replicated"])


def _asked(plan: PromQL, target: PrometheusTarget) -> float:
    values = [sample.value for sample in prometheus.query(target, plan.expr, _PATIENCE)]
    if not values:
        raise MissingError(f"Prometheus has no data for {plan.expr}")
    return max(values) if plan.above is not None else min(values)


def _for(lasting: float) -> str:
    return f" for {lasting:g} s" if lasting else ""
