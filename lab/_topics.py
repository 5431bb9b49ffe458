"""The topics that the platform has from the start."""

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, NewTopic

from lab._errors import LabError
from lab._run import until

COMMODITIES = NewTopic("commodities", num_partitions=3, replication_factor=3)


def create_topics(bootstrap: str, timeout: float = 120) -> None:
    """Create the topics that are not there yet, from the host, which proves that Kafka answers there too.

    Raises:
        LabError: Kafka did not take them within `timeout` seconds.
    """
    # A broker that can't be reached yet is no news; what the last attempt met is in the error.
    client = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    problem = ""

    def created() -> bool:
        nonlocal problem
        try:
            client.create_topics([COMMODITIES], request_timeout=5)[COMMODITIES.topic].result()
        except KafkaException as error:
            problem = str(error)
            return bool(error.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS)
        return True

    try:
        until(created, timeout=timeout, what=f"topic {COMMODITIES.topic} at {bootstrap}")
    except LabError as error:
        raise LabError(f"{error}: {problem}") from error


def await_in_sync(bootstrap: str, timeout: float = 120) -> None:
    """Wait until every replica of every partition is in sync: a Ready broker may still be catching up.

    Raises:
        LabError: some are not within `timeout` seconds.
    """
    client = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})

    def in_sync() -> bool:
        try:
            topics = client.list_topics(timeout=5).topics.values()
        except KafkaException:
            return False
        partitions = [each for topic in topics for each in topic.partitions.values()]
        return bool(partitions) and all(len(each.isrs) == len(each.replicas) for each in partitions)

    until(in_sync, timeout=timeout, what=f"every replica in sync at {bootstrap}")
