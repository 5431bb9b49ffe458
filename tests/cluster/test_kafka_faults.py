"""Leadership moved, a broker that flaps, a log volume without space or lost, on the lab; and where they do not bite."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from chaoslib.exceptions import ActivityFailed
from confluent_kafka import Producer
from confluent_kafka.admin import NewTopic

from drill import kafka as clients
from drill import record, rollback
from drill.errors import RefusedError
from drill.record import RunRecord
from drill.settings import Settings
from experiments import kafka
from experiments._fault import injected
from experiments._watch import NotSeenError, await_seen
from experiments.kafka import _claims, _leaders
from experiments.kafka._brokers import Site, site
from tests.cluster.scratch import FRUITLESS, WHOLE_LIFE

TOPIC = "drill-kafka-faults"


@pytest.fixture
def here(lab_kafka: Settings) -> Site:
    """The lab's Kafka, whole, with a topic whose partitions are led by another broker each."""
    client = clients.admin(lab_kafka.kafka)
    orders = [[0, 1, 2], [1, 2, 0], [2, 0, 1]]
    made = client.create_topics([NewTopic(TOPIC, 3, replica_assignment=orders)])[TOPIC]
    if (error := made.exception()) is not None:
        assert error.args[0].name() == "TOPIC_ALREADY_EXISTS"
    assert kafka.await_recovery(timeout=120, settle=1)
    found = site()
    await_seen(lambda: _preferred(found), within=60)
    return found


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunRecord:
    """A run record to look into."""
    made = RunRecord.create(tmp_path / "runs", "test")
    monkeypatch.setenv(record.RECORD_VARIABLE, str(made.path))
    return made


def _preferred(here: Site) -> None:
    """Each partition is led by its first replica, which an earlier test may have killed."""
    wrong = [_leaders.as_led(each) for each in here.state().partitions if each.leader != each.replicas[0]]
    if wrong:
        _leaders.elect_preferred(here, wrong)
        raise NotSeenError(f"{len(wrong)} partitions are not led by their preferred leaders")


def _kinds(run: RunRecord) -> list[str]:
    return [each.kind for each in RunRecord(run.path).events if each.source == "experiment"]


def _orders(here: Site) -> dict[str, tuple[int, tuple[int, ...]]]:
    return {each.name: (each.leader, each.replicas) for each in here.state().partitions}


def test_leadership_moved(here: Site, run: RunRecord) -> None:
    """While it is on the broker leads nothing at all; afterwards every order and every leader is as before."""
    before = _orders(here)
    with injected(kafka.move_leadership.injection("leader", topic=TOPIC, partition=1)) as on:
        assert on.proof["broker"] == 1
        assert not here.state().led_by(1)
    assert _orders(here) == before
    assert len(here.state().led_by(1)) == on.proof["led_before"]
    assert _kinds(run) == WHOLE_LIFE
    assert not rollback.pending()


def test_leadership_that_nobody_takes(here: Site, run: RunRecord, monkeypatch: pytest.MonkeyPatch) -> None:
    """Replicas in another order, and nobody elected: the fault does not claim to be on, and the order comes back."""
    before, elect, asked = _orders(here), _leaders.elect_preferred, list[Any]()

    def elect_from_the_second_time_on(*given: Any) -> None:
        asked.append(given)
        if len(asked) > 1:
            elect(*given)

    monkeypatch.setattr(_leaders, "elect_preferred", elect_from_the_second_time_on)
    with pytest.raises(ActivityFailed, match="broker 1 still leads"):
        kafka.move_leadership([1], effect_timeout=3)
    assert _orders(here) == before
    assert _kinds(run) == FRUITLESS


@pytest.mark.slow
def test_a_broker_flaps(here: Site, run: RunRecord) -> None:
    """Two deaths of the same broker, each proven, and the kubelet's own count of restarts agrees."""
    before = here.brokers()[1].pod.restarts
    killed = kafka.flap_broker("leader", topic=TOPIC, partition=1, times=2, interval=1)
    assert [each["target"]["broker"] for each in killed] == [1, 1]
    assert kafka.await_recovery()
    assert here.brokers()[1].pod.restarts == before + 2
    assert _kinds(run) == [*["fault.injected", "fault.effective"] * 2, *["fault.recovered"] * 2]
    assert not rollback.pending()


