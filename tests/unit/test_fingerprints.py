"""The file of a fingerprint, the bucket's and the markers' judgements, and the command's exit codes."""

import hashlib
import io
import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import structlog
from botocore.exceptions import ClientError
from botocore.response import StreamingBody
from moto import mock_aws
from typer.testing import CliRunner

from drill import fingerprints, object_store
from drill.cli import app, main
from drill.errors import InputError, UsageError
from drill.exits import ExitCode
from drill.fingerprints import BucketFingerprint, BucketSelection, KafkaFingerprint, PostgresFingerprint
from drill.markers import FoundMarker, Marker, Phase
from drill.object_store import ObjectStore
from drill.settings import ObjectStoreTarget
from drill.verdicts import Outcome, Verdict, overall
from experiments.fingerprints import all_there
from experiments.fingerprints import bucket as bucket_capture
from experiments.fingerprints import kafka as kafka_capture
from experiments.fingerprints import postgres as postgres_capture
from recovery.fingerprints import judge_bucket, judge_markers, not_verified
from tests.unit.fingerprints import bucket, database, kafka, postgres, stored, table

runner = CliRunner()


# -- the file ------------------------------------------------------------------------------------------------------


def test_what_was_written_is_read(tmp_path: Path) -> None:
    """Every part of it."""
    path = tmp_path / "before.json"
    fingerprints.write(path, kafka())
    assert fingerprints.read(path, KafkaFingerprint) == kafka()
    assert list(tmp_path.glob("**/*.part")) == []


def _edit(change: Callable[[Any], Any]) -> Callable[[Path], None]:
    def edit(path: Path) -> None:
        content = json.loads(path.read_text())
        change(content)
        path.write_text(json.dumps(content))

    return edit


def _forge(content: Any) -> None:
    content["fingerprint"]["databases"]["kong"]["tables"]["public.routes"]["rows"] = 2


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_edit(_forge), "damaged or edited"),
        (_edit(lambda content: content.update(version=2)), "version 2 of the format"),
        (_edit(lambda content: content.update(format="other")), "no fingerprint"),
        (_edit(lambda content: content.pop("sha256")), "damaged or edited"),
        (lambda path: path.write_text(path.read_text()[:-100]), "not JSON"),
        (lambda path: path.write_text("[]"), "no fingerprint"),
        (lambda path: path.write_bytes(b"\xff\xfe"), "not JSON"),
        (lambda path: path.unlink(), "can't be read"),
        (lambda path: fingerprints.write(path, kafka()), "a fingerprint of 'kafka', and postgres is meant"),
    ],
)
def test_what_was_not_written_so_is_refused(tmp_path: Path, spoil: Callable[[Path], None], said: str) -> None:
    """With the file, and what is wrong with it."""
    path = tmp_path / "before.json"
    fingerprints.write(path, postgres())
    spoil(path)
    with pytest.raises(InputError, match=said) as refused:
        fingerprints.read(path, PostgresFingerprint)
    assert str(path) in str(refused.value)
    assert refused.value.exit_code is ExitCode.USAGE


def test_a_sum_that_holds_over_what_is_no_fingerprint_is_refused() -> None:
    """The sum is over anything; the model says what may be in it."""
    content = {**fingerprints.document(postgres())["fingerprint"], "version": None}
    made = {**fingerprints.document(postgres()), "fingerprint": content, "sha256": fingerprints._digest(content)}
    with pytest.raises(InputError, match="version"):
        fingerprints.from_document(made, PostgresFingerprint, "made")


# -- buckets -------------------------------------------------------------------------------------------------------


def _bucket(before: Any, after: Any, **rules: Any) -> Verdict:
    (verdict,) = judge_bucket(before, after, **rules)
    return verdict


def test_an_equal_bucket_passes() -> None:
    """Under another name, too; that contents were not looked at is said."""
    assert _bucket(bucket(), bucket(selection=BucketSelection(bucket="restored"))).outcome is Outcome.PASS
    assert any("contents" in limit for limit in not_verified(bucket(), bucket()))


