"""Take the lab down, whatever is there of it."""

import os
import shutil

from lab import _cgroups, _network, _volumes
from lab._addresses import STATE, kubeconfig
from lab._errors import LabPreflightError
from lab._kubectl import kubectl_cache
from lab._lock import alone
from lab._progress import progress


def down() -> None:
    """Kill every process of the lab and remove what they ran on; nothing but the cache is left. Idempotent.

    Raises:
        LabPreflightError: not root, so nothing could be removed.
        LabError: something would not go away.
    """
    if os.geteuid() != 0:
        raise LabPreflightError("taking the lab down needs root: run as root (sudo)")
    with progress() as step, alone(step, "lab", "`drill lab`"):
        with step("Stopping all processes"):
            _cgroups.kill()
        with step("Removing the network, the cgroups and the state"):
            _network.remove()
            _cgroups.remove()
            _volumes.await_detached(STATE)
            # Mounts of the nodes ended with their mount namespaces, so this can't reach into anything else.
            for folder in (STATE, kubectl_cache()):
                if folder.exists():
                    shutil.rmtree(folder)
            kubeconfig().unlink(missing_ok=True)
