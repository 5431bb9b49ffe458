"""What a restored lakehouse is held to; every check here fails once for what it is there to find."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from drill import fingerprints
from drill.errors import UsageError
from drill.iceberg import IcebergFingerprint, IcebergSelection, IcebergTable, NamedFile, Rows, Snapshot
from drill.object_store import StoredObject
from drill.settings import TrinoTarget
from drill.trino import Trino, TrinoQueryError
from drill.verdicts import Outcome, Verdict
from experiments.fingerprints import iceberg
from recovery.fingerprints._iceberg import judge_iceberg

FOLDER = "s3://lakehouse/warehouse/lakehouse/prices-1"
TABLE = IcebergTable(
    columns={"price_date": "date", "price": "decimal(18,4)"},
    current="2",
    snapshots={
        "1": Snapshot(parent=None, committed="2026-11-24T06:00:00.000Z", operation="append", manifest_list="l1"),
        "2": Snapshot(parent="1", committed="2026-11-24T06:01:00.000Z", operation="append", manifest_list="l2"),
    },
    files={
        f"{FOLDER}/data/a.parquet": NamedFile(kind="data", size=10, stored=10),
        f"{FOLDER}/metadata/m.avro": NamedFile(kind="manifest", size=5, stored=5),
        f"{FOLDER}/metadata/v1.json": NamedFile(kind="metadata", stored=7),
    },
    partitions={
        "price_date=2026-11-23": Rows(rows=3, checksum="aa"),
        "price_date=2026-11-24": Rows(rows=4, checksum="bb"),
    },
)
DATA = f"{FOLDER}/data/a.parquet"


def fingerprint(*, listed: bool = True, **tables: IcebergTable) -> IcebergFingerprint:
    """One of these tables."""
    return IcebergFingerprint(
        started=1,
        finished=2,
        selection=IcebergSelection(catalog="iceberg", schema_name="lakehouse"),
        url="http://trino",
        version="476",
        listed=listed,
        tables=tables,
    )


def changed(**fields: Any) -> IcebergTable:
    """The table, but for these fields."""
    return TABLE.model_copy(update=fields)


def outcomes(verdicts: tuple[Verdict, ...]) -> dict[str, Outcome]:
    """By check."""
    return {each.check.removeprefix("iceberg-"): each.outcome for each in verdicts}


def test_the_same_tables_pass() -> None:
    """Every check, with what it rests on."""
    verdicts = judge_iceberg(fingerprint(prices=TABLE), fingerprint(prices=TABLE), evidence=["evidence/a.json"])
    assert set(outcomes(verdicts).values()) == {Outcome.PASS}
    assert {each.evidence for each in verdicts} == {("evidence/a.json",)}
    counted = ["1 of 1 tables", "2 columns", "2 snapshots", "3 files", "2 partitions"]
    assert [each.actual for each in verdicts] == counted


def test_it_is_kept_in_a_file(tmp_path: Path) -> None:
    """As any fingerprint is."""
    fingerprints.write(tmp_path / "f.json", fingerprint(prices=TABLE))
    assert fingerprints.read(tmp_path / "f.json", IcebergFingerprint) == fingerprint(prices=TABLE)


def test_nothing_to_compare_is_not_a_pass() -> None:
    """No check passes on a catalog without tables."""
    assert set(outcomes(judge_iceberg(fingerprint(), fingerprint())).values()) == {Outcome.INCONCLUSIVE}


@pytest.mark.parametrize(
    ("table", "failing"),
    [
        (changed(columns={"price_date": "date"}), {"columns"}),
        (changed(current="1"), {"snapshots"}),
        (changed(snapshots={"1": TABLE.snapshots["1"]}, current="1"), {"snapshots"}),
        (changed(partitions=TABLE.partitions | {"price_date=2026-11-24": Rows(rows=3, checksum="bc")}), {"partitions"}),
        (changed(partitions={"price_date=2026-11-23": Rows(rows=3, checksum="aa")}), {"partitions"}),
        (changed(files=TABLE.files | {DATA: NamedFile(kind="data", size=10)}), {"files"}),
        (changed(files=TABLE.files | {DATA: NamedFile(kind="data", size=10, stored=9)}), {"files"}),
        (changed(partitions={}, problems={"partitions": "ICEBERG_CANNOT_OPEN_SPLIT"}), {"partitions"}),
        (changed(files={}, problems={"files": "ICEBERG_MISSING_METADATA"}), {"files"}),
    ],
    ids=["column", "older", "snapshot", "row", "partition", "object", "truncated", "unreadable", "metadata"],
)
def test_what_is_not_as_it_was_fails(table: IcebergTable, failing: set[str]) -> None:
    """And nothing else does."""
    found = outcomes(judge_iceberg(fingerprint(prices=TABLE), fingerprint(prices=table)))
    assert {check for check, outcome in found.items() if outcome is Outcome.FAIL} == failing


def test_a_table_that_is_gone_fails() -> None:
    """As does one that nobody knew."""
    for before, after in (
        ({"prices": TABLE, "other": TABLE}, {"prices": TABLE}),
        ({"prices": TABLE}, {"a": TABLE, "prices": TABLE}),
    ):
        found = outcomes(judge_iceberg(fingerprint(**before), fingerprint(**after)))
        assert found["tables"] is Outcome.FAIL


def test_what_was_not_looked_at_is_inconclusive() -> None:
    """A bucket that nobody listed, and rows that could not be read when the fingerprint was made."""
    unread = changed(partitions={}, problems={"partitions": "no workers"})
    found = outcomes(judge_iceberg(fingerprint(prices=unread), fingerprint(listed=False, prices=TABLE)))
    assert (found["files"], found["partitions"]) == (Outcome.INCONCLUSIVE, Outcome.INCONCLUSIVE)


class Answers(Trino):
    """Trino with canned answers: of the first text that a statement contains."""

    canned: dict[str, list[tuple[Any, ...]] | TrinoQueryError]

    def rows(self, statement: str, *parameters: str | int) -> list[tuple[Any, ...]]:  # noqa: ARG002
        """The answer, or the failure."""
        found = next(answer for text, answer in self.canned.items() if text in statement)
        if isinstance(found, TrinoQueryError):
            raise found
        return found


class Bucket:
    """A bucket of one data file, seven bytes of it."""

    asked: tuple[str, str | None]

    def listed(self, prefix: str = "", bucket: str | None = None) -> Iterator[StoredObject]:
        """The file."""
        self.asked = (prefix, bucket)
        yield StoredObject(DATA.removeprefix("s3://lakehouse/"), 7, "etag", datetime.now(UTC))


@pytest.fixture
def answers() -> Callable[..., Answers]:
    """Makes a Trino with one table, in which some answers are others."""

    def make(**others: Any) -> Answers:
        trino = Answers(TrinoTarget(url="http://trino:8080"))
        canned = {
            "runtime.nodes": [("476",)],
            "SHOW TABLES": [("prices",), ("more",)],
            "SHOW COLUMNS": [("price_date", "date", "", "")],
            "$refs": [("main", 2)],
            "SELECT manifest_list": [("s3://lakehouse/warehouse/lakehouse/prices-1/metadata/l2.avro",)],
            "$snapshots": [(2, None, "2026-11-24T06:00:00.000Z", "append", "l2")],
            "$files": [(0, DATA, 10)],
            "$manifests": [(f"{FOLDER}/metadata/m.avro", 5)],
            "$metadata_log_entries": [(f"{FOLDER}/metadata/v1.json",)],
            "checksum": [("price_date=2026-11-24", 4, "bb")],
        }
        object.__setattr__(trino, "canned", canned | {key.replace("_of_", "$"): value for key, value in others.items()})
        return trino

    return make


SELECTED = IcebergSelection(catalog="iceberg", schema_name="lakehouse", tables=("prices",))


def test_a_capture_has_what_trino_and_the_bucket_say(answers: Callable[..., Answers]) -> None:
    """Each file with both sizes; what the bucket does not list is not there."""
    bucket = Bucket()
    found = iceberg.capture(answers(), SELECTED, bucket)
    (table,) = found.tables.values()
    assert bucket.asked == ("warehouse/lakehouse/prices-1/", "lakehouse")
    assert table.files[DATA] == NamedFile(kind="data", size=10, stored=7)
    assert {each.kind: each.stored for each in table.files.values()} == {
        "data": 7,
        "manifest": None,
        "manifest list": None,
        "metadata": None,
    }
    assert (table.current, table.problems) == ("2", {})
    assert table.partitions == {"price_date=2026-11-24": Rows(rows=4, checksum="bb")}


def test_a_table_that_is_named_must_be_there(answers: Callable[..., Answers]) -> None:
    """A first fingerprint of one that is misspelt is refused; after a restore its absence is what is found."""
    misspelt = SELECTED.model_copy(update={"tables": ("price",)})
    with pytest.raises(UsageError, match="no table price; there are: more, prices"):
        iceberg.capture(answers(), misspelt, None, named=True)
    assert iceberg.capture(answers(), misspelt, None).tables == {}


def test_a_table_that_cannot_be_read_is_in_the_capture(answers: Callable[..., Answers]) -> None:
    """With Trino's own reason: that is what a lost file looks like."""
    lost = TrinoQueryError("ICEBERG_CANNOT_OPEN_SPLIT", "Error opening Iceberg split")
    found = iceberg.capture(answers(checksum=lost), SELECTED, None)
    assert "ICEBERG_CANNOT_OPEN_SPLIT" in found.tables["prices"].problems["partitions"]
    assert not found.listed
    before = fingerprint(prices=TABLE).model_copy(update={"selection": SELECTED})
    assert outcomes(judge_iceberg(before, found))["partitions"] is Outcome.FAIL


def test_a_lost_file_is_told_with_what_is_wrong_with_it() -> None:
    """However long its location is: its end is shown."""
    path = f"s3://lakehouse/{'warehouse/' * 20}data/price_date=2026-11-24/20261124_230918_00003.parquet"
    lost = changed(files={path: NamedFile(kind="data", size=10)})
    (files,) = [
        each for each in judge_iceberg(fingerprint(prices=lost), fingerprint(prices=lost)) if "files" in each.check
    ]
    assert files.reason.startswith("…")
    assert files.reason.endswith("20261124_230918_00003.parquet: the data file is not in the bucket.")
