"""The lab's cluster lost and built anew, without a lab: what goes, what is kept, and what happens half-way."""

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import lab
from drill.cli import app
from drill.errors import UsageError
from drill.exits import ExitCode
from lab import LabError, LabPreflightError, _cluster, _group, _network, _parts, _up, _volumes
from lab._group import Group
from lab._parts import MINIO, VELERO
from lab._progress import progress

MARK = "lost"


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lab of two nodes with all of its files, whose processes and network are not there."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for module in (_cluster, _group):
        monkeypatch.setattr(module, "STATE", tmp_path)
    monkeypatch.setattr("lab.node.STATE", tmp_path)
    monkeypatch.setattr(_parts, "_FILE", tmp_path / "parts")
    stopped: list[str] = []

    def stop(group: Group) -> None:
        stopped.append(group.name)
        (tmp_path / "stopped").write_text("\n".join(stopped))

    monkeypatch.setattr(Group, "stop", stop)
    monkeypatch.setattr(_network, "detach", lambda _: None)
    monkeypatch.setattr(_volumes, "await_detached", lambda _: None)
    (tmp_path / "parts").write_text("kafka\npostgres\nminio\nvelero\n")
    (tmp_path / "etcd" / "member").mkdir(parents=True)
    (tmp_path / "pki").mkdir()
    (tmp_path / "pki" / "ca.crt").touch()
    for name in ("node1", "node2"):
        (tmp_path / "nodes" / name / "lib" / "kubelet").mkdir(parents=True)
        (tmp_path / "logs" / name / "pods" / "kong").mkdir(parents=True)
        for file in ("images", "local-path-provisioner.img", "local-path-apart.img", "local-path-objects.img"):
            (tmp_path / "nodes" / name / file).touch()
    return tmp_path


def _left(state: Path) -> set[str]:
    return {path.relative_to(state / "nodes").as_posix() for path in (state / "nodes").rglob("*.img")}


def test_all_goes_but_the_object_store_and_the_certificates(state: Path) -> None:
    """The control plane is the first that is stopped: nobody answers while the rest is taken away."""
    lab.lose_cluster()
    assert not (state / "etcd").exists()
    assert not (state / MARK).exists()
    assert {path.relative_to(state).as_posix() for path in (state / "nodes").rglob("*") if path.is_file()} == {
        "nodes/node1/local-path-objects.img",
        "nodes/node2/local-path-objects.img",
    }
    assert not list((state / "nodes").rglob("lib"))
    assert not list((state / "logs").rglob("pods"))
    assert (state / "pki" / "ca.crt").exists()
    assert (state / "parts").exists()
    assert (state / "stopped").read_text().splitlines()[0] == "control-plane"


def test_without_a_lab_there_is_nothing_to_lose(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor to build anew; nothing is touched."""
    monkeypatch.setattr(_cluster, "existing", list)
    monkeypatch.setattr(_up, "existing", list)
    with pytest.raises(LabPreflightError, match="no lab whose cluster could be lost"):
        lab.lose_cluster()
    with pytest.raises(LabPreflightError, match="no lab whose cluster could be built anew"):
        lab.rebuild_cluster()
    assert (state / "etcd").exists()


def test_a_loss_that_was_cut_short_is_carried_to_its_end(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the next `up` or `rebuild`, before anything is started; one that had not begun to destroy is no loss."""

    def cut(_: Path) -> None:
        raise LabError("cut short")

    with monkeypatch.context() as half:
        half.setattr(_volumes, "await_detached", cut)
        with pytest.raises(LabError, match="cut short"):
            lab.lose_cluster()
    assert (state / MARK).exists()
    assert "node1/local-path-apart.img" in _left(state)
    with progress() as step:
        _cluster.finish(step)
        assert _left(state) == {"node1/local-path-objects.img", "node2/local-path-objects.img"}
        assert not (state / MARK).exists()
        (state / "etcd").mkdir()
        _cluster.finish(step)  # nobody has begun anything
    assert (state / "etcd").exists()


@pytest.fixture
def brought(state: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What `rebuild` brings up, which is not done."""
    assert state.exists()
    seen: list[tuple[Any, ...]] = []
    monkeypatch.setattr(_up, "_bring", lambda *given, **named: seen.append((*given, named)))
    return seen


def test_a_fresh_cluster_has_no_part_but_what_is_asked_for(brought: list[tuple[Any, ...]]) -> None:
    """As many nodes as before; what a part needs comes with it, and the others are for a restore."""
    lab.rebuild_cluster()
    lab.rebuild_cluster(["velero"])
    assert brought == [(2, (), {"only": ()}), (2, (), {"only": (MINIO, VELERO)})]


def test_a_part_that_the_lab_did_not_have(brought: list[tuple[Any, ...]]) -> None:
    """It would be no cluster in the place of the lost one."""
    with pytest.raises(LabPreflightError, match="the lab did not have monitoring"):
        lab.rebuild_cluster(["monitoring"])
    assert not brought


def test_the_commands(state: Path, brought: list[tuple[Any, ...]]) -> None:
    """Without --yes nothing is lost; the parts are passed on."""
    refused = CliRunner().invoke(app, ["lab", "cluster", "lose"])
    assert isinstance(refused.exception, UsageError)
    assert (state / "etcd").exists()
    assert CliRunner().invoke(app, ["lab", "cluster", "lose", "--yes"]).exit_code == ExitCode.PASS
    assert not (state / "etcd").exists()
    arguments = ["lab", "cluster", "rebuild", "--with", "minio", "--with", "velero"]
    assert CliRunner().invoke(app, arguments).exit_code == ExitCode.PASS
    assert brought == [(2, (), {"only": (MINIO, VELERO)})]
