"""The fault that takes the leadership from a broker."""

from drill.errors import RefusedError, UsageError
from experiments._fault import Injection, Proof, fault
from experiments._watch import NotSeenError
from experiments.kafka import _leaders, _recovery
from experiments.kafka._brokers import Select, drillable_site, ensure_permitted, permissions, select_brokers
from experiments.kafka._leaders import Led


@fault
def move_leadership(
    select: Select | list[int],
    *,
    topic: str | None = None,
    partition: int = 0,
    hold: float = 20,
    max_brokers_down: int = 1,
    effect_timeout: float = 60,
    recovery_timeout: float = 180,
    seed: int | None = None,
) -> Injection:
    """Fault: another replica leads each partition that a broker leads, as before a broker's maintenance.

    The broker becomes the last of the replicas of all its partitions (no data moves), and preferred leaders are
    elected. Durations in seconds.

    Args:
        select: As of `kill_broker`; one broker.
        topic: As of `kill_broker`.
        partition: As of `kill_broker`.
        hold: How long it leads nothing.
        max_brokers_down: Blast radius; a broker that leads nothing counts as one that is down.
        effect_timeout: How long it is awaited that it leads nothing.
        recovery_timeout: How long it is awaited that the cluster is whole.
        seed: As of `kill_broker`.

    Returns:
        `{targets, proof, since}`; the proof is who leads now what the broker led.

    Raises:
        ActivityFailed: it still leads something.
        RefusedError: not drillable, beyond the blast radius, the cluster is not whole already, the broker leads
            nothing, or it has a partition of its own that nobody else could lead.
        UsageError: arguments that cannot be meant.
    """
    here = drillable_site()
    hit = select_brokers(here, select, topic=topic, partition=partition, seed=seed)
    if len(hit) != 1:
        raise UsageError(f"{len(hit)} brokers are selected, and leadership is taken from one at a time")
    ensure_permitted(here, hit, max_brokers_down)
    (broker,) = hit
    state = here.state()
    mine = [each for each in state.partitions if broker.id in each.replicas]
    led = {each.name for each in state.led_by(broker.id)}
    if not led:
        raise RefusedError(f"broker {broker.id} leads nothing")
    if alone := [each.name for each in mine if len(each.replicas) == 1]:
        raise RefusedError(f"nobody else has a replica of {', '.join(alone[:5])}")

    def inject() -> None:
        last = [
            Led(
                topic=each.topic,
                partition=each.partition,
                replicas=[*(other for other in each.replicas if other != broker.id), broker.id],
                leader=each.leader,
            )
            for each in mine
        ]
        _leaders.reorder(here, last)

    def effect() -> Proof:
        now = here.state()
        if left := now.led_by(broker.id):
            raise NotSeenError(f"broker {broker.id} still leads {len(left)} partitions, {left[0].name} for one")
        moved = {each.name: each.leader for each in now.partitions if each.name in led}
        if not moved or min(moved.values()) < 0:
            raise NotSeenError(f"nobody leads now what broker {broker.id} led: {moved}")
        return {"broker": broker.id, "leads": 0, "led_before": len(led), "leadership_moved": moved}

    return Injection(
        fault="move_leadership",
        method="replicas reordered, preferred leaders elected",
        targets=(broker.as_target(),),
        permissions=permissions(here, execute=True),
        inject=inject,
        effect=effect,
        undo=_leaders.restore_leaders,
        undo_arguments={
            "context": here.context,
            "broker": broker.id,
            "partitions": [_leaders.as_led(each) for each in mine],
        },
        recovered=lambda: _recovery.whole(here, [broker.id]),
        hold=hold,
        effect_timeout=effect_timeout,
        recovery_timeout=recovery_timeout,
    )
