"""Faults of the network against one that is played: what is dropped, what is refused, what is claimed and undone."""

import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from chaoslib.exceptions import ActivityFailed

from drill import clock, kafka, record, rollback
from drill.cluster import Cluster, ClusterError, ExecResult, PodState
from drill.errors import RefusedError, UsageError
from drill.helpers import Helper
from experiments import _watch, network
from experiments.kafka import _brokers
from experiments.network import _helpers, _partition, policies, slowdowns
from experiments.network._rules import Rules, dropped
from tests.unit.kafka_world import World as KafkaWorld
from tests.unit.kafka_world import pod as broker
from tests.unit.workload_world import SETTINGS, World, deployment, kinds, pod, run, statefulset

__all__ = ["run"]  # fixtures

WEB, DB, APPS = "deployment/web", "statefulset/db", "apps"
OWN: dict[str, Any] = {"owner": "db", "owner_kind": "StatefulSet", "revision": "db-1"}
WHOLE = ["fault.injected", "fault.effective", "fault.undoing", "fault.undone", "fault.recovered"]
UNPREPARED = ["fault.ineffective", "fault.undoing", "fault.undone"]
FRUITLESS = ["fault.injected", *UNPREPARED]


@dataclass
class Net(World):
    """Two workloads, and the network between them."""

    tables: dict[str, str] = field(default_factory=dict)
    """Drop rules by the pod that has them."""
    ended: set[str] = field(default_factory=set)
    """Names of helper containers that have ended."""
    begun: list[tuple[str, str]] = field(default_factory=list)
    """Pod and name of each helper container."""
    forbidden: str | None = None
    """Why no helper container is taken."""
    listening: bool = True
    deaf: set[str] = field(default_factory=set)
    """Addresses at which nobody listens."""
    enforces: bool = True
    delay: float = 0.0
    """What Chaos Mesh's netem really does to connections, ms."""
    loses: int = 0
    """Every how many-th connection it delays by a second."""

    def __post_init__(self) -> None:
        """The pods of both."""
        self.pods_ = [
            pod("web-1-a", address="198.19.1.1"),
            pod("web-1-b", address="198.19.1.2"),
            pod("db-0", **OWN, address="198.19.2.1"),
            pod("db-1", **OWN, address="198.19.2.2"),
        ]
        self.core = SimpleNamespace(
            create_namespaced_pod=self.create_pod, delete_namespaced_pod=self.delete_namespaced_pod
        )

    def get_namespaced_custom_object(self, *place: str, **_: Any) -> dict[str, Any]:
        """As the client has it."""
        made = deployment() if place[-1] == "web" else statefulset(selector={"matchLabels": {"app": "db"}})
        return copy.deepcopy(made)

    def pods(self, namespace: str, selector: str) -> list[PodState]:
        """As `Cluster.pods`."""
        assert namespace == "apps"
        assert selector in {"app=web", "app=db"}
        return list(self.pods_)

    def create_pod(self, namespace: str, body: dict[str, Any], **_: Any) -> Any:
        """The prober."""
        name = body["metadata"]["name"]
        assert namespace == "apps"
        assert body["spec"]["activeDeadlineSeconds"]
        self.pods_.append(pod(name, owner=None, owner_kind=None, running=frozenset({"probe"}), address="198.19.3.1"))
        return SimpleNamespace(metadata=SimpleNamespace(uid=f"uid-{name}"))

    def delete_namespaced_pod(self, name: str, _namespace: str, **_: Any) -> None:
        """As the API server does it."""
        if name not in {each.name for each in self.pods_}:
            from kubernetes.client import ApiException  # noqa: PLC0415 - one use

            raise ApiException(status=404, reason="Not Found")
        self.pods_ = [each for each in self.pods_ if each.name != name]

    def blocked(self, source: PodState, host: str, port: str) -> bool:
        """Whether a connection times out."""
        target = next((each for each in self.pods_ if each.address == host), None)
        there = self.tables.get(target.name, "") if target else ""
        here = self.tables.get(source.name, "")
        rules = [
            *re.findall(rf"ip saddr {{[^}}]*\b{source.address}\b[^}}]*}} tcp dport {{([^}}]*)}}", there),
            *re.findall(rf"ip daddr {{[^}}]*\b{host}\b[^}}]*}} tcp dport {{([^}}]*)}}", here),
        ]
        denied = self.enforces and any(self.denies(each["spec"], source, target) for each in self.policies())
        return denied or any(port in rule.replace(" ", "").split(",") for rule in rules)

    def policies(self) -> Iterator[dict[str, Any]]:
        """All of them."""
        return (body for (plural, _), body in self.made.items() if plural == "networkpolicies")

    @staticmethod
    def denies(spec: dict[str, Any], source: PodState, target: PodState | None) -> bool:
        """Whether a policy forbids it: the prober's own, or one that lets no pod of `web` in."""
        if spec["policyTypes"] == ["Egress"]:
            return source.name in spec["podSelector"]["matchLabels"].values()
        selected = target is not None and target.name.startswith(spec["podSelector"]["matchLabels"]["app"])
        (others,) = spec["ingress"][0]["from"]
        (only,) = others["podSelector"]["matchExpressions"]
        return selected and any(source.name.startswith(value) for value in only["values"])

    # -- helper containers -------------------------------------------------------------------------------------------

    def add(self, helper: Helper, _image: str, _seconds: float, _then: str = ":", *, dry_run: bool = False) -> None:
        """As `Helper.add`."""
        if self.forbidden:
            raise ClusterError(self.forbidden)
        if not dry_run:
            self.begun.append((helper.pod.name, helper.name))

    def phase(self, helper: Helper) -> tuple[str, str]:
        """As `Helper.phase`."""
        if helper.name in self.ended:
            return "ended", "Completed"
        return ("running", "") if (helper.pod.name, helper.name) in self.begun else ("waiting", "not begun")

    def work(self, helper: Helper, script: str, *arguments: Any) -> ExecResult:
        """As `Helper.exec`."""
        words = [str(each) for each in arguments]
        if script == _helpers._CONNECT:
            self.sleep(0.1)
            code = (
                124
                if self.blocked(helper.pod, words[0], words[1])
                else 0
                if self.listening and words[0] not in self.deaf
                else 1
            )
            return ExecResult(f"{code}\n", "", 0)
        if script == _partition._APPLY:
            self.tables[helper.pod.name] = words[0]
        elif script == _partition._LIST:
            return ExecResult("counter packets 3 bytes 180 drop\ncounter packets 0 bytes 0", "", 0)
        elif script == _partition._DELETE:
            self.tables.pop(helper.pod.name, None)
        elif script == slowdowns._MEASURE:
            chaos = any(plural == "networkchaos" for plural, _ in self.made)
            taken = [
                1000 if chaos and self.loses and each % self.loses == 0 else 1 + self.delay * chaos
                for each in range(int(words[2]))
            ]
            return ExecResult("".join(f"{each:.0f}\n" for each in taken), "", 0)
        return ExecResult("", "", 0)


