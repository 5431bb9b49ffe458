"""A synthetic record of a drill in which Kafka is lost and restored; nothing in it is loaded.

In seconds after START: the first records 2 to 8, the fingerprint at 9, the backup 10 to 22, the fingerprint again at
24, changes at 29, the namespace deleted at 40 (the disaster), the data proven at 78. Ten records a second are written
all the time, in turn to three partitions; of each partition, the copy that came to lead is of 15 s.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from drill.fingerprints import Chunk, KafkaFingerprint, KafkaSelection, Topic, TopicPartition, document
from drill.markers import payload, payload_digest
from drill.record import RunRecord
from tests.unit import restores

START = restores.START
BACKUP, ENDED, DISASTER, PROVEN = START + 10, START + 22, START + 40, START + 78
RUN, RATE, COPIED = "0123456789abcdef", 10, START + 15
TOPIC, LATER = f"drill-restore-{RUN}", f"drill-restore-{RUN}-after"
Evidence = dict[str, Any]


def written(until: float) -> dict[int, list[tuple[int, int, float]]]:
    """Offset, sequence and time of each record by partition, acknowledged as soon as it was written."""
    found: dict[int, list[tuple[int, int, float]]] = {0: [], 1: [], 2: []}
    for sequence in range(int((until - START - 2) * RATE)):
        records = found[sequence % 3]
        records.append((len(records), sequence, START + 2 + sequence / RATE))
    return found


def fingerprint(at: float, until: float, retention: str = "86400000", committed: int = 20, later: bool = False) -> Any:
    """Of a cluster with a topic that stands still and the drill's own, whose records go until some instant."""
    still = TopicPartition(begin=0, end=100, chunks=(Chunk(start=0, end=100, records=100, sha256="a"),))
    own = {
        number: TopicPartition(
            begin=0, end=len(records), chunks=(Chunk(start=0, end=len(records), records=len(records), sha256="b"),)
        )
        for number, records in written(until).items()
    }
    config = {"retention.ms": retention}
    topics = {
        "commodities": Topic(id="c", replication_factor=3, config={}, overridden=(), partitions={0: still}),
        TOPIC: Topic(id="d", replication_factor=3, config=config, overridden=("retention.ms",), partitions=own),
    }
    if later:
        topics[LATER] = topics[TOPIC].model_copy(update={"id": "e"})
    return document(
        KafkaFingerprint(
            started=at,
            finished=at,
            selection=KafkaSelection(content_records=20000),
            cluster_id="cluster",
            brokers=(0, 1, 2),
            topics=topics,
            groups={TOPIC: {f"{TOPIC}-{number}": committed for number in range(3)}, "shop": {"commodities-0": 90}},
        )
    )


