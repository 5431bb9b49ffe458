"""Probes of a Kafka cluster: they only read, and await_recovery only waits."""

from chaoslib.exceptions import ActivityFailed

from drill import rollback
from experiments._watch import GivenUpError
from experiments.kafka import _recovery
from experiments.kafka._brokers import site


def await_recovery(timeout: float = 180, settle: float = 5) -> bool:
    """Probe: wait until every broker that was hit is back, its pod Ready, and the ISR full on all partitions.

    Says `fault.recovered` or `fault.unrecovered` for each fault in the rollback log that is still open.

    Args:
        timeout: Seconds to wait.
        settle: Seconds for which the cluster has to be whole on end.

    Returns:
        True.

    Raises:
        ActivityFailed: not in time.
    """
    here = site()
    open_ = [
        each for each in rollback.pending() if each.undo == _recovery.UNDO and each.arguments["context"] == here.context
    ]
    try:
        proof = _recovery.await_whole(here, [each.arguments["target"]["broker"] for each in open_], timeout, settle)
    except GivenUpError as given_up:
        for each in open_:
            _recovery.emit_unrecovered(each.arguments, str(given_up), timeout)
        raise ActivityFailed(f"no recovery in {timeout:g} s: {given_up}") from given_up
    for each in open_:
        _recovery.emit_recovered(each.arguments, proof)
        rollback.done(each.id)
    return True


def isr_full() -> bool:
    """Probe: whether every replica of every partition is in sync, and there is at least one partition."""
    state = site().state()
    return bool(state.partitions) and not state.under_replicated


def under_replicated_partitions() -> int:
    """Probe: how many partitions have a replica out of sync."""
    return len(site().state().under_replicated)


def offline_partitions() -> int:
    """Probe: how many partitions have no leader."""
    return len(site().state().offline)


def live_brokers() -> int:
    """Probe: how many brokers the cluster's metadata has."""
    return len(site().state().brokers)


def all_brokers_live() -> bool:
    """Probe: whether there are broker pods, all Ready, and each of their brokers is in the cluster's metadata."""
    here = site()
    brokers = here.brokers()
    return (
        bool(brokers) and all(each.pod.ready for each in brokers.values()) and set(brokers) <= set(here.state().brokers)
    )


def active_controller() -> int:
    """Probe: the id of the active KRaft controller."""
    return site().quorum().leader