@pytest.fixture
def net(tmp_path: Any, run: record.RunRecord, monkeypatch: pytest.MonkeyPatch) -> Net:
    """The network, in played time."""
    assert run.path.exists()
    file = tmp_path / "drill.toml"
    file.write_text(SETTINGS.format(more=""))
    monkeypatch.setenv("DRILL_SETTINGS", str(file))
    monkeypatch.setenv("DRILL_CONTEXT", "here")
    played = Net()
    play(played, played, monkeypatch)
    return played


def play(net: Net, cluster: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Helper containers work in the played network."""
    monkeypatch.setattr(Cluster, "connect", lambda _settings: cluster)
    monkeypatch.setattr(Helper, "add", lambda self, _cluster, *rest, **more: net.add(self, *rest, **more))
    monkeypatch.setattr(Helper, "phase", lambda self, _cluster: net.phase(self))
    monkeypatch.setattr(Helper, "exec", lambda self, _cluster, script, *rest, **_: net.work(self, script, *rest))
    monkeypatch.setattr(_watch, "time", net)
    monkeypatch.setattr("experiments._fault.time", net)
    monkeypatch.setattr(clock, "now", lambda: 1e9 + net.now)


# -- rules ---------------------------------------------------------------------------------------------------------


def test_rules() -> None:
    """Both families, both ways, and nothing else: this is what nft reads."""
    assert Rules(("198.19.1.1", "198.19.1.2", "2001:db8::1"), (9092, 9093), "both").ruleset("t") == (
        "table inet t {\n"
        "  chain in {\n"
        "    type filter hook input priority -300; policy accept;\n"
        "    ip saddr { 198.19.1.1, 198.19.1.2 } tcp dport { 9092, 9093 } counter drop\n"
        "    ip6 saddr { 2001:db8::1 } tcp dport { 9092, 9093 } counter drop\n"
        "  }\n"
        "  chain out {\n"
        "    type filter hook output priority -300; policy accept;\n"
        "    ip daddr { 198.19.1.1, 198.19.1.2 } tcp dport { 9092, 9093 } counter drop\n"
        "    ip6 daddr { 2001:db8::1 } tcp dport { 9092, 9093 } counter drop\n"
        "  }\n"
        "}\n"
    )


def test_rules_one_way_about_everybody() -> None:
    """The pod can always call itself."""
    text = Rules((), (9094,), "in").ruleset("t")
    assert 'iifname != "lo" tcp dport { 9094 } counter drop' in text
    assert "chain out" not in text
    assert 'oifname != "lo" counter drop' in Rules((), (), "out").ruleset("t")


@pytest.mark.parametrize(("ports", "direction"), [((0,), "in"), ((70000,), "in"), ((1,), "sideways")])
def test_rules_that_cannot_be_meant(ports: tuple[int, ...], direction: Any) -> None:
    """Said before anything is done."""
    with pytest.raises(UsageError):
        Rules((), ports, direction)


def test_what_was_dropped() -> None:
    """All rules of a table together."""
    assert dropped("a counter packets 3 bytes 180 drop\n b counter packets 4 bytes 1 drop") == 7
    assert dropped("table inet t { }") == 0


# -- partitions ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("direction", ["in", "out", "both"])
def test_pods_are_cut_off(net: Net, run: record.RunRecord, direction: Any) -> None:
    """It times out where it should, connects where it should, and all of it connects afterwards."""
    said = network.isolate_pods(DB, APPS, WEB, [5432], direction=direction, hold=1, seed=1)
    (cut,) = said["targets"]
    callers = {attempt.split()[0] for attempt in said["proof"]["timed_out"]}
    assert callers == {"in": {"web-1-a"}, "out": {cut["name"]}, "both": {"web-1-a", cut["name"]}}[direction]
    assert said["proof"]["still_connects"]
    assert not net.tables
    assert kinds(run) == WHOLE
    assert not rollback.pending()


def test_a_plan_adds_nothing(net: Net) -> None:
    """It only asks whether a helper container would be taken."""
    planned = network.isolate_pods.plan(DB, APPS, WEB, [5432], count=2, max_pods=2)
    assert [each["name"] for each in planned.targets] == ["db-0", "db-1"]
    assert any(each.subresource == "ephemeralcontainers" for each in planned.permissions)
    assert not net.begun
    assert not net.tables


def test_no_connection_before_is_no_proof(net: Net, run: record.RunRecord) -> None:
    """A port at which nobody listens."""
    net.listening = False
    with pytest.raises(ActivityFailed, match="no connection works before it"):
        network.isolate_pods(DB, APPS, WEB, [5432])
    assert kinds(run) == UNPREPARED
    assert not net.tables


def test_a_way_that_never_worked_proves_nothing(net: Net) -> None:
    """Only the databases listen: that they can't call is left out, and the undo does not wait for it."""
    net.deaf = {"198.19.1.1", "198.19.1.2"}
    injection = network.isolate_pods.injection(DB, APPS, WEB, [5432], direction="both", seed=1)
    injection.prepare()
    injection.inject()
    assert [attempt.split()[0] for attempt in injection.effect()["timed_out"]] == ["web-1-a"]
    before = net.now
    undone = injection.undo(**injection.undo_arguments)
    assert sorted(undone["connections"].values()) == ["connected", "refused"]
    assert net.now - before < 5


def test_rules_without_effect(net: Net, run: record.RunRecord, monkeypatch: pytest.MonkeyPatch) -> None:
    """The address of nobody is dropped."""
    monkeypatch.setattr("experiments.network.partitions.addresses", lambda _pods: ("198.19.9.9",))
    with pytest.raises(ActivityFailed, match="connected"):
        network.isolate_pods(DB, APPS, WEB, [5432])
    assert kinds(run) == FRUITLESS
    assert not net.tables


def test_all_times_out(net: Net, monkeypatch: pytest.MonkeyPatch) -> None:
    """A network that is down as a whole is no partition."""
    monkeypatch.setattr(net, "blocked", lambda *_: bool(net.tables))
    with pytest.raises(ActivityFailed, match="timed out"):
        network.isolate_pods(DB, APPS, WEB, [5432])


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({"ports": []}, UsageError, "at least one port"),
        ({"ports": [5432], "source_namespace": "elsewhere"}, RefusedError, "elsewhere"),
        ({"ports": [5432], "count": 2}, RefusedError, "2 of 2 pods of statefulset/db"),
    ],
)
def test_refused(net: Net, arguments: dict[str, Any], error: type[Exception], says: str) -> None:
    """In the plan as in the action."""
    for build in (network.isolate_pods.plan, network.isolate_pods):
        with pytest.raises(error, match=says):
            build(DB, APPS, WEB, **arguments)
    assert not net.begun


