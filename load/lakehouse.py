"""The daily price flow's last leg: a bounded range of a topic's records into an Iceberg table, through Trino.

    python -m load.lakehouse --context drill-lab --records 3000

A batch is one MERGE, which is one Iceberg snapshot or nothing. What it brings is known by topic, partition and offset,
so that the same range may be loaded again, after whatever became of the first attempt, and no row is there twice.
"""

import argparse
import json
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from confluent_kafka import OFFSET_INVALID, Consumer, KafkaException, TopicCollection, TopicPartition

from drill import settings
from drill.errors import DrillError, UsageError
from drill.kafka import KafkaUnreachableError, admin, client_config
from drill.settings import KafkaTarget
from drill.trino import Trino

TABLE = "prices"
BATCH = 2000
"""Records a MERGE; Trino takes statements of up to a million characters."""
PATIENCE = 60.0
"""Seconds without a record after which a partition is given up."""
_ANSWER = 10.0

_COLUMNS = {
    "price_date": "date",
    "observed_at": "timestamp(6) with time zone",
    "symbol": "varchar",
    "price": "decimal(18, 4)",
    "currency": "varchar",
    "exchange": "varchar",
    "volume": "bigint",
    "unit": "varchar",
    "name": "varchar",
    "topic_id": "varchar",
    "topic_partition": "integer",
    "topic_offset": "bigint",
}
"""The table's; the last three say where a row comes from. A topic that is made anew has another id."""
_TEXTS = ("symbol", "currency", "exchange", "unit", "name")
_PRICE_LIMIT = Decimal(10) ** 14
"""What decimal(18, 4) holds less than."""

Row = tuple[str | int, ...]
"""The values of `_COLUMNS`, as JSON knows them."""


class RangeUnreadableError(DrillError):
    """The topic does not have, or does not give, every offset of the range; nothing of the batch was loaded."""


@dataclass(frozen=True)
class Range:
    """Offsets [start, end) of a partition."""

    partition: int
    start: int
    end: int


