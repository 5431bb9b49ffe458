"""The life of a partition by drop rules inside the pods that are cut off, whoever they are cut off from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from drill import helpers
from drill.cluster import Cluster, ClusterError, PodState
from drill.helpers import Helper, new_name
from drill.rollback import NotRestoredError
from drill.settings import Settings
from experiments._fault import Injection, Proof
from experiments._watch import GivenUpError, NotSeenError, await_seen
from experiments.network._helpers import (
    DEAD_MAN,
    Attempt,
    await_running,
    connected,
    ensure_accepted,
    find,
    helper_image,
    reference,
    see,
)
from experiments.network._rules import Rules, dropped

# $1: the rules. $1: the table. nft delete fails where there is no such table.
_APPLY = 'printf "%s" "$1" | nft -f -'
_LIST = 'nft list table inet "$1"'
_DELETE = """
nft list table inet "$1" >/dev/null 2>&1 && nft delete table inet "$1"
nft list tables | grep -q " $1\\$" && exit 1
exit 0
"""
_START, _SEE_CONNECTED = 60.0, 15.0

Way = tuple[PodState | None, str | None, int]
"""A connection to try: from which pod (None: from outside), to which address (None: it has none), at which port."""


@dataclass
class Partition:
    """Pods to cut off, and the connections that prove it."""

    loaded: Settings
    cluster: Cluster
    cuts: Sequence[tuple[PodState, Rules]]
    fails: Sequence[Way]
    """Of these those that work before must not work while it is on; there must be one."""
    works: Sequence[Way]
    """Of these those that work before must work on; there must be one."""
    name: str = field(default_factory=new_name)
    """Of the helper containers and of their nft tables."""
    _fail: list[Attempt] = field(default_factory=list)
    _work: list[Attempt] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Refuse what the cluster would not let be done.

        Raises:
            RefusedError: it would not.
        """
        self.image = helper_image(self.loaded)
        pods = {pod.uid: pod for pod in (*(pod for pod, _ in self.cuts), *self._sources())}
        ensure_accepted(self.cluster, list(pods.values()), self.image)
        self.helpers = {uid: Helper(pod, self.name) for uid, pod in pods.items()}

    def injection(
        self,
        fault: str,
        *,
        recovered: Callable[[], Proof],
        hold: float,
        effect_timeout: float,
        recovery_timeout: float,
        permissions: tuple[Any, ...] = (),
    ) -> Injection:
        """The fault of this partition."""
        seconds = _START + effect_timeout + hold + DEAD_MAN
        namespaces = sorted({helper.pod.namespace for helper in self.helpers.values()})

        def back() -> Proof:
            see(self.cluster, self._fail, "connected")
            return {**recovered(), "connects": [str(each) for each in self._fail]}

        return Injection(
            fault=fault,
            method="nftables in the pods' own network",
            targets=tuple(
                {
                    "kind": "Pod",
                    **reference(pod),
                    "node": pod.node,
                    "drops": rules.as_dict(),
                }
                for pod, rules in self.cuts
            ),
            permissions=tuple(
                dict.fromkeys((*permissions, *(each for name in namespaces for each in helpers.permissions(name))))
            ),
            prepare=lambda: self._prepare(seconds),
            inject=self._inject,
            effect=self._effect,
            undo=rejoin,
            undo_arguments={
                "context": self.cluster.context,
                "name": self.name,
                "pods": [reference(pod) for pod, _ in self.cuts],
                "attempts": [
                    {"pod": reference(pod) if pod else None, "host": host, "port": port}
                    for pod, host, port in self.fails
                    if host
                ],
            },
            recovered=back,
            hold=hold,
            effect_timeout=effect_timeout,
            recovery_timeout=recovery_timeout,
        )

    def _sources(self) -> list[PodState]:
        return [pod for pod, _, _ in (*self.fails, *self.works) if pod is not None]

    def _prepare(self, seconds: float) -> None:
        for each in self.helpers.values():
            each.add(self.cluster, self.image, seconds, _dead_man(self.name))
        await_running(self.cluster, list(self.helpers.values()), _START)
        self._fail, self._work = self._working(self.fails), self._working(self.works)
        if not self._fail or not self._work:
            tried = self.works if self._fail else self.fails
            ways = ", ".join(f"{pod.name if pod else 'client'} to {host}:{port}" for pod, host, port in tried)
            raise ClusterError(f"nothing could prove the fault, since no connection works before it: {ways or 'none'}")

    def _working(self, ways: Sequence[Way]) -> list[Attempt]:
        made = [
            Attempt(self.helpers[pod.uid] if pod else None, host, port) for pod, host, port in ways if host is not None
        ]
        return [each for each in made if each.result(self.cluster) == "connected"]

    def _inject(self) -> None:
        for pod, rules in self.cuts:
            _nft(self.cluster, self.helpers[pod.uid], _APPLY, rules.ruleset(self.name))

    def _effect(self) -> Proof:
        see(self.cluster, self._fail, "timed out")
        see(self.cluster, self._work, "connected")
        counts = {
            pod.name: dropped(_nft(self.cluster, self.helpers[pod.uid], _LIST, self.name)) for pod, _ in self.cuts
        }
        if not any(counts.values()):
            raise NotSeenError("the connections time out, but the rules have dropped no packet")
        return {
            "timed_out": [str(each) for each in self._fail],
            "still_connects": [str(each) for each in self._work],
            "packets_dropped": counts,
        }


