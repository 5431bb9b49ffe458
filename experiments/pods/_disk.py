"""A volume as a container sees it, and the one file that fills it."""

import math
from dataclasses import asdict, dataclass, field
from pathlib import PurePosixPath
from typing import Any

from drill.cluster import Cluster, ClusterError, PodState
from drill.errors import UsageError
from drill.helpers import Helper, new_name
from experiments._watch import NotSeenError
from experiments.pods._site import Container, Site, restored, shell, site

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

_HELPER_LIFE = 600.0


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


@dataclass
class Reach:
    """A way to a volume: its own container, or a helper container beside it where a full disk has ended that one."""

    here: Site
    folder: str
    _helpers: dict[str, Helper] = field(default_factory=dict)

    def of(self, pod: PodState) -> Container:
        """The container in which the folder of this pod can be reached now.

        Raises:
            NotSeenError: none yet; the next look may have one.
        """
        if self.here.container in pod.running:
            return Container(pod, self.here.container)
        image, mount = self.here.settings.target.helper_image, self._mount()
        if image is None or mount is None:
            raise NotSeenError(f"container {self.here.container} of {pod.name} does not run")
        if pod.uid not in self._helpers:
            helper = Helper(pod, new_name())
            helper.add(self.here.cluster, image, _HELPER_LIFE, capability="DAC_OVERRIDE", mounts=[mount])
            self._helpers[pod.uid] = helper
        helper = self._helpers[pod.uid]
        phase, reason = helper.phase(self.here.cluster)
        if phase == "ended":
            del self._helpers[pod.uid]
        if phase != "running":
            raise NotSeenError(f"neither {self.here.container} of {pod.name} runs nor a helper: {phase}: {reason}")
        return Container(pod, helper.name)

    def _mount(self) -> dict[str, Any] | None:
        """How the folder's volume is mounted; None: it is on none, or on a part of one, which a helper can't have."""
        mounts = self.here.workload.container(self.here.container)[1].get("volumeMounts", [])
        above = [each for each in mounts if PurePosixPath(self.folder).is_relative_to(each["mountPath"])]
        found = max(above, key=lambda each: len(each["mountPath"]), default=None)
        if found is None or "subPath" in found or "subPathExpr" in found:
            return None
        return {"name": found["name"], "mountPath": found["mountPath"]}


def empty(
    context: str, namespace: str, workload: str, container: str, file: str, pods: list[str], timeout: float = 120
) -> dict[str, Any]:
    """Undo: remove the file, in the pods that have these names now, since a StatefulSet's new pod has the old volume.

    A pod whose name nobody has any more took its own volume with it.

    Raises:
        NotRestoredError: a file could not be removed.
    """
    folder = file.rpartition("/")[0] or "/"
    here = site(context, namespace, workload, container)
    reach = Reach(here, folder)

    def look() -> dict[str, Any]:
        there = [pod for pod in here.pods() if pod.name in pods]
        if here.workload.kind == "StatefulSet" and len(there) < len(pods):
            raise NotSeenError(f"{len(there)} of {len(pods)} pods are there")
        proof = {}
        for pod in there:
            target = reach.of(pod)
            shell(here.cluster, target, _EMPTY, file)
            proof[pod.name] = {**look_at(here.cluster, target, folder).as_dict(), "by": target.container}
        return {"removed": file, "pods": proof}

    return restored(look, timeout)
