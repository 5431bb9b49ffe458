"""Objects are lost without losing a version, and come back byte for byte; files that can't be read are found."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws

from drill import clock, guard, object_store, rollback, settings
from drill.errors import DrillError, RefusedError, UsageError
from drill.object_store import ObjectMissingError, ObjectStore
from drill.record import RECORD_VARIABLE, RunRecord
from drill.rollback import NotRestoredError
from drill.settings import ContextSettings, ObjectStoreTarget, Settings
from drill.trino import TrinoQueryError
from drill.verdicts import Outcome
from experiments.trino import _site, lose_objects, loss
from experiments.trino._objects import Bucket
from experiments.trino._table import FileRows, Table, question
from recovery._run import Run
from recovery.lakehouse import CHECKS
from tests.unit import lake_world
from tests.unit.lake_world import DATA, FOLDER, SETTINGS, TARGET, Lake

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


@pytest.fixture
def lake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Lake]:
    """A lakehouse, and the record of a run that a test is a part of."""
    with mock_aws():
        store = ObjectStore(TARGET, object_store.client(ObjectStoreTarget(bucket="velero"), "a", "b"))
        lake_world.fill(store)
        made = Lake(store, SETTINGS.trino)
        record = RunRecord.create(tmp_path, "object-store-loss")
        scenario = "target: {namespaces: [data-platform], buckets: [lakehouse]}\nload: []\nobjectives: {rto: 100}\n"
        record.write_text("scenario.yaml", f"name: object-store-loss\n{scenario}")
        record.emit("runner", "run.started", at=clock.now())
        monkeypatch.setenv(RECORD_VARIABLE, str(record.path))
        monkeypatch.setattr(loss, "drillable", lambda _: (SETTINGS, None))
        monkeypatch.setattr(_site, "Trino", lambda _: made)
        monkeypatch.setattr(settings, "load", lambda **_: SETTINGS)
        monkeypatch.setattr(ObjectStore, "connect", lambda *_: store)
        monkeypatch.setattr(rollback, "_cluster_log", lambda: None)
        yield made


def drilled(lake: Lake, how: Any = "deleted", **more: Any) -> tuple[dict[str, bool], dict[str, Outcome]]:
    """Go through the drill; which phases were done, and what its checks say of the record."""
    before = _versions(lake)
    given: dict[str, Any] = {"how": how, "query": "SELECT symbol FROM {table}", "seed": 1, "max_objects": "100%"}
    done = lose_objects("prices", **given | more)
    assert _versions(lake) == before
    run = Run(RunRecord(rollback.log_path().parent))
    found = [each(run) for each in CHECKS]
    phases = {each["phase"]: each["ok"] for each in done["phases"]}
    return phases, {each.check: each.outcome for each in found if each is not None}


def _versions(lake: Lake) -> dict[str, list[str]]:
    place = Bucket(lake.store, "lakehouse")
    return {key: [each.id for each in place.versions(key)] for key in DATA}


@pytest.mark.parametrize("how", ["deleted", "corrupted"])
@pytest.mark.parametrize("count", [1, 3])
def test_a_whole_drill_finds_what_is_lost_and_passes(lake: Lake, how: str, count: int) -> None:
    """Of one file and of all of them; every check passes on the evidence that it left."""
    phases, outcomes = drilled(lake, how, count=count)
    assert phases == dict.fromkeys(("metadata", "manifest", "restore", "prove"), True)
    assert outcomes == {each.name: Outcome.PASS for each in CHECKS}
    assert rollback.pending() == []


def test_a_loss_that_trino_does_not_see_is_restored_and_fails(lake: Lake) -> None:
    """As of a Trino that answers from a cache: the manifest finds it, and the check of the metadata fails."""
    lake.bent = {'SELECT "$path"': [(f"s3://lakehouse/{key}", 3, "aa") for key in DATA]}
    lake.bent |= {"SELECT symbol": [("GOLD", 1)]}
    phases, outcomes = drilled(lake, "corrupted")
    assert phases == {"metadata": False, "manifest": True, "restore": True, "prove": True}
    assert outcomes["loss-found-by-metadata"] is Outcome.FAIL
    assert outcomes["answer-the-same"] is Outcome.INCONCLUSIVE
    assert outcomes["objects-as-before"] is Outcome.PASS


def test_a_runbook_that_restores_nothing_fails_and_the_undo_does_it(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the runbook left is brought back by the fault's own undo, and is no merit of the runbook."""
    bring_back = Bucket.bring_back
    calls: list[str] = []

    def refuse_once(place: Bucket, key: str, version: str, run: str) -> list[str]:
        calls.append(key)
        if len(calls) == 1:
            raise DrillError("the store is read only")
        return bring_back(place, key, version, run)

    monkeypatch.setattr(Bucket, "bring_back", refuse_once)
    phases, outcomes = drilled(lake)
    assert phases == {"metadata": True, "manifest": True, "restore": False, "prove": False}
    assert outcomes["objects-as-before"] is Outcome.FAIL
    assert outcomes["answer-the-same"] is Outcome.FAIL
    assert outcomes["lakehouse-restored"] is Outcome.INCONCLUSIVE
    assert len(calls) == 2


def _gone(lake: Lake) -> None:
    lake.store.s3.delete_object(Bucket="lakehouse", Key=next(iter(DATA)))


def _elsewhere(lake: Lake) -> None:
    lake.store.s3.create_bucket(Bucket="raw")
    lake.store.s3.put_object(Bucket="raw", Key="x", Body=b"x")
    lake.bent = {"$metadata_log_entries": [("s3://raw/x",)]}


def _no_table(lake: Lake) -> None:
    lake.bent = {"SHOW TABLES": []}


@pytest.mark.parametrize(
    ("spoil", "more", "error", "says"),
    [
        (_gone, {}, RefusedError, "not whole already"),
        (_elsewhere, {}, RefusedError, "s3://raw/x"),
        (_no_table, {}, RefusedError, "no table iceberg.lakehouse.prices"),
        (lambda _: None, {"count": 2, "max_objects": 1}, RefusedError, "the blast radius is 1"),
        (lambda _: None, {"count": 4}, UsageError, "has 3 data files"),
        (lambda _: None, {"query": "DROP TABLE {table}"}, UsageError, "only reads"),
    ],
)
def test_nothing_is_damaged_that_may_not_be(
    lake: Lake, spoil: Callable[[Lake], None], more: dict[str, Any], error: type[Exception], says: str
) -> None:
    """A table that is not whole, files of another bucket, more than the blast radius: refused when it is planned."""
    spoil(lake)
    before = _versions(lake)
    given: dict[str, Any] = {"how": "deleted", "query": "SELECT symbol FROM {table}", "seed": 1}
    with pytest.raises(error, match=says):
        lose_objects.plan("prices", **given | more)
    assert _versions(lake) == before


def test_a_plan_names_the_objects(lake: Lake) -> None:
    """As the action would hit them."""
    plan = lose_objects.plan("prices", how="deleted", query="SELECT symbol FROM {table}", seed=1)
    ((target),) = plan.targets
    assert (target["kind"], target["bucket"]) == ("Object", "lakehouse")
    assert target["name"] in DATA
    assert target["name"].startswith(FOLDER)
    assert lake.bent == {}