def rejoin(
    context: str, name: str, pods: list[dict[str, str]], attempts: list[dict[str, Any]], timeout: float = 60
) -> dict[str, Any]:
    """Undo of a partition: the rules are gone from each pod that is still there, and it is tried what they cut.

    Raises:
        NotRestoredError: rules could not be seen gone.
    """
    loaded, cluster = connected(context)
    proof: dict[str, Any] = {}
    for each in pods:
        try:
            proof[each["name"]] = await_seen(_Cleaning(loaded, cluster, each, name, timeout).look, timeout)
        except GivenUpError as error:
            raise NotRestoredError(f"{each['name']}: {error}") from error
    return {"pods": proof, "connections": _try(cluster, name, attempts)}


@dataclass
class _Cleaning:
    """Taking the rules out of a pod, by the helper that made them, or by a second one where that has ended."""

    loaded: Settings
    cluster: Cluster
    pod: dict[str, str]
    name: str
    life: float
    _second: Helper | None = None

    def look(self) -> str:
        """Do what can be done now; returns what was found."""
        pod = find(self.cluster, self.pod)
        if pod is None:
            return "gone, and its network with it"
        helper = self._second or Helper(pod, self.name)
        phase, reason = helper.phase(self.cluster)
        if phase == "waiting" and self._second is None:
            return "no rules: its helper never ran"
        if phase == "ended":
            self._second = Helper(pod, new_name())
            self._second.add(self.cluster, helper_image(self.loaded), self.life)
        if phase != "running":
            raise NotSeenError(f"a helper that could look for rules does not run: {phase}: {reason}")
        _nft(self.cluster, helper, _DELETE, self.name)
        return "no rules left" + (", seen by a second helper" if self._second else "")


def _try(cluster: Cluster, name: str, attempts: list[dict[str, Any]]) -> dict[str, str]:
    """What becomes of the connections that were cut, by the helpers that are left to try it."""
    results: dict[str, str] = {}
    for each in attempts:
        pod = find(cluster, each["pod"]) if each["pod"] else None
        helper = Helper(pod, name) if pod else None
        if each["pod"] and (helper is None or helper.phase(cluster)[0] != "running"):
            continue
        attempt = Attempt(helper, each["host"], each["port"])
        try:
            results[str(attempt)] = await_seen(lambda attempt=attempt: _answered(cluster, attempt), _SEE_CONNECTED)  # type: ignore[misc]
        except GivenUpError as given_up:
            results[str(attempt)] = str(given_up)
    return results


def _answered(cluster: Cluster, attempt: Attempt) -> str:
    """What becomes of a connection that no rule drops: one that does would let it time out."""
    if (result := attempt.result(cluster)) == "timed out":
        raise NotSeenError(result)
    return result


def _nft(cluster: Cluster, helper: Helper, script: str, argument: str) -> str:
    answer = helper.exec(cluster, script, argument)
    if answer.exit_code != 0:
        raise ClusterError(f"nft in {helper.pod.name}: {answer.stderr.strip() or answer.stdout.strip()}")
    return answer.stdout


def _dead_man(name: str) -> str:
    return f"nft delete table inet {name}"
