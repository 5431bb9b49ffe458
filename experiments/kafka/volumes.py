"""The fault that leaves a broker no space for its log.

One that makes the volume slow is not to be had honestly: Kafka answers from the page cache and leaves flushing to the
kernel, a throttle of the block device (blkio, io.max) is out of a container's reach, and to drown the disk in writes
would hit whoever else is on it before it hits the broker. `pause_brokers` is what a broker that hangs looks like.
"""

import secrets
from typing import Any

from drill import clock
from drill.cluster import ClusterError
from drill.errors import RefusedError, UsageError
from experiments._fault import Injection, Proof, fault
from experiments._watch import NotSeenError
from experiments.kafka import _log_volume, _recovery
from experiments.kafka._brokers import Select, drillable_site, ensure_permitted, permissions, select_brokers
from experiments.kafka._proof import Death

_MIB = 1 << 20
_DEAD_MAN = 10.0
"""Seconds after the planned end when the space comes back by itself, should the harness be dead by then."""


@fault
def fill_log_volume(
    select: Select | list[int],
    *,
    path: str = "/var/lib/kafka",
    share: str = "100%",
    floor_mib: int = 0,
    on_node_disk: bool = False,
    topic: str | None = None,
    partition: int = 0,
    max_brokers_down: int = 1,
    effect_timeout: float = 60,
    recovery_timeout: float = 240,
    seed: int | None = None,
) -> Injection:
    """Fault: take the space of a broker's log volume, until the broker fails of it. Durations in seconds.

    Kafka takes a log directory that it can't write out of service and, when it was its last one, halts
    (kafka.log.LogManager.handleLogDirFailure): at the first write that finds no space, so that a broker to which little
    is written may go on for minutes. With its container ends what held the space, so that the restarted broker finds it
    free again: that is the fault's dead man.

    Args:
        select: As of `kill_broker`; one broker.
        path: A folder on the volume, in the broker's container, whose image needs a shell, `df`, `stat` and `timeout`.
        share: How full it is to be: "100%" is to the last block.
        floor_mib: Free space that stays, MiB: refused where the share would leave less.
        on_node_disk: Also fill a volume that is a folder of its node's own disk: that starves the node and all that
            runs there.
        topic: As of `kill_broker`.
        partition: As of `kill_broker`.
        max_brokers_down: As of `kill_broker`.
        effect_timeout: How long it is awaited that the broker fails.
        recovery_timeout: How long it is awaited that the cluster is whole.
        seed: As of `kill_broker`.

    Returns:
        `{targets, proof, since}`; the proof is the volume as it was and as it was filled, the broker's end (a container
        that was replaced, or partitions out of sync while the broker lives on), and what Kafka shows of it.

    Raises:
        ActivityFailed: the broker did not mind.
        RefusedError: not drillable, beyond the blast radius, the cluster is not whole already, the volume is the node's
            disk, or less than the floor would be left.
        UsageError: arguments that cannot be meant.
    """
    here = drillable_site()
    hit = select_brokers(here, select, topic=topic, partition=partition, seed=seed)
    if len(hit) != 1:
        raise UsageError(f"{len(hit)} brokers are meant, and the volume of one is filled at a time")
    ensure_permitted(here, hit, max_brokers_down)
    (broker,) = hit
    disk = _log_volume.volume(here, broker, path)
    wanted = int(disk.share(share) * (disk.used + disk.free)) - disk.used
    full = disk.free - wanted < _MIB
    if disk.of_node and not on_node_disk:
        raise RefusedError(
            f"{broker.pod.name}: {path} is on the disk of its node, which would starve with all that runs there; "
            "on_node_disk: true if that is meant"
        )
    if wanted <= 0 or disk.free - wanted < floor_mib * _MIB:
        raise RefusedError(
            f"{broker.pod.name}: {path} is {disk.used_share:.0%} full; {share} would leave less than {floor_mib} MiB"
        )
    mark = f"drill-fill-{secrets.token_hex(4)}"
    death = Death(broker, clock.now(), frozenset(each.name for each in here.state().led_by(broker.id)))
    filled: dict[str, Any] = {}

    def inject() -> None:
        seconds = effect_timeout + _DEAD_MAN
        try:
            used, free = _log_volume.fill(here, broker, path, wanted, seconds, mark, full=full)
            filled.update(used=used, free=free)
        except ClusterError as error:  # the broker may have ended, and its container with it, before `df` answered
            filled.update(trouble=str(error))

    def effect() -> Proof:
        death.see_pod(here.brokers().get(broker.id))
        death.see_kafka(here.state())
        try:
            _log_volume.ensure_in(here, broker.id)
        except NotSeenError as error:
            death.proof["out_of_sync"] = str(error)
        if not death.proof.keys() & {"broker_left", "leadership_moved", "out_of_sync"}:
            raise NotSeenError(f"the broker is in sync, with {path} as it is: {filled}")
        return {"path": path, "before": disk.as_dict(), "filled": filled, **death.proof}

    return Injection(
        fault="fill_log_volume",
        method=f"one file, to {share}",
        targets=({**broker.as_target(), "path": path, "bytes": wanted},),
        permissions=permissions(here, execute=True, delete=True),
        inject=inject,
        effect=effect,
        undo=_log_volume.release,
        undo_arguments={
            "context": here.context,
            "broker": broker.id,
            "path": path,
            "mark": mark,
            "container_id": broker.container_id,
            "free": disk.free,
        },
        recovered=lambda: _recovery.whole(here, [broker.id]),
        effect_timeout=effect_timeout,
        recovery_timeout=recovery_timeout,
    )
