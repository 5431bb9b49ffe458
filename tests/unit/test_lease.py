"""One drill at a time: what the Lease does, on an API that keeps one object and its version."""

import copy
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from kubernetes.client import ApiException, V1Lease, V1LeaseSpec, V1ObjectMeta

from drill import lease
from drill.errors import RefusedError


class _Api:
    """The coordination API's optimistic locking, as the Lease relies on it."""

    def __init__(self) -> None:
        self.stored: Any = None
        self.version = 0

    def read_namespaced_lease(self, _name: str, _namespace: str, **_timeout: float) -> Any:
        if self.stored is None:
            raise ApiException(status=404)
        return copy.deepcopy(self.stored)

    def create_namespaced_lease(self, _namespace: str, body: V1Lease, **_timeout: float) -> Any:
        if self.stored is not None:
            raise ApiException(status=409)
        return self._store(body)

    def replace_namespaced_lease(self, _name: str, _namespace: str, body: Any, **_timeout: float) -> Any:
        if self.stored is None:
            raise ApiException(status=404)
        if body.metadata.resource_version != self.stored.metadata.resource_version:
            raise ApiException(status=409)
        return self._store(body)

    def _store(self, body: Any) -> Any:
        self.version += 1
        self.stored = copy.deepcopy(body)
        self.stored.metadata.resource_version = str(self.version)
        return copy.deepcopy(self.stored)

    def held_by(self, holder: str, renewed_ago: float) -> None:
        renewed = datetime.now(UTC) - timedelta(seconds=renewed_ago)
        spec = V1LeaseSpec(holder_identity=holder, renew_time=renewed, lease_duration_seconds=30)
        self._store(V1Lease(metadata=V1ObjectMeta(name=lease.NAME), spec=spec))


def _never(reason: str) -> None:
    raise AssertionError(reason)


def test_it_is_held_in_the_block_and_released_after() -> None:
    """Also when the block raises."""
    api = _Api()
    with pytest.raises(ZeroDivisionError), lease.held(api, "default", "me", _never):  # type: ignore[arg-type]
        assert api.stored.spec.holder_identity == "me"
        raise ZeroDivisionError
    assert api.stored.spec.holder_identity == ""


def test_a_second_drill_is_refused_and_told_who_runs() -> None:
    """And takes nothing."""
    api = _Api()
    api.held_by("ana@host broker-kill", renewed_ago=5)
    with pytest.raises(RefusedError, match="ana@host"), lease.held(api, "default", "me", _never):  # type: ignore[arg-type]
        pytest.fail("entered")
    assert api.stored.spec.holder_identity == "ana@host broker-kill"


def test_an_expired_lease_is_taken_over() -> None:
    """The harness that held it died."""
    api = _Api()
    api.held_by("dead", renewed_ago=31)
    with lease.held(api, "default", "me", _never):  # type: ignore[arg-type]
        assert api.stored.spec.holder_identity == "me"


def test_who_loses_the_race_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two drills that find it free at once: one wins."""
    api = _Api()

    def already(_namespace: str, _body: V1Lease, **_timeout: float) -> Any:
        raise ApiException(status=409)

    monkeypatch.setattr(api, "create_namespaced_lease", already)
    with pytest.raises(RefusedError), lease.held(api, "default", "me", _never):  # type: ignore[arg-type]
        pytest.fail("entered")


def test_losing_it_while_running_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The run is interrupted then."""
    api, lost = _Api(), threading.Event()
    monkeypatch.setattr(lease, "DURATION", timedelta(seconds=0.03))
    with lease.held(api, "default", "me", lambda _reason: lost.set()):  # type: ignore[arg-type]
        api.held_by("thief", renewed_ago=0)
        assert lost.wait(10)
    assert api.stored.spec.holder_identity == "thief"


def test_a_write_whose_answer_was_lost_is_still_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next write conflicts with our own: that is no reason to interrupt a drill."""
    api, renewed = _Api(), threading.Event()
    monkeypatch.setattr(lease, "DURATION", timedelta(seconds=0.03))
    with lease.held(api, "default", "me", _never):  # type: ignore[arg-type]
        api.held_by("me", renewed_ago=0)  # another version than the one that was answered
        store = api._store

        def stored(body: Any) -> Any:
            renewed.set()
            return store(body)

        monkeypatch.setattr(api, "_store", stored)
        assert renewed.wait(10)
    assert api.stored.spec.holder_identity == ""


def test_a_cluster_that_was_lost_gets_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """With all of its state it lost the Lease too: no other drill may begin in the fresh one, and this one goes on."""
    api, again = _Api(), threading.Event()
    monkeypatch.setattr(lease, "DURATION", timedelta(seconds=0.03))
    create = api.create_namespaced_lease

    def created(namespace: str, body: V1Lease, **timeout: float) -> Any:
        made = create(namespace, body, **timeout)
        if lost:
            again.set()
        return made

    lost = False
    monkeypatch.setattr(api, "create_namespaced_lease", created)
    with lease.held(api, "default", "me", _never):  # type: ignore[arg-type]
        lost, api.stored = True, None
        assert again.wait(10)
        assert api.stored.spec.holder_identity == "me"
    assert api.stored.spec.holder_identity == ""


def test_who_took_the_fresh_cluster_first_keeps_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The drill that comes too late is told."""
    api, lost = _Api(), threading.Event()
    monkeypatch.setattr(lease, "DURATION", timedelta(seconds=0.03))

    def taken(_namespace: str, _body: V1Lease, **_timeout: float) -> Any:
        api.held_by("thief", renewed_ago=0)
        raise ApiException(status=409)

    with lease.held(api, "default", "me", lambda _reason: lost.set()):  # type: ignore[arg-type]
        monkeypatch.setattr(api, "create_namespaced_lease", taken)
        api.stored = None
        assert lost.wait(10)
    assert api.stored.spec.holder_identity == "thief"
