"""The lab's cluster is lost for good: etcd's data and the nodes' disks. `lab._up.rebuild` makes a fresh one.

Two things outlive it. The disks of the object store, which stands for one that is outside of the cluster; and the
certificates, so that whoever had access to the lost cluster has it to the fresh one.
"""

import shutil
from pathlib import Path

from lab import _network, _volumes
from lab._addresses import STATE
from lab._errors import LabPreflightError
from lab._files import write
from lab._lock import alone
from lab._progress import Step, progress
from lab.control_plane import GROUP
from lab.node import existing

KEPT = ("local-path-objects.img",)
"""What is kept of a node's folder: the object store's disk."""


def lose() -> None:
    """Destroy the cluster: all that runs is killed, etcd's data and all but the object store's disks are removed.

    Raises:
        LabPreflightError: there is no lab.
        LabError: something of it would not go away; the next `lose` or `up` goes on from there.
    """
    with progress() as step, alone(step, "lab", "`drill lab`"):
        if not existing():
            raise LabPreflightError("there is no lab whose cluster could be lost")
        with step("Stopping the control plane"):
            GROUP.stop()
        # From here on there is no way back: a loss that is half done is carried to its end by whoever comes next.
        write(_begun(), "")
        finish(step)


def finish(step: Step) -> None:
    """Carry a loss to its end that somebody has begun; nothing, where nobody has.

    Raises:
        LabError: something would not go away.
    """
    if not _begun().exists():
        return
    with step("Destroying the cluster's state and the nodes' disks"):
        GROUP.stop()
        _remove(STATE / "etcd")
        for node in existing():
            node.group.stop()
            _network.detach(node.index)
            _volumes.await_detached(node.folder)
            of_pods = (node.group.logs / name for name in ("pods", "containers"))
            for each in (*(file for file in node.folder.iterdir() if file.name not in KEPT), *of_pods):
                _remove(each)
        _begun().unlink()


def _begun() -> Path:
    return STATE / "lost"


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
