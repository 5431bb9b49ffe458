"""Children of a run: ended in order, killed when they do not listen, and never left behind by a dead harness."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from scenarios._child import Child

LISTENS = (
    "import signal, sys, time\n"
    "def leave(number, _frame):\n"
    "    print('ended by', signal.Signals(number).name, flush=True)\n"
    "    sys.exit(0)\n"
    "for each in (signal.SIGTERM, signal.SIGUSR1):\n"
    "    signal.signal(each, leave)\n"
    "print('ready', flush=True)\n"
    "time.sleep(60)\n"
)
DEAF = (
    "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('ready', flush=True)\ntime.sleep(60)\n"
)


def _await_text(log: Path, text: str) -> None:
    with subprocess.Popen(
        ["tail", "-n", "+1", "-F", str(log)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as tail:
        assert tail.stdout is not None
        assert any(text in line for line in tail.stdout)
        tail.kill()


@pytest.mark.parametrize("ends_on", [signal.SIGTERM, signal.SIGUSR1])
def test_it_ends_on_the_signal_that_it_understands(tmp_path: Path, ends_on: signal.Signals) -> None:
    """In order, with its own exit status."""
    child = Child([sys.executable, "-c", LISTENS], {}, tmp_path / "logs" / "child.log", ends_on=ends_on)
    _await_text(child.log, "ready")
    child.stop(grace=30)
    assert child.exit_status == 0
    assert f"ended by {ends_on.name}" in child.tail()


def test_one_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    """After its grace."""
    child = Child([sys.executable, "-c", DEAF], {}, tmp_path / "child.log")
    _await_text(child.log, "ready")
    child.stop(grace=0.1)
    assert child.exit_status == -signal.SIGKILL


def test_a_killed_harness_takes_its_children_with_it(tmp_path: Path) -> None:
    """By the kernel: SIGKILL leaves the harness no time to say goodbye."""
    log = tmp_path / "child.log"
    harness = (
        "import pathlib, sys, time\nfrom scenarios._child import Child\n"
        f"Child([sys.executable, '-c', {LISTENS!r}], {{}}, pathlib.Path({str(log)!r}))\ntime.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", harness], cwd=Path(__file__).parents[2])
    try:
        _await_text(log, "ready")
    finally:
        process.kill()
        process.wait()
    _await_text(log, "ended by SIGTERM")
