"""What a lost cluster held besides PostgreSQL's rows: Kafka's records, the lakehouse's objects, Iceberg's tables."""

import json
from collections.abc import Iterator
from typing import Any

from confluent_kafka import KafkaException, Producer

from drill import kafka
from drill.cluster import TIMEOUT, MissingError, answering
from drill.fingerprints import (
    BucketFingerprint,
    BucketSelection,
    Fingerprint,
    KafkaFingerprint,
    KafkaSelection,
    document,
)
from drill.iceberg import IcebergFingerprint, IcebergSelection
from drill.object_store import ObjectStore
from drill.settings import TrinoTarget
from drill.trino import Trino
from experiments.fingerprints import bucket as buckets
from experiments.fingerprints import iceberg
from experiments.fingerprints import kafka as logs
from experiments.runbooks._phases import Evidence, StepFailedError
from experiments.velero._site import Site, keep

RECORDS = 60
"""That are written to Kafka before the backup, and as many after it."""
_WITHIN = 30.0
"""Seconds in which Kafka has to take them."""


class Systems:
    """Fingerprints of each system: before the backup, after it, and of what was restored."""

    def __init__(self, site: Site, topic: str | None, records: int) -> None:
        self._site, self._topic, self._records = site, topic, records
        self._kept: dict[str, dict[str, Any]] = {}
        self._log: KafkaFingerprint | None = None
        self._left_out: dict[str, str] = {}
        self._missing: dict[str, str] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Those that were captured before."""
        return tuple(self._kept)

    def mark(self) -> Evidence:
        """Write records that must come back: that an empty log came back empty would prove nothing.

        Raises:
            StepFailedError: Kafka did not take them.
        """
        return {} if self._topic is None else {"kafka_marks": self._write(self._topic, "before_backup")}

    def take(self) -> Evidence:
        """Before the backup: those that the context declares. One that the cluster lacks is kept as missing."""
        settings = self._site.settings
        if self._topic is None:
            self._left_out["kafka"] = "the drill was given no topic of it"
        else:
            self._log = logs.capture(settings.kafka, KafkaSelection(content_records=self._records))
            self._note("kafka", "before", self._log)
        if settings.object_store.lakehouse is None:
            self._left_out["lakehouse"] = "the context declares no bucket of a lakehouse"
        else:
            self._note("lakehouse", "before", self._bucket())
        if settings.target.trino is None:
            self._left_out["iceberg"] = "the context declares no Trino"
        elif (reason := self._no_trino(settings.target.trino)) is None:
            self._note("iceberg", "before", self._tables())
        else:
            self._missing["iceberg"] = reason
        self._keep()
        return {"systems": list(self._kept), "left_out": self._left_out, "missing": self._missing}

    def take_again(self) -> None:
        """After the backup, what moves: it was copied while this went on."""
        if self._log is not None:
            self._note("kafka", "after", logs.capture(self._site.settings.kafka, like=self._log))
        self._keep()

    def mutate(self) -> Evidence:
        """Write records that must not come back.

        Raises:
            StepFailedError: Kafka did not take them.
        """
        if self._topic is None:
            return {}
        self._kept["kafka"]["mutations"] = self._write(self._topic, "after_backup")
        self._keep()
        return {"kafka_mutations": RECORDS}

    def _write(self, topic: str, when: str) -> int:
        """Write records that say when they were written; how many were acknowledged."""
        taken: list[str | None] = []
        producer = Producer(kafka.client_config(self._site.settings.kafka, acks="all"))
        try:
            for number in range(RECORDS):
                value = json.dumps({"drill": self._site.run, when: number}).encode()
                producer.produce(topic, value, on_delivery=lambda error, _: taken.append(error and error.str()))
            producer.flush(_WITHIN)
        except KafkaException as error:
            raise StepFailedError(f"Kafka did not take a record: {error.args[0].str()}", {}) from error
        if len(taken) < RECORDS or any(taken):
            why = next(filter(None, taken), f"{len(taken)} of {RECORDS} were answered")
            raise StepFailedError(f"Kafka did not take the records of {when.replace('_', ' the ')}: {why}", {})
        return RECORDS

    def prove(self) -> Iterator[str]:
        """Capture each as it is now, and hold the least against it; yields its name when that is done.

        The judgement of it is made of the evidence.

        Raises:
            StepFailedError: a topic, an object or a table is not there at all.
            DrillError: one of them does not answer.
        """
        settings = self._site.settings
        if self._log is not None:
            seen = logs.capture(settings.kafka, like=self._log)
            self._note("kafka", "found", seen)
            self._hold("topic", self._log.topics, seen.topics)
            yield "kafka"
        if "lakehouse" in self._kept:
            objects = self._bucket()
            self._note("lakehouse", "found", objects)
            self._hold("object", self._kept["lakehouse"]["before"]["fingerprint"]["objects"], objects.objects)
            yield "lakehouse"
        if "iceberg" in self._kept:
            tables = self._tables()
            self._note("iceberg", "found", tables)
            self._hold("table", self._kept["iceberg"]["before"]["fingerprint"]["tables"], tables.tables)
            yield "iceberg"

    def _hold(self, kind: str, wanted: Any, there: Any) -> None:
        if gone := sorted(set(wanted) - set(there)):
            raise StepFailedError(f"{kind} {gone[0]} is not there", {"gone": gone})

    def _bucket(self) -> BucketFingerprint:
        settings = self._site.settings
        store = ObjectStore.connect(settings, self._site.cluster)
        return buckets.capture(store, BucketSelection(bucket=str(settings.object_store.lakehouse)))

    def _tables(self) -> IcebergFingerprint:
        target = self._site.settings.trino
        store = ObjectStore.connect(self._site.settings, self._site.cluster)
        return iceberg.capture(
            Trino(target), IcebergSelection(catalog=target.catalog, schema_name=target.schema_), store
        )

    def _no_trino(self, target: TrinoTarget) -> str | None:
        """Why the tables can't be looked at; None: they can."""
        try:
            with answering(f"deployment {target.namespace}/{target.coordinator}"):
                self._site.cluster.apps.read_namespaced_deployment(
                    target.coordinator, target.namespace, _request_timeout=TIMEOUT
                )
        except MissingError as error:
            return str(error)
        return None

    def _note(self, system: str, when: str, found: Fingerprint) -> None:
        self._kept.setdefault(system, {})[when] = document(found)
        self._keep()

    def _keep(self) -> None:
        keep("systems", {**self._kept, "left_out": self._left_out, "missing": self._missing})
