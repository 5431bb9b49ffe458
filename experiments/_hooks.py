"""Running the hooks of the settings: commands of the user's own, for what Kubernetes can't do."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from drill.cluster import ClusterError

_SAID = 500
"""Characters of its last words in the message of one that failed."""


def run(argv: Sequence[str], within: float, *, leashed: bool = False) -> None:
    """Run a hook to its end; a program beside our own Python, such as `drill`, is found too.

    Args:
        argv: The command.
        within: Seconds after which it is killed.
        leashed: It is killed when we die: what it had begun is then carried to its end, or undone, by `drill rollback`,
            and must not go on beside that.

    Raises:
        ClusterError: it failed, or was not over in time.
    """
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))
    leash = [setpriv, "--pdeathsig=KILL"] if leashed and (setpriv := shutil.which("setpriv")) else []
    try:
        done = subprocess.run(
            [*leash, *argv],
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=within,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ClusterError(f"hook {' '.join(argv)}: {error}") from error
    if done.returncode:
        said = (done.stderr or done.stdout).strip()[-_SAID:]
        raise ClusterError(f"hook {' '.join(argv)}: exit code {done.returncode}: {said}")