@dataclass
class Loaded:
    """What became of the records of a range: read = loaded + present + the sum of rejected."""

    read: int = 0
    loaded: int = 0
    present: int = 0
    """In the table already."""
    rejected: Counter[str] = field(default_factory=Counter)
    """Not fit for the table, by the reason."""
    batches: int = 0

    def add(self, other: "Loaded") -> None:
        """Count what another batch did."""
        self.read += other.read
        self.loaded += other.loaded
        self.present += other.present
        self.rejected += other.rejected
        self.batches += other.batches

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON types."""
        return asdict(self) | {"rejected": dict(self.rejected)}


class UnfitError(ValueError):
    """A record that is no price; the message is the reason, the same for all records of its kind."""


def ensure_table(trino: Trino, table: str = TABLE) -> None:
    """Create the schema and the table, partitioned by date, where they are not there.

    Raises:
        TrinoUnreachableError: no answer.
        TrinoQueryError: Trino refused.
    """
    named = _named(table)
    columns = ", ".join(f"{name} {kind}" for name, kind in _COLUMNS.items())
    trino.rows(f"CREATE SCHEMA IF NOT EXISTS {trino.target.schema_}")
    trino.rows(
        f"CREATE TABLE IF NOT EXISTS {named} ({columns}) WITH (format = 'PARQUET', partitioning = ARRAY['price_date'])"
    )


def newest(target: KafkaTarget, topic: str, records: int) -> tuple[Range, ...]:
    """The last so many offsets of each partition, as the topic is now; a partition without any has no range.

    Raises:
        KafkaUnreachableError: no answer.
    """
    consumer = Consumer(_consumer_config(target))
    try:
        partitions = consumer.list_topics(topic, timeout=_ANSWER).topics[topic].partitions
        marks = {
            each: consumer.get_watermark_offsets(TopicPartition(topic, each), timeout=_ANSWER) for each in partitions
        }
    except KafkaException as error:
        raise KafkaUnreachableError(f"{target.bootstrap}: {error.args[0].str()}") from error
    finally:
        consumer.close()
    ranges = (Range(each, max(low, high - records), high) for each, (low, high) in sorted(marks.items()))
    return tuple(each for each in ranges if each.start < each.end)


def load(
    trino: Trino, target: KafkaTarget, topic: str, ranges: Sequence[Range], table: str = TABLE, batch: int = BATCH
) -> Loaded:
    """Load these ranges into the table, which must be there.

    Raises:
        RangeUnreadableError: an offset of a range is not to be had.
        KafkaUnreachableError: Kafka does not answer.
        TrinoUnreachableError: Trino does not; whether the last batch is in is not known: load the range again.
        TrinoQueryError: Trino refused; the batch is not in.
    """
    identity = _topic_id(target, topic)
    total = Loaded()
    consumer = Consumer(_consumer_config(target))
    try:
        for each in ranges:
            for values in _batches(consumer, topic, each, batch):
                total.add(_load_batch(trino, table, (identity, each.partition), values))
    finally:
        consumer.close()
    return total


def parse(value: bytes | None) -> Row:
    """The columns of a record's value, but for where it comes from.

    Raises:
        UnfitError: it is no price: not JSON, something missing or of another type, out of range.
    """
    try:
        content = json.loads(value or b"", parse_float=Decimal)
    except ValueError as error:
        raise UnfitError("not JSON") from error
    if not isinstance(content, dict):
        raise UnfitError("no object")
    for name in _TEXTS:
        if not isinstance(content.get(name), str) or not content[name]:
            raise UnfitError(f"no {name}")
    return (*_when(content.get("timestamp")), content["symbol"], _price(content.get("price")), *_rest(content))


def _rest(content: Mapping[str, Any]) -> Row:
    volume = content.get("volume")
    if not isinstance(volume, int) or isinstance(volume, bool) or not 0 <= volume < 1 << 63:
        raise UnfitError("no volume")
    return (content["currency"], content["exchange"], volume, content["unit"], content["name"])


def _when(stamp: object) -> tuple[str, str]:
    try:
        at = datetime.fromisoformat(stamp if isinstance(stamp, str) else "")
    except ValueError as error:
        raise UnfitError("no timestamp") from error
    if at.tzinfo is None or at.utcoffset():
        raise UnfitError("timestamp is not UTC")
    return at.date().isoformat(), at.strftime("%Y-%m-%d %H:%M:%S.%f UTC")


def _price(price: object) -> str:
    try:
        value = Decimal(price) if isinstance(price, int | Decimal) and not isinstance(price, bool) else Decimal("NaN")
    except InvalidOperation as error:
        raise UnfitError("no price") from error
    if not value.is_finite():
        raise UnfitError("no price")
    if not 0 < value < _PRICE_LIMIT:
        raise UnfitError("price out of range")
    if value != round(value, 4):
        raise UnfitError("price with more than four decimals")
    return f"{value:.4f}"


def _load_batch(
    trino: Trino, table: str, source: tuple[str, int], values: Sequence[tuple[int, bytes | None]]
) -> Loaded:
    done = Loaded(read=len(values), batches=1)
    rows: list[Row] = []
    for offset, value in values:
        try:
            rows.append((*parse(value), *source, offset))
        except UnfitError as error:
            done.rejected[str(error)] += 1
    if rows:
        done.loaded = trino.change(_merge(table), json.dumps(rows, separators=(",", ":")))
        done.present = len(rows) - done.loaded
    return done


def _merge(table: str) -> str:
    # The rows travel as one text: as many values of their own would take Trino longer to plan than to write.
    as_json = {"date": "varchar", "timestamp(6) with time zone": "varchar", "decimal(18, 4)": "varchar"}
    fields = ", ".join(f"{name} {as_json.get(kind, kind)}" for name, kind in _COLUMNS.items())
    names = ", ".join(_COLUMNS)
    cast = ", ".join(f"CAST({name} AS {kind}) AS {name}" for name, kind in _COLUMNS.items())
    same = " AND ".join(
        f"kept.{name} = fresh.{name}" for name in ("price_date", "topic_id", "topic_partition", "topic_offset")
    )
    fresh = ", ".join(f"fresh.{name}" for name in _COLUMNS)
    return (
        f"MERGE INTO {_named(table)} AS kept "  # noqa: S608 - names are ours, the rows are a parameter
        f"USING (SELECT {cast} FROM UNNEST(CAST(json_parse(?) AS ARRAY(ROW({fields})))) AS record ({names})) AS fresh "
        f"ON {same} WHEN NOT MATCHED THEN INSERT ({names}) VALUES ({fresh})"
    )


def _batches(consumer: Consumer, topic: str, wanted: Range, size: int) -> Iterator[list[tuple[int, bytes | None]]]:
    """Offsets and values of the range, in batches that begin at its start, whoever reads it."""
    consumer.assign([TopicPartition(topic, wanted.partition, wanted.start)])
    position, batch, heard = wanted.start, [], time.monotonic()
    while position < wanted.end:
        for message in consumer.consume(min(size, wanted.end - position), 0.5):
            if error := message.error():
                if error.fatal() or not error.retriable():
                    raise RangeUnreadableError(f"{topic}-{wanted.partition} from {position}: {error.str()}")
                continue  # a broker that is away for a moment: the client goes on by itself, with `PATIENCE`
            if message.offset() < wanted.end:
                batch.append((message.offset(), message.value()))
            if len(batch) == size:
                yield batch
                batch, heard = [], time.monotonic()
        # The position also passes what is no record, such as the markers of transactions.
        (place,) = consumer.position([TopicPartition(topic, wanted.partition)])
        if place.offset != OFFSET_INVALID and place.offset > position:
            position, heard = place.offset, time.monotonic()
        elif time.monotonic() - heard > PATIENCE:
            raise RangeUnreadableError(
                f"{topic}-{wanted.partition}: nothing came for {PATIENCE:g} s at {position} of {wanted.end}"
            )
    if batch:
        yield batch


def _consumer_config(target: KafkaTarget) -> dict[str, Any]:
    return client_config(target) | {
        "group.id": "drill-lakehouse",  # librdkafka wants one, though nothing joins it: partitions are assigned
        "enable.auto.commit": False,
        "auto.offset.reset": "error",  # offsets that are gone must be noticed, not skipped over
        "isolation.level": "read_committed",
    }


def _topic_id(target: KafkaTarget, topic: str) -> str:
    asked = admin(target).describe_topics(TopicCollection([topic]), request_timeout=_ANSWER)[topic]
    try:
        return str(asked.result().topic_id)
    except KafkaException as error:
        raise KafkaUnreachableError(f"{target.bootstrap}: topic {topic}: {error.args[0].str()}") from error


def _named(table: str) -> str:
    if not re.fullmatch(r"[a-z_][a-z0-9_]*", table):
        raise UsageError(f"{table!r} is no name of a table")
    return table


def main() -> None:
    """Load the newest records of a topic, and say on stdout, as JSON, what became of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--context", help="of the settings (default: DRILL_CONTEXT)")
    parser.add_argument("--topic", default="commodities")
    parser.add_argument("--table", default=TABLE)
    parser.add_argument("--records", type=int, default=BATCH, help="the newest so many of each partition")
    given = parser.parse_args()
    chosen = settings.load(context=given.context)
    trino = Trino(chosen.trino)
    ensure_table(trino, given.table)
    ranges = newest(chosen.kafka, given.topic, given.records)
    done = load(trino, chosen.kafka, given.topic, ranges, given.table)
    json.dump({"ranges": [asdict(each) for each in ranges], **done.as_dict()}, sys.stdout, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
