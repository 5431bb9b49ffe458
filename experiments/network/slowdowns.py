"""Faults that make a network slow or lossy, by Chaos Mesh where it is installed; Kubernetes itself can't do it.

https://chaos-mesh.org/docs/simulate-network-chaos-on-kubernetes/ has the resource, NetworkChaos; its netem acts on what
a pod sends.
"""

import statistics
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import Field

from drill import helpers
from drill.cluster import TIMEOUT, Cluster, ClusterError, MissingError, Permission, answering
from drill.errors import RefusedError, UsageError
from drill.helpers import Helper, new_name
from experiments._fault import Injection, Proof, fault
from experiments._guard import drillable
from experiments._watch import NotSeenError
from experiments.network._helpers import (
    DEAD_MAN,
    await_running,
    connected,
    ensure_accepted,
    helper_image,
)
from experiments.pods._site import Container, Site, drillable_site, restored, select

_GROUP, _VERSION, _PLURAL = "chaos-mesh.org", "v1alpha1", "networkchaos"
_START = 60.0
_LONG = 900.0
"""A connection that takes so many ms, or fails, has lost a packet: TCP sends it again after 1 s (RFC 6298)."""

# $1: host, $2: port, $3: how often. Prints how many ms each connection took; a failure counts as 3 s.
_MEASURE = """
i=0
while [ $i -lt "$3" ]; do
  start=$(date +%s%N)
  if command -v bash >/dev/null; then timeout 3 bash -c 'exec 3<>"/dev/tcp/$0/$1"' "$1" "$2" 2>/dev/null
  else timeout 3 nc -z "$1" "$2" </dev/null 2>/dev/null; fi
  code=$?
  end=$(date +%s%N)
  if [ $code = 0 ]; then echo $(((end - start) / 1000000)); else echo 3000; fi
  i=$((i + 1))
done
"""


@fault
def delay_network(
    workload: str,
    namespace: str,
    to: str,
    *,
    latency_ms: Annotated[int, Field(ge=1, le=2000)] = 100,
    jitter_ms: Annotated[int, Field(ge=0, le=2000)] = 0,
    hold: float = 30,
    count: int | str = 1,
    max_pods: int | str = 1,
    seed: int | None = None,
    effect_timeout: float = 60,
    recovery_timeout: float = 180,
) -> Injection:
    """Fault: delay all that pods of a workload send, by Chaos Mesh. Durations in seconds.

    Args:
        workload: `deployment/name` or `statefulset/name`.
        namespace: Its namespace.
        to: `host:port` that the pods can connect to: how long that takes, before and now, is the proof.
        latency_ms: How much, ms.
        jitter_ms: How much more or less, ms.
        hold: How long.
        count: How many pods: a count, or a share of those that are wanted ("50%").
        max_pods: Blast radius, a count or a share; pods that are not Ready already count.
        seed: Of the random choice; None: another choice each time.
        effect_timeout: How long the effect is awaited.
        recovery_timeout: How long it is awaited that connections are as fast as before and all pods are Ready.

    Returns:
        `{targets, proof, since}`; the proof is the median time to connect, before and now.
    """
    if not 0 < latency_ms <= 2000 or not 0 <= jitter_ms <= latency_ms:  # noqa: PLR2004 - a connection is tried for 3 s
        raise UsageError("latency_ms must be 1 to 2000, and jitter_ms at most as much")
    spec = {
        "action": "delay",
        "delay": {"latency": f"{latency_ms}ms", "jitter": f"{jitter_ms}ms", "correlation": "0"},
    }
    wanted = 0.7 * (latency_ms - jitter_ms)

    def judge(before: list[float], now: list[float]) -> Proof:
        was, is_ = statistics.median(before), statistics.median(now)
        if is_ < was + wanted:
            raise NotSeenError(f"a connection takes {is_:.0f} ms, and {was:.0f} before")
        return {"connect_ms": {"before": was, "now": is_}}

    here, hit = _site(workload, namespace, count, max_pods, seed)
    return _Chaos("delay_network", here, hit, to, spec, judge, 9).injection(
        hold=hold, effect_timeout=effect_timeout, recovery_timeout=recovery_timeout
    )


