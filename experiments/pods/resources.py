"""Faults by what a container uses up: its processors, its memory, a volume; all from inside and bounded there."""

import time
from dataclasses import dataclass
from typing import Any

from kubernetes.utils.quantity import parse_quantity

from drill import helpers
from drill.cluster import ClusterError
from drill.errors import RefusedError, UsageError
from experiments._fault import Injection, Proof, fault
from experiments._values import AtLeastOne, Share
from experiments._watch import NotSeenError
from experiments.pods import _processes
from experiments.pods._disk import Disk, Reach, empty, look_at, start_filling
from experiments.pods._site import Container, Site, drillable_site, select, shell
from experiments.pods.deaths import ended

_MIB = 1 << 20

# $1: mark, $2: how many, $3: seconds until they end by themselves.
_BURN = """
i=0
while [ $i -lt "$2" ]; do
  setsid timeout -s KILL "$3" sh -c 'while :; do :; done' "$1" </dev/null >/dev/null 2>&1 &
  i=$((i + 1))
done
"""

# What the container has used, with its unit and where it was read; and when that was, by the kernel's own clock.
_USAGE = """
read -r now _ </proc/uptime
for file in /sys/fs/cgroup/cpuacct/cpuacct.usage /sys/fs/cgroup/cpu,cpuacct/cpuacct.usage; do
  [ -r $file ] && { echo "$now $(cat $file) 1000000000 $file"; exit; }
done
file=/sys/fs/cgroup/cpu.stat
[ -r $file ] && { echo "$now $(sed -n 's/^usage_usec //p' $file) 1000000 $file"; exit; }
used=0
for file in /proc/[0-9]*/stat; do
  line=$(cat $file 2>/dev/null) || continue
  set -- ${line##*) }
  used=$((used + ${12} + ${13}))
done
echo "$now $used 100 /proc/*/stat"
"""

# $1: mark, $2: bytes of one piece, $3: how many, $4: seconds until they end by themselves.
_HOG = """
i=0
while [ $i -lt "$3" ]; do
  setsid timeout -s KILL "$4" sh -c 'x=$(head -c "$1" /dev/zero | tr "\\\\0" x); sleep "$2"' "$1" "$2" "$4" \
    </dev/null >/dev/null 2>&1 &
  i=$((i + 1))
done
"""
_PIECE, _PIECES = 16 * _MIB, 256

_OOM_KILLS = """
for file in /sys/fs/cgroup/memory/memory.oom_control /sys/fs/cgroup/memory.events; do
  [ -r $file ] && { echo "$(sed -n 's/^oom_kill //p' $file) $file"; exit; }
done
"""


@fault
def burn_cpu(
    workload: str,
    namespace: str,
    *,
    container: str | None = None,
    workers: AtLeastOne = 1,
    share: Share = 0.5,
    hold: float = 30,
    count: int | str = 1,
    max_pods: int | str = 1,
    seed: int | None = None,
    effect_timeout: float = 30,
    recovery_timeout: float = 180,
) -> Injection:
    """Fault: busy loops inside a container of a workload's pods. Durations in seconds.

    Args:
        workload: `deployment/name` or `statefulset/name`.
        namespace: Its namespace.
        container: Its container; None: the first one. Its image needs a shell, `timeout` and `setsid`.
        workers: How many loops in each.
        share: How much of what the loops could take, within the container's limit and beside what it used before,
            must be measured as used.
        hold: How long they run.
        count: How many pods: a count, or a share of those that are wanted ("50%").
        max_pods: Blast radius, a count or a share; pods that are not Ready already count.
        seed: Of the random choice; None: another choice each time.
        effect_timeout: How long the effect is awaited.
        recovery_timeout: How long it is awaited that all pods are Ready again.

    Returns:
        `{targets, proof, since}`; the proof is the processors used before and now, by the container's own accounts.
    """
    if workers < 1 or not 0 < share <= 1:
        raise UsageError("workers must be 1 or more, and share above 0 and at most 1")
    here = drillable_site(namespace, workload, container)
    hit = select(here, count, max_pods, seed)
    marked, seconds = _processes.mark("burn"), hold + effect_timeout + _processes.DEAD_MAN
    limit = _limit(here, "cpu")
    meters = [_Meter(here, each) for each in hit]

    def prepare() -> None:
        for meter in meters:
            meter.baseline()

    def inject() -> None:
        for each in hit:
            shell(here.cluster, each, _BURN, marked, workers, seconds)

    def effect() -> Proof:
        proof: dict[str, Any] = {}
        for meter in meters:
            used, room = meter.used(), min(workers, max(0.0, (limit or workers + meter.before) - meter.before))
            if used - meter.before < share * room or not room:
                raise NotSeenError(
                    f"{meter.target.pod.name} uses {used:.2f} processors, {meter.before:.2f} before, "
                    f"and {room:.2f} more were to be used"
                )
            proof[meter.target.pod.name] = {"processors": {"before": meter.before, "after": used}, "by": meter.source}
        return {"limit": limit, "pods": proof}

    return Injection(
        fault="burn_cpu",
        method=f"{workers} busy loops",
        targets=tuple(each.as_target() for each in hit),
        permissions=here.permissions(execute=True),
        prepare=prepare,
        inject=inject,
        effect=effect,
        undo=_processes.end,
        undo_arguments=_processes.arguments(here.arguments, marked, hit),
        recovered=here.recovered,
        hold=hold,
        effect_timeout=effect_timeout,
        recovery_timeout=recovery_timeout,
    )


