"""A broker's log volume without space, as long as a process in its container lives and no longer.

The file that takes the space has no name any more: whatever ends its holder (the undo, its deadline, or the end of the
container, as when the broker dies of the full volume) gives all of the space back at once.
"""

from typing import Any

from drill.cluster import ClusterError
from drill.rollback import NotRestoredError
from experiments._watch import GivenUpError, NotSeenError, await_seen
from experiments.kafka._brokers import Broker, Site, site
from experiments.pods._disk import Disk, look_at
from experiments.pods._site import Container, shell

_WITHIN = 150.0
"""Seconds for which it is awaited that the broker's container runs and the volume has its space again."""
_PATIENCE = 20.0
"""Seconds that a broker which lived on is given to take up what is in its log directory again, before it is restarted:
Kafka takes a log directory that has failed into service at its start only."""

# $1: a folder, $2: bytes, $3: seconds to the deadline, $4: the mark of the holder. Up to the last block where the bytes
# are all that there is. Only `timeout` and its shell keep the file open; they are one process group.
_FILL = """
exec 3>"$1/.$4" && rm -f "$1/.$4" || exit 1
{ fallocate -l "$2" /proc/self/fd/3 || head -c "$2" /dev/zero >&3; } 2>/dev/null
[ "$5" = full ] && cat /dev/zero >&3 2>/dev/null
setsid timeout -s KILL "$3" sh -c 'sleep "$1" 3>&-' "$4" "$3" </dev/null >/dev/null 2>&1 &
df -Pk "$1" | { read -r _; read -r _ _ used free _; echo "$used $free"; }
"""

# $1: a pattern that finds the mark, but not the shell whose command line has the pattern.
_FREE = """
for each in $(grep -als -- "$1" /proc/[0-9]*/cmdline | sed 's,/proc/\\([0-9]*\\)/.*,\\1,'); do
  kill -9 -- "-$each" 2>/dev/null
  kill -9 "$each" 2>/dev/null
done
grep -als -- "$1" /proc/[0-9]*/cmdline | grep -c .
exit 0
"""


def volume(here: Site, broker: Broker, path: str) -> Disk:
    """The volume as the broker's container sees it.

    Raises:
        ClusterError: the container can't be entered, or has no `df`.
    """
    return look_at(here.cluster, Container(broker.pod, broker.container), path)


def fill(here: Site, broker: Broker, path: str, size: int, seconds: float, mark: str, *, full: bool) -> tuple[int, int]:
    """Take the space; returns the bytes that are used and free then.

    Raises:
        ClusterError: the container can't be entered, or ended meanwhile.
    """
    target, how = Container(broker.pod, broker.container), "full" if full else "part"
    said = shell(here.cluster, target, _FILL, path, size, f"{seconds:g}", mark, how, timeout=120).split()
    if len(said) != 2:  # noqa: PLR2004 - as _FILL prints it
        raise ClusterError(f"{broker.pod.name}: what df says of {path} can't be read: {said}")
    return int(said[0]) * 1024, int(said[1]) * 1024


def release(context: str, broker: int, path: str, mark: str, container_id: str, free: int) -> dict[str, Any]:
    """Undo of a full volume: end the holder, see the space back, and the broker in the cluster.

    Args:
        context: Whose Kafka.
        broker: Its id.
        path: A folder on its log volume.
        mark: Of the holder.
        container_id: Of the broker's container when the volume was filled: one that lived on is restarted where the
            broker is not back by itself.
        free: Bytes that were free before; half of them have to be free again, since others write there too.

    Raises:
        NotRestoredError: the space, or the broker, is not back.
    """
    here = site(context)

    def space() -> Disk:
        now = _running(here, broker)
        target = Container(now.pod, now.container)
        left = shell(here.cluster, target, _FREE, f"[{mark[0]}]{mark[1:]}").strip()
        disk = look_at(here.cluster, target, path)
        if left != "0" or disk.free < free / 2:
            raise NotSeenError(f"{path} of {now.pod.name}: {disk.free} bytes are free, and {left} holders left")
        return disk

    try:
        disk = await_seen(space, _WITHIN)
        restarted = _restart_if_out(here, broker, container_id)
        await_seen(lambda: ensure_in(here, broker), _WITHIN)
    except GivenUpError as given_up:
        raise NotRestoredError(f"log volume of broker {broker}: {given_up}") from given_up
    return {"volume": disk.as_dict(), "broker": broker, "in_sync": True, "restarted": restarted}


def ensure_in(here: Site, broker: int) -> None:
    """Look whether a broker is in the ISR of each partition that it has a replica of.

    Raises:
        NotSeenError: it is not.
    """
    state = here.state()
    if broker not in state.brokers:
        raise NotSeenError(f"broker {broker} is not in the cluster's metadata")
    if out := [each.name for each in state.partitions if broker in each.replicas and broker not in each.isr]:
        raise NotSeenError(f"broker {broker} is out of sync in {len(out)} partitions, {out[0]} for one")


def _running(here: Site, broker: int) -> Broker:
    now = here.brokers().get(broker)
    if now is None or not now.running:
        raise NotSeenError(f"the container of broker {broker} does not run")
    return now


def _restart_if_out(here: Site, broker: int, container_id: str) -> bool:
    """Delete the pod of a broker that lived on with its log directory out of service."""
    now = _running(here, broker)
    if now.container_id != container_id:
        return False
    try:
        await_seen(lambda: ensure_in(here, broker), _PATIENCE)
    except GivenUpError:
        here.cluster.delete_pod(now.pod, grace_period=30)
        return True
    return False
