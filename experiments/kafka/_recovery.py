"""Awaiting that brokers are back, for the probe in the method and for the rollback log alike."""

from collections.abc import Sequence
from typing import Any

from drill import clock, record, rollback
from drill.rollback import NotRestoredError
from experiments._watch import GivenUpError, NotSeenError, await_seen
from experiments.kafka._brokers import Broker, Site, site

UNDO = f"{__name__}.await_recovered"


def register(here: Site, fault: str, broker: Broker) -> str:
    """Write down that `broker`'s return has to be awaited, whoever lives to do it."""
    return rollback.register(UNDO, {"context": here.context, "fault": fault, "target": broker.as_target()})


def await_recovered(context: str, fault: str, target: dict[str, Any], timeout: float = 60, settle: float = 5) -> None:
    """Undo of a kill: there is nothing to do, since Kubernetes restarts the broker, but to see that it came back.

    Raises:
        NotRestoredError: the cluster was not whole for `settle` seconds within `timeout` seconds.
    """
    arguments = {"context": context, "fault": fault, "target": target}
    try:
        proof = await_whole(site(context), [target["broker"]], timeout, settle)
    except GivenUpError as given_up:
        emit_unrecovered(arguments, str(given_up), timeout)
        raise NotRestoredError(f"broker {target['broker']} after {timeout:g} s: {given_up}") from given_up
    emit_recovered(arguments, proof)


def emit_recovered(arguments: dict[str, Any], proof: dict[str, Any]) -> None:
    """Say that what `register` wrote down has been seen back, at the time since which it is."""
    evidence = {name: value for name, value in proof.items() if name != "since"}
    fault, target = arguments["fault"], arguments["target"]
    record.emit("experiment", "fault.recovered", at=proof["since"], fault=fault, target=target, proof=evidence)


def emit_unrecovered(arguments: dict[str, Any], reason: str, waited: float) -> None:
    """Say that what `register` wrote down has not been seen back."""
    fault, target = arguments["fault"], arguments["target"]
    record.emit("experiment", "fault.unrecovered", fault=fault, target=target, reason=reason, waited=waited)


def await_whole(here: Site, ids: Sequence[int], timeout: float, settle: float) -> dict[str, Any]:
    """Wait until the cluster has been whole for `settle` seconds on end; returns the proof and `since` when it was.

    For some seconds after a crash Kafka's metadata still shows the dead broker as alive and in sync (its session
    lasts 9 s by default), and a container that is back already looks recovered: hence `settle`.

    Raises:
        GivenUpError: not within `timeout` seconds.
    """
    whole_since: float | None = None

    def look() -> dict[str, Any]:
        nonlocal whole_since
        began = clock.now()
        try:
            proof = whole(here, ids)
        except Exception:
            whole_since = None
            raise
        whole_since = began if whole_since is None else whole_since
        if began - whole_since < settle:
            raise NotSeenError(f"whole for {began - whole_since:.1f} s of {settle:g} s only")
        return {**proof, "since": whole_since}

    return await_seen(look, timeout)


def whole(here: Site, ids: Sequence[int] = ()) -> dict[str, Any]:
    """Look once whether the cluster is whole, and has brokers `ids`.

    Raises:
        NotSeenError: it is not, and how.
    """
    brokers, state = here.brokers(), here.state()
    expected = set(ids) | {replica for partition in state.partitions for replica in partition.replicas} | set(brokers)
    if absent := sorted(expected - set(brokers)):
        raise NotSeenError(f"broker {', '.join(map(str, absent))} has no pod")
    if unready := [broker.pod for broker in brokers.values() if not broker.pod.ready]:
        raise NotSeenError(f"{unready[0].name} is not Ready: {', '.join(unready[0].waiting) or unready[0].phase}")
    if fenced := sorted(expected - set(state.brokers)):
        raise NotSeenError(f"broker {', '.join(map(str, fenced))} is not in the cluster's metadata")
    if offline := state.offline:
        raise NotSeenError(f"{len(offline)} partitions have no leader, {offline[0].name} for one")
    if behind := state.under_replicated:
        raise NotSeenError(f"{len(behind)} partitions are under-replicated, {behind[0].name} for one")
    return {"brokers": sorted(state.brokers), "pods_ready": True, "isr_full": True}
