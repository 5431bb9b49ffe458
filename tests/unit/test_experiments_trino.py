"""Objects are lost without losing a version, and come back byte for byte; files that can't be read are found."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from moto import mock_aws

from drill import guard, object_store, settings
from drill.errors import DrillError, UsageError
from drill.object_store import ObjectMissingError, ObjectStore
from drill.rollback import NotRestoredError
from drill.settings import ContextSettings, ObjectStoreTarget, Settings
from drill.trino import TrinoQueryError
from experiments.trino import loss
from experiments.trino._objects import Bucket
from experiments.trino._table import FileRows, Table, question

TARGET = ObjectStoreTarget(bucket="velero", lakehouse="lakehouse", drillable=("lakehouse",))
SETTINGS = Settings(context="here", contexts={"here": ContextSettings(drillable=True, object_store=TARGET)})
KEY, CONTENT = "data/a.parquet", bytes(range(200))
RUN = "r1"


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """A bucket that keeps versions, with one object."""
    with mock_aws():
        s3 = object_store.client(ObjectStoreTarget(bucket="velero"), "a", "b")
        s3.create_bucket(Bucket="lakehouse")
        s3.put_bucket_versioning(Bucket="lakehouse", VersioningConfiguration={"Status": "Enabled"})
        s3.put_object(Bucket="lakehouse", Key=KEY, Body=CONTENT)
        s3.put_object(Bucket="lakehouse", Key=f"{KEY}.crc", Body=b"another")
        store = ObjectStore(TARGET, s3)
        monkeypatch.setattr(settings, "load", lambda **_: SETTINGS)
        monkeypatch.setattr(ObjectStore, "connect", lambda *_: store)
        yield Bucket.of(store, "lakehouse")


def undo(bucket: Bucket, was: Any) -> dict[str, Any]:
    """As the rollback log would call it."""
    restored: dict[str, Any] = loss.bring_back("here", bucket.name, [was.as_dict()], RUN)["restored"]
    return restored


@pytest.mark.parametrize("how", ["deleted", "corrupted"])
def test_what_is_lost_comes_back_as_it_was(bucket: Bucket, how: Any) -> None:
    """The very version, with all that was there; a second undo finds nothing left to do."""
    was = bucket.read(KEY)
    bucket.damage(KEY, how, RUN)
    now = bucket.look(KEY)
    assert now is None if how == "deleted" else (now is not None and now.size == was.size and now.sha256 != was.sha256)
    assert len(undo(bucket, was)[KEY]) == 1
    assert bucket.read(KEY) == was
    assert [each.id for each in bucket.versions(KEY)] == [was.version]
    assert undo(bucket, was) == {}
    assert bucket.read(f"{KEY}.crc").size == len(b"another")


def test_twice_lost_comes_back_too(bucket: Bucket) -> None:
    """A harness that died between two tries leaves both."""
    was = bucket.read(KEY)
    bucket.damage(KEY, "corrupted", RUN)
    bucket.damage(KEY, "deleted", RUN)
    assert len(undo(bucket, was)[KEY]) == 2
    assert bucket.read(KEY) == was


def test_what_others_have_written_is_kept(bucket: Bucket) -> None:
    """The version of before is copied over it, and theirs stays as a version."""
    was = bucket.read(KEY)
    bucket.store.s3.put_object(Bucket="lakehouse", Key=KEY, Body=b"theirs")
    theirs = bucket.read(KEY).version
    undo(bucket, was)
    assert bucket.read(KEY).sha256 == was.sha256
    assert {theirs, was.version} < {each.id for each in bucket.versions(KEY)}


def test_a_version_that_is_gone_is_not_restored(bucket: Bucket) -> None:
    """And that is said: trying again would not help."""
    was = bucket.read(KEY)
    bucket.damage(KEY, "deleted", RUN)
    bucket.store.s3.delete_object(Bucket="lakehouse", Key=KEY, VersionId=was.version)
    with pytest.raises(NotRestoredError, match="is not there any more"):
        undo(bucket, was)


def test_a_bucket_without_versions_is_left_alone(bucket: Bucket) -> None:
    """Nothing could bring back what is lost."""
    bucket.store.s3.put_bucket_versioning(Bucket="lakehouse", VersioningConfiguration={"Status": "Suspended"})
    with pytest.raises(DrillError, match="does not keep versions of its objects"):
        Bucket.of(bucket.store, "lakehouse")
    with pytest.raises(ObjectMissingError):
        bucket.read("data/other")


def test_only_declared_buckets_are_damaged() -> None:
    """And never the one that has the backups, whatever is declared."""
    assert guard.bucket_refusal(SETTINGS, ["lakehouse"]) is None
    assert "not declared drillable" in str(guard.bucket_refusal(SETTINGS, ["lakehouse", "raw"]))
    careless = TARGET.model_copy(update={"drillable": ("velero",)})
    declared = Settings(context="here", contexts={"here": ContextSettings(drillable=True, object_store=careless)})
    assert "has the backups" in str(guard.bucket_refusal(declared, ["velero"]))


@dataclass
class Reads:
    """Stands in for Trino: files by their paths, some of which can't be read."""

    bad: set[str]
    statements: list[Sequence[str | int]] = field(default_factory=list)

    def rows(self, statement: str, *parameters: str | int) -> list[tuple[Any, ...]]:
        """The rows of each file, or a failure where one of them is bad."""
        assert "FOR VERSION AS OF 7" in statement
        self.statements.append(parameters)
        if hit := self.bad & set(map(str, parameters)):
            raise TrinoQueryError("ICEBERG_BAD_DATA", f"{min(hit)} is bad")
        return [(path, 3, "aa") for path in parameters if path != "empty"]


def table(trino: Any) -> Table:
    """A table at its snapshot 7."""
    return Table(trino, "prices", "7", ("symbol", "price"))


def test_the_files_that_cannot_be_read_are_found() -> None:
    """By halves: few of many are found with few statements, and the others are read all the same."""
    paths = [f"f{number:02}" for number in range(64)]
    trino = Reads({"f05", "f40"})
    found = table(trino).read(paths)
    assert {path for path, each in found.items() if each.problem} == {"f05", "f40"}
    assert found.keys() == set(paths)
    assert found["f00"] == FileRows(3, "aa")
    assert len(trino.statements) < 30


def test_a_file_without_rows_is_no_lost_one() -> None:
    """Every row of it may have been deleted by a later file."""
    assert table(Reads(set())).read(["empty", "f"]) == {"empty": FileRows(0), "f": FileRows(3, "aa")}


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM {table}",
        "SELECT 1 FROM {table}; DROP TABLE prices",
        "SELECT count(*) FROM prices",
        "SELECT {other} FROM {table}",
        "SELECTED",
    ],
)
def test_a_query_only_reads_the_table(query: str) -> None:
    """Or it is bad usage, before anything is touched."""
    with pytest.raises(UsageError):
        question(query)
    assert question("select count(*) from {table}")
