"""What Kafka's answer says of a record: acked, definitely not stored, or indeterminate."""

from confluent_kafka import KafkaError

DEFINITE_FAILURES = frozenset(
    {
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.INVALID_MSG_SIZE,
        KafkaError.INVALID_MSG,
        KafkaError.RECORD_LIST_TOO_LARGE,
        KafkaError.INVALID_RECORD,
        KafkaError.INVALID_TIMESTAMP,
        KafkaError.INVALID_REQUIRED_ACKS,
        KafkaError.UNSUPPORTED_FOR_MESSAGE_FORMAT,
        KafkaError.UNSUPPORTED_COMPRESSION_TYPE,
        KafkaError.POLICY_VIOLATION,
        KafkaError.TOPIC_EXCEPTION,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    }
)
"""Refusals that a broker gives before it writes, and would give to every earlier try of the same record too.

Anything else is indeterminate: a timeout or a disconnect says nothing; NOT_LEADER, NOT_ENOUGH_REPLICAS and even a purge
of the client's own queue are the fate of the last try only, and an earlier one may have been stored.
"""


def is_definite_failure(code: int) -> bool:
    """Whether a record that got this error code is certainly not in the log."""
    return code in DEFINITE_FAILURES
