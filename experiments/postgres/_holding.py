"""Starting and ending the process that holds sessions."""

import json
import re
import secrets
import subprocess
import sys
import tempfile
from dataclasses import asdict
from typing import IO

from drill.errors import UsageError
from experiments._watch import NotSeenError
from experiments.postgres import _holder
from experiments.postgres._holder import Order

_NAME = re.compile(r"drill-holder-[0-9a-f]{12}")
_RUNNING: dict[str, tuple[subprocess.Popen[bytes], IO[bytes]]] = {}
"""Those of this process, which has to reap them; to be undone, sessions need only their name."""
_SPARE = 60.0
"""Seconds that a holder is granted beyond what it is planned for."""


def new_name() -> str:
    """A name that only the sessions of one fault have: application_name, by which they are found and ended."""
    return f"drill-holder-{secrets.token_hex(6)}"


def ensure_ours(name: str) -> None:
    """Refuse to look for sessions that no fault has opened: whoever wrote the rollback log must not choose others.

    Raises:
        UsageError: it is no name that `new_name` gives.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} is not the name of a fault's sessions")


def role_of(name: str) -> str:
    """The temporary role of a fault that needs one."""
    return name.replace("-", "_")


def deadline(hold: float, effect_timeout: float) -> float:
    """When a holder ends itself, s after its start."""
    return hold + effect_timeout + _SPARE


def start(name: str, order: Order) -> None:
    """Start the process; returns at once."""
    stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `stop`
    argv = [sys.executable, "-P", str(_holder.__file__), name]
    process = subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=stderr, start_new_session=True
    )
    _RUNNING[name] = process, stderr
    if process.stdin is not None:
        process.stdin.write(json.dumps(asdict(order)).encode() + b"\n")
        process.stdin.flush()


def ensure_alive(name: str) -> None:
    """Look that this process's holder runs.

    Raises:
        NotSeenError: it has ended, or never began.
    """
    process, _ = _RUNNING.get(name, (None, None))
    if process is None or process.poll() is not None:
        raise NotSeenError(f"the process that holds the sessions has ended{trouble(name)}")


def trouble(name: str) -> str:
    """The last that the holder had to say, in brackets; empty: nothing."""
    _, stderr = _RUNNING.get(name, (None, None))
    if stderr is None:
        return ""
    stderr.seek(0)
    said = stderr.read().decode(errors="replace").strip().splitlines()
    return f" ({said[-1]})" if said else ""


def stop(name: str) -> None:
    """End this process's holder, if it has one of that name: the kernel closes its sessions."""
    process, stderr = _RUNNING.pop(name, (None, None))
    if process is None or stderr is None:
        return
    process.kill()
    process.wait()
    stderr.close()
    if process.stdin is not None:
        process.stdin.close()