def test_refused_where_no_helper_container_is_taken(net: Net, tmp_path: Any) -> None:
    """By a policy of the cluster, or because the settings name no image."""
    net.forbidden = "403: violates PodSecurity"
    with pytest.raises(RefusedError, match="no helper container is accepted: 403: violates PodSecurity"):
        network.isolate_pods.plan(DB, APPS, WEB, [5432])
    (tmp_path / "drill.toml").write_text(SETTINGS.format(more="").replace('helper_image = "helper"', ""))
    with pytest.raises(RefusedError, match="declares no helper_image"):
        network.isolate_pods.plan(DB, APPS, WEB, [5432])


@pytest.mark.parametrize("then", ["runs", "ended", "never ran", "pod gone"])
def test_the_undo_of_a_harness_that_died(net: Net, then: str) -> None:
    """From its arguments alone; by a second helper where the first has ended, and of a new pod nothing is asked."""
    injection = network.isolate_pods.injection(DB, APPS, WEB, [5432], seed=1)
    name, cut = injection.undo_arguments["name"], injection.targets[0]["name"]
    if then != "never ran":
        injection.prepare()
        injection.inject()
        assert net.tables
    if then == "ended":
        net.ended.add(name)
    if then == "pod gone":
        net.pods_ = [each for each in net.pods_ if each.name != cut]
        net.tables.clear()
    proof = injection.undo(**injection.undo_arguments)
    assert not net.tables
    says = {
        "runs": "no rules left",
        "ended": "no rules left, seen by a second helper",
        "never ran": "no rules: its helper never ran",
        "pod gone": "gone, and its network with it",
    }[then]
    assert proof["pods"] == {cut: says}
    assert injection.undo(**injection.undo_arguments)["pods"].keys() == {cut}


