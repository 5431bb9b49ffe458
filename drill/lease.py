"""One drill at a time on a cluster: a Kubernetes Lease, renewed while the drill runs, released or expired after it.

The Lease also carries what people and drills tell each other through the cluster, as annotations: that drills are
frozen, that the running one is to be aborted, and that it has let go. Notes are patched one by one, so that no writer
undoes another's.
"""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from kubernetes.client import ApiException, CoordinationV1Api, V1Lease, V1LeaseSpec, V1ObjectMeta

from drill.cluster import Cluster, answering
from drill.errors import DrillError, RefusedError
from drill.interruption import InterruptedRunError

NAME = "drill"
DURATION = timedelta(seconds=30)
_TIMEOUT = 5.0
"""Seconds after which an API server that does not answer is given up."""
_CONFLICT, _NOT_FOUND = 409, 404
FREEZE, ABORT, HALTED = "drill/freeze", "drill/abort", "drill/halted"
"""The notes. Plain text is understood as well: `kubectl annotate lease drill drill/abort="wrong cluster"`."""
_FROZEN = "drills are frozen on this cluster: {} (`drill unfreeze` ends it)"
_log = structlog.get_logger()


class LeaseLostError(DrillError):
    """Somebody else holds the cluster's drill Lease."""


@dataclass(frozen=True)
class Abort:
    """A person's wish that a drill ends."""

    holder: str | None
    """Whom it is meant for; None: whoever holds the Lease."""
    by: str
    reason: str
    at: datetime | None
    """By the clock of the one who wrote it."""


@dataclass(frozen=True)
class Halted:
    """A drill's word that no fault of its is on any more."""

    holder: str
    rollback_failed: tuple[str, ...]
    """What could not be undone."""


@dataclass(frozen=True)
class Notice:
    """The Lease as it is now, with the notes on it."""

    holder: str | None = None
    """Who runs a drill, or ran one and died."""
    expires: datetime | None = None
    freeze: str | None = None
    """Why drills are frozen; None: they are not."""
    abort: Abort | None = None
    halted: Halted | None = None

    @property
    def running(self) -> bool:
        """Whether a drill is running, as far as a Lease can tell."""
        return bool(self.holder) and self.expires is not None and self.expires > _now()


def look(cluster: Cluster, namespace: str, timeout: float = _TIMEOUT) -> Notice:
    """Read the Lease and its notes; no Lease has neither.

    Raises:
        ClusterError: the API server refused or did not answer.
    """
    with answering(f"lease {namespace}/{NAME}"):
        try:
            lease = cluster.coordination.read_namespaced_lease(NAME, namespace, _request_timeout=timeout)
        except ApiException as error:
            if error.status == _NOT_FOUND:
                return Notice()
            raise
    notes = lease.metadata.annotations or {}
    spec = lease.spec or V1LeaseSpec()
    return Notice(
        holder=spec.holder_identity or None,
        expires=_expires(spec),
        freeze=_freeze(notes),
        abort=_abort(notes[ABORT]) if ABORT in notes else None,
        halted=_halted(notes[HALTED]) if HALTED in notes else None,
    )


def frozen(cluster: Cluster, namespace: str) -> str | None:
    """Why drills are frozen on this cluster; None: they are not.

    Raises:
        ClusterError: the API server refused or did not answer.
    """
    reason = look(cluster, namespace).freeze
    return None if reason is None else _FROZEN.format(reason)


def taken(cluster: Cluster, namespace: str, holder: str | None = None) -> str | None:
    """Why no drill can start now but the one of `holder`: another one holds the Lease; None: none does.

    Raises:
        ClusterError: the API server refused or did not answer.
    """
    seen = look(cluster, namespace)
    return _running(seen, namespace) if seen.running and seen.holder != holder else None


def freeze(cluster: Cluster, namespace: str, reason: str | None) -> None:
    """Refuse every drill on the cluster from now on, and abort the one that runs; None: allow them again.

    Raises:
        ClusterError: the API server refused or did not answer.
    """
    note(cluster, namespace, {FREEZE: reason}, create=reason is not None)


def ask_to_abort(cluster: Cluster, namespace: str, holder: str, by: str, reason: str) -> None:
    """Ask the drill of `holder` to end: it looks each second.

    Raises:
        ClusterError: the API server refused or did not answer.
    """
    wish = {"holder": holder, "by": by, "reason": reason, "at": _now().isoformat()}
    note(cluster, namespace, {ABORT: json.dumps(wish), HALTED: None})


def note(cluster: Cluster, namespace: str, notes: dict[str, str | None], *, create: bool = False) -> None:
    """Write notes on the Lease, those that are None off it; one patch, so that it meets no other writer's.

    Raises:
        ClusterError: the API server refused or did not answer, or there is no Lease and none is to be made.
    """
    api, metadata = cluster.coordination, {"annotations": notes}
    with answering(f"annotate lease {namespace}/{NAME}"):
        try:
            api.patch_namespaced_lease(NAME, namespace, {"metadata": metadata}, _request_timeout=_TIMEOUT)
        except ApiException as error:
            if error.status != _NOT_FOUND or not create:
                raise
            body = V1Lease(metadata=V1ObjectMeta(name=NAME, namespace=namespace, annotations=notes))
            api.create_namespaced_lease(namespace, body, _request_timeout=_TIMEOUT)


def _running(seen: Notice, namespace: str) -> str:
    return (
        f"another drill is running on this cluster: {seen.holder} holds the Lease "
        f"{namespace}/{NAME} (expires {seen.expires:%H:%M:%S} UTC unless renewed). Wait for it to end."
    )


