"""Runs the tools that build artifacts, keeps what they print, and ends them with us."""

import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from threading import Lock

from lab._errors import LabError, LabPreflightError
from lab.packages import install_command

TAIL = 15
"""Lines of a failed tool's output that the error shows."""

# Ends a tool with all of its descendants when this process ends, even if it is killed: the kernel then kills `unshare`
# (PR_SET_PDEATHSIG), that the first process of the namespace, and that everything in it. mmdebstrap by itself, told to
# end, would go on and write to a folder that the next build has begun to use; killed, it would leave the machine's
# /proc, /sys and /dev mounted in there, for that build to clear away.
_BOUND = ("setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child")


class Tools:
    """The tools of one build; `stop` ends those that run and lets no other start."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = Lock()
        self._stopped = False

    def run(
        self, name: str, command: Sequence[str | Path], cwd: Path | None = None, env: Mapping[str, str] | None = None
    ) -> None:
        """Run a command to its end, its output in the log `name`.

        Raises:
            LabError: it failed; the message has the last lines of its output.
        """
        self._logs.mkdir(parents=True, exist_ok=True)
        log = self._logs / f"{name}.log"
        with log.open("wb") as output:
            with self._lock:
                if self._stopped:
                    raise LabError(f"{name}: not started, because another step of the build failed")
                process = subprocess.Popen(
                    [*_BOUND, *map(str, command)],
                    cwd=cwd,
                    env={**os.environ, **(env or {})},
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                )
                self._running.add(process)
            code = process.wait()
            with self._lock:
                self._running.discard(process)
        if code != 0:
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-TAIL:])
            raise LabError(
                f"{command[0]} failed with exit code {code}; all of its output is in {log}; it ended with:\n{tail}"
            )

    def stop(self) -> None:
        """End the running tools; their `run` then raises."""
        with self._lock:
            self._stopped = True
            for process in self._running:
                process.kill()


def require(programs: Iterable[str]) -> None:
    """Raise LabPreflightError, naming the command that installs them, when any of these programs is missing."""
    if missing := sorted(program for program in programs if shutil.which(program) is None):
        raise LabPreflightError(f"missing: {', '.join(missing)}; to install: {install_command(missing)}")
