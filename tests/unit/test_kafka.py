"""Reading the state of a Kafka cluster."""

import json
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from drill import kafka
from drill.errors import UsageError
from drill.kafka import KafkaState, Partition
from drill.settings import ContextSettings, Elsewhere, KafkaTarget, SecretKey, Settings
from scenarios import reader
from scenarios._services.kafka import Kafka

STATE = KafkaState(
    brokers={1: "b:9092", 0: "a:9092"},
    partitions=(
        Partition("commodities", 0, leader=0, replicas=(0, 1), isr=(0, 1)),
        Partition("commodities", 1, leader=1, replicas=(1, 0), isr=(1,)),
        Partition("commodities", 2, leader=-1, replicas=(2, 0), isr=(2,)),
    ),
)


@pytest.fixture
def mock_cluster() -> Iterator[KafkaTarget]:
    """A target answered by librdkafka's own mock brokers, started with the admin client."""
    target = KafkaTarget(bootstrap="replaced-by-the-mock:9092", client={"test.mock.num.brokers": "3"})
    yield target
    kafka._admin.cache_clear()


def test_under_replicated_and_offline_partitions() -> None:
    """A partition lacks a replica, or a leader; both are told apart."""
    assert [each.name for each in STATE.under_replicated] == ["commodities-1", "commodities-2"]
    assert [each.name for each in STATE.offline] == ["commodities-2"]
    assert [each.name for each in STATE.led_by(0)] == ["commodities-0"]


def test_unknown_partition_is_an_error() -> None:
    """A partition that is not there is never taken for a healthy one."""
    with pytest.raises(kafka.UnknownTopicError, match="no partition 7 of topic 'commodities'"):
        STATE.partition("commodities", 7)


def test_state_as_json() -> None:
    """The state goes into events and evidence."""
    content = STATE.as_dict()
    assert content["brokers"] == {"0": "a:9092", "1": "b:9092"}
    assert (content["under_replicated"], content["offline"]) == (2, 1)


def test_client_config_lets_the_settings_and_the_caller_add() -> None:
    """Security settings reach every client, and a caller's own come last."""
    target = KafkaTarget(bootstrap="a:1", client={"security.protocol": "SSL"})
    assert kafka.client_config(target, linger_ms=5) == {
        "bootstrap.servers": "a:1",
        "client.id": "drill",
        "security.protocol": "SSL",
        "linger.ms": 5,
    }


def test_a_secret_reaches_the_client_and_nothing_that_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """The record has where it is, as it has the names of the other settings."""
    target = KafkaTarget(
        bootstrap="a:1",
        client={"sasl.username": "ops"},
        client_secrets={"sasl.password": Elsewhere(env="KAFKA_PASSWORD")},
    )
    with pytest.raises(UsageError, match=r"kafka\.client_secrets\.sasl\.password.*KAFKA_PASSWORD is not set"):
        kafka.client_config(target)
    monkeypatch.setenv("KAFKA_PASSWORD", "hunter2")
    assert kafka.client_config(target)["sasl.password"] == "hunter2"
    chosen = Settings(context="a", contexts={"a": ContextSettings(kafka=target)})
    service = Kafka(chosen, reader.read(reader.find("broker-kill")).scenario)
    told = json.dumps(service.configuration())
    assert "KAFKA_PASSWORD" in told
    assert "sasl.username" in told
    assert "ops" not in told
    assert "hunter2" not in told + repr(target) + repr(chosen)
    assert service.permissions == ()


def test_a_secret_in_the_cluster_is_asked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients are also made while the cluster is broken; of another context it is another."""
    place = SecretKey(name="kafka-user", key="password", namespace="kafka")
    target = KafkaTarget(bootstrap="a:1", client_secrets={"sasl.password": Elsewhere(secret=place)})
    asked: list[tuple[str, ...]] = []

    def secret(*where: str) -> str:
        asked.append(where)
        return f"hunter{len(asked)}\n"

    monkeypatch.setattr("drill.cluster.Cluster.connect", lambda _settings: SimpleNamespace(secret=secret))
    monkeypatch.setattr("drill.settings.load", lambda: Settings(context="here", contexts={}))
    for _ in range(2):
        assert kafka.client_config(target)["sasl.password"] == "hunter1"
    assert asked == [("kafka", "kafka-user", "password")]
    monkeypatch.setattr("drill.settings.load", lambda: Settings(context="there", contexts={}))
    assert kafka.client_config(target)["sasl.password"] == "hunter2"
    chosen = Settings(context="a", contexts={"a": ContextSettings(kafka=target)})
    service = Kafka(chosen, reader.read(reader.find("broker-kill")).scenario)
    assert [str(each) for each in service.permissions] == ["get secrets kafka-user in kafka"]


def test_describe_reads_brokers_and_partitions(mock_cluster: KafkaTarget) -> None:
    """What a cluster answers becomes the state, narrowed to the topics asked for."""
    client = kafka.admin(mock_cluster)
    client.list_topics("commodities", timeout=5)  # the mock makes a topic when it is asked for it
    client.list_topics("other", timeout=5)
    state = kafka.describe(mock_cluster, ["commodities"])
    assert sorted(state.brokers) == [1, 2, 3]
    assert {each.topic for each in state.partitions} == {"commodities"}
    assert not state.under_replicated
    assert {each.topic for each in kafka.describe(mock_cluster).partitions} == {"commodities", "other"}


def test_an_unreachable_cluster_is_an_error() -> None:
    """Silence is never read as a state."""
    with pytest.raises(kafka.KafkaUnreachableError, match=r"127\.0\.0\.1:1"):
        kafka.describe(KafkaTarget(bootstrap="127.0.0.1:1"), timeout=0.5)


def test_one_admin_client_a_target() -> None:
    """A poll every half second opens no new connections."""
    target = KafkaTarget(bootstrap="127.0.0.1:1")
    assert kafka.admin(target) is kafka.admin(KafkaTarget(bootstrap="127.0.0.1:1"))