@pytest.mark.parametrize(
    ("objects", "said"),
    [
        ({"a/1": stored()}, "a/2: the object is missing"),
        ({"a/1": stored(), "a/2": stored(19, "bb")}, "a/2: 19 bytes of 20"),
        ({"a/1": stored(), "a/2": stored(20, "cc")}, "a/2: ETag cc, was bb"),
        ({"a/1": stored(), "a/2": stored(20, "bb"), "b": stored()}, "b: the object was not there before"),
    ],
)
def test_another_bucket_fails(objects: Any, said: str) -> None:
    """By the object's key."""
    verdict = _bucket(bucket(), bucket(objects=objects))
    assert verdict.outcome is Outcome.FAIL
    assert said in verdict.reason


def test_objects_that_came_since_may_be_allowed() -> None:
    """And are counted."""
    more = bucket(objects={**bucket().objects, "b": stored()})
    verdict = _bucket(bucket(), more, allow_extra=True)
    assert verdict.outcome is Outcome.PASS
    assert "1 objects have come since" in verdict.reason


def test_content_decides_where_it_was_read() -> None:
    """Another ETag for the same bytes is an upload in other parts."""
    selection = BucketSelection(bucket="lakehouse", sha256=True)

    def holding(**more: Any) -> Any:
        return bucket(selection=selection, objects={"a": stored(**more)})

    assert _bucket(holding(sha256="1"), holding(etag="zz-2", sha256="1")).outcome is Outcome.PASS
    assert _bucket(holding(sha256="1"), holding(sha256="2")).outcome is Outcome.FAIL
    assert _bucket(holding(sha256="1"), holding(problem="timed out")).outcome is Outcome.INCONCLUSIVE


def test_an_etag_of_parts_is_a_doubt() -> None:
    """It says nothing of the bytes when parts were of other sizes."""
    one, other = (bucket(objects={"a": stored(etag=etag)}) for etag in ("aa-2", "bb-3"))
    assert _bucket(one, other).outcome is Outcome.INCONCLUSIVE


def test_empty_buckets_are_inconclusive() -> None:
    """Nothing was compared."""
    assert _bucket(bucket(objects={}), bucket(objects={})).outcome is Outcome.INCONCLUSIVE
    assert _bucket(bucket(), bucket(objects={})).outcome is Outcome.FAIL


def test_another_prefix_is_not_compared() -> None:
    """A part can't vouch for the whole."""
    assert (
        _bucket(bucket(), bucket(selection=BucketSelection(bucket="lakehouse", prefix="a"))).outcome
        is Outcome.INCONCLUSIVE
    )


class _S3:
    """A store that answers as boto3's client does."""

    def __init__(self, **objects: bytes) -> None:
        self.objects = objects
        self.broken: set[str] = set()

    def get_paginator(self, _operation: str) -> "_S3":
        return self

    def paginate(self, Bucket: str, Prefix: str) -> Iterator[dict[str, Any]]:  # noqa: N803 - boto3's words
        assert Bucket == "lakehouse"
        for key, content in self.objects.items():  # a page for each
            if key.startswith(Prefix):
                etag = hashlib.md5(content, usedforsecurity=False).hexdigest()
                size = len(content)
                yield {"Contents": [{"Key": key, "Size": size, "ETag": f'"{etag}"', "LastModified": datetime.now(UTC)}]}
        yield {}

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
        assert Bucket == "lakehouse"
        if Key in self.broken:
            raise ClientError({"Error": {"Code": "InternalError"}}, "GetObject")
        return {"Body": StreamingBody(io.BytesIO(self.objects[Key]), len(self.objects[Key]))}


def _captured(s3: _S3, **selection: Any) -> BucketFingerprint:
    store = ObjectStore(ObjectStoreTarget(endpoint="http://minio:9000", bucket="velero"), s3)
    return bucket_capture.capture(store, BucketSelection(bucket="lakehouse", **selection))


def test_a_bucket_is_captured_whole() -> None:
    """Every page of the listing; contents where they are asked for."""
    s3 = _S3(a1=b"one", a2=b"two", b=b"")
    found = _captured(s3, prefix="a", sha256=True).objects
    assert {key: (each.size, each.sha256) for key, each in found.items()} == {
        "a1": (3, hashlib.sha256(b"one").hexdigest()),
        "a2": (3, hashlib.sha256(b"two").hexdigest()),
    }
    assert _captured(s3).objects["b"].sha256 is None
    assert _bucket(_captured(s3), _captured(_S3(b=b"", a2=b"two", a1=b"one"))).outcome is Outcome.PASS