# -- Kafka ---------------------------------------------------------------------------------------------------------


class Site(KafkaWorld):
    """Three brokers in the played network."""

    context = "here"

    def pod(self, _namespace: str, name: str, uid: str) -> PodState | None:
        """As `Cluster.pod`."""
        return next((each for each in self.pods_.values() if (each.name, each.uid) == (name, uid)), None)


@pytest.fixture
def brokers(tmp_path: Any, run: record.RunRecord, monkeypatch: pytest.MonkeyPatch) -> Net:
    """The network between brokers, and the clients' way in."""
    assert run.path.exists()
    more = '[contexts.here.kafka]\nbootstrap = "127.0.0.1:1"\nstatefulset = "pool"\n'
    (tmp_path / "drill.toml").write_text(SETTINGS.format(more=more).replace('["apps"]', '["kafka"]'))
    monkeypatch.setenv("DRILL_SETTINGS", str(tmp_path / "drill.toml"))
    monkeypatch.setenv("DRILL_CONTEXT", "here")
    made = Net()
    made.pods_ = [broker(each, address=f"198.19.{each}.9") for each in range(3)]
    site = Site({each.name: each for each in made.pods_})
    play(made, site, monkeypatch)
    monkeypatch.setattr(kafka, "describe", site.describe)
    monkeypatch.setattr(
        _helpers.Attempt,
        "_own",
        lambda _self: "timed out" if any("9094" in rules for rules in made.tables.values()) else "connected",
    )
    return made


