"""The life of a fault: write its undo down, inject, await the effect, hold, undo, see it undone, await recovery.

A fault is written as one function that resolves its targets and returns an `Injection`: whom it hits, and each step of
its life. `@fault` makes of it the action that Chaos Toolkit calls, and its `plan`, which builds the same injection and
runs none of it: what a plan shows is what an action would do.
"""

import functools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, ParamSpec, Protocol, cast

from chaoslib.exceptions import ActivityFailed

from drill import clock, record, rollback
from drill.cluster import Permission
from drill.errors import DrillError
from drill.interruption import undisturbed
from experiments._plan import Plan
from experiments._watch import GivenUpError, await_seen

P = ParamSpec("P")
Proof = dict[str, Any]
"""What was seen, as plain JSON types."""

_LAPSE = 10.0
"""How long the effect may stay out of sight at the end of the hold before it counts as lapsed, s."""


@dataclass(frozen=True, kw_only=True)
class Injection:
    """One fault with its targets resolved, ready to be injected; durations in seconds."""

    fault: str
    """Its name in events: the action's."""
    method: str
    """How it is done, in a word or two."""
    targets: tuple[dict[str, Any], ...]
    """Each {kind, namespace, name, ...}, as plans and events name it."""
    permissions: tuple[Permission, ...]
    """All that inject, effect, undo and recovered need."""
    inject: Callable[[], None]
    """Does it; returns without waiting for the effect."""
    effect: Callable[[], Proof]
    """Looks once whether it is on; raises NotSeenError where it is not."""
    undo: Callable[..., Proof]
    """A module-level function, so that a later process finds it by its name. It looks at the state itself, does nothing
    where nothing is left to undo, returns what it saw restored, and raises otherwise."""
    undo_arguments: dict[str, Any]
    """JSON types only; `context` is one of them."""
    recovered: Callable[[], Proof]
    """Looks once whether the targets are whole again; raises NotSeenError where they are not."""
    prepare: Callable[[], None] = lambda: None
    """Makes ready what inject needs, a helper container for one; undone as that is, and not counted as its time."""
    hold: float = 0
    effect_timeout: float = 60
    recovery_timeout: float = 180

    @property
    def plan(self) -> Plan:
        """What it would hit and what it needs."""
        return Plan(self.targets, self.permissions)


class Action(Protocol, Generic[P]):
    """A fault as Chaos Toolkit calls it."""

    __name__: str
    __doc__: str | None

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> dict[str, Any]:
        """Run the fault through its whole life; returns `{targets, proof, since}`."""

    def plan(self, *args: P.args, **kwargs: P.kwargs) -> Plan:
        """What the same call would hit, and what it needs; touches nothing."""

    def injection(self, *args: P.args, **kwargs: P.kwargs) -> Injection:
        """The fault itself, for another action that works while it is on."""


def fault(build: Callable[P, Injection]) -> Action[P]:
    """Make an action of a function that resolves a fault's targets and describes its life."""

    @functools.wraps(build)
    def action(*args: P.args, **kwargs: P.kwargs) -> dict[str, Any]:
        return run(build(*args, **kwargs))

    def plan(*args: P.args, **kwargs: P.kwargs) -> Plan:
        return build(*args, **kwargs).plan

    made = cast("Any", action)
    made.plan = plan
    made.injection = build
    return cast("Action[P]", made)


def run(injection: Injection) -> dict[str, Any]:
    """Run a fault through its whole life; the undo runs however it goes.

    Returns:
        `{targets, proof, since}`: since is when it was injected, seconds since the epoch.

    Raises:
        ActivityFailed: its effect was not seen, lapsed while it was held, or the targets did not recover in time.
        DrillError: the undo failed; it stays pending in the rollback log.
    """
    with injected(injection) as on:
        if injection.hold:
            time.sleep(max(0.0, on.since + injection.hold - clock.now()))
            _see_effect_still(injection, on.since)
    return {"targets": list(injection.targets), "proof": on.proof, "since": on.since}


@dataclass(frozen=True)
class On:
    """A fault that was seen to be on."""

    since: float
    """When it was injected, seconds since the epoch."""
    proof: Proof


@contextmanager
def injected(injection: Injection) -> Iterator[On]:
    """The fault is on when the block begins, and is undone when it ends, however it ends; recovery is awaited then.

    A block may cure what it can, as a runbook does: the undo then finds nothing left to do.

    Raises:
        ActivityFailed: its effect was not seen, or the targets did not recover in time.
        DrillError: the undo failed; it stays pending in the rollback log.
    """
    undo = f"{injection.undo.__module__}.{injection.undo.__qualname__}"
    identity = rollback.register(undo, injection.undo_arguments)
    try:
        since = _prepare(injection)
        _tell(injection, "fault.injected", at=since, method=injection.method)
        proof = _see_effect(injection, since)
        _tell(injection, "fault.effective", proof=proof, since=since)
        yield On(since, proof)
    finally:
        with undisturbed():
            _tell(injection, "fault.undoing")
            undone = injection.undo(**injection.undo_arguments)
            rollback.done(identity)
            _tell(injection, "fault.undone", proof=undone)
    _await_recovery(injection)


def _prepare(injection: Injection) -> float:
    """Prepare it; returns when that was done, which is when it is injected."""
    began = clock.now()
    try:
        injection.prepare()
    except (GivenUpError, DrillError) as error:
        raise _ineffective(injection, str(error), began) from error
    return clock.now()


def _see_effect(injection: Injection, since: float) -> Proof:
    try:
        injection.inject()
        return await_seen(injection.effect, injection.effect_timeout)
    except (GivenUpError, DrillError) as error:
        raise _ineffective(injection, str(error), since) from error


def _see_effect_still(injection: Injection, since: float) -> None:
    try:
        await_seen(injection.effect, _LAPSE)
    except (GivenUpError, DrillError) as error:
        raise _ineffective(injection, f"it lapsed while it was held: {error}", since) from error


def _ineffective(injection: Injection, reason: str, since: float) -> ActivityFailed:
    waited = clock.now() - since
    _tell(injection, "fault.ineffective", reason=reason, waited=waited)
    return ActivityFailed(f"{injection.fault}: {reason} after {waited:.1f} s")


def _await_recovery(injection: Injection) -> None:
    try:
        proof = await_seen(injection.recovered, injection.recovery_timeout)
    except (GivenUpError, DrillError) as error:
        _tell(injection, "fault.unrecovered", reason=str(error), waited=injection.recovery_timeout)
        raise ActivityFailed(f"{injection.fault}: no recovery: {error}") from error
    _tell(injection, "fault.recovered", proof=proof)


def _tell(injection: Injection, kind: str, *, at: float | None = None, **data: Any) -> None:
    for target in injection.targets:
        record.emit("experiment", kind, at=at, fault=injection.fault, target=target, **data)