def evidence() -> Evidence:
    """All pieces of a good restore, by their names."""
    pieces = restores.evidence()
    volumes = [
        {**pieces["backup"]["volumes"][0], "pod": f"kafka-{each}", "claim": f"data-kafka-{each}"} for each in range(3)
    ]
    claims = [each["claim"] for each in volumes]
    pieces["backup"] |= {"volumes": volumes, "claims": claims, "workloads": ["statefulset/kafka"], "completed": ENDED}
    pieces["backup"] |= {"namespaces": ["kafka"], "started": BACKUP}
    pieces["restore"] |= {"volumes": [dict(each) for each in volumes], "into": "kafka"}
    pieces["restore"]["resource_list"] = {"v1/PersistentVolumeClaim": [f"kafka/{each}(created)" for each in claims]}
    pieces["restore"]["results"] = {"errors": {}, "warnings": {}}
    pieces["restore"]["warnings"] = 0
    times = {"proven": PROVEN, "answered": PROVEN + 1, "backup_started": BACKUP}
    pieces["services"] = {"wanted": ["kafka"], "answering": ["kafka"], "services": {"kafka": times}}
    pieces["objects"] = {
        "namespace": "kafka",
        "claims": [{"name": each, "phase": "Bound"} for each in claims],
        "workloads": [{"name": "statefulset/kafka", "wanted": 3, "ready": 3}],
        "services": [{"name": "kafka", "selects": True, "ready": True}],
    }
    del pieces["reference"], pieces["found"]
    led = {f"{TOPIC}-{each}": {"leader": each, "replicas": [0, 1, 2], "isr": [0, 1, 2]} for each in range(3)}
    there = written(COPIED)
    pieces["kafka-reference"] = {
        "run": RUN,
        "topic": TOPIC,
        "later_topic": LATER,
        "before": fingerprint(START + 9, START + 9),
        "after": fingerprint(START + 24, START + 24),
        "led": {"before": led, "after": {name: dict(each) for name, each in led.items()}},
        "acked": {
            str(number): dict(
                zip(("offsets", "sequences", "times"), map(list, zip(*records, strict=True)), strict=True)
            )
            for number, records in written(DISASTER).items()
        },
        "failed": {},
        "committed": {"before": {f"{TOPIC}-0": 20}, "mutated": {f"{TOPIC}-0": 90}},
        "mutated": [f"retention.ms of {TOPIC}", f"topic {LATER}"],
    }
    found = fingerprint(PROVEN - 2, COPIED)
    pieces["kafka-found"] = {
        "fingerprint": found,
        "records": {
            str(number): {
                "offsets": [offset for offset, _, _ in records],
                "sequences": [sequence for _, sequence, _ in records],
                "digests": [payload_digest(payload(RUN, sequence)) for _, sequence, _ in records],
            }
            for number, records in there.items()
        },
    }
    # What was read of a partition before has to be read again as the same chunk.
    for number, records in written(START + 9).items():
        partitions = found["fingerprint"]["topics"][TOPIC]["partitions"]
        partitions[str(number)]["chunks"] = [{"start": 0, "end": len(records), "records": len(records), "sha256": "b"}]
    pieces["kafka-found"]["fingerprint"] = sealed(found)
    return pieces


def sealed(found: Any, change: Callable[[Any], None] = lambda _: None) -> Any:
    """A fingerprint's document as it would have been written with a change in it."""
    content = found["fingerprint"]
    change(content)
    return document(KafkaFingerprint.model_validate(content))


def kafka_record(
    runs: Path, *, spoil: Callable[[Evidence], None] = lambda _: None, proven: bool = True, **objectives: float
) -> RunRecord:
    """Write the record of one drill; as of `restores.restore_record`."""
    record = RunRecord.create(runs, "kafka-loss")
    scenario = {
        "name": "kafka-loss",
        "description": "Kafka is deleted with all of its volumes and restored from a backup.",
        "owner": "platform-engineering",
        "target": {"namespaces": ["kafka"], "scratch": None},
        "load": [],
        "objectives": {"rpo": 900, "rto": 1_800, "recovery_timeout": 1_800, **objectives},
    }
    record.write_text("scenario.yaml", yaml.safe_dump(scenario))
    record.write_json("experiment.json", {"tags": ["velero", "restore", "kafka"]})
    pieces = evidence()
    spoil(pieces)
    for piece, content in pieces.items():
        record.write_evidence(f"restore-{piece}", content)
    pod = {"namespace": "kafka", "name": "kafka-0", "uid": "u", "restarts": 0, "ready": True, "waiting": []}
    for when in ("cluster-before", "cluster-after"):
        record.write_evidence(when, {"pods": [{**pod, "phase": "Running"}]})
    record.emit("runner", "run.started", at=START - 3, run_id=RUN, scenario="kafka-loss", context="lab")
    target = {"kind": "Namespace", "namespace": "kafka", "name": "kafka"}
    record.emit("experiment", "fault.effective", at=DISASTER + 5, since=DISASTER, target=target, proof={})
    record.emit("experiment", "phase.started", at=DISASTER + 6, phase="restore", budget=900)
    outcome = {"seconds": 3.0, "ok": proven, "reason": None if proven else "no"}
    record.emit("experiment", "phase.ended", at=PROVEN, phase="prove", budget=300, **outcome)
    return RunRecord.open(record.path)
