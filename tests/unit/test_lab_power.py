"""A node of the lab that loses its power and gets it back, without a lab."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from lab import LabError, LabPreflightError, _group, _network, _power
from lab._group import Group
from lab.node import Node


@pytest.fixture
def done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is done to node 2, which runs until it is stopped."""
    seen: list[str] = []
    running = [True]

    def stop(_self: Group) -> None:
        seen.append("stop")
        running[0] = False

    def start_again(_self: Group) -> None:
        seen.append("start again")
        running[0] = True

    def run(argv: Sequence[str], **_: Any) -> None:
        seen.append(f"later {argv[argv.index('sh') + 4]} {argv[-2]}")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("lab.node.STATE", tmp_path)
    monkeypatch.setattr(_group, "STATE", tmp_path)
    monkeypatch.setattr(_power, "existing", lambda: [Node(1), Node(2)])
    monkeypatch.setattr(Group, "running", property(lambda _self: running[0]))
    monkeypatch.setattr(Group, "stop", stop)
    monkeypatch.setattr(Group, "start_again", start_again)
    monkeypatch.setattr(_network, "attach", lambda index: seen.append(f"attach {index}"))
    monkeypatch.setattr(_network, "detach", lambda index: seen.append(f"detach {index}"))
    monkeypatch.setattr("lab._power.subprocess.run", run)
    (tmp_path / "nodes" / "node2").mkdir(parents=True)
    return seen


def test_stop_and_start(done: list[str]) -> None:
    """It is off the network while it is off, and starts as it was started last; a second start does nothing."""
    _power.stop("node2")
    assert done == ["stop", "detach 2"]
    _power.start("node2")
    assert done[2:] == ["stop", "attach 2", "start again"]
    _power.start("node2")
    assert len(done) == 5


def test_it_comes_back_by_itself(done: list[str], tmp_path: Path) -> None:
    """Seen to before it is stopped; the one that comes later does its work once."""
    _power.stop("node2", 30)
    assert done == ["later 30 node2", "stop", "detach 2"]
    token = (tmp_path / "nodes" / "node2" / "stopped").read_text()
    _power.start("node2", token)
    assert done[-1] == "start again"
    _power.stop("node2", 60)
    _power.start("node2", token)  # late, and of the stop before
    assert done[-1] == "detach 2"


def test_a_node_that_was_started_meanwhile(done: list[str], tmp_path: Path) -> None:
    """What comes later has nothing to do, though the node is off again for another reason."""
    _power.stop("node2", 30)
    token = (tmp_path / "nodes" / "node2" / "stopped").read_text()
    _power.start("node2")
    _power.stop("node2")
    _power.start("node2", token)
    assert done[-1] == "detach 2"
    _power.stop("node2", 30)
    _power.stop("node2")  # now for good
    assert not (tmp_path / "nodes" / "node2" / "stopped").exists()


def test_no_such_node(done: list[str]) -> None:
    """Named with those that there are."""
    for act in (_power.stop, _power.start):
        with pytest.raises(LabPreflightError, match="no node 'node9', but: node1, node2"):
            act("node9")
    assert not done


def test_a_group_that_was_never_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is nothing to start again."""
    monkeypatch.setattr(_group, "STATE", tmp_path)
    with pytest.raises(LabError, match="node2 was never started"):
        Group("node2").start_again()
