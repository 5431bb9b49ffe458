"""A group of processes that live and die together: one cgroup, and one PID namespace whose init keeps them running."""

import os
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab import _cgroups
from lab._addresses import STATE
from lab._errors import LabError

_INIT = """\
#!/bin/sh
# Process 1 of {name}: prepares its mounts, then starts again whatever ends, as an init system would.
set -eu
hostname {name}
{prologue}
keep() {{
    log={logs}/$1.log; shift
    while :; do "$@" >>"$log" 2>&1 || echo "drill: ended with code $?" >>"$log"; sleep 1; done
}}
echo {started}
exec >/dev/null 2>&1
{processes}
wait
"""

_STARTED = "started"

_ENTER = 'for folder in $CGROUPS; do echo 0 >"$folder/cgroup.procs"; done; unset CGROUPS; exec "$@"'

# --kill-child: should the outer unshare be killed, the whole namespace goes with it.
_NAMESPACES = ("unshare", "--mount", "--pid", "--uts", "--ipc", "--fork", "--kill-child", "--mount-proc")


@dataclass(frozen=True)
class Group:
    """The processes of one node, or of the control plane.

    Args:
        name: its cgroup, its folder in the lab's state and its host name.
        network: file of the network namespace to run in; None: the host's.
    """

    name: str
    network: Path | None = None

    @property
    def logs(self) -> Path:
        """The folder with a log of each process."""
        return STATE / "logs" / self.name

    @property
    def _init(self) -> Path:
        """The script that it runs, or ran last."""
        return self.logs / "init.sh"

    @property
    def running(self) -> bool:
        """Whether its init lives; the kernel kills all the others with it."""
        return bool(_cgroups.pids(f"{self.name}/{_cgroups.SYSTEM}"))

    def start(self, processes: Mapping[str, Sequence[object]], prologue: str = "", logs: Path | None = None) -> None:
        """Start the group, detached from the terminal and from the caller's files.

        Args:
            processes: command lines by the name of their log.
            prologue: shell commands that prepare the group's own mount namespace.
            logs: the folder of the logs as the group sees it, after the prologue.

        Raises:
            LabError: its prologue failed.
        """
        keep = "\n".join(f"keep {name} {shlex.join(str(part) for part in argv)} &" for name, argv in processes.items())
        self._detach(
            _INIT.format(name=self.name, prologue=prologue, logs=logs or self.logs, started=_STARTED, processes=keep)
        )

    def start_again(self) -> None:
        """Start the group as it was started last.

        Raises:
            LabError: it never was, or its prologue failed.
        """
        if not self._init.exists():
            raise LabError(f"{self.name} was never started")
        self._detach(self._init.read_text())

    def _detach(self, script: str) -> None:
        # --fork: it is nobody's child, so nobody has to wait for it.
        with self._launch(script, "setsid", "--fork") as process:
            said = []
            for line in process.stdout or ():
                if line.strip() == _STARTED:
                    return
                said.append(line)
        raise LabError(f"{self.name} does not start: {''.join(said).strip()}")

    def run(self, script: str, timeout: float = 600) -> None:
        """Run a script in such a group until it ends; what it started ends with it.

        Raises:
            LabError: it failed; the message has its last words.
        """
        with self._launch(f"set -eu\n{script}") as process:
            try:
                said, _ = process.communicate(timeout=timeout)
            except subprocess.TimeoutExpired as error:
                raise LabError(f"{self.name}: still not done after {timeout:.0f} s") from error
            finally:
                self.stop()
        if process.returncode:
            raise LabError(f"{self.name}: exit code {process.returncode}: {said[-2000:].strip()}")

    def stop(self) -> None:
        """Kill what runs and remove its cgroups."""
        _cgroups.kill(self.name)
        _cgroups.remove(self.name)

    def _launch(self, script: str, *how: str) -> "subprocess.Popen[str]":
        self.logs.mkdir(parents=True, exist_ok=True)
        self._init.write_text(script)
        cgroups = _cgroups.create(self.name)
        network = () if self.network is None else ("nsenter", f"--net={self.network}")
        return subprocess.Popen(
            ["sh", "-c", _ENTER, "sh", *how, *network, *_NAMESPACES, "sh", str(self._init)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd="/",
            # Nothing of the caller's environment: a proxy or a KUBECONFIG of the user's has no business in here.
            env={"PATH": os.defpath + ":/usr/sbin:/sbin", "CGROUPS": " ".join(map(str, cgroups))},
        )
