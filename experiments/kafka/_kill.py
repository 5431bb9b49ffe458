"""Killing brokers: armed, written down, fired at once, kept down if wanted, and claimed only with the proof."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any, Literal, get_args

from chaoslib.exceptions import ActivityFailed

from drill import clock, record
from drill.cluster import ClusterError
from drill.errors import UsageError
from drill.kafka import KafkaState, KafkaUnreachableError
from experiments import _signals
from experiments._values import Grace
from experiments._watch import ticks
from experiments.kafka import _recovery
from experiments.kafka._brokers import Broker, Site
from experiments.kafka._proof import Death, Expected

Method = Literal["delete", "sigkill"]


def check_method(method: Method, grace_period: Grace) -> None:
    """Refuse a method that does not exist, and a grace period that Kubernetes documents as unsafe.

    Raises:
        UsageError: `method` or `grace_period` can't be meant.
    """
    if method not in get_args(Method):
        raise UsageError(f"method is {method!r}: give delete or sigkill")
    if grace_period < 1:
        raise UsageError(
            "grace_period must be 1 s or more: 0 frees the pod's name before its process is dead, "
            "and two brokers would share one disk"
        )


def kill(
    here: Site,
    fault: str,
    brokers: Sequence[Broker],
    method: Method,
    expected: Expected,
    *,
    grace_period: int = 1,
    hold: float = 0,
    within: float = 60,
) -> list[dict[str, Any]]:
    """Kill brokers at once, keep them down for `hold` seconds, and see that it took effect.

    Returns:
        For each broker `{target, proof, since}`.

    Raises:
        ActivityFailed: something expected was not seen `within` seconds, or when the hold ended if that is later.
        ClusterError: the API server or a container refused.
    """
    deaths = strike(here, fault, brokers, method, grace_period)
    unproven, held, trouble = list(deaths), hold > 0, ""
    for waited in ticks(max(within, hold)):
        try:
            now = here.brokers()
            if waited < hold:
                keep_down(here, fault, brokers, now)
            for death in unproven:
                death.see_pod(now.get(death.broker.id))
            _look_at_kafka(here, unproven, expected)
        except (ClusterError, KafkaUnreachableError) as error:
            trouble = f" (last trouble in looking: {error})"
        for death in [each for each in unproven if each.missing(expected) is None]:
            unproven.remove(death)
            emit_effective(fault, death.broker, death.proof, death.since)
        if held and waited >= hold:
            held = False
            for broker in brokers:
                record.emit("experiment", "fault.undone", fault=fault, target=broker.as_target())
        if not unproven and not held:
            return [{"target": each.broker.as_target(), "proof": each.proof, "since": each.since} for each in deaths]
    raise ActivityFailed(
        "; ".join(
            emit_ineffective(fault, each.broker, f"{each.missing(expected)}{trouble}", max(within, hold))
            for each in unproven
        )
    )


def strike(here: Site, fault: str, brokers: Sequence[Broker], method: Method, grace_period: int) -> list[Death]:
    """Hit brokers at once, their return written down before.

    Raises:
        ActivityFailed: a signal could not reach the process, or the API server refused.
    """
    state = here.state()
    with ExitStack() as stack:
        shots: list[Callable[[], None]] = [
            arm(here, fault, broker, _signals.KILL, stack).fire
            if method == "sigkill"
            else partial(here.cluster.delete_pod, broker.pod, grace_period)
            for broker in brokers
        ]
        for broker in brokers:
            _recovery.register(here, fault, broker)
        return [_fire(fault, broker, method, shoot, state) for broker, shoot in zip(brokers, shots, strict=True)]


def keep_down(here: Site, fault: str, brokers: Sequence[Broker], now: dict[int, Broker]) -> None:
    """Delete the pod of each broker whose container runs again. By pod delete, since a new pod knows no back-off."""
    for broker in brokers:
        again = now.get(broker.id)
        if again and again.running and again.container_id != broker.container_id and not again.pod.terminating:
            here.cluster.delete_pod(again.pod, grace_period=1)
            record.emit("experiment", "fault.held", fault=fault, target=again.as_target())


def emit_injected(fault: str, broker: Broker, method: str, since: float) -> None:
    """Say that a fault is being injected, at the time just before the call."""
    record.emit("experiment", "fault.injected", at=since, fault=fault, target=broker.as_target(), method=method)


def emit_effective(fault: str, broker: Broker, proof: dict[str, Any], since: float) -> None:
    """Say that a fault was seen to be on."""
    record.emit("experiment", "fault.effective", fault=fault, target=broker.as_target(), proof=proof, since=since)


def emit_ineffective(fault: str, broker: Broker, reason: str, waited: float) -> str:
    """Say that a fault was not seen to be on; returns the sentence for the journal."""
    target = broker.as_target()
    record.emit("experiment", "fault.ineffective", fault=fault, target=target, reason=reason, waited=waited)
    return f"{broker.pod.name}: {reason} after {waited:g} s"


def arm(
    here: Site, fault: str, broker: Broker, script: str, stack: ExitStack, *, dead_man: float = 0
) -> _signals.Armed:
    """Arm a signal for as long as `stack` is open.

    Raises:
        ActivityFailed: no signal can reach the process.
    """
    try:
        return stack.enter_context(_signals.armed(here.cluster, broker, here.target.process, script, dead_man))
    except _signals.ArmingError as error:
        raise ActivityFailed(emit_ineffective(fault, broker, str(error), 0)) from error


def _fire(fault: str, broker: Broker, method: str, shoot: Callable[[], None], state: KafkaState) -> Death:
    since = clock.now()
    emit_injected(fault, broker, method, since)
    try:
        shoot()
    except ClusterError as error:
        raise ActivityFailed(emit_ineffective(fault, broker, str(error), 0)) from error
    return Death(broker, since, frozenset(each.name for each in state.led_by(broker.id)))


def _look_at_kafka(here: Site, deaths: Sequence[Death], expected: Expected) -> None:
    if not deaths:
        return
    state = here.state()
    for death in deaths:
        death.see_kafka(state)
        if expected.controller and death.died:
            death.see_quorum(expected.controller, here.quorum(besides=death.broker.id))
