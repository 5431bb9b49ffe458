"""Starting and ending the process that holds sessions."""

import json
import re
import secrets
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from typing import IO

import psycopg

from drill import postgres
from drill.errors import UsageError
from experiments._watch import NotSeenError
from experiments.postgres import _holder
from experiments.postgres._holder import Order

_NAME = re.compile(r"drill-holder-[0-9a-f]{12}")
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


@dataclass(frozen=True)
class _Holder:
    process: subprocess.Popen[bytes]
    stderr: IO[bytes]
    control: psycopg.Connection


_RUNNING: dict[str, _Holder] = {}
"""Those of this process, which has to reap them; to be undone, sessions need only their name."""


def start(name: str, order: Order, superuser: str) -> None:
    """Start the process; returns at once.

    Args:
        name: Of the fault's sessions.
        order: What to hold.
        superuser: Connection string of the session to look with, which is opened before: should clients be superusers
            as well, they take the reserved slots, and nobody who comes later gets in.

    Raises:
        PostgresUnreachableError: nobody let us in to look.
    """
    control = postgres.connect(superuser)
    stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `stop`
    argv = [sys.executable, "-P", str(_holder.__file__), name]
    process = subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=stderr, start_new_session=True
    )
    _RUNNING[name] = _Holder(process, stderr, control)  # closed by `stop`, too
    if process.stdin is not None:
        process.stdin.write(json.dumps(asdict(order)).encode() + b"\n")
        process.stdin.flush()


def control(name: str) -> psycopg.Connection:
    """The session to look with, while the holder runs.

    Raises:
        NotSeenError: it has ended, or never began.
    """
    holder = _RUNNING.get(name)
    if holder is None or holder.process.poll() is not None:
        raise NotSeenError(f"the process that holds the sessions has ended{trouble(name)}")
    return holder.control


def trouble(name: str) -> str:
    """The last that the holder had to say, in brackets; empty: nothing."""
    if (holder := _RUNNING.get(name)) is None:
        return ""
    holder.stderr.seek(0)
    said = holder.stderr.read().decode(errors="replace").strip().splitlines()
    return f" ({said[-1]})" if said else ""


def stop(name: str) -> None:
    """End this process's holder, if it has one of that name: the kernel closes its sessions."""
    if (holder := _RUNNING.pop(name, None)) is None:
        return
    holder.control.close()
    holder.process.kill()
    holder.process.wait()
    holder.stderr.close()
    if holder.process.stdin is not None:
        holder.process.stdin.close()