@pytest.mark.parametrize("sha256", [False, True])
def test_a_byte_that_is_another_fails(sha256: bool) -> None:
    """By its MD5 and by its content; the size is the same."""
    verdict = _bucket(_captured(_S3(a=b"one"), sha256=sha256), _captured(_S3(a=b"ona"), sha256=sha256))
    assert verdict.outcome is Outcome.FAIL


def test_an_object_that_can_not_be_read_is_a_doubt() -> None:
    """Though it is listed as it was."""
    s3 = _S3(a=b"one")
    before = _captured(s3, sha256=True)
    s3.broken.add("a")
    after = _captured(s3, sha256=True)
    assert "InternalError" in str(after.objects["a"].problem)
    assert _bucket(before, after).outcome is Outcome.INCONCLUSIVE


# -- markers -------------------------------------------------------------------------------------------------------


def _marker(name: str, phase: Phase) -> Marker:
    return Marker(id=name, run="r", phase=phase, at=1.0, digest=f"digest of {name}")


def _seen(marker: Marker, **more: Any) -> FoundMarker:
    return FoundMarker(**{**marker.model_dump(), "payload_digest": marker.digest, **more})


BEFORE = [_marker(f"b{number}", "before-backup") for number in range(3)]
AFTER = [_marker(f"a{number}", "after-backup") for number in range(3)]


def _markers(found: list[FoundMarker], written: list[Marker] | None = None) -> tuple[Outcome, ...]:
    verdicts = judge_markers([*BEFORE, *AFTER] if written is None else written, found)
    return tuple(each.outcome for each in verdicts)


def test_a_restore_that_went_back_passes() -> None:
    """What was before is there, what came after is not."""
    assert _markers([_seen(each) for each in reversed(BEFORE)]) == (Outcome.PASS, Outcome.PASS)


@pytest.mark.parametrize(
    "found",
    [
        [_seen(each) for each in BEFORE[1:]],  # one is missing
        [],
        [_seen(BEFORE[0], payload_digest="x"), *map(_seen, BEFORE[1:])],  # tampered with
        [_seen(BEFORE[0], payload_digest="x", digest="x"), *map(_seen, BEFORE[1:])],  # overwritten after the backup
        [_seen(BEFORE[0], phase="after-backup"), *map(_seen, BEFORE[1:])],
    ],
)
def test_a_marker_of_before_that_is_not_as_it_was_fails(found: list[FoundMarker]) -> None:
    """Missing, or another."""
    assert _markers(found)[0] is Outcome.FAIL


def test_a_marker_of_after_the_backup_fails() -> None:
    """The restore was skipped, or is of a later time."""
    assert _markers([*map(_seen, BEFORE), _seen(AFTER[1])]) == (Outcome.PASS, Outcome.FAIL)


def test_a_marker_that_nobody_wrote_fails() -> None:
    """Whatever phase it claims."""
    assert _markers([*map(_seen, BEFORE), _seen(_marker("x", "before-backup"))]) == (Outcome.PASS, Outcome.FAIL)


def test_markers_that_were_never_written_show_nothing() -> None:
    """Neither those before nor those after."""
    assert _markers([], []) == (Outcome.INCONCLUSIVE, Outcome.INCONCLUSIVE)
    assert _markers([_seen(each) for each in BEFORE], BEFORE) == (Outcome.PASS, Outcome.INCONCLUSIVE)


