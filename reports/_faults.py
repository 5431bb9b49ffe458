"""The faults of a run, each with the proof that it took effect and that it was undone."""

from dataclasses import dataclass
from typing import Any

from drill.record import Event, RunRecord
from reports._format import duration
from reports._measured import Missing

_EFFECT = ("fault.effective", "fault.ineffective")
_RECOVERY = ("fault.recovered", "fault.unrecovered")


@dataclass(frozen=True)
class Fault:
    """One injection and what followed it; instants in epoch seconds."""

    name: str
    target: dict[str, Any]
    method: str
    injected: float
    since: float | Missing
    """t0: when it took effect."""
    effect: dict[str, Any] | Missing
    """What proves the effect."""
    undone: float | Missing
    recovered: float | Missing
    recovery: dict[str, Any] | Missing
    """What proves the recovery."""

    @property
    def at(self) -> str:
        """What was hit, in words: `broker 1 (pod kafka/pool-1)`."""
        keys = ("name",) if self.target.get("kind") == "Namespace" else ("namespace", "name")
        place = "/".join(str(self.target[key]) for key in keys if self.target.get(key))
        pod = f"{self.target.get('kind', 'target')} {place}".strip().lower() if place else ""
        if "broker" in self.target:
            return f"broker {self.target['broker']}" + (f" ({pod})" if pod else "")
        return pod or "an unnamed target"


def faults(record: RunRecord) -> tuple[Fault, ...]:
    """Every injection, in the order of time."""
    found = [event for event in record.events if event.kind.startswith("fault.")]
    injections = [at for at, event in enumerate(found) if event.kind == "fault.injected"]
    return tuple(_fault(found, at) for at in injections)


def _fault(found: list[Event], at: int) -> Fault:
    injected = found[at]
    following = []
    for event in found[at + 1 :]:
        if _key(event) == _key(injected):
            if event.kind == "fault.injected":
                break
            following.append(event)

    def first(*kinds: str) -> Event | None:
        return next((event for event in following if event.kind in kinds), None)

    effect, undone, recovery = first(*_EFFECT), first("fault.undone"), first(*_RECOVERY)
    seen = effect is not None and effect.kind == "fault.effective"
    over = recovery is not None and recovery.kind == "fault.recovered"
    return Fault(
        name=str(injected.data.get("fault", "unnamed fault")),
        target=_target(injected),
        method=str(injected.data.get("method", "not said")),
        injected=injected.t,
        since=float(effect.data.get("since", injected.t)) if effect and seen else _why(effect, "its effect"),
        effect=dict(effect.data.get("proof", {})) if effect and seen else _why(effect, "its effect"),
        undone=undone.t if undone else Missing("the record has no fault.undone event"),
        recovered=recovery.t if recovery and over else _why(recovery, "its recovery"),
        recovery=dict(recovery.data.get("proof", {})) if recovery and over else _why(recovery, "its recovery"),
    )


def _why(event: Event | None, what: str) -> Missing:
    if event is None:
        return Missing(f"the record does not say that {what} was seen")
    waited = event.data.get("waited")
    wait = f", after {duration(float(waited))}" if waited is not None else ""
    return Missing(f"{event.data.get('reason', 'no reason given')}{wait}")


def _target(event: Event) -> dict[str, Any]:
    target = event.data.get("target", {})
    return target if isinstance(target, dict) else {"name": str(target)}


def _key(event: Event) -> tuple[Any, ...]:
    """What tells one fault from another; a pod's uid changes when it is killed, so it is no part of it."""
    target = _target(event)
    return event.data.get("fault"), target.get("kind"), target.get("namespace"), target.get("name")