@fault
def exhaust_memory(
    workload: str,
    namespace: str,
    *,
    container: str | None = None,
    share: float = 1.1,
    kills_container: bool = False,
    count: int | str = 1,
    max_pods: int | str = 1,
    seed: int | None = None,
    effect_timeout: float = 60,
    recovery_timeout: float = 180,
) -> Injection:
    """Fault: take more memory inside a container than its limit allows, so that the kernel kills in its cgroup.

    Whom the kernel kills is the kernel's choice. With cgroup v2, Kubernetes from 1.28 on lets it kill the container as
    a whole (memory.oom.group). With v1 it kills the largest process: the memory is taken in pieces of 16 MiB (or
    larger: 256 of them at most), so that a larger application is the largest, and when that ends the container does.

    Args:
        workload: As of `burn_cpu`.
        namespace: As of `burn_cpu`.
        container: As of `burn_cpu`; it must have a memory limit.
        share: How much is taken, as a share of the limit, beside what the container uses.
        kills_container: The effect is that the container itself ends as OOMKilled, and nothing less. Otherwise a kill
            in its cgroup is enough, and the proof says which it was.
        count: As of `burn_cpu`.
        max_pods: As of `burn_cpu`.
        seed: As of `burn_cpu`.
        effect_timeout: As of `burn_cpu`; the memory is given back at its end at the latest.
        recovery_timeout: As of `burn_cpu`.

    Returns:
        `{targets, proof, since}`; the proof is either `killed: container` with the status OOMKilled that Kubernetes
        shows, or `killed: a process in it`, with the cgroup's count of OOM kills before and after: that proves that the
        limit was reached and held, and nothing of the application.
    """
    here = drillable_site(namespace, workload, container)
    hit = select(here, count, max_pods, seed)
    limit = _limit(here, "memory")
    if limit is None:
        raise RefusedError(f"container {here.container} of {workload} has no memory limit: its node would be exhausted")
    size = int(limit * share)
    piece = max(_PIECE, -(-size // _PIECES))
    marked = _processes.mark("hog")
    kills: dict[str, int | None] = {}
    looks = {each.pod.name: ended(here, [each], "OOMKilled") for each in hit}

    def prepare() -> None:
        for each in hit:
            kills[each.pod.name] = _oom_kills(here, each)

    def inject() -> None:
        for each in hit:
            pieces, seconds = -(-size // piece), effect_timeout + _processes.DEAD_MAN
            shell(here.cluster, each, _HOG, marked, piece, pieces, seconds)

    def effect() -> Proof:
        return {"limit": limit, "taken": size, "pods": {each.pod.name: look(each) for each in hit}}

    def look(each: Container) -> Proof:
        try:
            return {"killed": "container", **looks[each.pod.name]()["containers"][each.pod.name]}
        except NotSeenError as error:
            before = kills[each.pod.name]
            after = None if kills_container or before is None else _oom_kills(here, each)
            if before is None or after is None or after <= before:
                raise NotSeenError(f"{error}; OOM kills in its cgroup: {after}, {before} before") from error
            return {"killed": "a process in it", "oom_kill": {"before": before, "after": after}}

    return Injection(
        fault="exhaust_memory",
        method=f"{size / _MIB:.0f} MiB in pieces of {piece / _MIB:.0f}",
        targets=tuple(each.as_target() for each in hit),
        permissions=here.permissions(execute=True),
        prepare=prepare,
        inject=inject,
        effect=effect,
        undo=_processes.end,
        undo_arguments=_processes.arguments(here.arguments, marked, hit),
        recovered=here.recovered,
        effect_timeout=effect_timeout,
        recovery_timeout=recovery_timeout,
    )


@fault
def fill_volume(
    workload: str,
    namespace: str,
    path: str,
    *,
    container: str | None = None,
    share: str = "90%",
    floor_mib: int = 256,
    on_node_disk: bool = False,
    hold: float = 30,
    count: int | str = 1,
    max_pods: int | str = 1,
    seed: int | None = None,
    effect_timeout: float = 120,
    recovery_timeout: float = 180,
) -> Injection:
    """Fault: fill the volume at a path inside a container to a share of its size, by one file.

    Where that ends the container, what it wrote is looked at and removed from a helper container beside it.

    Args:
        workload: As of `burn_cpu`.
        namespace: As of `burn_cpu`.
        path: A folder on the volume.
        container: As of `burn_cpu`; its image needs a shell, `df`, `stat` and `dd` or `fallocate`.
        share: How full it is to be: "90%".
        floor_mib: Free space that stays, MiB: refused where the share would leave less.
        on_node_disk: Also fill a volume that is a folder of its node's own disk, as hostPath volumes are: that starves
            the node and all that runs there, and the kubelet starts to evict pods.
        hold: As of `burn_cpu`.
        count: As of `burn_cpu`.
        max_pods: As of `burn_cpu`.
        seed: As of `burn_cpu`.
        effect_timeout: As of `burn_cpu`.
        recovery_timeout: As of `burn_cpu`.

    Returns:
        `{targets, proof, since}`; the proof is what `df` says before and after.
    """
    here = drillable_site(namespace, workload, container)
    hit = select(here, count, max_pods, seed)
    disks = {each.pod.name: look_at(here.cluster, each, path) for each in hit}
    sizes = {
        each.pod.name: _size(each, disks[each.pod.name], share, floor_mib * _MIB, on_node_disk=on_node_disk)
        for each in hit
    }
    file = f"{path.rstrip('/')}/.{_processes.mark('fill')}"
    reach = Reach(here, path)

    def inject() -> None:
        for each in hit:
            dead_man = hold + effect_timeout + _processes.DEAD_MAN
            start_filling(here.cluster, each, file, sizes[each.pod.name], dead_man)

    def effect() -> Proof:
        proof = {}
        there = {pod.uid: pod for pod in here.pods()}
        for each in hit:
            if each.pod.uid not in there:
                raise NotSeenError(f"{each.pod.name} is gone")
            now = look_at(here.cluster, reach.of(there[each.pod.uid]), path)
            if now.used_share < disks[each.pod.name].share(share) - 0.01:  # a filesystem rounds and keeps some
                raise NotSeenError(f"{path} of {each.pod.name} is {now.used_share:.0%} full, and {share} is meant")
            proof[each.pod.name] = {"before": disks[each.pod.name].as_dict(), "after": now.as_dict()}
        return {"path": path, "file": file, "pods": proof}

    return Injection(
        fault="fill_volume",
        method=f"one file, to {share}",
        targets=tuple({**each.as_target(), "path": path, "bytes": sizes[each.pod.name]} for each in hit),
        permissions=(
            *here.permissions(execute=True),
            *(helpers.permissions(namespace) if here.settings.target.helper_image else ()),
        ),
        inject=inject,
        effect=effect,
        undo=empty,
        undo_arguments={
            **here.arguments,
            "container": here.container,
            "file": file,
            "pods": [each.pod.name for each in hit],
        },
        recovered=here.recovered,
        hold=hold,
        effect_timeout=effect_timeout,
        recovery_timeout=recovery_timeout,
    )


@dataclass
class _Meter:
    """How many processors a container uses, between two looks."""

    here: Site
    target: Container
    before: float = 0.0
    source: str = ""
    _last: tuple[float, float] = (0.0, 0.0)
    _now: float | None = None

    def baseline(self) -> None:
        """What it uses in a second without the fault."""
        self._last = self._read()
        time.sleep(1)
        self.before, self._now = self.used(), None

    def used(self) -> float:
        """Over a second or more, up to now or less than a second ago."""
        (then, had), (now, has) = self._last, self._read()
        if now - then >= 1:
            self._last, self._now = (now, has), (has - had) / (now - then)
        if self._now is None:
            raise NotSeenError(f"{self.target.pod.name} has had {now - then:.1f} s only to use any")
        return self._now

    def _read(self) -> tuple[float, float]:
        said = shell(self.here.cluster, self.target, _USAGE).split(maxsplit=3)
        if len(said) != 4:  # noqa: PLR2004 - as _USAGE prints it
            raise ClusterError(f"{self.target.pod.name}: no account of its processors' use, but {said}")
        now, used, unit, self.source = said[0], said[1], said[2], said[3].strip()
        return float(now), int(used) / int(unit)


def _limit(here: Site, resource: str) -> float | None:
    """The meant container's limit: processors, or bytes."""
    found = here.workload.container(here.container)[1].get("resources", {}).get("limits", {}).get(resource)
    return None if found is None else float(parse_quantity(found))


def _oom_kills(here: Site, target: Container) -> int | None:
    """How often the kernel has killed in the container's cgroup; None: it can't be read there."""
    said = shell(here.cluster, target, _OOM_KILLS).split()
    return int(said[0]) if said and said[0].isdigit() else None


def _size(target: Container, disk: Disk, share: str, floor: int, *, on_node_disk: bool) -> int:
    """Bytes that the file takes, within all that bounds it."""
    wanted = int(disk.share(share) * (disk.used + disk.free)) - disk.used
    if disk.of_node and not on_node_disk:
        raise RefusedError(
            f"{target.pod.name}: the volume is on the disk of its node, which would starve with all that runs there; "
            "on_node_disk: true if that is meant"
        )
    if wanted <= 0:
        raise RefusedError(f"{target.pod.name}: the volume is {disk.used_share:.0%} full already")
    if disk.free - wanted < floor:
        left, keep = (disk.free - wanted) / _MIB, floor / _MIB
        raise RefusedError(f"{target.pod.name}: {share} would leave {left:.0f} MiB free, and the floor is {keep:.0f}")
    return wanted
