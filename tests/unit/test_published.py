"""Records in a bucket: by date, whole or not listed, kept as long as is said, and nothing else is touched."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from moto import mock_aws

import reports
from drill import clock, object_store
from drill.object_store import ObjectStore, ObjectStoreError
from drill.record import RunRecord
from drill.settings import PublishTarget
from reports import conclude, published
from tests.unit.records import build_record

TARGET = PublishTarget(bucket="reports", prefix="drills", keep_days=30)


@pytest.fixture
def store() -> Iterator[ObjectStore]:
    """An empty bucket."""
    with mock_aws():
        s3 = object_store.client(TARGET, "a", "b")
        s3.create_bucket(Bucket="reports")
        yield ObjectStore(TARGET, s3)


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> RunRecord:
    """A run with its verdicts and its report."""
    record = build_record(tmp_path_factory.mktemp("runs"))
    conclude(record)
    record = RunRecord(record.path)
    reports.write(record)
    return record


@pytest.fixture(autouse=True)
def _then(monkeypatch: pytest.MonkeyPatch, judged: RunRecord) -> None:
    """It is an hour after the run."""
    monkeypatch.setattr(clock, "now", lambda: judged.first("run.started").t + 3600)


def _keys(store: ObjectStore) -> list[str]:
    return [each.key for each in store.listed()]


def test_a_record_is_there_by_its_date_with_every_file(store: ObjectStore, judged: RunRecord) -> None:
    """As it is on the disk, byte by byte; the page links to its report."""
    done = published.publish(judged, store, TARGET)
    assert done.run == f"2025/06/15/broker-kill-leader/drill-lab/{judged.path.name}"
    base = f"drills/{done.run}"
    for path in judged.path.rglob("*"):
        if path.is_file():
            assert store.read(f"{base}/{path.relative_to(judged.path).as_posix()}") == path.read_bytes()
    told = published.Published.model_validate_json(store.read(f"{base}/run.json"))
    assert (told.outcome, told.failed) == ("pass", ())
    page = store.read("drills/index.html").decode()
    assert f'href="./{done.run}/report.html"' in page
    assert "1 run, the newest first" in page
    kind = store.s3.head_object(Bucket="reports", Key=f"{base}/report.html")["ContentType"]
    assert kind == "text/html; charset=utf-8"


def test_a_run_that_is_half_there_is_not_listed(
    store: ObjectStore, judged: RunRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What says that it is whole is put last."""
    whole = ObjectStore.put

    def breaks(self: ObjectStore, key: str, body: bytes, content_type: str, bucket: str | None = None) -> None:
        if key.endswith("verdicts.json"):
            raise ObjectStoreError("the connection ended")
        whole(self, key, body, content_type, bucket)

    monkeypatch.setattr(ObjectStore, "put", breaks)
    with pytest.raises(ObjectStoreError):
        published.publish(judged, store, TARGET)
    assert _keys(store)
    assert not any(key.endswith("run.json") for key in _keys(store))
    assert "No run is here" in published.page(store, TARGET)


def test_what_was_not_judged_or_was_changed_is_no_pass(store: ObjectStore, judged: RunRecord, tmp_path: Path) -> None:
    """And the page says why."""
    unjudged = build_record(tmp_path)
    published.publish(unjudged, store, TARGET)
    assert "the run was not judged" in store.read("drills/index.html").decode()
    copy = RunRecord(tmp_path / "changed" / judged.path.name)
    shutil.copytree(judged.path, copy.path)
    (copy.path / "journal.json").write_text("{}")
    published.publish(copy, store, TARGET)
    assert "the record or its verdicts were changed" in store.read("drills/index.html").decode()


def _old(store: ObjectStore, run: str) -> None:
    for name in ("report.html", "run.json"):
        store.put(f"drills/{run}/{name}", b"{}", "text/plain")


