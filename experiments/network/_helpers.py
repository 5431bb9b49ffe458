"""Helper containers in the pods that a network fault is about: added, armed with their dead man, and called back."""

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from drill import settings
from drill.cluster import Cluster, ClusterError, PodState
from drill.errors import RefusedError, UsageError
from drill.helpers import Helper, new_name
from drill.settings import Settings
from experiments._watch import NotSeenError, await_seen

DEAD_MAN = 20.0
"""Seconds after the planned end of a fault when a helper itself ends it, should the harness be dead by then."""

# $1: host, $2: port, $3: seconds. A helper image has bash, or else some nc (busybox has).
_CONNECT = """
if command -v bash >/dev/null; then timeout "$3" bash -c 'exec 3<>"/dev/tcp/$0/$1"' "$1" "$2" 2>/dev/null
elif command -v nc >/dev/null; then timeout "$3" nc -z "$1" "$2" </dev/null 2>/dev/null
else echo "the helper image has neither bash nor nc" >&2; exit 127
fi
code=$?
echo "$code"
"""
_TIMED_OUT, _PATIENCE = 124, 2

Result = Literal["connected", "timed out", "refused"]


def helper_image(loaded: Settings) -> str:
    """The image of the settings.

    Raises:
        RefusedError: they have none.
    """
    if loaded.target.helper_image is None:
        raise RefusedError(
            f"context {loaded.context!r} declares no helper_image: an image with a shell, bash or nc, and nft"
        )
    return loaded.target.helper_image


def ensure_accepted(cluster: Cluster, pods: Sequence[PodState], image: str) -> None:
    """Refuse where the cluster would not take a helper container (a dry run: nothing changes).

    Raises:
        RefusedError: it would not.
    """
    for pod in pods:
        try:
            Helper(pod, new_name()).add(cluster, image, 1, dry_run=True)
        except ClusterError as error:
            raise RefusedError(f"no helper container is accepted: {error}") from error


def await_running(cluster: Cluster, helpers: Sequence[Helper], within: float = 60) -> None:
    """Await that all of them run.

    Raises:
        GivenUpError: they do not in time.
    """

    def look() -> None:
        for each in helpers:
            phase, reason = each.phase(cluster)
            if phase != "running":
                raise NotSeenError(f"{each.name} in {each.pod.name} does not run: {phase}: {reason}")

    await_seen(look, within)


@dataclass(frozen=True)
class Attempt:
    """A connection that is tried: from the network of a pod, or from where the harness runs."""

    source: Helper | None
    """None: the harness, as a client from outside."""
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.source.pod.name if self.source else 'client'} to {self.host}:{self.port}"

    def result(self, cluster: Cluster) -> Result:
        """Try it.

        Raises:
            ClusterError: it could not be tried.
        """
        if self.source is None:
            return self._own()
        answer = self.source.exec(cluster, _CONNECT, self.host, self.port, _PATIENCE)
        if answer.exit_code != 0 or not answer.stdout.strip().isdigit():
            raise ClusterError(f"{self}: {answer.stderr.strip() or answer.stdout.strip() or 'no answer'}")
        code = int(answer.stdout)
        return "connected" if code == 0 else "timed out" if code == _TIMED_OUT else "refused"

    def as_dict(self) -> dict[str, Any]:
        """As an undo needs it."""
        return {"pod": reference(self.source.pod) if self.source else None, "host": self.host, "port": self.port}

    def _own(self) -> Result:
        try:
            with socket.create_connection((self.host, self.port), timeout=_PATIENCE):
                return "connected"
        except TimeoutError:
            return "timed out"
        except OSError:
            return "refused"


def see(cluster: Cluster, attempts: Sequence[Attempt], wanted: Result) -> None:
    """Raise NotSeenError unless each attempt has this result."""
    for each in attempts:
        if (result := each.result(cluster)) != wanted:
            raise NotSeenError(f"{each}: {result}")


def reference(pod: PodState) -> dict[str, str]:
    """How an undo finds a pod again."""
    return {"namespace": pod.namespace, "name": pod.name, "uid": pod.uid}


def find(cluster: Cluster, pod: dict[str, str]) -> PodState | None:
    """The pod of a reference; None: it is gone, and its network with it."""
    return cluster.pod(pod["namespace"], pod["name"], pod["uid"])


def connected(context: str) -> tuple[Settings, Cluster]:
    """Settings and cluster, for an undo."""
    loaded = settings.load(context=context)
    return loaded, Cluster.connect(loaded)


def port_of(ports: Sequence[int]) -> int:
    """The port that is tried.

    Raises:
        UsageError: none is given, so that nothing could prove the fault.
    """
    if not ports:
        raise UsageError("give at least one port at which the pods listen: a connection there proves the fault")
    return ports[0]
