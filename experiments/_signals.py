"""Signals to a process inside a container, sent by exec: armed first, so that firing takes no longer than one packet.

Arming finds the process and waits; firing lets several containers be hit at the same moment, and tells it exactly.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from kubernetes.stream.ws_client import WSClient
from websocket import WebSocketException

from drill.cluster import Cluster, ClusterError, PodState, close_exec, exec_result

# $1: what pgrep looks for, $2: seconds to the dead man's resume. Exits: 3 not exactly one process, 4 never fired.
# Images without procps have no pgrep; what grep finds in /proc/<pid>/cmdline is the same for a pattern without spaces.
_FIND = """
find() {
  if command -v pgrep >/dev/null; then pgrep -f "$1"; return; fi
  grep -als -- "$1" /proc/[0-9]*/cmdline | sed 's,/proc/\\([0-9]*\\)/.*,\\1,' | grep .
}
pid=$(find "$1") || { echo "no process has $1 in its command line" >&2; exit 3; }
case $pid in *[!0-9]*) echo "several processes have $1 in their command line:" $pid >&2; exit 3;; esac
echo "armed $pid"; read -r fire || exit 4
"""
_STATE = """
state() { sed -n 's/^State:[[:space:]]*\\([A-Za-z]\\).*/\\1/p' /proc/$pid/status; }
"""
KILL = _FIND + "kill -KILL $pid"
STOP = (
    _FIND
    + _STATE
    # The dead man: in a session of its own it outlives this shell, the connection and the harness. And a process
    # stops only when it is scheduled next, on a busy machine some time after the signal.
    + """
setsid sh -c 'sleep "$1"; kill -CONT "$2"' "drill-dead-man-$pid-" "$2" "$pid" </dev/null >/dev/null 2>&1 &
kill -STOP $pid
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do [ "$(state)" = T ] && break; sleep 0.05; done
echo "state $(state)"
"""
)
# Its dead man goes with it: one that stays would end the next pause of the same process.
CONTINUE = (
    _FIND
    + _STATE
    + """
kill -CONT $pid
for dead_man in $(grep -als -- "[d]rill-dead-man-$pid-" /proc/[0-9]*/cmdline); do
  dead_man=${dead_man#/proc/}
  kill -s KILL -- "-${dead_man%/cmdline}" 2>/dev/null
done
echo "state $(state)"
"""
)
LOOK = _FIND + _STATE + 'echo "state $(state)"'


class Container(Protocol):
    """One container of a pod."""

    @property
    def pod(self) -> PodState:
        """Its pod."""

    @property
    def container(self) -> str:
        """Its name in the pod."""


class ArmingError(ClusterError):
    """The process to signal was not found in the container, or a signal could not reach it."""


@dataclass(frozen=True)
class Armed:
    """A signal that waits to be fired."""

    pid: int
    """The process id inside the container."""
    _streams: WSClient

    def fire(self) -> None:
        """Send it; returns before it has arrived.

        Raises:
            ClusterError: the connection to the container is gone.
        """
        try:
            self._streams.write_stdin("\n")
        except (WebSocketException, OSError) as error:
            raise ClusterError(f"exec: {error}") from error

    def state(self, timeout: float = 5) -> str:
        """The process's state letter (proc(5)) just after the signal: `T` is stopped.

        Raises:
            ClusterError: no answer within `timeout` seconds.
        """
        # To the end, not by line: readline_stdout loses a line that came together with the end of the connection.
        self._streams.run_forever(timeout=timeout)
        answer: str = self._streams.read_stdout(timeout=0).strip()
        if not answer.startswith("state "):
            raise ClusterError(f"exec: no process state within {timeout:g} s, but {answer!r}")
        return answer.removeprefix("state ")


@contextmanager
def armed(cluster: Cluster, target: Container, process: str, script: str, dead_man: float = 0) -> Iterator[Armed]:
    """Arm one of this module's scripts in a container.

    Args:
        cluster: Where.
        target: Which container.
        process: Text in the command line of the process to signal.
        script: `KILL`, `STOP`, `CONTINUE` or `LOOK`.
        dead_man: For `STOP`: seconds after which the container itself lets the process continue.

    Raises:
        ArmingError: there is no such process, or more than one, or it is the container's PID 1.
        ClusterError: the container could not be entered.
    """
    # As a pattern `[k]afka` finds `kafka`, but not the shell whose command line has the pattern.
    pattern = f"[{process[0]}]{process[1:]}"
    argv = ["sh", "-c", script, "sh", pattern, f"{dead_man:g}"]
    streams = cluster.open_exec(target.pod.namespace, target.pod.name, target.container, argv)
    try:
        line = streams.readline_stdout(timeout=15)
        if not line.startswith("armed "):
            streams.run_forever(timeout=5)
            raise ArmingError(f"{target.pod.name}: {exec_result(streams).stderr.strip() or 'no answer to exec'}")
        pid = int(line.removeprefix("armed "))
        if pid == 1 and script in (KILL, STOP):
            raise ArmingError(
                f"{target.pod.name}: the process is PID 1 of its container, and the kernel drops SIGKILL and SIGSTOP "
                "that are sent to PID 1 from inside (pid_namespaces(7)); use method: delete, or an init in the image"
            )
        yield Armed(pid, streams)
    finally:
        close_exec(streams, timeout=0.2)  # an armed shell reads end of file and leaves; nobody waits for it
