"""Kafka lost whole, and restored by the lab's real Velero; and each way in which a restore falls short of it."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from drill.cluster import Cluster
from drill.exits import ExitCode
from drill.fingerprints import KafkaFingerprint, document
from drill.record import RunRecord
from drill.settings import Settings
from drill.velero import Velero
from drill.verdicts import Outcome, Verdict
from experiments.kafka.probes import all_brokers_live, isr_full
from experiments.velero import _kafka_data
from recovery._run import Run
from recovery.restores import OF_KAFKA
from tests.cluster.drills import Command, outcome, run, the_record, verdicts

pytestmark = pytest.mark.slow


@pytest.fixture
def fresh(lab_dr: Settings) -> Iterator[None]:
    """The backups and restores that a test had made are taken away after it."""
    velero = Velero.connect(lab_dr, Cluster.connect(lab_dr))
    before = {each.name for each in velero.backups()}
    yield
    for backup in velero.backups():
        if backup.name not in before:
            velero.await_backup_deleted(backup.name, velero.delete_backup(backup.name))


@pytest.mark.usefixtures("fresh")
def test_all_of_kafka_is_lost_and_comes_back(lab_dr: Settings, tmp_path: Path) -> None:
    """The whole drill passes by its records; and it does not, where the same record lacks any one of them."""
    topics = set(_kafka_data.topics(lab_dr.kafka))
    code, out, err = run(tmp_path / "runs", "run", "kafka-loss")
    assert code == ExitCode.PASS, f"{out}\n{err}"
    record = the_record(tmp_path / "runs")
    judged = verdicts(record)
    assert {judged[each.name].outcome for each in OF_KAFKA} == {Outcome.PASS}
    assert outcome(record) is Outcome.PASS
    lost = judged["kafka-records-lost"].details
    assert 0 < lost["lost"] < lost["acknowledged_since"]
    assert set(_kafka_data.topics(lab_dr.kafka)) == topics, "what the drill made is gone, and nothing else is"
    for number, (check, spoil, says) in enumerate(CONTROLS):
        found = _spoiled(record, tmp_path / str(number), check, spoil)
        assert (found.outcome, says in found.reason) == (Outcome.FAIL, True), found


@pytest.mark.usefixtures("fresh")
def test_a_harness_that_dies_in_its_disaster_is_undone_by_a_restore(lab_dr: Settings, tmp_path: Path) -> None:
    """Kafka is gone with its volumes and nobody restores it: `drill rollback` does, and takes the topics away."""
    topics = set(_kafka_data.topics(lab_dr.kafka))
    command = Command(tmp_path / "runs", "run", "kafka-loss")
    command.await_event("fault.effective", 600)
    command.kill(children_too=True)
    command.finish()
    code, out, err = run(tmp_path / "runs", "rollback", "--force")
    assert code == ExitCode.PASS, f"{out}\n{err}"
    assert all_brokers_live()
    assert isr_full()
    assert set(_kafka_data.topics(lab_dr.kafka)) == topics
    (path,) = (tmp_path / "runs").glob("*/*")
    code, _, _ = run(tmp_path / "runs", "judge", str(path))
    assert code in {ExitCode.FAIL, ExitCode.INCONCLUSIVE}


# -- what a restore may lack, on the record of a real one ------------------------------------------------------------

Spoil = Callable[[dict[str, Any], str], None]
"""A change in what was found, given the drill's own topic."""


def _fewer(found: dict[str, Any], _: str) -> None:
    """The first record of a partition, which was acknowledged before the backup, is not there."""
    for values in found["records"]["0"].values():
        del values[0]


def _altered(found: dict[str, Any], _: str) -> None:
    found["records"]["1"]["digests"][0] = "0" * 16


def _fingerprint(change: Callable[[dict[str, Any], str], None]) -> Spoil:
    def spoil(found: dict[str, Any], topic: str) -> None:
        content = found["fingerprint"]["fingerprint"]
        change(content, topic)
        found["fingerprint"] = document(KafkaFingerprint.model_validate(content))

    return spoil


def _committed(content: dict[str, Any], topic: str) -> None:
    content["groups"][topic][f"{topic}-0"] += 1


def _configured(content: dict[str, Any], topic: str) -> None:
    content["topics"][topic]["config"]["retention.ms"] = "1"


def _another(content: dict[str, Any], _: str) -> None:
    content["cluster_id"] = "another"


CONTROLS: tuple[tuple[str, Spoil, str], ...] = (
    ("kafka-records-kept", _fewer, "before the backup and is gone"),
    ("kafka-records-kept", _altered, "is not what was written"),
    ("kafka-positions-kept", _fingerprint(_committed), "and was at"),
    ("kafka-topics-kept", _fingerprint(_configured), "retention.ms is 1"),
    ("kafka-cluster-kept", _fingerprint(_another), "another"),
)


def _spoiled(record: RunRecord, folder: Path, check: str, spoil: Spoil) -> Verdict:
    """The verdict of a check on a copy of a record, in which something was not found."""
    copied = RunRecord(Path(shutil.copytree(record.path, folder)))
    path = copied.path / "evidence" / "restore-kafka-found.json"
    found = json.loads(path.read_text())
    spoil(found, record.evidence("restore-kafka-reference")["topic"])
    path.write_text(json.dumps(found))
    (meant,) = [each for each in OF_KAFKA if each.name == check]
    verdict = meant(Run(copied))
    assert verdict is not None
    return verdict
