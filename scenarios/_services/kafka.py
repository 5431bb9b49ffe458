"""Kafka: reachable, in sync, and with the topic that is loaded; sampled by its metadata."""

from typing import TYPE_CHECKING, Any

from drill import kafka
from drill.cluster import Permission
from drill.errors import DrillError
from drill.settings import Settings
from load.plan import LoadPlan
from scenarios._services._service import Check, Looked
from scenarios.model import Scenario

if TYPE_CHECKING:
    from scenarios.reader import Drill


class Kafka:
    """The selected context's Kafka."""

    name = "kafka"

    def __init__(self, settings: Settings, scenario: Scenario) -> None:
        self._target = settings.kafka
        places = (each.secret for each in self._target.client_secrets.values())
        secrets = {(str(each.namespace), each.name) for each in places if each}
        self.permissions = tuple(Permission("get", "secrets", where, name=name) for where, name in sorted(secrets))
        self._topic = next((each.topic for each in scenario.load if isinstance(each, LoadPlan)), None)

    def look(self, drill: "Drill") -> Looked:
        """Reachable, every replica in sync, and the topic is there or made by the drill."""
        try:
            state = kafka.describe(self._target, timeout=10)
        except DrillError as error:
            return Looked((Check("kafka-reachable", ok=False, detail=str(error)),))
        short = ", ".join(f"{each.name} (ISR {list(each.isr)})" for each in state.under_replicated)
        detail = f"under-replicated already: {short}" if short else f"all {len(state.partitions)} partitions in sync"
        checks = [
            Check("kafka-reachable", ok=True, detail=f"{len(state.brokers)} brokers"),
            Check("fully-replicated", ok=not short, detail=detail),
        ]
        if self._topic is not None:
            checks.append(_topic(drill, self._topic, state))
        return Looked(tuple(checks), state.as_dict())

    def sample(self) -> dict[str, Any]:
        """Brokers, under-replicated and offline partitions, and who leads the loaded topic."""
        state = kafka.describe(self._target, timeout=2)
        mine = [each for each in state.partitions if each.topic == self._topic]
        return {
            "brokers": sorted(state.brokers),
            "under_replicated": len(state.under_replicated),
            "offline": len(state.offline),
            "leaders": {f"{each.topic}-{each.partition}": each.leader for each in mine},
            "isr": {f"{each.topic}-{each.partition}": list(each.isr) for each in mine},
        }

    def snapshot(self) -> Any:
        """The whole metadata."""
        return kafka.describe(self._target, timeout=10).as_dict()

    def setup(self) -> dict[str, Any]:
        """The settings of the loaded topic."""
        return {} if self._topic is None else {"topic-settings": kafka.topic_settings(self._target, self._topic)}

    def configuration(self) -> dict[str, Any]:
        """Of the client only the names of its settings; of its secrets where they are."""
        return {**self._target.model_dump(exclude={"client"}), "client": sorted(self._target.client)}


def _topic(drill: "Drill", topic: str, state: kafka.KafkaState) -> Check:
    partitions = sum(each.topic == topic for each in state.partitions)
    if partitions:
        return Check("topic", ok=True, detail=f"{topic}: {partitions} partitions")
    if drill.experiment.get("configuration", {}).get("topic") == topic and _makes_its_topic(drill.experiment):
        return Check("topic", ok=True, detail=f"{topic}: made by the drill")
    return Check("topic", ok=False, detail=f"no topic {topic!r}: create it, or set load.topic")


def _makes_its_topic(experiment: dict[str, Any]) -> bool:
    return any(each["provider"].get("func") == "ensure_topic" for each in experiment["method"] if "provider" in each)