def test_a_broker_is_cut_off_from_its_peers(brokers: Net, run: record.RunRecord) -> None:
    """At the brokers' own ports, both ways; its peers still call each other."""
    said = network.isolate_broker("leader", topic="commodities", hold=1)
    (cut,) = said["targets"]
    assert (cut["name"], cut["drops"]["ports"]) == ("pool-1", [9092, 9093])
    assert cut["drops"]["peers"] == ["198.19.0.9", "198.19.2.9"]
    assert any(attempt.startswith("pool-0 to 198.19.2.9") for attempt in said["proof"]["still_connects"])
    assert kinds(run) == WHOLE
    assert not brokers.tables


def test_clients_are_cut_off_from_brokers(brokers: Net, run: record.RunRecord) -> None:
    """From outside to where Kafka sends its clients; the brokers among themselves go on."""
    said = network.isolate_clients([0, 1], hold=1, max_brokers_down=2)
    assert said["proof"]["timed_out"] == ["client to host:1", "client to host:1"]
    assert all("9092" in attempt for attempt in said["proof"]["still_connects"])
    assert kinds(run) == WHOLE
    assert not brokers.tables


@pytest.mark.usefixtures("brokers")
def test_the_blast_radius_of_brokers() -> None:
    """A broker that cannot be reached is down."""
    for plan in (network.isolate_broker.plan, network.isolate_clients.plan):
        with pytest.raises(RefusedError, match="max_brokers_down is 0"):
            plan([0], max_brokers_down=0)
    assert _brokers


# -- policies ------------------------------------------------------------------------------------------------------


def test_a_policy_where_they_are_enforced(net: Net, run: record.RunRecord) -> None:
    """All pods of the source are kept out, and nobody else; nothing is left of the policies or of the prober."""
    said = network.deny_by_policy(DB, APPS, WEB, [5432], hold=1)
    assert said["proof"]["timed_out"] == ["web-1-a to 198.19.2.1:5432", "web-1-a to 198.19.2.2:5432"]
    assert "web-1-a to 198.19.1.2:5432" in said["proof"]["still_connects"]
    assert kinds(run) == WHOLE
    assert not net.made
    assert len(net.pods_) == 4
    assert not rollback.pending()


def test_policies_that_are_not_enforced(net: Net, run: record.RunRecord) -> None:
    """The fault is unavailable, in the plan as in the action, and the trial leaves nothing."""
    net.enforces = False
    for build in (network.deny_by_policy.plan, network.deny_by_policy):
        with pytest.raises(RefusedError, match="partitions by NetworkPolicy are unavailable"):
            build(DB, APPS, WEB, [5432])
    assert not net.made
    assert len(net.pods_) == 4
    assert not rollback.pending()
    assert kinds(run) == []


