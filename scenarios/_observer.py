"""The control plane's view of a run, beside the client's: Kafka metadata and pod states, sampled while it goes."""

import threading
from types import TracebackType
from typing import Any, Self

from drill import kafka
from drill.cluster import Cluster
from drill.record import RunRecord
from drill.settings import KafkaTarget

PERIOD = 0.5
"""Seconds between two samples; what the observer says is exact to this and no better."""


class Observer:
    """Samples in a thread of its own from entering to leaving the context."""

    def __init__(self, record: RunRecord, cluster: Cluster, target: KafkaTarget, topic: str) -> None:
        self._record, self._cluster, self._target, self._topic = record, cluster, target, topic
        self._done = threading.Event()
        self._threads = [
            threading.Thread(target=self._repeat, args=(sample,), name=f"observe-{name}", daemon=True)
            for name, sample in (("kafka", self._kafka), ("pods", self._pods))
        ]
        self._last_pods: list[dict[str, Any]] | None = None

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()

    def _repeat(self, sample: Any) -> None:
        while not self._done.is_set():
            sample()
            self._done.wait(PERIOD)

    def _kafka(self) -> None:
        try:
            state = kafka.describe(self._target, timeout=2)
        except Exception as error:  # noqa: BLE001 - not being able to see is itself what is recorded
            self._record.emit("observer", "observed.kafka-unreachable", error=str(error))
            return
        mine = [each for each in state.partitions if each.topic == self._topic]
        self._record.emit(
            "observer",
            "observed.kafka",
            brokers=sorted(state.brokers),
            under_replicated=len(state.under_replicated),
            offline=len(state.offline),
            leaders={f"{each.topic}-{each.partition}": each.leader for each in mine},
            isr={f"{each.topic}-{each.partition}": list(each.isr) for each in mine},
        )

    def _pods(self) -> None:
        try:
            pods = self._cluster.pods(self._target.namespace, self._target.selector)
        except Exception as error:  # noqa: BLE001 - not being able to see is itself what is recorded
            self._record.emit("observer", "observed.pods-unreachable", error=str(error))
            return
        seen = [each.as_dict() for each in pods]
        if seen != self._last_pods:
            self._last_pods = seen
            self._record.emit("observer", "observed.pods", pods=seen)