def _freeze(notes: dict[str, str]) -> str | None:
    return (notes[FREEZE] or "no reason is given") if FREEZE in notes else None


def _abort(text: str) -> Abort:
    try:
        wish = json.loads(text)
        return Abort(wish["holder"], str(wish["by"]), str(wish["reason"]), datetime.fromisoformat(wish["at"]))
    except (ValueError, KeyError, TypeError):
        return Abort(None, "an annotation", text or "no reason is given", None)


def _halted(text: str) -> Halted | None:
    try:
        word = json.loads(text)
        return Halted(str(word["holder"]), tuple(map(str, word["rollback_failed"])))
    except (ValueError, KeyError, TypeError):
        return None


def _expires(spec: Any) -> datetime | None:
    if spec.renew_time is None:
        return None
    expires: datetime = spec.renew_time + timedelta(seconds=spec.lease_duration_seconds or 0)
    return expires


@contextmanager
def held(api: CoordinationV1Api, namespace: str, holder: str, on_lost: Callable[[str], None]) -> Iterator[None]:
    """Hold the cluster's drill Lease while the block runs.

    Args:
        api: the cluster's coordination API.
        namespace: where the Lease lives; one namespace for all drills of a cluster.
        holder: who holds it, shown to the one who is refused.
        on_lost: called once, from another thread, when the Lease could not be kept.

    Raises:
        RefusedError: another drill holds it, or drills are frozen on the cluster.
    """
    done = threading.Event()
    try:
        lease = _acquire(api, namespace, holder)
    except InterruptedRunError:
        _release(api, namespace, holder)  # it may have been taken before the answer came
        raise

    def renew() -> None:
        nonlocal lease
        while not done.wait(DURATION.total_seconds() / 3):
            try:
                lease = _renew(api, namespace, holder, lease)
            except LeaseLostError as error:
                on_lost(str(error))
                return
            except Exception as error:  # noqa: BLE001 - an API server that is down during a drill is no reason to stop
                _log.warning("lease.renewal-failed", error=str(error))

    thread = threading.Thread(target=renew, name="drill-lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        _release(api, namespace, holder)


def _renew(api: CoordinationV1Api, namespace: str, holder: str, lease: Any) -> Any:
    lease.spec.renew_time = _now()
    try:
        return api.replace_namespaced_lease(NAME, namespace, lease, _request_timeout=_TIMEOUT)
    except ApiException as error:
        if error.status not in {_CONFLICT, _NOT_FOUND}:
            raise
    # Somebody wrote a note on it or took it, or our own write came through and only its answer was lost.
    try:
        found = api.read_namespaced_lease(NAME, namespace, _request_timeout=_TIMEOUT)
    except ApiException as error:
        if error.status != _NOT_FOUND:
            raise
        # The cluster is another one than the drill began on, as some drills have it; no other may begin meanwhile.
        body = V1Lease(metadata=V1ObjectMeta(name=NAME, namespace=namespace), spec=lease.spec)
        return api.create_namespaced_lease(namespace, body, _request_timeout=_TIMEOUT)
    if found.spec.holder_identity != holder:
        raise LeaseLostError(f"{found.spec.holder_identity or 'another drill'} took the cluster's drill Lease")
    found.spec.renew_time = _now()
    return api.replace_namespaced_lease(NAME, namespace, found, _request_timeout=_TIMEOUT)


def _acquire(api: CoordinationV1Api, namespace: str, holder: str) -> Any:
    spec = V1LeaseSpec(
        holder_identity=holder,
        lease_duration_seconds=int(DURATION.total_seconds()),
        acquire_time=_now(),
        renew_time=_now(),
    )
    try:
        existing = api.read_namespaced_lease(NAME, namespace, _request_timeout=_TIMEOUT)
    except ApiException as error:
        if error.status != _NOT_FOUND:
            raise
        body = V1Lease(metadata=V1ObjectMeta(name=NAME, namespace=namespace), spec=spec)
        return _or_refuse(lambda: api.create_namespaced_lease(namespace, body, _request_timeout=_TIMEOUT))
    notes = existing.metadata.annotations or {}
    if (reason := _freeze(notes)) is not None:
        raise RefusedError(_FROZEN.format(reason))
    current = existing.spec or V1LeaseSpec()
    seen = Notice(holder=current.holder_identity, expires=_expires(current))
    if seen.running:
        raise RefusedError(_running(seen, namespace))
    existing.spec = spec
    existing.metadata.annotations = {key: text for key, text in notes.items() if key not in {ABORT, HALTED}}
    return _or_refuse(lambda: api.replace_namespaced_lease(NAME, namespace, existing, _request_timeout=_TIMEOUT))


def _or_refuse(write: Callable[[], Any]) -> Any:
    try:
        return write()
    except ApiException as error:
        if error.status == _CONFLICT:
            raise RefusedError(
                "another drill took the cluster's drill Lease at this moment; try again later"
            ) from error
        raise


def _release(api: CoordinationV1Api, namespace: str, holder: str) -> None:
    """Give the Lease back; when the API can't be reached it expires by itself."""
    try:
        lease = api.read_namespaced_lease(NAME, namespace, _request_timeout=_TIMEOUT)
        if lease.spec.holder_identity == holder:
            lease.spec.holder_identity = ""
            api.replace_namespaced_lease(NAME, namespace, lease, _request_timeout=_TIMEOUT)
    except Exception as error:  # noqa: BLE001 - said in the log; expiry is the second way out
        _log.warning("lease.release-failed", error=str(error), expires_in_s=DURATION.total_seconds())


def _now() -> datetime:
    return datetime.now(UTC)