# -- the command ---------------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Settings of this test alone, and nothing left in the environment."""
    before = dict(os.environ)
    for name in ("DRILL_CONTEXT", "DRILL_KUBECONFIG"):
        monkeypatch.delenv(name, raising=False)
    settings = tmp_path / "settings" / "drill.toml"
    settings.parent.mkdir()
    settings.write_text(
        '[contexts.dev]\nkafka = { bootstrap = "kafka:9092" }\npostgres = { dsn = "host=pg user=postgres" }\n'
    )
    monkeypatch.setenv("DRILL_SETTINGS", str(settings))
    yield
    os.environ.clear()
    os.environ.update(before)
    structlog.reset_defaults()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the captures find, and how they were asked."""
    world: dict[str, Any] = {"postgres": postgres(), "kafka": kafka()}

    def postgres_now(conninfo: str, selection: Any, *, context: str, named: bool) -> PostgresFingerprint:
        world["asked"], world["named"] = (conninfo, selection, context), named
        found: PostgresFingerprint = world["postgres"]
        return found.model_copy(update={"selection": selection})

    def kafka_now(target: Any, selection: Any, *, like: Any, context: str, named: bool) -> KafkaFingerprint:
        world["asked"], world["named"] = (target.bootstrap, selection, context), named
        found: KafkaFingerprint = world["kafka"]
        return found.model_copy(update={"selection": like.selection if like else selection})

    monkeypatch.setattr(postgres_capture, "capture", postgres_now)
    monkeypatch.setattr(kafka_capture, "capture", kafka_now)
    return world


def test_a_fingerprint_is_kept_and_verified(server: dict[str, Any], tmp_path: Path) -> None:
    """With what it looked at; equal is 0, other is 1, and JSON has every difference."""
    path, found = tmp_path / "before.json", tmp_path / "after.json"
    arguments = ["--context", "dev", "--database", "kong", "--exclude", "kong.public.x*", "-o", str(path)]
    assert runner.invoke(app, ["fingerprint", "postgres", *arguments]).exit_code == ExitCode.PASS
    verify = ["verify", "postgres", "--against", str(path), "--context", "dev"]
    result = runner.invoke(app, [*verify, "--dsn", "host=10.0.0.7", "--found", str(found)])
    assert result.exit_code == ExitCode.PASS, result.output
    assert result.output.endswith("PASS  postgres\n")
    conninfo, selection, _ = server["asked"]
    assert "host=10.0.0.7" in conninfo
    assert (selection.databases, selection.exclude) == (("kong",), ("kong.public.x*",))
    assert fingerprints.read(found, PostgresFingerprint).databases == postgres().databases

    short = {**database().tables, "public.routes": table(2, "1:1")}
    server["postgres"] = postgres(databases={"kong": database(tables=short)})
    result = runner.invoke(app, [*verify, "-o", "json"])
    assert result.exit_code == ExitCode.FAIL
    told = json.loads(result.stdout)
    assert told["outcome"] == "fail"
    (rows,) = (each for each in told["verdicts"] if each["check"] == "postgres-rows")
    assert rows["details"]["differences"] == [{"name": "kong.public.routes", "what": "rows 2 of 3, checksum differs"}]
    assert told["not_verified"]


def test_what_a_selection_names_must_be_there() -> None:
    """A misspelt name would give a fingerprint of nothing; all that there is, is a choice, too."""
    with pytest.raises(UsageError, match=r"^no topic nosuch; there are: audit, prices$"):
        all_there("topic", ("prices", "nosuch"), ["prices", "audit"])
    with pytest.raises(UsageError, match="there are: none"):
        all_there("table", ("nosuch",), [])
    all_there("topic", None, ["prices"])
    all_there("topic", ("prices",), ["prices", "audit"])


@pytest.mark.parametrize("system", ["postgres", "kafka"])
def test_names_are_held_to_what_is_there_in_a_first_fingerprint_only(
    system: str, server: dict[str, Any], tmp_path: Path
) -> None:
    """What is missing after a restore is what `verify` is to find."""
    path = str(tmp_path / "before.json")
    runner.invoke(app, ["fingerprint", system, "--context", "dev", "-o", path])
    assert server["named"]
    runner.invoke(app, ["verify", system, "--context", "dev", "--against", path])
    assert not server["named"]


def test_a_pattern_that_excludes_nothing_is_warned_of(server: dict[str, Any], tmp_path: Path) -> None:
    """On stderr, and the fingerprint is written: there may be no such table yet."""
    path = str(tmp_path / "before.json")
    excludes = ["--exclude", "kong.public.routes", "--exclude", "kong.nosuch"]
    result = runner.invoke(app, ["fingerprint", "postgres", "--context", "dev", *excludes, "-o", path])
    assert result.exit_code == ExitCode.PASS
    assert server["asked"]
    assert "warning: --exclude kong.nosuch: no table is called so" in result.stderr
    assert "public.routes" not in result.stderr


def test_a_prefix_that_nothing_begins_with_is_warned_of(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A bucket may be empty, but it may also be a slip."""
    monkeypatch.setattr(ObjectStore, "connect", lambda _settings: None)
    settings = Path(os.environ["DRILL_SETTINGS"])
    settings.write_text(settings.read_text() + 'object_store = { endpoint = "http://s3", bucket = "lake" }\n')
    found = {"a/1": stored()}

    def capture(_store: Any, selection: BucketSelection, **_more: Any) -> BucketFingerprint:
        return bucket(selection=selection, objects={k: v for k, v in found.items() if k.startswith(selection.prefix)})

    monkeypatch.setattr(bucket_capture, "capture", capture)
    command = ["fingerprint", "bucket", "--context", "dev", "-o", str(tmp_path / "before.json"), "--prefix"]
    assert "warning: --prefix nosuch/: no object of bucket lake" in runner.invoke(app, [*command, "nosuch/"]).stderr
    assert "warning" not in runner.invoke(app, [*command, "a/"]).stderr


