"""One drill at a time on a cluster: a Kubernetes Lease, renewed while the drill runs, released or expired after it."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from kubernetes.client import ApiException, CoordinationV1Api, V1Lease, V1LeaseSpec, V1ObjectMeta

from drill.errors import RefusedError
from drill.interruption import InterruptedRunError

NAME = "drill"
DURATION = timedelta(seconds=30)
_TIMEOUT = 5.0
"""Seconds after which an API server that does not answer is given up."""
_CONFLICT, _NOT_FOUND = 409, 404
_log = structlog.get_logger()


@contextmanager
def held(api: CoordinationV1Api, namespace: str, holder: str, on_lost: Callable[[str], None]) -> Iterator[None]:
    """Hold the cluster's drill Lease while the block runs.

    Args:
        api: the cluster's coordination API.
        namespace: where the Lease lives; one namespace for all drills of a cluster.
        holder: who holds it, shown to the one who is refused.
        on_lost: called once, from another thread, when the Lease could not be kept.

    Raises:
        RefusedError: another drill holds it.
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
                lease.spec.renew_time = _now()
                lease = api.replace_namespaced_lease(NAME, namespace, lease, _request_timeout=_TIMEOUT)
            except ApiException as error:
                if error.status != _CONFLICT:
                    _log.warning("lease.renewal-failed", status=error.status)
                    continue
                # Either somebody else wrote it, or our own write came through and only its answer was lost.
                lease = api.read_namespaced_lease(NAME, namespace, _request_timeout=_TIMEOUT)
                if lease.spec.holder_identity != holder:
                    on_lost(f"{lease.spec.holder_identity or 'another drill'} took the cluster's drill Lease")
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
    current = existing.spec
    if current.holder_identity and current.renew_time:
        expires = current.renew_time + timedelta(seconds=current.lease_duration_seconds or 0)
        if expires > _now():
            raise RefusedError(
                f"another drill is running on this cluster: {current.holder_identity} holds the Lease "
                f"{namespace}/{NAME} (expires {expires:%H:%M:%S} UTC unless renewed). Wait for it to end."
            )
    existing.spec = spec
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