def test_a_policy_that_another_one_undoes(net: Net, run: record.RunRecord, monkeypatch: pytest.MonkeyPatch) -> None:
    """Policies only add to who may: the fault has no effect then, and says so."""
    real = net.denies
    monkeypatch.setattr(net, "denies", lambda spec, *ends: spec["policyTypes"] == ["Egress"] and real(spec, *ends))
    with pytest.raises(ActivityFailed, match="connected"):
        network.deny_by_policy(DB, APPS, WEB, [5432])
    assert kinds(run) == FRUITLESS
    assert not net.made


def test_enforcement_that_cannot_be_tried(net: Net) -> None:
    """Not knowing is refused too, and not called unenforced."""
    net.listening = False
    with pytest.raises(RefusedError, match="could not be tried"):
        policies.ensure_enforced(net, APPS, "helper", "198.19.2.1", 5432)  # type: ignore[arg-type]


# -- Chaos Mesh ----------------------------------------------------------------------------------------------------


def test_without_chaos_mesh_latency_and_loss_are_unavailable(net: Net) -> None:
    """In the plan as in the action."""
    for build in (network.delay_network.plan, network.delay_network, network.lose_packets.plan, network.lose_packets):
        with pytest.raises(RefusedError, match="Chaos Mesh is not installed"):
            build(DB, APPS, "db:5432")
    assert not net.begun


def test_latency_is_measured(net: Net, run: record.RunRecord, monkeypatch: pytest.MonkeyPatch) -> None:
    """The resource says what and whom, with an end of its own; the proof is the time to connect; then it is gone."""
    net.groups, net.delay = {"chaos-mesh.org"}, 100
    seen: list[dict[str, Any]] = []
    real = net.create_namespaced_custom_object

    def create(*place: Any, **more: Any) -> None:
        seen.append(place[-1])
        real(*place, **more)

    monkeypatch.setattr(net, "create_namespaced_custom_object", create)
    said = network.delay_network(DB, APPS, "db:5432", hold=1, seed=1)
    name = said["targets"][0]["name"]
    assert said["proof"] == {name: {"connect_ms": {"before": 1, "now": 101}}}
    (resource,) = seen
    assert resource["spec"]["selector"]["pods"] == {"apps": [name]}
    assert resource["spec"]["delay"]["latency"] == "100ms"
    assert resource["spec"]["duration"] == "81s"
    assert kinds(run) == WHOLE
    assert not net.made


def test_latency_that_is_not_there(net: Net, run: record.RunRecord) -> None:
    """A resource that does nothing (a kernel without netem, for one) is no fault."""
    net.groups, net.delay = {"chaos-mesh.org"}, 10
    with pytest.raises(ActivityFailed, match="takes 11 ms, and 1 before"):
        network.delay_network(DB, APPS, "db:5432")
    assert kinds(run) == FRUITLESS
    assert not net.made


def test_loss_is_counted(net: Net, run: record.RunRecord) -> None:
    """Connections whose first packet had to be sent again."""
    net.groups, net.loses = {"chaos-mesh.org"}, 5
    proof = network.lose_packets(DB, APPS, "db:5432", hold=0, seed=1)["proof"]
    assert list(proof.values()) == [{"late": {"before": 0, "now": 10, "of": 50}}]
    assert kinds(run) == WHOLE


def test_loss_that_is_not_there(net: Net) -> None:
    """Too few to be it."""
    net.groups, net.loses = {"chaos-mesh.org"}, 40
    with pytest.raises(ActivityFailed, match="2 of 50 connections were late"):
        network.lose_packets(DB, APPS, "db:5432")


@pytest.mark.parametrize(
    ("build", "arguments"),
    [
        (network.delay_network.plan, {"to": "db"}),
        (network.delay_network.plan, {"to": "db:5432", "latency_ms": 0}),
        (network.delay_network.plan, {"to": "db:5432", "latency_ms": 10, "jitter_ms": 20}),
        (network.lose_packets.plan, {"to": "db:5432", "loss_percent": 0.1}),
    ],
)
def test_what_cannot_be_meant(net: Net, build: Any, arguments: dict[str, Any]) -> None:
    """Said before anything is done."""
    net.groups = {"chaos-mesh.org"}
    with pytest.raises(UsageError):
        build(DB, APPS, **arguments)