@pytest.fixture
def written(here: Site) -> Iterator[None]:
    """Records come to every partition all the time."""
    over = Event()

    def write() -> None:
        producer = Producer({**clients.client_config(here.target), "message.timeout.ms": 5000, "log_level": 2})
        for number in count():
            if over.is_set():
                break
            producer.produce(TOPIC, bytes(500), partition=number % 3)
            producer.poll(0.002)
        producer.flush(10)

    writer = Thread(target=write)
    writer.start()
    yield
    over.set()
    writer.join()


@pytest.mark.slow
@pytest.mark.usefixtures("written")
def test_a_log_volume_without_space(run: RunRecord) -> None:
    """The broker halts of it, and comes back in sync with its space."""
    said = kafka.fill_log_volume("leader", topic=TOPIC, partition=2)
    proof = said["proof"]
    assert proof["filled"].get("free", 0) < 1 << 20
    assert proof.keys() & {"container_stopped", "container_id", "restart_count"}
    assert kafka.isr_full()
    assert _kinds(run) == WHOLE_LIFE
    assert not rollback.pending()


def test_a_log_volume_with_room(here: Site, run: RunRecord) -> None:
    """Kafka does not mind half of a volume: the fault does not claim to be on, and the space comes back."""
    before = here.brokers()[2].container_id
    with pytest.raises(ActivityFailed, match="the broker is in sync"):
        kafka.fill_log_volume([2], share="50%", effect_timeout=4)
    assert here.brokers()[2].container_id == before
    assert _kinds(run) == FRUITLESS
    assert not rollback.pending()


@pytest.mark.usefixtures("here", "run")
def test_a_floor_of_free_space() -> None:
    """Where less would be left than is asked for, nothing is written."""
    with pytest.raises(RefusedError, match="would leave less than 1024 MiB"):
        kafka.fill_log_volume([2], share="95%", floor_mib=1024)


@pytest.mark.slow
@pytest.mark.usefixtures("written")
def test_a_volume_is_lost(here: Site, run: RunRecord) -> None:
    """Another claim and volume, log directories with other ids, and all that was on it comes from the others."""
    before = _claims.claim_of(here, here.brokers()[1], "/var/lib/kafka")
    said = kafka.lose_volume("leader", topic=TOPIC, partition=1)
    proof = said["proof"]
    assert proof["claim"]["before"] == before.as_dict()
    assert proof["claim"]["after"]["volume"] != before.volume
    assert _claims.reclaimed(here, str(before.volume)) is None
    ids = [set(proof["kept"][when]["directories"].values()) for when in ("before", "after")]
    assert not ids[0] & ids[1]
    (recovered,) = RunRecord(run.path).events_of("fault.recovered")
    assert recovered.data["proof"]["quorum"]["role"] in {"Leader", "Follower"}
    assert recovered.data["proof"]["kept"]["partitions"] == proof["kept"]["before"]["partitions"]
    assert _kinds(run) == WHOLE_LIFE
    assert not rollback.pending()


@pytest.mark.slow
def test_a_drill_that_died_between_the_two_deletions(here: Site) -> None:
    """Its claim is being deleted and its pod lives: what is pending in the log brings both anew, and all in sync."""
    broker = here.brokers()[2]
    before = _claims.claim_of(here, broker, "/var/lib/kafka")
    _claims.delete(here, before)
    dead: dict[str, Any] = {"claim": before.name, "claim_uid": before.uid, "pod_uid": broker.pod.uid}
    assert _claims.bring_back(here.context, broker.id, **dead)["claim"]["uid"] != before.uid
    assert kafka.await_recovery(timeout=300, settle=1)


@pytest.mark.usefixtures("run")
def test_a_volume_that_would_outlive_its_claim(here: Site) -> None:
    """Its data would not be lost, whatever the drill claims: nothing is deleted."""
    claim = _claims.claim_of(here, here.brokers()[1], "/var/lib/kafka")

    def reclaim(policy: str) -> None:
        spec = {"spec": {"persistentVolumeReclaimPolicy": policy}}
        here.cluster.core.patch_persistent_volume(str(claim.volume), spec)

    reclaim("Retain")
    try:
        with pytest.raises(RefusedError, match="its data would outlive its claim"):
            kafka.lose_volume([1])
    finally:
        reclaim("Delete")
    assert _claims.read(here, claim.name) == claim
