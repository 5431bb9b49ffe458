"""Taking the power from one node of the lab, and giving it back; nothing on its disk changes."""

import subprocess
import sys
import uuid
from pathlib import Path

from lab import _network
from lab._errors import LabError, LabPreflightError
from lab._files import write
from lab._lock import alone
from lab._progress import progress
from lab.node import Node, existing

_AWAKE = 'sleep "$1"; shift; exec "$@"'


def stop(name: str, seconds: float | None = None) -> None:
    """Kill all that runs on a node, and take it off the network: who asks it gets no answer.

    Args:
        name: The node.
        seconds: When it starts again by itself, whoever lives until then; None: when it is told to.

    Raises:
        LabPreflightError: there is no such node.
        LabError: something of it would not go away.
    """
    with progress() as step, alone(step, "lab", "`drill lab`"):
        node = _node(name)
        _token_file(node).unlink(missing_ok=True)
        if seconds is not None:
            _start_later(node, seconds)
        with step(f"Stopping {name}"):
            node.group.stop()
            _network.detach(node.index)


def start(name: str, token: str | None = None) -> None:
    """Start a node as it was started last, unless it runs; does not wait for Kubernetes to see it.

    Args:
        name: The node.
        token: Of the stop that this ends: does nothing when the node was started, or stopped again, since.

    Raises:
        LabPreflightError: there is no such node.
        LabError: it does not start.
    """
    with progress() as step, alone(step, "lab", "`drill lab`"):
        node = _node(name)
        file = _token_file(node)
        if token is not None and (not file.exists() or file.read_text() != token):
            return
        file.unlink(missing_ok=True)
        if node.group.running:
            return
        with step(f"Starting {name}"):
            node.group.stop()  # whatever a half-killed start has left
            _network.attach(node.index)
            node.group.start_again()


def _start_later(node: Node, seconds: float) -> None:
    """A process of its own session and nobody's child: it outlives whoever stops the node."""
    token = uuid.uuid4().hex
    write(_token_file(node), token)
    again = [sys.executable, "-m", __name__, node.name, token]
    subprocess.run(
        ["setsid", "--fork", "sh", "-c", _AWAKE, "sh", f"{seconds:g}", *again],
        check=True,
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _token_file(node: Node) -> Path:
    return node.folder / "stopped"


def _node(name: str) -> Node:
    nodes = {node.name: node for node in existing()}
    if name not in nodes:
        raise LabPreflightError(f"the lab has no node {name!r}, but: {', '.join(nodes) or 'none'}")
    return nodes[name]


if __name__ == "__main__":
    try:
        start(*sys.argv[1:3])
    except LabError:  # the lab was taken down meanwhile, and this node with it
        sys.exit(1)
