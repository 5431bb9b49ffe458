"""Stopping brokers by SIGSTOP and letting them continue, whoever lives to do it."""

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from chaoslib.exceptions import ActivityFailed

from drill import clock, record, rollback
from drill.rollback import NotRestoredError
from experiments import _signals
from experiments.kafka import _kill
from experiments.kafka._brokers import Broker, Site, site

DEAD_MAN = 10.0
"""Seconds after the planned end of a pause when the container itself ends it, should the harness be dead by then."""

_UNDO = f"{__name__}.resume_broker"


def register(here: Site, fault: str, broker: Broker) -> str:
    """Write down how to let `broker` continue; returns the id for `rollback.done`."""
    arguments = {
        "context": here.context,
        "fault": fault,
        "target": broker.as_target(),
        "container_id": broker.container_id,
    }
    return rollback.register(_UNDO, arguments)


def resume_broker(context: str, fault: str, target: dict[str, Any], container_id: str) -> None:
    """Undo of a pause: SIGCONT. A process whose pod or container is gone meanwhile is not stopped any more.

    Raises:
        NotRestoredError: the process is still stopped afterwards.
        ClusterError: the container could not be entered.
    """
    here = site(context)
    broker = here.brokers().get(target["broker"])
    if broker and broker.pod.uid == target["uid"] and broker.container_id == container_id and broker.running:
        with _signals.armed(here.cluster, broker, here.target.process, _signals.CONTINUE) as resume:
            resume.fire()
            if (state := resume.state()) == "T":
                raise NotRestoredError(f"{broker.pod.name} is still stopped after SIGCONT")
        record.emit("experiment", "fault.undone", fault=fault, target=target, state=state)


def stop(fault: str, brokers: Sequence[Broker], stops: Sequence[_signals.Armed]) -> tuple[float, list[dict[str, Any]]]:
    """Fire armed SIGSTOPs at the same moment and see that the processes stopped.

    Returns:
        When they were fired, and for each broker the proof.

    Raises:
        ActivityFailed: a process did not stop.
    """
    since = clock.now()
    for each in stops:
        each.fire()
    proofs = []
    for broker, each in zip(brokers, stops, strict=True):
        if (state := each.state()) != "T":
            reason = f"the process is in state {state} after SIGSTOP"
            raise ActivityFailed(_kill.emit_ineffective(fault, broker, reason, clock.now() - since))
        proofs.append({"process_state": state, "pid": each.pid})
    return since, proofs


def ensure_stopped(fault: str, brokers: Sequence[Broker], looks: Sequence[_signals.Armed], since: float) -> None:
    """Fire armed looks and see that the processes are still stopped, as they are from `since` on.

    Raises:
        ActivityFailed: somebody let one continue.
    """
    for each in looks:
        each.fire()
    for broker, each in zip(brokers, looks, strict=True):
        if (state := each.state()) != "T":
            reason = f"it lapsed while it was held: the process is in state {state}"
            raise ActivityFailed(_kill.emit_ineffective(fault, broker, reason, clock.now() - since))


def resume(fault: str, brokers: Sequence[Broker], resumes: Sequence[_signals.Armed], undos: Sequence[str]) -> None:
    """Fire armed SIGCONTs at the same moment, see that the processes run, and settle their undos.

    Raises:
        ClusterError: no answer from a container; its undo stays pending.
        NotRestoredError: a process is still stopped; its undo stays pending.
    """
    ended = clock.now()
    for each in resumes:
        each.fire()
    for broker, each, undo in zip(brokers, resumes, undos, strict=True):
        if (state := each.state()) == "T":
            raise NotRestoredError(f"{broker.pod.name} is still stopped after SIGCONT")
        record.emit("experiment", "fault.undone", at=ended, fault=fault, target=broker.as_target(), state=state)
        rollback.done(undo)


def arm(
    here: Site, fault: str, brokers: Sequence[Broker], seconds: float, stack: ExitStack
) -> tuple[list[_signals.Armed], list[_signals.Armed]]:
    """Arm a SIGSTOP (with its dead man) and a SIGCONT for each broker."""
    dead_man = seconds + DEAD_MAN
    return (
        [_kill.arm(here, fault, broker, _signals.STOP, stack, dead_man=dead_man) for broker in brokers],
        [_kill.arm(here, fault, broker, _signals.CONTINUE, stack) for broker in brokers],
    )
