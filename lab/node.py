"""A node of the lab: a machine's worth of namespaces with containerd, kubelet and kube-proxy inside.

Everything is at its standard path inside the node's own mount namespace, so that DaemonSets with host paths find what
they look for, and nothing of it is visible, or left over, on the host.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv4Address
from pathlib import Path

from lab import _cgroups, _network, _volumes
from lab._addresses import STATE, node_address, node_name, pod_subnet
from lab._containerd import clone, identity, load
from lab._files import write
from lab._group import Group
from lab._node_config import configuration
from lab._pki import Pki

# /var/lib is the node's own, and the path of the node's files as its processes see them is below it.
_LIB = Path("/var/lib/drill-node")

_PROLOGUE = """\
mount -t tmpfs -o mode=755 run /run
mkdir /run/drill
touch /run/drill/kube
mount --bind {kube} /run/drill/kube
mount --bind {log} /var/log
# One device at a time for a file system: that of the node's last life goes a moment after its last process.
held() {{ grep --quiet --no-messages --line-regexp --fixed-strings "$1" /sys/block/loop*/loop/backing_file; }}
bounded() {{
    for attempt in $(seq 100); do held "$1" || break; sleep 0.1; done
    if held "$1"; then echo "a loop device still holds $1"; exit 1; fi
    mount -o {options} "$1" "$2"
}}
{bounded}
# Last of these, because it hides the lab's own state.
mount --rbind {lib} /var/lib
mount --bind /var/lib/kubelet /var/lib/kubelet
mount --make-rshared /var/lib/kubelet
# The kubelet wants these values and would set them for the whole machine; it finds them set already.
pretend() {{ echo "$2" >"/run/drill/$1"; mount --bind "/run/drill/$1" "/proc/sys/$(echo "$1" | tr . /)"; }}
pretend vm.overcommit_memory 1
pretend vm.panic_on_oom 0
pretend kernel.panic 10
pretend kernel.panic_on_oops 1
pretend kernel.keys.root_maxkeys 1000000
pretend kernel.keys.root_maxbytes 25000000
"""


@dataclass(frozen=True)
class Node:
    """Node `index` (from 1) of the lab."""

    index: int

    @property
    def name(self) -> str:
        """Its name in Kubernetes."""
        return node_name(self.index)

    @property
    def address(self) -> IPv4Address:
        """Its address on the lab's bridge."""
        return node_address(self.index)

    @property
    def folder(self) -> Path:
        """Its files on the host: `lib` is its /var/lib."""
        return STATE / "nodes" / self.name

    @cached_property
    def group(self) -> Group:
        """Its processes."""
        return Group(self.name, network=_network.namespace(self.index))

    def start(self, pki: Pki, containerd_root: Path, archives: Sequence[Path]) -> None:
        """Start it unless it runs; does not wait for Kubernetes to see it.

        Args:
            pki: signs its kubeconfigs.
            containerd_root: a /var/lib/containerd that has the lab's images.
            archives: where these images come from.
        """
        if self.group.running:
            return
        self.group.stop()  # whatever a half-killed start has left
        lib = self.folder / "lib"
        for name in ("kubelet", *_volumes.FOLDERS):
            (lib / name).mkdir(parents=True, exist_ok=True)
        disks = {lib / name: self.folder / f"{name}.img" for name in _volumes.FOLDERS}
        for disk in disks.values():
            _volumes.create(disk)
        if not (lib / "containerd").exists():
            clone(containerd_root, lib / "containerd")
            self._loaded(archives)
        files = configuration(self.name, self.address, pod_subnet(self.index), _LIB)
        for name, text in files.items():
            write(lib / name, text)
        own = lib / _LIB.name
        shutil.copyfile(pki.authority, own / "ca.crt")
        if not (own / "kubelet.conf").exists():
            write(own / "kubelet.conf", pki.kubeconfig(f"system:node:{self.name}", "system:nodes"))
        if not (own / "kube-proxy.conf").exists():
            write(own / "kube-proxy.conf", pki.kubeconfig("system:kube-proxy"))
        _network.attach(self.index)
        self.group.logs.mkdir(parents=True, exist_ok=True)
        prologue = _PROLOGUE.format(
            kube=pki.kube,
            lib=lib,
            log=self.group.logs,
            options=_volumes.MOUNT_OPTIONS,
            bounded="\n".join(f"bounded {disk} {folder}" for folder, disk in disks.items()),
        )
        self.group.start(self._processes(), prologue=prologue, logs=Path("/var/log"))

    def load(self, archives: Sequence[Path]) -> None:
        """Import the images that it lacks, now that it runs.

        Raises:
            LabError: its containerd did not take them.
        """
        for archive in self.lacks(archives):
            load(min(_cgroups.pids(f"{self.name}/{_cgroups.SYSTEM}")), archive)
            self._loaded([archive])

    def lacks(self, archives: Sequence[Path]) -> list[Path]:
        """Which of these archives of images it has not been given yet."""
        given = self._images()
        return [archive for archive in archives if identity(archive) not in given]

    def _images(self) -> list[str]:
        file = self.folder / "images"
        return file.read_text().split() if file.exists() else []

    def _loaded(self, archives: Sequence[Path]) -> None:
        names = [*self._images(), *map(identity, archives)]
        write(self.folder / "images", "".join(f"{name}\n" for name in names))

    def _processes(self) -> dict[str, list[object]]:
        kube = "/run/drill/kube"
        frugal = ("env", "GOGC=40")
        return {
            "containerd": [*frugal, "containerd", "--config", _LIB / "containerd.toml"],
            "kubelet": [
                *frugal,
                kube,
                "kubelet",
                f"--config={_LIB}/kubelet.yaml",
                f"--kubeconfig={_LIB}/kubelet.conf",
                f"--hostname-override={self.name}",
                f"--node-ip={self.address}",
            ],
            "kube-proxy": [*frugal, kube, "kube-proxy", f"--config={_LIB}/kube-proxy.yaml"],
        }


def existing() -> list[Node]:
    """The nodes that the lab's state has, running or not, by index."""
    folders = (STATE / "nodes").glob("node*")
    return [Node(index) for index in sorted(int(folder.name.removeprefix("node")) for folder in folders)]
