"""A port of a pod on this machine's loopback, through the API server: a pod that no Service leads to can be asked."""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any

from kubernetes import client
from kubernetes.stream import portforward

from drill.cluster import Cluster, Permission

_PART = 65_536


def permission(namespace: str | None) -> tuple[Permission, ...]:
    """What it takes (the API server wants `create` of newer clients, and `get` of this one)."""
    return tuple(Permission(verb, "pods", namespace, subresource="portforward") for verb in ("create", "get"))


@contextmanager
def tunnel(cluster: Cluster, namespace: str, pod: str, port: int) -> Iterator[int]:
    """Listen on a port of 127.0.0.1, each of whose connections goes on to the pod's; yields that port.

    A connection that the API server does not let through is closed, which its client sees as a server that is gone.
    """
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        threading.Thread(target=_accept, args=(listener, cluster, namespace, pod, port), daemon=True).start()
        yield int(listener.getsockname()[1])


def _accept(listener: socket.socket, cluster: Cluster, namespace: str, pod: str, port: int) -> None:
    with suppress(OSError):  # the listener is closed: the tunnel is over
        while True:
            near, _ = listener.accept()
            threading.Thread(target=_carry, args=(near, cluster, namespace, pod, port), daemon=True).start()


def _carry(near: socket.socket, cluster: Cluster, namespace: str, pod: str, port: int) -> None:
    with closing(near):
        # `portforward` swaps a method of its ApiClient for the time of the call, so each call gets one of its own.
        core = client.CoreV1Api(client.ApiClient(configuration=cluster.core.api_client.configuration))
        with suppress(client.ApiException, OSError):
            forward = portforward(core.connect_get_namespaced_pod_portforward, pod, namespace, ports=str(port))
            far = forward.socket(port)
            far.setblocking(True)
            back = threading.Thread(target=_copy, args=(far, near), daemon=True)
            back.start()
            _copy(near, far)
            back.join()


def _copy(source: Any, target: Any) -> None:
    with suppress(OSError):
        while part := source.recv(_PART):
            target.sendall(part)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
