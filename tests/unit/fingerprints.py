"""Fingerprints to judge, as captures of a small platform would make them."""

from typing import Any

from drill.fingerprints import (
    BucketFingerprint,
    BucketSelection,
    Chunk,
    Database,
    KafkaFingerprint,
    KafkaSelection,
    PostgresFingerprint,
    PostgresSelection,
    Sequence,
    StoredObject,
    Table,
    Topic,
    TopicPartition,
)


def table(rows: int | None = 3, checksum: str | None = "17:4", **more: Any) -> Table:
    """A table with an identity column."""
    more.setdefault("definition", {"column id": "1: uuid not null", "index pk": "unique (id)"})
    return Table(**{"kind": "table", "rows": rows, "checksum": checksum, **more})


def database(**more: Any) -> Database:
    """Kong's."""
    return Database(
        **{
            "definition": {"database": "UTF8", "schema public": "owner kong"},
            "tables": {"public.routes": table(), "public.services": table(4, "5:6")},
            "sequences": {"public.ids": Sequence(last_value=9, increment=1, cache=1, definition="integer")},
            **more,
        }
    )


def postgres(**more: Any) -> PostgresFingerprint:
    """A server with that one database."""
    return PostgresFingerprint(
        **{
            "started": 1.0,
            "finished": 2.0,
            "selection": PostgresSelection(),
            "version": "15.20",
            "roles": {"kong": "login", "postgres": "superuser, login"},
            "databases": {"kong": database()},
            **more,
        }
    )


def partition(begin: int | None = 0, end: int | None = 1000, **more: Any) -> TopicPartition:
    """A log."""
    return TopicPartition(begin=begin, end=end, **more)


def topic(*partitions: TopicPartition, **more: Any) -> Topic:
    """A topic of these partitions, or of one."""
    return Topic(
        **{
            "id": "topic-id",
            "replication_factor": 3,
            "config": {"retention.ms": "604800000", "cleanup.policy": "delete"},
            "overridden": (),
            "partitions": dict(enumerate(partitions or (partition(),))),
            **more,
        }
    )


def chunks(upto: int = 300, *, other: int | None = None) -> tuple[Chunk, ...]:
    """What was read of the first offsets; the contents of the chunk at `other` are other ones."""
    return tuple(
        Chunk(
            start=start, end=min(start + 100, upto), records=min(100, upto - start), sha256=f"{start}-{start == other}"
        )
        for start in range(0, upto, 100)
    )


def kafka(**more: Any) -> KafkaFingerprint:
    """A cluster with one topic and one consumer group."""
    return KafkaFingerprint(
        **{
            "started": 1.0,
            "finished": 2.0,
            "selection": KafkaSelection(),
            "cluster_id": "cluster",
            "brokers": (0, 1, 2),
            "topics": {"commodities": topic()},
            "groups": {"trino": {"commodities-0": 900}},
            **more,
        }
    )


def stored(size: int = 10, etag: str = "aa", **more: Any) -> StoredObject:
    """An object."""
    return StoredObject(size=size, etag=etag, **more)


def bucket(**more: Any) -> BucketFingerprint:
    """A bucket with two objects."""
    return BucketFingerprint(
        **{
            "started": 1.0,
            "finished": 2.0,
            "selection": BucketSelection(bucket="lakehouse"),
            "endpoint": "http://minio:9000",
            "objects": {"a/1": stored(), "a/2": stored(20, "bb")},
            **more,
        }
    )
