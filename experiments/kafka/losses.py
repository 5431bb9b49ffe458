"""The fault that takes a broker's volume, and all that is on it, for good."""

from drill import clock
from drill.errors import UsageError
from experiments import _volumes
from experiments._fault import Injection, Proof, fault
from experiments._watch import NotSeenError
from experiments.kafka import _claims, _recovery, _voters
from experiments.kafka._brokers import Select, drillable_site, ensure_permitted, permissions, select_brokers
from experiments.kafka._proof import Death


@fault
def lose_volume(
    select: Select | list[int],
    *,
    path: str = "/var/lib/kafka",
    topic: str | None = None,
    partition: int = 0,
    max_brokers_down: int = 1,
    effect_timeout: float = 120,
    recovery_timeout: float = 600,
    seed: int | None = None,
) -> Injection:
    """Fault: a broker's claim, its volume and its pod are deleted, with all of its data. Durations in seconds.

    The StatefulSet makes a claim and a pod anew, the volume is empty, the broker formats it and replicates all that it
    had from the others; a controller fetches the quorum's log.

    Args:
        select: As of `kill_broker`; one broker.
        path: A folder on the volume, in the broker's container, whose image needs a shell, `find`, `sed` and `du`. Its
            log directories are there, or up to two folders below.
        topic: As of `kill_broker`.
        partition: As of `kill_broker`.
        max_brokers_down: As of `kill_broker`.
        effect_timeout: How long it is awaited that the old volume is gone, and a new one formatted.
        recovery_timeout: How long it is awaited that every replica is in sync again: it is all copied anew.
        seed: As of `kill_broker`.

    Returns:
        `{targets, proof, since}`; the proof is the claim, the volume and the ids of the log directories as they were
        and as they are, and what Kafka shows of the broker's end.

    Raises:
        ActivityFailed: the volume did not go, or nothing came in its place.
        RefusedError: not drillable, beyond the blast radius, the cluster is not whole already, records or the quorum
            would be lost for good, or the volume's data would outlive its claim.
        UsageError: arguments that cannot be meant.
    """
    here = drillable_site()
    hit = select_brokers(here, select, topic=topic, partition=partition, seed=seed)
    if len(hit) != 1:
        raise UsageError(f"{len(hit)} brokers are meant, and the volume of one is lost at a time")
    ensure_permitted(here, hit, max_brokers_down)
    (broker,) = hit
    _claims.ensure_replicated(here, broker.id)
    claim = _claims.claim_of(here, broker, path)
    volume = str(claim.volume)
    _volumes.ensure_lost(here.cluster, volume)
    votes = _voters.ensure_replaceable(here, broker.id)
    before = _claims.kept(here, broker, path)
    death = Death(broker, clock.now(), frozenset(each.name for each in here.state().led_by(broker.id)))

    def inject() -> None:
        # In this order: a claim that no pod uses any more is gone at once, and its StatefulSet waits for that.
        _claims.delete(here, claim)
        here.cluster.delete_pod(broker.pod, grace_period=1)

    def effect() -> Proof:
        death.see_pod(here.brokers().get(broker.id))
        death.see_kafka(here.state())
        if not death.proof.keys() & {"broker_left", "leadership_moved"}:
            raise NotSeenError("Kafka still shows the broker as alive and leading what it led")
        now = _claims.replaced(here, claim)
        again = here.brokers().get(broker.id)
        if again is None or not again.running or again.pod.uid == broker.pod.uid:
            raise NotSeenError(f"broker {broker.id} does not run on the new volume")
        after = _claims.kept(here, again, path)
        if same := sorted(set(before.directories.values()) & set(after.directories.values())):
            raise NotSeenError(f"log directory {same[0]} is there again: nothing was lost")
        return {
            "claim": {"before": claim.as_dict(), "after": now.as_dict()},
            "kept": {"before": before.as_dict(), "after": after.as_dict()},
            **death.proof,
        }

    def recovered() -> Proof:
        proof = _recovery.whole(here, [broker.id])
        again = here.brokers()[broker.id]
        return {
            **proof,
            "kept": _claims.kept(here, again, path).as_dict(),
            **({"quorum": _voters.see_voting(here, broker.id)} if votes else {}),
        }

    return Injection(
        fault="lose_volume",
        method="claim and pod deleted",
        targets=({**broker.as_target(), "claim": claim.name, "volume": volume, "bytes": before.bytes},),
        permissions=(
            *permissions(here, execute=True, delete=True),
            *_claims.permissions(here.target.namespace),
        ),
        inject=inject,
        effect=effect,
        undo=_claims.bring_back,
        undo_arguments={
            "context": here.context,
            "broker": broker.id,
            "claim": claim.name,
            "claim_uid": claim.uid,
            "pod_uid": broker.pod.uid,
        },
        recovered=recovered,
        effect_timeout=effect_timeout,
        recovery_timeout=recovery_timeout,
    )
