"""The platform down: containers crashed until all are kept down at once, and what is refused before anything is hit."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from drill import prometheus
from drill.cluster import PodState
from drill.errors import UsageError
from drill.record import RunRecord
from drill.settings import ContextSettings, KafkaTarget, PostgresTarget, PrometheusTarget, Settings
from experiments._watch import NotSeenError
from experiments.platform import _backoff
from experiments.platform._critical import platform
from experiments.pods._site import Container, Site
from experiments.runbooks._steps import is_failing
from scenarios import _alerts

POD = PodState(
    namespace="kong",
    name="kong-postgres-0",
    uid="p",
    node="node1",
    phase="Running",
    ready=True,
    restarts=0,
    container_ids={"main": "life-0"},
    waiting=(),
    running=frozenset({"main"}),
    owner="kong-postgres",
    terminating=False,
)
DOWN = ("CrashLoopBackOff",)


class Kubelet:
    """Pods whose containers come back at each look until they have crashed often enough, and later once more."""

    def __init__(self, *names: str, patience: dict[str, int]) -> None:
        self.crashes = dict.fromkeys(names, 0)
        self._patience = patience

    def pods(self) -> list[PodState]:
        """Kept down from so many crashes on; below that, running its next life."""
        return [self._pod(name, crashes) for name, crashes in self.crashes.items()]

    def _pod(self, name: str, crashes: int) -> PodState:
        kept = crashes >= self._patience[name]
        return replace(
            POD,
            name=name,
            uid=name,
            ready=not kept,
            restarts=crashes,
            container_ids={"main": f"life-{crashes}"},
            waiting=DOWN if kept else (),
            running=frozenset() if kept else frozenset({"main"}),
        )


def site(kubelet: Kubelet) -> Site:
    """A workload that this kubelet runs."""
    return cast(
        "Site",
        SimpleNamespace(
            container="main",
            pods=kubelet.pods,
            workload=SimpleNamespace(ref="statefulset/db", as_target=dict),
            cluster=SimpleNamespace(context="here"),
            arguments={"context": "here", "namespace": "kong", "workload": "statefulset/db"},
            permissions=lambda **_: (),
        ),
    )


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    def at_once(within: float, _: float) -> Iterator[float]:
        yield from (0.0 for _ in range(round(within)))

    monkeypatch.setattr(_backoff, "ticks", at_once)


def strike(monkeypatch: pytest.MonkeyPatch, *kubelets: Kubelet) -> None:
    """A shot always hits."""

    def crash(_: Any, pod: PodState) -> None:
        for each in kubelets:
            if pod.name in each.crashes:
                each.crashes[pod.name] += 1

    monkeypatch.setattr(_backoff, "_crash", crash)


def test_every_container_is_crashed_until_all_are_kept_down(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that takes longer than asked for is crashed on."""
    quick, slow = Kubelet("a", "b", patience={"a": 2, "b": 2}), Kubelet("c", patience={"c": 5})
    strike(monkeypatch, quick, slow)
    hit = [(site(each), [Container(pod, "main") for pod in each.pods()]) for each in (quick, slow)]
    fault = _backoff.backed_off(hit, crashes=2, within=9)
    with pytest.raises(NotSeenError, match="a is not kept down: Running"):
        fault.effect()
    fault.inject()
    assert quick.crashes == {"a": 2, "b": 2}
    assert slow.crashes == {"c": 5}
    proof = fault.effect()
    assert proof["c"] == {"state": "CrashLoopBackOff", "restarts": {"before": 0, "after": 5}}


def test_containers_that_always_come_back_are_no_platform_that_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    """The injection ends at its time, and the effect is not claimed."""
    kubelet = Kubelet("a", patience={"a": 100})
    strike(monkeypatch, kubelet)
    fault = _backoff.backed_off([(site(kubelet), [Container(kubelet.pods()[0], "main")])], crashes=2, within=5)
    fault.inject()
    with pytest.raises(NotSeenError, match="a is not kept down"):
        fault.effect()


def test_what_is_critical_is_named_by_the_settings_in_the_order_of_dependency() -> None:
    """And only what is asked for; nothing is no platform."""
    context = ContextSettings(kafka=KafkaTarget(bootstrap="here:9092"), postgres=PostgresTarget(dsn="host=here"))
    settings = Settings(context="here", contexts={"here": context})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("experiments.platform._critical.Cluster.connect", lambda _: None)
        found = platform(settings, ["kafka", "postgres"])
        assert [each.workload for each in found.services] == [
            "statefulset/kong-postgres",
            "statefulset/datahub-kafka-kafka-pool",
        ]
        with pytest.raises(UsageError, match="declares no dolphinscheduler"):
            platform(settings, ["dolphinscheduler"])
    for wrong in ([], ["trino"]):
        with pytest.raises(UsageError, match="give one or more of postgres, kafka, dolphinscheduler"):
            platform(settings, cast("Any", wrong))


@pytest.mark.parametrize(
    ("pod", "failing"),
    [
        (POD, False),
        (replace(POD, ready=False), True),
        (replace(POD, waiting=DOWN), True),
        (replace(POD, terminating=True), True),
        (replace(POD, phase="Pending", ready=False), True),
        (replace(POD, phase="Succeeded", ready=False), False),
    ],
)
def test_which_pods_a_person_would_look_at(pod: PodState, failing: bool) -> None:
    """What is not well, and not what has ended well."""
    assert is_failing(pod) is failing


def alerted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: Any) -> RunRecord:
    """A record of a fault at t = 1000, and what Prometheus was found to say of its alerts."""
    made = RunRecord.create(tmp_path, "alerts")
    made.emit("experiment", "fault.effective", at=1010, fault="f", target={}, proof={}, since=1000.0)

    def query(*_: Any) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(prometheus, "query", query)
    context = ContextSettings(prometheus=PrometheusTarget(url="http://here:9090"))
    _alerts.note(made, Settings(context="here", contexts={"here": context}))
    return RunRecord(made.path)


def test_an_alert_that_fires_since_the_fault_is_told_at_its_own_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that fired before is not the fault's."""
    answer = (prometheus.Sample(1042.0, {"alertname": "KafkaDown"}), prometheus.Sample(990.0, {"alertname": "Old"}))
    record = alerted(tmp_path, monkeypatch, answer)
    (fired,) = record.events_of("alert.fired")
    assert (fired.t, fired.data) == (1042.0, {"alert": "KafkaDown"})
    assert record.first("alerts.looked").data["fired"] == 1


def test_a_prometheus_that_does_not_answer_is_no_silence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its error is on the time line."""
    record = alerted(tmp_path, monkeypatch, prometheus.PrometheusError("http://here:9090: refused"))
    assert record.first("alerts.unreachable").data == {"error": "http://here:9090: refused"}
    assert not record.events_of("alerts.looked")
