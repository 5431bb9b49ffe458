"""A supervised child process: its own session, its output in the record, ended when the harness ends.

Run as a module it is the child's first breath: it asks the kernel for its ending signal at its parent's death
(prctl(2), PR_SET_PDEATHSIG) and becomes the real command, so that even a SIGKILL of the harness ends the load and
undoes the fault.
"""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1


class Child:
    """One running command.

    Args:
        argv: the command.
        env: variables on top of the harness's own.
        log: file that takes what it prints.
        ends_on: the signal on which the command ends in order. Chaos Toolkit needs SIGUSR1: it swallows a SIGTERM that
            meets a Python activity, and SIGINT is ignored below a background shell.
    """

    def __init__(
        self,
        argv: Sequence[str],
        env: Mapping[str, str],
        log: Path,
        *,
        ends_on: signal.Signals = signal.SIGTERM,
    ) -> None:
        log.parent.mkdir(exist_ok=True)
        self.log = log
        self._ends_on = ends_on
        self._asked = False
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "scenarios._child", str(os.getpid()), str(int(ends_on)), *argv],
                env={**os.environ, **env},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Ctrl-C in the terminal is the harness's to handle, in its own order.
                start_new_session=True,
            )

    @property
    def exit_status(self) -> int | None:
        """None while it runs; negative: ended by that signal."""
        return self._process.poll()

    def wait(self, timeout: float) -> bool:
        """Whether it ended within `timeout` seconds."""
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return False
        return True

    def ask_to_end(self) -> None:
        """Send its ending signal, once: Chaos Toolkit breaks its rollbacks off at a second one."""
        if self.exit_status is None and not self._asked:
            self._asked = True
            self._process.send_signal(self._ends_on)

    def stop(self, grace: float) -> None:
        """Ask it to end, wait `grace` seconds, then kill it with all that it started."""
        self.ask_to_end()
        if not self.wait(grace):
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def tail(self, lines: int = 15) -> str:
        """The last lines that it printed."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


def _become(parent: int, ends_on: int, argv: list[str]) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, ends_on) != 0:
        sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
    if os.getppid() != parent:  # it died before the kernel was asked
        sys.exit("the harness is gone")
    signal.pthread_sigmask(signal.SIG_SETMASK, ())  # the harness may have held signals back while it started us
    os.execvp(argv[0], argv)  # noqa: S606 - the command of our own runner


if __name__ == "__main__":
    _become(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
