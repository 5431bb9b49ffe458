"""What people and drills tell each other on the drill Lease: frozen, to be aborted, let go."""

import copy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from kubernetes.client import ApiException, V1Lease, V1LeaseSpec, V1ObjectMeta

from drill import lease
from drill.cluster import ClusterError
from drill.errors import RefusedError
from drill.lease import Abort, Halted

ME = "ana@laptop broker-kill 01"


class _Api:
    """The coordination API's optimistic locking and its patches, and the cluster that it is of."""

    def __init__(self) -> None:
        self.stored: Any = None

    @property
    def coordination(self) -> "_Api":
        return self

    def read_namespaced_lease(self, _name: str, _namespace: str, **_timeout: float) -> Any:
        if self.stored is None:
            raise ApiException(status=404)
        return copy.deepcopy(self.stored)

    def create_namespaced_lease(self, _namespace: str, body: V1Lease, **_timeout: float) -> Any:
        if self.stored is not None:
            raise ApiException(status=409)
        return self._store(body)

    def replace_namespaced_lease(self, _name: str, _namespace: str, body: Any, **_timeout: float) -> Any:
        if body.metadata.resource_version != self.stored.metadata.resource_version:
            raise ApiException(status=409)
        return self._store(body)

    def patch_namespaced_lease(self, _name: str, _namespace: str, body: Any, **_timeout: float) -> Any:
        patched = self.read_namespaced_lease("", "")
        notes = {**(patched.metadata.annotations or {}), **body["metadata"]["annotations"]}
        patched.metadata.annotations = {key: text for key, text in notes.items() if text is not None}
        return self._store(patched)

    def _store(self, body: Any) -> Any:
        version = int(self.stored.metadata.resource_version or 0) if self.stored else 0
        self.stored = copy.deepcopy(body)
        self.stored.metadata.resource_version = str(version + 1)
        return copy.deepcopy(self.stored)

    def held_by(self, holder: str, renewed_ago: float = 1) -> None:
        renewed = datetime.now(UTC) - timedelta(seconds=renewed_ago)
        spec = V1LeaseSpec(holder_identity=holder, renew_time=renewed, lease_duration_seconds=30)
        self._store(V1Lease(metadata=V1ObjectMeta(), spec=spec))


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A cluster with no Lease yet, that is really asked whether drills are frozen."""
    monkeypatch.undo()
    return _Api()


def _never(reason: str) -> None:
    pytest.fail(reason)


def test_no_lease_says_nothing(api: Any) -> None:
    """No drill has been there yet."""
    seen = lease.look(api, "default")
    assert (seen.running, seen.freeze, seen.abort, seen.halted) == (False, None, None, None)


@pytest.mark.parametrize(("ago", "running"), [(1, True), (31, False)])
def test_who_runs_a_drill(api: Any, ago: float, running: bool) -> None:
    """As far as the Lease can tell; one that was not renewed is a dead drill's."""
    api.held_by(ME, ago)
    seen = lease.look(api, "default")
    assert seen.holder == ME
    assert seen.running is running


@pytest.mark.parametrize(
    ("ago", "holder", "free"), [(1, None, False), (1, "bo", False), (1, ME, True), (31, None, True)]
)
def test_a_lease_is_taken_for_all_but_its_holder(api: Any, ago: float, holder: str | None, free: bool) -> None:
    """As long as it is renewed; it says whose it is."""
    api.held_by(ME, ago)
    reason = lease.taken(api, "default", holder)
    assert (reason is None) is free
    assert free or f"another drill is running on this cluster: {ME}" in str(reason)


def test_a_freeze_refuses_the_next_drill_and_ends(api: Any) -> None:
    """Also where no drill has been yet."""
    lease.freeze(api, "default", "release week")
    assert "release week" in str(lease.frozen(api, "default"))
    with pytest.raises(RefusedError, match="release week"), lease.held(api, "default", ME, _never):
        pytest.fail("entered")
    lease.freeze(api, "default", None)
    assert lease.frozen(api, "default") is None
    with lease.held(api, "default", ME, _never):
        assert lease.look(api, "default").running


def test_an_abort_is_meant_for_the_one_who_runs(api: Any) -> None:
    """And is gone from the Lease of the next."""
    with lease.held(api, "default", ME, _never):
        lease.ask_to_abort(api, "default", ME, "cy@phone", "wrong cluster")
        wish = lease.look(api, "default").abort
        assert wish is not None
        assert (wish.holder, wish.by, wish.reason) == (ME, "cy@phone", "wrong cluster")
        lease.note(api, "default", {lease.HALTED: f'{{"holder": "{ME}", "rollback_failed": ["x"]}}'})
        assert lease.look(api, "default").halted == Halted(ME, ("x",))
    with lease.held(api, "default", "ben@desk broker-kill 02", _never):
        seen = lease.look(api, "default")
        assert (seen.abort, seen.halted) == (None, None)


@pytest.mark.parametrize("text", ["stop it", "{}", '{"holder": 1}', "[1]"])
def test_plain_words_are_understood_too(api: Any, text: str) -> None:
    """`kubectl annotate lease drill drill/abort=...` stops whoever runs."""
    api.held_by(ME)
    lease.note(api, "default", {lease.ABORT: text})
    assert lease.look(api, "default").abort == Abort(None, "an annotation", text, None)


def test_a_note_does_not_lose_the_lease(api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A renewal that meets a note is written again, and keeps the note."""
    monkeypatch.setattr(lease, "DURATION", timedelta(seconds=0.03))
    with lease.held(api, "default", ME, _never):
        before = lease.look(api, "default").expires
        lease.freeze(api, "default", "release week")
        assert any((lease.look(api, "default").expires or before) > before for _ in range(100_000))  # type: ignore[operator]
        assert lease.look(api, "default").freeze == "release week"


def test_an_api_server_that_refuses_is_told(api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not known is not the same as not frozen."""

    def refuse(*_: Any, **_named: Any) -> Any:
        raise ApiException(status=403, reason="Forbidden")

    monkeypatch.setattr(api, "read_namespaced_lease", refuse)
    with pytest.raises(ClusterError, match="403"):
        lease.frozen(api, "default")