def test_what_was_kept_long_enough_goes_and_nothing_else(store: ObjectStore, judged: RunRecord) -> None:
    """The newest run of a scenario stays however old it is, and so does what is not named as runs are."""
    _old(store, "2025/01/01/broker-kill-leader/lab/20250101T000000Z")
    _old(store, "2025/06/14/broker-kill-leader/lab/20250614T000000Z")
    _old(store, "2025/01/01/node-loss/lab/20250101T000000Z")
    _old(store, "2024/01/01/node-loss/lab/20240101T000000Z")
    for foreign in ("drills/2024/notes.txt", "other/2024/01/01/node-loss/lab/20240101T000000Z/run.json", "drills/a/b"):
        store.put(foreign, b"", "text/plain")
    done = published.publish(judged, store, TARGET)
    assert done.deleted == (
        "2024/01/01/node-loss/lab/20240101T000000Z",
        "2025/01/01/broker-kill-leader/lab/20250101T000000Z",
    )
    left = _keys(store)
    assert not any(run in key for key in left for run in done.deleted if not key.startswith("other/"))
    assert {"drills/2024/notes.txt", "drills/a/b"} <= set(left)
    assert "other/2024/01/01/node-loss/lab/20240101T000000Z/run.json" in left
    assert "drills/2025/01/01/node-loss/lab/20250101T000000Z/run.json" in left
    assert "drills/2025/06/14/broker-kill-leader/lab/20250614T000000Z/run.json" in left


def _elsewhere(record: RunRecord, folder: Path, context: str, run_id: str) -> RunRecord:
    """The same second of the same scenario, as another run."""
    copy = RunRecord(folder / record.path.name)
    shutil.copytree(record.path, copy.path)
    events = copy.path / "events.jsonl"
    lines = [json.loads(line) for line in events.read_text().splitlines()]
    started = next(each for each in lines if each["kind"] == "run.started")
    started["data"] |= {"context": context, "run_id": run_id}
    events.write_text("".join(json.dumps(each) + "\n" for each in lines))
    return RunRecord(copy.path)


def test_two_clusters_do_not_overwrite_each_other(store: ObjectStore, judged: RunRecord, tmp_path: Path) -> None:
    """Although they ran the same scenario in the same second; the page has both, by their contexts."""
    arn = "arn:aws:eks:eu-west-1:123:cluster/b"
    one = published.publish(judged, store, TARGET)
    other = published.publish(_elsewhere(judged, tmp_path / "a", arn, "other"), store, TARGET)
    like_it = published.publish(_elsewhere(judged, tmp_path / "b", arn.replace("/", ":"), "third"), store, TARGET)
    assert len({one.run, other.run, like_it.run}) == 3
    assert store.read(f"drills/{one.run}/events.jsonl") == (judged.path / "events.jsonl").read_bytes()
    page = store.read("drills/index.html").decode()
    assert "3 runs" in page
    assert f'<td data-label="Context">{arn}</td>' in page
    assert f'href="./{other.run}/report.html"' in page, "no name that a link would have to write otherwise"


def test_a_run_is_not_overwritten_by_another(store: ObjectStore, judged: RunRecord, tmp_path: Path) -> None:
    """Of a cluster whose context is called the same; the same run may come again, as after a rollback."""
    done = published.publish(judged, store, TARGET)
    with pytest.raises(published.OtherRunError, match="another run is there"):
        published.publish(_elsewhere(judged, tmp_path, "drill-lab", "other"), store, TARGET)
    assert store.read(f"drills/{done.run}/events.jsonl") == (judged.path / "events.jsonl").read_bytes()
    assert published.publish(judged, store, TARGET).run == done.run


def test_the_newest_is_kept_of_each_context(store: ObjectStore, judged: RunRecord) -> None:
    """What is known of one cluster tells nothing of another."""
    _old(store, "2024/01/01/node-loss/lab/20240101T000000Z")
    _old(store, "2025/01/01/node-loss/lab/20250101T000000Z")
    _old(store, "2024/01/01/node-loss/staging/20240101T000000Z")
    assert published.publish(judged, store, TARGET).deleted == ("2024/01/01/node-loss/lab/20240101T000000Z",)


def test_a_run_that_can_not_be_read_is_shown_as_such(store: ObjectStore) -> None:
    """Not left out."""
    _old(store, "2025/06/14/node-loss/lab/20250614T000000Z")
    page = published.page(store, TARGET)
    assert "its run.json can't be read" in page
    assert "inconclusive" in page


def test_a_store_that_refuses_is_told(store: ObjectStore, judged: RunRecord) -> None:
    """No bucket, no record."""
    with pytest.raises(ObjectStoreError):
        published.publish(judged, ObjectStore(PublishTarget(bucket="nowhere"), store.s3), TARGET)


@pytest.mark.parametrize("prefix", ["", "/drills", "../x", "a//b"])
def test_a_prefix_that_could_be_anywhere_is_refused(prefix: str) -> None:
    """Below it things are deleted."""
    with pytest.raises(ValueError, match="prefix"):
        PublishTarget(bucket="reports", prefix=prefix)
