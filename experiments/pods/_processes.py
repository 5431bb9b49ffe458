"""Bounded processes of a fault inside a container, found again by a mark in their command line, whoever looks."""

import secrets
from collections.abc import Sequence
from typing import Any

from drill.cluster import Cluster, ClusterError
from experiments._watch import NotSeenError
from experiments.pods._site import Container, restored, shell, site

DEAD_MAN = 10.0
"""Seconds after the planned end when the processes end by themselves, should the harness be dead by then."""

# $1: a pattern that finds the mark, but not the shell whose command line has the pattern.
_KILL = """
for each in $(grep -als -- "$1" /proc/[0-9]*/cmdline | sed 's,/proc/\\([0-9]*\\)/.*,\\1,'); do kill -9 "$each"; done
grep -als -- "$1" /proc/[0-9]*/cmdline | grep -c .
exit 0
"""


def mark(fault: str) -> str:
    """A mark of a fault's own."""
    return f"drill-{fault}-{secrets.token_hex(4)}"


def arguments(here_arguments: dict[str, Any], marked: str, hit: Sequence[Container]) -> dict[str, Any]:
    """What `end` needs to find the processes again."""
    pods = {each.pod.uid: each.pod.container_ids[each.container] for each in hit}
    return {**here_arguments, "container": hit[0].container, "mark": marked, "pods": pods}


def end(
    context: str, namespace: str, workload: str, container: str, mark: str, pods: dict[str, str], timeout: float = 60
) -> dict[str, Any]:
    """Undo: kill what has the mark. Processes of a container that was replaced meanwhile went with it.

    Raises:
        NotRestoredError: some are still there.
    """
    here = site(context, namespace, workload, container)

    def look() -> dict[str, Any]:
        there = [pod for pod in here.pods() if pods.get(pod.uid) == pod.container_ids.get(container)]
        for pod in there:
            if container in pod.running and (left := _kill(here.cluster, Container(pod, container), mark)):
                raise NotSeenError(f"{left} processes are left in {pod.name}")
        return {"processes_left": 0, "looked_in": [pod.name for pod in there if container in pod.running]}

    return restored(look, timeout)


def _kill(cluster: Cluster, target: Container, marked: str) -> int:
    answer = shell(cluster, target, _KILL, f"[{marked[0]}]{marked[1:]}").strip()
    if not answer.isdigit():
        raise ClusterError(f"{target.pod.name}: {answer!r} is no number of processes")
    return int(answer)
