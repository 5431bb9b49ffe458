"""A volume as a container sees it, and the one file that fills it."""

import math
from dataclasses import asdict, dataclass
from typing import Any

from drill.cluster import Cluster, ClusterError
from drill.errors import UsageError
from experiments._watch import NotSeenError
from experiments.pods._site import Container, restored, shell, site

# $1: a folder. Of it, and of a file that the kubelet itself puts into each pod, which is on its node's disk: all, used
# and free KiB (what is kept for root belongs to neither), and the device.
_LOOK = """
set -e
cd "$1"
for each in . /etc/hosts; do
  df -Pk "$each" | { read -r _; read -r _ all used free _; echo "$all $used $free"; }
  stat -c %d "$each"
done
"""

# $1: file, $2: bytes, $3: seconds to the dead man. The dead man has a session of its own: it outlives all but the
# container.
_FILL = """
set -e
: >"$1"
setsid sh -c 'sleep "$1"; rm -f "$2"' sh "$3" "$1" </dev/null >/dev/null 2>&1 &
fallocate -l "$2" "$1" 2>/dev/null && exit
setsid dd if=/dev/zero of="$1" bs=65536 count="$(($2 / 65536))" </dev/null >/dev/null 2>&1 &
"""

# $1: file. A writer that still runs would keep the space.
_EMPTY = """
for each in $(grep -als -- "of=$1" /proc/[0-9]*/cmdline | sed 's,/proc/\\([0-9]*\\)/.*,\\1,'); do
  [ "$each" = $$ ] || kill -9 "$each"
done
rm -f "$1"
[ ! -e "$1" ]
"""


@dataclass(frozen=True)
class Disk:
    """A volume's space in bytes, as the container's own user may use it."""

    used: int
    free: int
    of_node: bool
    """Whether it is where the kubelet keeps its own files of the pod: a folder of the node's own disk."""

    @property
    def used_share(self) -> float:
        """How full it is, as `df` counts."""
        return self.used / (self.used + self.free)

    def share(self, text: str) -> float:
        """A share such as "90%".

        Raises:
            UsageError: it can't be meant.
        """
        try:
            share = float(text.removesuffix("%")) / 100
        except ValueError:
            share = math.nan
        if not text.endswith("%") or not 0 < share <= 1:
            raise UsageError(f"share is {text!r}: give 90%")
        return share

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON types."""
        return {**asdict(self), "used_share": round(self.used_share, 4)}


def look_at(cluster: Cluster, target: Container, path: str) -> Disk:
    """The volume at a path.

    Raises:
        ClusterError: there is no such folder, or the container has no `df`.
    """
    said = shell(cluster, target, _LOOK, path).split()
    if len(said) != 8:  # noqa: PLR2004 - as _LOOK prints it
        raise ClusterError(f"{target.pod.name}: what df says of {path} can't be read: {said}")
    size, used, free, device, node_size, _, _, node_device = said
    # An overlay, such as a container's own root, has a device of its own, and the size of the disk that it is on.
    return Disk(int(used) * 1024, int(free) * 1024, device == node_device or size == node_size)


def start_filling(cluster: Cluster, target: Container, file: str, size: int, dead_man: float) -> None:
    """Begin to write the file; returns before it is written.

    Raises:
        ClusterError: it can't be written there.
    """
    shell(cluster, target, _FILL, file, size, f"{dead_man:g}")


def empty(
    context: str, namespace: str, workload: str, container: str, file: str, pods: list[str], timeout: float = 120
) -> dict[str, Any]:
    """Undo: remove the file, in the pods that have these names now, since a StatefulSet's new pod has the old volume.

    A pod whose name nobody has any more took its own volume with it.

    Raises:
        NotRestoredError: a file could not be removed: its container does not run, for instance.
    """
    here = site(context, namespace, workload, container)

    def look() -> dict[str, Any]:
        proof = {}
        there = [Container(pod, container) for pod in here.pods() if pod.name in pods]
        for each in there:
            if container not in each.pod.running:
                raise NotSeenError(f"container {container} of {each.pod.name} does not run, so {file} stays for now")
            shell(here.cluster, each, _EMPTY, file)
            proof[each.pod.name] = look_at(here.cluster, each, file.rpartition("/")[0] or "/").as_dict()
        if here.workload.kind == "StatefulSet" and len(there) < len(pods):
            raise NotSeenError(f"{len(there)} of {len(pods)} pods are there")
        return {"removed": file, "pods": proof}

    return restored(look, timeout)