def test_an_empty_server_is_inconclusive_to_the_shell(server: dict[str, Any], tmp_path: Path) -> None:
    """Exit code 3."""
    server["postgres"] = postgres(databases={})
    path = tmp_path / "before.json"
    runner.invoke(app, ["fingerprint", "postgres", "--context", "dev", "-o", str(path)])
    result = runner.invoke(app, ["verify", "postgres", "--context", "dev", "--against", str(path)])
    assert result.exit_code == ExitCode.INCONCLUSIVE


def test_kafka_is_verified_by_the_rules_that_were_given(server: dict[str, Any], tmp_path: Path) -> None:
    """Growth fails unless it is allowed."""
    path = tmp_path / "before.json"
    server["kafka"] = kafka(groups={})
    runner.invoke(app, ["fingerprint", "kafka", "--context", "dev", "-o", str(path)])
    server["kafka"] = kafka(groups={"new": {"commodities-0": 5}})
    verify = ["verify", "kafka", "--context", "dev", "--against", str(path), "--bootstrap", "other:1"]
    assert runner.invoke(app, verify).exit_code == ExitCode.FAIL
    assert server["asked"][0] == "other:1"
    server["kafka"] = kafka(groups={})
    assert runner.invoke(app, [*verify, "--allow-growth"]).exit_code == ExitCode.PASS


def test_a_forged_file_is_bad_usage_before_anything_is_asked(
    server: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2 and why."""
    path = tmp_path / "before.json"
    fingerprints.write(path, postgres())
    _edit(_forge)(path)
    monkeypatch.setattr("sys.argv", ["drill", "verify", "postgres", "--context", "dev", "--against", str(path)])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == ExitCode.USAGE
    assert "damaged or edited" in capsys.readouterr().err
    assert "asked" not in server


def test_a_fingerprint_without_a_file_is_data(server: dict[str, Any]) -> None:  # noqa: ARG001 - it is asked
    """One JSON document on stdout."""
    result = runner.invoke(app, ["fingerprint", "kafka", "--context", "dev"])
    assert fingerprints.from_document(json.loads(result.stdout), KafkaFingerprint, "stdout").cluster_id == "cluster"


@pytest.mark.parametrize("group", ["fingerprint", "verify"])
@pytest.mark.parametrize("system", ["postgres", "kafka", "bucket"])
def test_each_command_explains_itself(group: str, system: str) -> None:
    """With an example."""
    result = runner.invoke(app, [group, system, "--help"])
    assert result.exit_code == 0
    assert f"Example: drill {group} {system}" in result.output


def test_the_worst_decides() -> None:
    """One difference among many verdicts fails the whole."""
    assert overall(judge_markers([*BEFORE, *AFTER], [_seen(each) for each in BEFORE[1:]])) is Outcome.FAIL


def test_bootstrap_servers_without_a_port_are_refused_at_once(server: dict[str, Any]) -> None:
    """The client would wait for a minute."""
    told = str(runner.invoke(app, ["fingerprint", "kafka", "--context", "dev", "--bootstrap", "kafka"]).exception)
    assert told == "--bootstrap kafka: give host:port[,host:port]"
    assert "asked" not in server


def test_a_bucket_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As bad usage, in our own words."""
    (tmp_path / "settings" / "drill.toml").write_text('[contexts.dev.object_store]\nbucket = "velero"\n')
    with mock_aws():
        target = ObjectStoreTarget(bucket="velero")
        store = ObjectStore(target, object_store.client(target, "a", "b"))
        monkeypatch.setattr(ObjectStore, "connect", lambda _: store)
        told = runner.invoke(app, ["fingerprint", "bucket", "--context", "dev", "--bucket", "nosuch"]).exception
    assert isinstance(told, UsageError)
    assert "bucket 'nosuch': not in the store" in str(told)
