"""What stops a drill: conditions while its fault is on, a person from anywhere, a freeze, the deadman timer.

Everything is looked at each second, each in a thread of its own, so that none waits for another. A condition or the
deadman timer ends the fault, and the drill goes on to recovery; a person or a freeze ends the drill.
"""

import json
import threading
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Self

from drill import clock, guard, lease
from drill.cluster import Cluster
from drill.record import RunRecord
from drill.settings import Settings
from scenarios._conditions import Watch, conditions
from scenarios._stop_plan import StopPlan
from scenarios._timeline import Tail

PERIOD = 1.0
"""Seconds between two looks."""
_PEOPLE = {"abort", "freeze"}
_ANSWER = 2.0
"""Seconds after which an API server that does not answer has not said anything."""
_ACTING = ("fault.undoing", "fault.undone", "rollback.begun")
"""Events that say that an undo has begun."""


@dataclass(frozen=True)
class Stop:
    """What stopped the drill."""

    condition: str
    """error-budget, under-replicated, promql, deadman, abort, freeze."""
    who: str
    """In words: what follows `stopped by`."""
    value: str
    limit: str
    breach: float
    """When it was so at the earliest, epoch seconds on the run's clock."""
    missing: bool = False
    """The number could not be had, and the scenario says to stop then."""
    asked_at: str | None = None
    """When a person asked for it, by the person's clock."""

    @property
    def reason(self) -> str:
        """In one clause."""
        return f"stopped by {self.who}: {self.value}" + (f" (limit: {self.limit})" if self.limit else "")


