"""What Velero is set to while a restore runs is written down before, put back after, and nobody else's is touched."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from kubernetes import client
from kubernetes.client import ApiException

from drill import record, rollback
from drill.errors import RefusedError
from drill.velero import Velero
from experiments.velero import _meanwhile
from experiments.velero._meanwhile import HELD_BY, Way
from experiments.velero._site import Site

HERE: Any = SimpleNamespace(context="here")


class Api:
    """One location, ConfigMaps and two storage classes."""

    def __init__(self) -> None:
        self.core = self.objects = self
        self.api_client = None
        self.location: dict[str, Any] = {"metadata": {"name": "default"}, "spec": {}}
        self.maps: dict[str, Any] = {}
        self.pending: list[int] = []
        """How many undos were written down when each change came."""

    def get_namespaced_custom_object(self, *_: Any, **__: Any) -> dict[str, Any]:
        """The location."""
        return self.location

    def patch_namespaced_custom_object(self, *what: Any, **_: Any) -> None:
        """The location is changed."""
        self.pending.append(len(rollback.pending()))
        change = what[-1]
        marks = {**self.location["metadata"].get("annotations", {}), **change["metadata"]["annotations"]}
        self.location["metadata"]["annotations"] = {key: each for key, each in marks.items() if each is not None}
        self.location["spec"] |= change["spec"]

    def list_namespaced_config_map(self, *_: Any, **__: Any) -> Any:
        """All of them."""
        return SimpleNamespace(items=list(self.maps.values()))

    def create_namespaced_config_map(self, _: str, body: dict[str, Any], **__: Any) -> None:
        """One more."""
        self.pending.append(len(rollback.pending()))
        meta = SimpleNamespace(name=body["metadata"]["name"], labels=body["metadata"]["labels"], uid="u")
        self.maps[meta.name] = SimpleNamespace(metadata=meta, data=body["data"])

    def read_namespaced_config_map(self, name: str, *_: Any, **__: Any) -> Any:
        """One of them."""
        if name not in self.maps:
            raise ApiException(status=404, reason="no")
        return self.maps[name]

    def delete_namespaced_config_map(self, name: str, *_: Any, **__: Any) -> None:
        """One less."""
        del self.maps[name]

    def read_storage_class(self, name: str, **_: Any) -> str:
        """It is there, or not."""
        if name not in {"slow", "quick"}:
            raise ApiException(status=404, reason="no")
        return name


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    """A Velero, to which undos find their way, too; nothing is left in the rollback log."""
    monkeypatch.delenv(record.RECORD_VARIABLE, raising=False)
    monkeypatch.delenv("DRILL_CONTEXT", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    made = Api()
    monkeypatch.setattr(_meanwhile, "_velero", lambda _: Velero(made))  # type: ignore[arg-type]
    monkeypatch.setattr(client, "StorageV1Api", lambda _: made)
    yield made
    assert rollback.pending() == []


def _site(api: Api, run: str = "r1") -> Site:
    cluster: Any = api
    return Site(HERE, cluster, Velero(cluster), run)


def test_a_location_is_read_only_only_meanwhile(api: Api) -> None:
    """Its undo is written down first."""
    with _meanwhile.read_only(_site(api), "default"):
        assert api.location["spec"]["accessMode"] == "ReadOnly"
        assert api.location["metadata"]["annotations"] == {HELD_BY: "r1"}
    assert api.location == {"metadata": {"name": "default", "annotations": {}}, "spec": {"accessMode": "ReadWrite"}}
    assert api.pending == [1, 1]


def test_it_is_put_back_when_the_restore_fails(api: Api) -> None:
    """Whatever it raises."""
    with pytest.raises(ZeroDivisionError), _meanwhile.read_only(_site(api), "default"):
        raise ZeroDivisionError
    assert api.location["spec"]["accessMode"] == "ReadWrite"


def test_a_location_that_somebody_else_has_set_stays_as_it_is(api: Api) -> None:
    """Nothing is begun in it, and no undo of ours puts it back."""
    api.location["spec"]["accessMode"] = "ReadOnly"
    with pytest.raises(RefusedError, match="ReadOnly already"), _meanwhile.read_only(_site(api), "default"):
        pytest.fail("it was begun")
    assert _meanwhile.make_writable("here", "default", "r1")["access_mode"] == "ReadOnly"
    api.location["metadata"]["annotations"] = {HELD_BY: "another run"}
    assert _meanwhile.make_writable("here", "default", "r1")["access_mode"] == "ReadOnly"


def test_classes_are_mapped_only_meanwhile(api: Api) -> None:
    """As Velero's own action reads it."""
    with _meanwhile.mapped_classes(_site(api), {"slow": "quick"}):
        (made,) = api.maps.values()
        assert made.data == {"slow": "quick"}
        labels = {"velero.io/plugin-config": "", "velero.io/change-storage-class": "RestoreItemAction"}
        assert labels.items() <= made.metadata.labels.items()
    assert api.maps == {}
    assert api.pending == [1]


@pytest.mark.parametrize("there", [True, False])
def test_classes_that_cannot_be_mapped_are_refused(api: Api, there: bool) -> None:
    """Velero takes one mapping only; one to nowhere would restore nothing."""
    if there:
        api.create_namespaced_config_map("velero", {"metadata": {"name": "theirs", "labels": {}}, "data": {}})
    wanted = {"slow": "quick" if there else "nowhere"}
    with pytest.raises(RefusedError), _meanwhile.mapped_classes(_site(api), wanted):
        pytest.fail("it was begun")
    assert list(api.maps) == (["theirs"] if there else [])


def test_another_runs_mapping_is_left_alone(api: Api) -> None:
    """By the label of its run."""
    with _meanwhile.mapped_classes(_site(api, "r2"), {"slow": "quick"}):
        assert _meanwhile.forget_classes("here", "r1")["of"] == "another run"
        assert api.maps


def test_a_way_that_wants_nothing_does_nothing_and_needs_nothing(api: Api) -> None:
    """As it was before there were ways."""
    with Way().held(_site(api), None):
        assert api.pending == []
    assert Way().permissions("velero") == ()


def test_a_way_that_wants_both_needs_what_both_take(api: Api) -> None:
    """And refuses at once what can't be."""
    way = Way(read_only_location=True, storage_classes={"slow": "quick"})
    with way.held(_site(api), None):
        assert len(api.maps) == 1
        assert api.location["spec"]["accessMode"] == "ReadOnly"
    assert {each.resource for each in way.permissions("velero")} == {
        "backupstoragelocations",
        "configmaps",
        "storageclasses",
    }
    with pytest.raises(RefusedError, match="nowhere"):
        Way(storage_classes={"slow": "nowhere"}).ensure_possible(api)  # type: ignore[arg-type]
