"""What has to be seen before a kill counts as effective: in Kubernetes and, where it can show, in Kafka."""

from dataclasses import dataclass, field
from typing import Any

from drill.kafka import KafkaState
from experiments.kafka._brokers import Broker, Quorum


@dataclass(frozen=True)
class Expected:
    """What Kafka must show besides the death of the process."""

    membership: bool = True
    """The broker left the metadata, or what it led is no longer led by it. Can't be seen while the quorum is lost."""
    partition: tuple[str, int] | None = None
    """Another broker leads this partition."""
    controller: Quorum | None = None
    """Another controller than this one is active."""


@dataclass
class Death:
    """One broker's death on the way to its proof."""

    broker: Broker
    since: float
    """When it was hit, seconds since the epoch."""
    led: frozenset[str]
    """Names of the partitions that it led."""
    proof: dict[str, Any] = field(default_factory=dict)

    def see_pod(self, now: Broker | None) -> None:
        """Note what Kubernetes shows: `now` is the broker with its pod as it is; None: it has none."""
        before = self.broker
        if now is None or now.pod.uid != before.pod.uid:
            self.proof["pod_uid"] = {"before": before.pod.uid, "after": now.pod.uid if now else None}
        if now is not None and now.container_id != before.container_id:
            self.proof["container_id"] = {"before": before.container_id, "after": now.container_id}
        if now is not None and now.pod.uid == before.pod.uid and now.pod.restarts > before.pod.restarts:
            self.proof["restart_count"] = {"before": before.pod.restarts, "after": now.pod.restarts}
        if now is not None and now.pod.uid == before.pod.uid and not now.running:
            self.proof["container_stopped"] = True

    def see_kafka(self, state: KafkaState) -> None:
        """Note what Kafka's metadata show."""
        if self.broker.id not in state.brokers:
            self.proof["broker_left"] = True
        moved = {each.name: each.leader for each in state.partitions if each.name in self.led}
        if moved := {name: leader for name, leader in moved.items() if leader != self.broker.id}:
            self.proof["leadership_moved"] = {**self.proof.get("leadership_moved", {}), **moved}

    def see_quorum(self, before: Quorum, now: Quorum) -> None:
        """Note whether another controller is active."""
        if now.leader != before.leader:
            self.proof["controller"] = {
                "before": before.leader,
                "after": now.leader,
                "epoch": {"before": before.epoch, "after": now.epoch},
            }

    @property
    def died(self) -> bool:
        """Whether Kubernetes has shown that the process that was hit is gone."""
        return bool(self.proof.keys() & {"pod_uid", "container_id", "restart_count", "container_stopped"})

    def missing(self, expected: Expected) -> str | None:
        """What has not been seen yet, in words; None: it is proven."""
        moved: dict[str, int] = self.proof.get("leadership_moved", {})
        if not self.died:
            return "the pod is the same and its container runs on"
        if expected.membership and not moved and "broker_left" not in self.proof:
            return "Kafka still shows the broker as alive and leading what it led"
        if expected.partition:
            name = "{}-{}".format(*expected.partition)
            if moved.get(name, -1) < 0:
                return f"the leadership of {name} has not moved"
            self.proof["leader"] = {"partition": name, "before": self.broker.id, "after": moved[name]}
        if expected.controller and "controller" not in self.proof:
            return f"broker {self.broker.id} is still the active controller"
        return None