class Stops:
    """Watches from entering to leaving the context.

    Args:
        record: of the run.
        plan: the scenario's conditions.
        systems: whose clients have an error budget.
        settings: where Prometheus and the freeze file are.
        cluster: where people leave their word.
        holder: of the Lease: whom an abort means.
        interrupt: ends the drill, from another thread, for a reason in words.
    """

    def __init__(
        self,
        record: RunRecord,
        plan: StopPlan,
        systems: Iterable[str],
        settings: Settings,
        cluster: Cluster,
        holder: str,
        interrupt: Callable[[str], None],
    ) -> None:
        self.fired: Stop | None = None
        """The first that stopped the drill."""
        self._record, self._settings, self._cluster = record, settings, cluster
        self._holder, self._interrupt = holder, interrupt
        self._tail = Tail(record)
        self._watches = [Watch(each) for each in conditions(plan, systems, record, settings, self._tail)]
        self._done, self._over, self._lock = threading.Event(), threading.Event(), threading.Lock()
        self._rollback_failed: tuple[str, ...] = ()
        self._clear = clock.now()
        self._threads = [
            threading.Thread(target=self._repeat, args=(self._people,), name="stops-people", daemon=True),
            *(
                threading.Thread(
                    target=self._repeat,
                    args=(lambda watch=each: self._condition(watch),),
                    name=f"stops-{each.condition.kind}",
                    daemon=True,
                )
                for each in self._watches
            ),
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()

    @property
    def breached(self) -> bool:
        """Whether something ends the fault that does not end the drill as well (a person does, by interruption)."""
        return self.fired is not None and self.fired.condition not in _PEOPLE

    @property
    def reason(self) -> str:
        """What stopped the drill, in one clause."""
        return "not stopped" if self.fired is None else self.fired.reason

    def deadman(self, after: float) -> None:
        """The experiment has had its time."""
        self._fire(Stop("deadman", "the deadman timer", "the experiment was not over", f"{after:g} s", clock.now()))

    def acting(self, since: float) -> bool:
        """Whether, from `since` on, the undo of a fault was seen to begin."""
        seen = self._tail.last(*_ACTING)
        return seen is not None and seen.t >= since

    def halted(self, told: float) -> None:
        """Note how soon the fault was off: the experiment was told to end at `told`, and is over now."""
        if (stop := self.fired) is None:
            return
        since = [event for event in RunRecord(self._record.path).events if event.t >= told]
        begun = next((event.t for event in since if event.kind in _ACTING), None)
        undone = max((event.t for event in since if event.kind == "fault.undone"), default=None)
        seconds = {"told": told, "undo_begun": begun, "undone": undone, "over": clock.now()}
        self._record.emit(
            "runner",
            "stop.halted",
            condition=stop.condition,
            breach=stop.breach,
            **{name: None if at is None else at - stop.breach for name, at in seconds.items()},
        )

    def let_go(self, rollback_failed: tuple[str, ...]) -> None:
        """No fault is on any more, or none that can be undone: conditions are over, and who asked is told."""
        for each in self._watches:
            self._record.emit(
                "runner",
                "stop.watched",
                condition=each.condition.kind,
                who=each.condition.who,
                limit=each.condition.limit,
                looks=each.looks,
                worst=None if each.worst is None else each.condition.show(each.worst),
                last_trouble=each.reason if not each.looks else None,
            )
        with self._lock:
            self._rollback_failed = rollback_failed
            self._over.set()
            self._answer()

    # -- in the threads ----------------------------------------------------------------------------------------------

    def _repeat(self, look: Callable[[], None]) -> None:
        while not self._done.is_set():
            look()
            self._done.wait(PERIOD)

    def _condition(self, watch: Watch) -> None:
        if self._over.is_set() or self._tail.last("fault.injected") is None or (verdict := watch.look()) is None:
            return
        condition = watch.condition
        stop = Stop(
            condition.kind, condition.who, verdict.value, condition.limit, verdict.since, missing=verdict.missing
        )
        if verdict.missing and condition.missing == "inconclusive":
            self._record.emit("runner", "stop.blind", **asdict(stop))
        else:
            self._fire(stop)

    def _people(self) -> None:
        if self.fired is not None and self.fired.condition in _PEOPLE:
            return
        looked = clock.now()
        if reason := guard.frozen(self._settings):
            self._end(Stop("freeze", "a freeze", reason, "", self._clear))
            return
        try:
            notice = lease.look(self._cluster, self._settings.target.lease_namespace, _ANSWER)
        except Exception as error:  # noqa: BLE001 - an API server that is down is part of some drills; said, not fatal
            if (last := self._tail.last("stop.unasked", "stop.asked")) is None or last.kind == "stop.asked":
                self._record.emit("runner", "stop.unasked", error=str(error))
            return
        if (last := self._tail.last("stop.unasked", "stop.asked")) is not None and last.kind == "stop.unasked":
            self._record.emit("runner", "stop.asked")
        if notice.freeze is not None:
            self._end(Stop("freeze", "a freeze of the cluster", notice.freeze, "", self._clear))
        elif (wish := notice.abort) is not None and wish.holder in {None, self._holder}:
            at = wish.at.isoformat() if wish.at else None
            self._end(Stop("abort", wish.by, wish.reason, "", self._clear, asked_at=at))
        else:
            self._clear = looked

    def _fire(self, stop: Stop) -> None:
        with self._lock:
            self._record.emit("runner", "stop.fired", **asdict(stop), reason=stop.reason)
            self.fired = self.fired or stop

    def _end(self, stop: Stop) -> None:
        with self._lock:
            self._record.emit("runner", "stop.fired", **asdict(stop), reason=stop.reason)
            self.fired = stop  # whatever had ended the fault before: now the drill ends
            if self._over.is_set():
                self._answer()
        self._interrupt(stop.reason)

    def _answer(self) -> None:
        """Tell the one who asked, through the cluster, that the fault is off, or that it could not be undone."""
        if self.fired is None or self.fired.condition not in _PEOPLE:
            return
        answer = json.dumps({"holder": self._holder, "rollback_failed": list(self._rollback_failed)})
        try:
            lease.note(self._cluster, self._settings.target.lease_namespace, {lease.HALTED: answer})
        except Exception as error:  # noqa: BLE001 - the one who asked sees the Lease released, later
            self._record.emit("runner", "stop.unanswered", error=str(error))