@fault
def lose_packets(
    workload: str,
    namespace: str,
    to: str,
    *,
    loss_percent: Annotated[float, Field(ge=1, le=100)] = 20,
    hold: float = 30,
    count: int | str = 1,
    max_pods: int | str = 1,
    seed: int | None = None,
    effect_timeout: float = 120,
    recovery_timeout: float = 180,
) -> Injection:
    """Fault: lose a share of the packets that pods of a workload send, by Chaos Mesh. Durations in seconds.

    Args:
        workload: As of `delay_network`.
        namespace: As of `delay_network`.
        to: As of `delay_network`: how many connections are late or fail, before and now, is the proof.
        loss_percent: How many packets, %.
        hold: As of `delay_network`.
        count: As of `delay_network`.
        max_pods: As of `delay_network`.
        seed: As of `delay_network`.
        effect_timeout: As of `delay_network`.
        recovery_timeout: As of `delay_network`.

    Returns:
        `{targets, proof, since}`; the proof is how many of how many connections lost a packet, before and now.
    """
    if not 1 <= loss_percent <= 100:  # noqa: PLR2004 - per cent
        raise UsageError("loss_percent must be 1 to 100: less could not be told from chance")
    spec = {"action": "loss", "loss": {"loss": f"{loss_percent:g}", "correlation": "0"}}
    times = min(300, max(10, round(1000 / loss_percent)))

    def judge(before: list[float], now: list[float]) -> Proof:
        was, is_ = (sum(each >= _LONG for each in taken) for taken in (before, now))
        if is_ <= was or is_ < times * loss_percent / 100 / 3:
            raise NotSeenError(f"{is_} of {times} connections were late, and {was} before")
        return {"late": {"before": was, "now": is_, "of": times}}

    here, hit = _site(workload, namespace, count, max_pods, seed)
    return _Chaos("lose_packets", here, hit, to, spec, judge, times).injection(
        hold=hold, effect_timeout=effect_timeout, recovery_timeout=recovery_timeout
    )


def remove_chaos(context: str, namespace: str, name: str, timeout: float = 120) -> dict[str, Any]:
    """Undo: the resource is gone, which it is when Chaos Mesh has taken its effect back (it holds a finalizer).

    Raises:
        NotRestoredError: it is not in time.
    """
    _, cluster = connected(context)

    def look() -> dict[str, Any]:
        try:
            with answering(f"delete {_PLURAL} {namespace}/{name}"):
                cluster.objects.delete_namespaced_custom_object(
                    _GROUP, _VERSION, namespace, _PLURAL, name, _request_timeout=TIMEOUT
                )
        except MissingError:
            return {"networkchaos": name, "there": False}
        raise NotSeenError(f"{_PLURAL} {namespace}/{name} is still there")

    return restored(look, timeout)


def _site(
    workload: str, namespace: str, count: int | str, max_pods: int | str, seed: int | None
) -> tuple[Site, list[Container]]:
    here = drillable_site(namespace, workload)
    _ensure_available(here.cluster)
    return here, select(here, count, max_pods, seed)


def _ensure_available(cluster: Cluster) -> None:
    """Refuse where Chaos Mesh is not installed."""
    try:
        with answering("resources of Chaos Mesh"):
            found = cluster.objects.get_api_resources(_GROUP, _VERSION, _request_timeout=TIMEOUT)
    except MissingError as error:
        raise RefusedError(
            f"latency and loss are unavailable: Chaos Mesh is not installed (no {_GROUP}/{_VERSION} in this cluster)"
        ) from error
    if _PLURAL not in {each.name for each in found.resources}:
        raise RefusedError(f"latency and loss are unavailable: {_GROUP}/{_VERSION} has no {_PLURAL}")


