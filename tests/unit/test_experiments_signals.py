"""The scripts that signal a process inside a container, run here by a plain shell on a process of our own."""

import subprocess
import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import pytest

from drill.cluster import Cluster, PodState
from experiments import _signals
from experiments._watch import NotSeenError, await_seen
from experiments.kafka._brokers import Broker

POD = PodState(
    namespace="kafka",
    name="broker-0",
    uid="u",
    node="n",
    phase="Running",
    ready=True,
    restarts=0,
    container_ids={"kafka": "c"},
    waiting=(),
    running=frozenset({"kafka"}),
    owner="broker",
    terminating=False,
)
BROKER = Broker(0, POD, "kafka")


class ShellStreams:
    """The streams of an exec, of a shell on this machine."""

    def __init__(self, argv: Sequence[str]) -> None:
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe, text=True)

    def readline_stdout(self, timeout: float) -> str:
        """One line."""
        assert timeout
        assert self.process.stdout
        return self.process.stdout.readline().rstrip("\n")

    def read_stdout(self, timeout: float) -> str:
        """What is left."""
        assert timeout == 0
        assert self.process.stdout
        return self.process.stdout.read()

    def read_stderr(self, timeout: float) -> str:
        """What is left."""
        assert timeout == 0
        assert self.process.stderr
        return self.process.stderr.read()

    def read_channel(self, channel: int) -> str:
        """No status."""
        assert channel == 3
        return ""

    def run_forever(self, timeout: float) -> None:
        """Await the end."""
        self.process.wait(timeout)

    def write_stdin(self, text: str) -> None:
        """Fire."""
        assert self.process.stdin
        self.process.stdin.write(text)
        self.process.stdin.flush()

    def close(self, timeout: float) -> None:
        """End of file for the shell."""
        assert timeout
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait(10)
        for stream in (self.process.stdout, self.process.stderr):
            assert stream
            stream.close()

    @property
    def sock(self) -> "ShellStreams":
        """What is under the streams."""
        return self

    def shutdown(self) -> None:
        """There is nothing more to free."""


class Here:
    """A cluster whose only container is this machine."""

    def open_exec(self, namespace: str, pod: str, container: str, argv: Sequence[str]) -> ShellStreams:
        """Run it here."""
        assert (namespace, pod, container) == ("kafka", "broker-0", "kafka")
        return ShellStreams(argv)


CLUSTER = cast("Cluster", Here())


@pytest.fixture
def broker_process() -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A process with a name in its command line that nobody else has."""
    name = f"kafka.{uuid.uuid4().hex}"
    with subprocess.Popen(["bash", "-c", f"exec -a {name} sleep 1000"]) as process:
        yield name, process
        process.kill()


def process_state(pid: int) -> str:
    """The state letter of a process (proc(5)), R, S or T."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_kill(broker_process: tuple[str, subprocess.Popen[bytes]]) -> None:
    """An armed kill does nothing until it is fired, and then kills just that process."""
    name, process = broker_process
    with _signals.armed(CLUSTER, BROKER, name, _signals.KILL) as kill:
        assert kill.pid == process.pid
        assert process.poll() is None
        kill.fire()
        assert process.wait(10) == -9


def test_armed_and_never_fired(broker_process: tuple[str, subprocess.Popen[bytes]]) -> None:
    """A harness that dies before it fires has done nothing."""
    name, process = broker_process
    with _signals.armed(CLUSTER, BROKER, name, _signals.KILL):
        pass
    assert process.poll() is None


def test_stop_and_continue(broker_process: tuple[str, subprocess.Popen[bytes]]) -> None:
    """A stop and its end both tell the state that the process is in afterwards."""
    name, process = broker_process
    with (
        _signals.armed(CLUSTER, BROKER, name, _signals.STOP, dead_man=5) as stop,
        _signals.armed(CLUSTER, BROKER, name, _signals.CONTINUE) as resume,
    ):
        stop.fire()
        assert stop.state() == "T"
        assert process_state(process.pid) == "T"
        resume.fire()
        assert resume.state() in {"S", "R"}


def test_the_dead_man_of_a_pause_that_is_over_goes_with_it(
    broker_process: tuple[str, subprocess.Popen[bytes]],
) -> None:
    """It would end the next pause of the same process."""
    name, process = broker_process
    mark = f"drill-dead-man-{process.pid}-".encode()
    with (
        _signals.armed(CLUSTER, BROKER, name, _signals.STOP, dead_man=60) as stop,
        _signals.armed(CLUSTER, BROKER, name, _signals.CONTINUE) as resume,
    ):
        stop.fire()
        assert stop.state() == "T"
        assert _processes_with(mark)
        resume.fire()
        assert resume.state() in {"S", "R"}

    def gone() -> None:
        if left := _processes_with(mark):
            raise NotSeenError(f"{left} are still there")

    await_seen(gone, within=5, each=0.05)


def _processes_with(mark: bytes) -> list[str]:
    """Ids of the processes whose command line has `mark`; a zombie has none."""
    found = []
    for cmdline in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it ended meanwhile
            if mark in cmdline.read_bytes():
                found.append(cmdline.parent.name)
    return found


def test_the_dead_man_ends_a_stop_that_nobody_else_ends(broker_process: tuple[str, subprocess.Popen[bytes]]) -> None:
    """With the connection and the harness gone, the process continues all the same."""
    name, process = broker_process
    with _signals.armed(CLUSTER, BROKER, name, _signals.STOP, dead_man=2) as stop:
        stop.fire()
        assert stop.state() == "T"

    def continues() -> None:
        if process_state(process.pid) == "T":
            raise NotSeenError("still stopped")

    await_seen(continues, within=10, each=0.05)


def test_no_such_process() -> None:
    """A process that is not there is said so; the shell that looks for it does not find itself."""
    with (
        pytest.raises(_signals.ArmingError, match="no process has"),
        _signals.armed(CLUSTER, BROKER, f"kafka.{uuid.uuid4().hex}", _signals.KILL),
    ):
        pass


def test_two_such_processes(broker_process: tuple[str, subprocess.Popen[bytes]]) -> None:
    """Which of two processes is meant is not guessed."""
    name, _ = broker_process
    with subprocess.Popen(["bash", "-c", f"exec -a {name} sleep 1000"]) as second:
        with (
            pytest.raises(_signals.ArmingError, match="several processes have"),
            _signals.armed(CLUSTER, BROKER, name, _signals.KILL),
        ):
            pass
        second.kill()


class PidOne(ShellStreams):
    """A container without an init: the broker is PID 1."""

    def __init__(self, argv: Sequence[str]) -> None:
        assert argv
        super().__init__(["sh", "-c", "echo armed 1; read -r fire"])


def test_pid_1_is_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel drops SIGKILL sent to PID 1 from inside its namespace, so that is no kill."""
    monkeypatch.setattr(Here, "open_exec", lambda *arguments: PidOne(cast("Any", arguments[-1])))
    with (
        pytest.raises(_signals.ArmingError, match="PID 1 of its container"),
        _signals.armed(CLUSTER, BROKER, "kafka.Kafka", _signals.KILL),
    ):
        pass
