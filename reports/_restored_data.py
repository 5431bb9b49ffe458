"""The data of a restore in words: what was there, what was read, and what of it nobody can tell, by its system."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from drill.errors import RecordIncompleteError
from drill.fingerprints import Fingerprint, KafkaFingerprint, PostgresFingerprint, from_document
from drill.record import RunRecord
from recovery.restores import Times
from reports._format import plural

F = TypeVar("F", bound=Fingerprint)


@dataclass(frozen=True)
class Data(Generic[F]):
    """How the data of one system is told."""

    kind: type[F]
    reference: str
    """The piece of evidence that has what the restore is held to."""
    found: str
    """The piece that has what was read of it."""
    there: Callable[[dict[str, Any], F, Times], str]
    read: Callable[[dict[str, Any], F], str]
    checks: tuple[str, ...]
    """Those that hold the one against the other."""
    figures: tuple[tuple[str, str], ...]
    """What leads the page, and the check whose number it is."""

    def before(self, record: RunRecord) -> F:
        """What was there before the backup."""
        return from_document(piece(record, self.reference)["before"], self.kind, "before")

    def after(self, record: RunRecord) -> F:
        """What was read of the restored data."""
        return from_document(piece(record, self.found)["fingerprint"], self.kind, "fingerprint")

    def said_before(self, record: RunRecord, instants: Times) -> str:
        """What was there, in a sentence or two."""
        return self.there(piece(record, self.reference), self.before(record), instants)

    def said_after(self, record: RunRecord) -> str:
        """What was read, in a sentence or two."""
        return self.read(piece(record, self.found), self.after(record))


def data_of(record: RunRecord) -> Data[Any]:
    """That of the system whose data was restored."""
    names = {each.stem for each in (record.path / "evidence").glob("restore-*.json")}
    return KAFKA if f"restore-{KAFKA.reference}" in names else POSTGRES


def piece(record: RunRecord, name: str) -> dict[str, Any]:
    """One piece of evidence of a restore.

    Raises:
        RecordIncompleteError: it is not there, or no mapping.
    """
    found = record.evidence(f"restore-{name}")
    if not isinstance(found, dict):
        raise RecordIncompleteError(f"evidence/restore-{name}.json is not a JSON object")
    return found


def _tables(found: PostgresFingerprint) -> str:
    tables = [table for each in found.databases.values() for table in each.tables.values() if table.holds_rows]
    rows = sum(table.rows or 0 for table in tables)
    return f"{plural(len(found.databases), 'database')} with {plural(len(tables), 'table')} and {plural(rows, 'row')}"


def _tables_there(reference: dict[str, Any], before: PostgresFingerprint, instants: Times) -> str:
    said = f"Before the backup, {_tables(before)} were read, counted and summed"
    if instants.estimated and instants.backup is not None and before.started > instants.backup:
        said = f"When the drill began, after the backup, {_tables(before)} were read, counted and summed"
    said += "; again right after it." if reference.get("after") else "."
    marks = sum(len(each) for each in (reference.get("markers") or {}).values())
    if marks:
        later = sum(len(each) for each in (reference.get("mutations") or {}).values())
        said += f" {plural(marks, 'marker')} were written before the backup, and {plural(later, 'row')} after it "
        said += "that must not come back."
    return said


def _tables_read(found: dict[str, Any], after: PostgresFingerprint) -> str:
    said = f"{_tables(after)} were read from the restored server."
    if unread := found.get("unread"):
        said += f" Not read: {', '.join(f'{name} ({why})' for name, why in unread.items())}."
    return said


def _logs(found: KafkaFingerprint) -> str:
    records = sum(
        (part.end or 0) - (part.begin or 0) for topic in found.topics.values() for part in topic.partitions.values()
    )
    groups = f"{plural(len(found.groups), 'consumer group')}"
    return f"{plural(len(found.topics), 'topic')} with {plural(records, 'record')}, and {groups}"


def _logs_there(reference: dict[str, Any], before: KafkaFingerprint, _: Times) -> str:
    acked = sum(len(each["offsets"]) for each in (reference.get("acked") or {}).values())
    said = f"Before the backup there were {_logs(before)}; they were looked at again right after it. "
    said += f"All the while the drill wrote into a topic of its own: {plural(acked, 'record')} were acknowledged until "
    said += "the loss."
    if mutated := reference.get("mutated"):
        said += f" Changed after the backup, so that it must not come back: {', '.join(mutated)}."
    return said


def _logs_read(found: dict[str, Any], after: KafkaFingerprint) -> str:
    records: Mapping[str, Any] = found.get("records") or {}
    own = sum(len(each["offsets"]) for each in records.values())
    return f"{_logs(after)} were found in the restored cluster, {own:,} records of the drill's own among them."


POSTGRES: Data[PostgresFingerprint] = Data(
    kind=PostgresFingerprint,
    reference="reference",
    found="found",
    there=_tables_there,
    read=_tables_read,
    checks=("tables-as-backed-up", "definitions-as-backed-up", "markers-kept", "mutations-gone"),
    figures=(
        ("Tables proven the same", "tables-as-backed-up"),
        ("Markers of before, found again", "markers-kept"),
        ("Written after the backup, and still there", "mutations-gone"),
    ),
)
KAFKA: Data[KafkaFingerprint] = Data(
    kind=KafkaFingerprint,
    reference="kafka-reference",
    found="kafka-found",
    there=_logs_there,
    read=_logs_read,
    checks=(
        "kafka-records-kept",
        "kafka-records-lost",
        "kafka-topics-kept",
        "kafka-positions-kept",
        "kafka-cluster-kept",
    ),
    figures=(
        ("Acknowledged before the backup, found again", "kafka-records-kept"),
        ("Lost of what was acknowledged since (measured RPO)", "kafka-records-lost"),
        ("Consumers' committed offsets kept", "kafka-positions-kept"),
    ),
)