@dataclass
class _Chaos:
    """One resource of Chaos Mesh on its way, and what is measured of its effect."""

    name: str
    here: Site
    hit: list[Container]
    to: str
    spec: dict[str, Any]
    judge: Callable[[list[float], list[float]], Proof]
    """Of the connections' ms before and now; raises NotSeenError where they do not show the effect."""
    times: int
    """How often it is tried to connect for one measurement."""
    chaos: str = field(default_factory=new_name)
    """The name of the resource, and of the helper containers."""
    _before: dict[str, list[float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what the cluster would not let be done."""
        loaded, self.cluster = drillable(self.here.workload.namespace)
        self.host, _, self.port = self.to.rpartition(":")
        if not self.host or not self.port.isdigit():
            raise UsageError(f"to is {self.to!r}: give host:port")
        self.image = helper_image(loaded)
        ensure_accepted(self.cluster, [each.pod for each in self.hit], self.image)
        self.helpers = [Helper(each.pod, self.chaos) for each in self.hit]

    def injection(self, *, hold: float, effect_timeout: float, recovery_timeout: float) -> Injection:
        """The fault of it."""
        namespace, seconds = self.here.workload.namespace, effect_timeout + hold + DEAD_MAN
        return Injection(
            fault=self.name,
            method="Chaos Mesh",
            targets=tuple({**each.as_target(), "chaos": self.spec} for each in self.hit),
            permissions=(
                *self.here.permissions(),
                *helpers.permissions(namespace),
                *(Permission(verb, _PLURAL, namespace, group=_GROUP) for verb in ("create", "delete")),
            ),
            prepare=lambda: self._prepare(_START + seconds + recovery_timeout),
            inject=lambda: self._create(namespace, seconds),
            effect=lambda: {
                each.pod.name: self.judge(self._before[each.pod.name], self._measured(each)) for each in self.helpers
            },
            undo=remove_chaos,
            undo_arguments={"context": self.cluster.context, "namespace": namespace, "name": self.chaos},
            recovered=self._recovered,
            hold=hold,
            effect_timeout=effect_timeout,
            recovery_timeout=recovery_timeout,
        )

    def _prepare(self, seconds: float) -> None:
        for each in self.helpers:
            each.add(self.cluster, self.image, seconds)
        await_running(self.cluster, self.helpers, _START)
        for each in self.helpers:
            self._before[each.pod.name] = taken = self._measured(each)
            if all(ms >= _LONG for ms in taken):
                raise ClusterError(f"{each.pod.name} can't connect to {self.to}, so nothing could prove the fault")

    def _create(self, namespace: str, seconds: float) -> None:
        pods = [each.pod.name for each in self.hit]
        resource = {
            "apiVersion": f"{_GROUP}/{_VERSION}",
            "kind": "NetworkChaos",
            "metadata": {"name": self.chaos},
            "spec": {
                "mode": "all",
                "selector": {"namespaces": [namespace], "pods": {namespace: pods}},
                "direction": "to",
                "duration": f"{seconds:.0f}s",  # the dead man is Chaos Mesh
                **self.spec,
            },
        }
        with answering(f"{_PLURAL} {namespace}/{self.chaos}"):
            self.cluster.objects.create_namespaced_custom_object(
                _GROUP, _VERSION, namespace, _PLURAL, resource, _request_timeout=TIMEOUT
            )

    def _recovered(self) -> Proof:
        for each in self.helpers:
            try:
                self.judge(self._before[each.pod.name], self._measured(each))
            except NotSeenError:
                continue
            raise NotSeenError(f"{each.pod.name} still connects as it did while the fault was on")
        return self.here.recovered()

    def _measured(self, helper: Helper) -> list[float]:
        """How many ms each of so many connections took."""
        answer = helper.exec(self.cluster, _MEASURE, self.host, self.port, self.times, timeout=30 + 4 * self.times)
        taken = answer.stdout.split()
        if answer.exit_code != 0 or len(taken) != self.times:
            raise ClusterError(f"{helper.pod.name}: {answer.stderr.strip() or 'no measurement'}")
        return [float(each) for each in taken]
