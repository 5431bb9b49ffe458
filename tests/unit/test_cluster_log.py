"""The rollback log in the cluster: written before a fault, found by any machine, no way to run foreign code."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import stamina
from kubernetes.client import ApiException, V1ConfigMap
from urllib3.exceptions import MaxRetryError

from drill import record, rollback
from drill.cluster_log import NAME, ClusterLog
from drill.errors import RefusedError

UNDO = "experiments.kafka._recovery.await_recovered"
done_: list[dict[str, Any]] = []


class _Core:
    """What an API server does with patches of one ConfigMap."""

    def __init__(self) -> None:
        self.data: dict[str, str] | None = None
        self.before: Callable[[], None] = lambda: None

    def patch_namespaced_config_map(self, name: str, namespace: str, body: Any, **_timeout: float) -> None:
        self.before()
        assert (name, namespace) == (NAME, "default")
        if self.data is None:
            raise ApiException(status=404)
        for key, value in body["data"].items():
            self.data.pop(key, None)
            if value is not None:
                self.data[key] = value

    def create_namespaced_config_map(self, _namespace: str, body: V1ConfigMap, **_timeout: float) -> None:
        if self.data is not None:
            raise ApiException(status=409)
        self.data = dict(body.data)

    def read_namespaced_config_map(self, _name: str, _namespace: str, **_timeout: float) -> V1ConfigMap:
        if self.data is None:
            raise ApiException(status=404)
        return V1ConfigMap(data=dict(self.data))


@pytest.fixture
def core(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[_Core]:
    """A cluster that is there, and an undo that is one of drill's."""
    done_.clear()
    played = _Core()
    monkeypatch.delenv(record.RECORD_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(rollback, "_cluster_log", lambda: ClusterLog(played, "here", "default"))  # type: ignore[arg-type]
    monkeypatch.setattr("experiments.kafka._recovery.await_recovered", _undo)
    with stamina.set_testing(True, attempts=2):
        yield played


def _undo(**arguments: Any) -> None:
    if arguments.get("fails"):
        raise OSError("no route to host")
    done_.append(arguments)


_undo.__module__, _, _undo.__qualname__ = UNDO.rpartition(".")


def _unreachable() -> None:
    raise MaxRetryError(None, "/api", None)  # type: ignore[arg-type]


def test_an_undo_is_in_the_cluster_before_its_fault(core: _Core, monkeypatch: pytest.MonkeyPatch) -> None:
    """With who registered it; and out of it when it is done."""
    monkeypatch.setenv(rollback.HOLDER_VARIABLE, "ana@laptop broker-kill 0123")
    identity = rollback.register(UNDO, {"context": "there", "n": 1})
    assert core.data is not None
    entry = json.loads(core.data[identity])
    assert entry.pop("t") > 0
    assert entry == {
        "undo": UNDO,
        "arguments": {"context": "there", "n": 1},
        "holder": "ana@laptop broker-kill 0123",
        "scenario": "broker-kill",
        "run_id": "0123",
    }
    rollback.done(identity)
    assert core.data == {}


def test_what_cannot_be_written_into_the_cluster_is_not_done(core: _Core) -> None:
    """The fault is refused, and nothing of it is left to undo."""
    core.before = _unreachable
    with pytest.raises(RefusedError, match="could not be written down in the cluster, so nothing is done"):
        rollback.register(UNDO, {})
    assert rollback.pending() == []


def test_two_writers_do_not_undo_each_other(core: _Core) -> None:
    """The second makes the ConfigMap while the first finds that there is none."""

    def meanwhile() -> None:
        core.before = lambda: None
        core.data = {"other": "{}"}

    log = ClusterLog(core, "here", "default")  # type: ignore[arg-type]
    core.before = lambda: None
    original = core.create_namespaced_config_map

    def create(namespace: str, body: V1ConfigMap, **timeout: float) -> None:
        meanwhile()
        original(namespace, body, **timeout)

    core.create_namespaced_config_map = create  # type: ignore[method-assign]
    log.put("mine", {"a": 1})
    assert core.data == {"other": "{}", "mine": '{"a": 1}'}


def test_one_that_could_not_be_dropped_is_dropped_at_the_end(core: _Core) -> None:
    """The API server was down when it was done; those of others stay."""
    identity = rollback.register(UNDO, {})
    pending = rollback.register(UNDO, {})
    assert core.data is not None
    core.data["of-another"] = "{}"
    core.before = _unreachable
    rollback.done(identity)
    assert identity in core.data
    core.before = lambda: None
    rollback.settle()
    assert core.data.keys() == {pending, "of-another"}


def test_another_machine_undoes_what_is_pending_newest_first(core: _Core, tmp_path: Path) -> None:
    """With nothing but the cluster, under the name that it has there; what fails stays."""
    for number, fails in enumerate((False, True, False)):
        rollback.register(UNDO, {"context": "there", "n": number, "fails": fails})
    (tmp_path / "drill" / rollback.FILE).unlink()
    results = rollback.undo_pending_in_cluster()
    assert [(each.arguments["n"], each.ok) for each in results] == [(2, True), (1, False), (0, True)]
    assert [each["context"] for each in done_] == ["here", "here"]
    assert results[1].error == "OSError: no route to host"
    assert core.data is not None
    (left,) = core.data.values()
    assert json.loads(left)["arguments"]["n"] == 1


@pytest.mark.parametrize(
    "undo", ["os.system", "shutil.rmtree", "experiments.kafka._recovery.site", "experiments.no.such"]
)
def test_code_that_is_no_undo_of_ours_is_never_run(core: _Core, undo: str) -> None:
    """Whoever may write into the ConfigMap must not choose what runs here; it is told, and stays."""
    core.data = {"x": json.dumps({"undo": undo, "arguments": {"context": "there"}, "t": 1})}
    (result,) = rollback.undo_pending_in_cluster()
    assert not result.ok
    assert core.data.keys() == {"x"}


@pytest.mark.parametrize("entry", ["", "garbage", "[]", '{"undo": 3}'])
def test_an_entry_that_cannot_be_read_is_a_failed_undo(core: _Core, entry: str) -> None:
    """It may be a fault that is still on."""
    core.data = {"x": entry}
    (result,) = rollback.undo_pending_in_cluster()
    assert not result.ok
    assert "not an entry" in str(result.error)


def test_a_cluster_without_the_log_has_nothing_pending(core: _Core) -> None:
    """No drill has been there yet."""
    assert core.data is None
    assert rollback.undo_pending_in_cluster() == []


def test_a_cluster_that_was_lost_is_told_again(core: _Core) -> None:
    """What is pending, and nothing that is done: another machine finds it in the fresh one."""
    done = rollback.register(UNDO, {"n": 1})
    pending = rollback.register(UNDO, {"n": 2})
    rollback.done(done)
    core.data = None
    assert rollback.share_again() == 1
    assert core.data is not None
    assert core.data.keys() == {pending}
    assert [each.ok for each in rollback.undo_pending_in_cluster()] == [True]
    assert done_ == [{"n": 2}]
