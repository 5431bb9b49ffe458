"""Metrics of the drills: what Prometheus is told, what it is not, and alerts that fire by them."""

import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import yaml
from moto import mock_aws
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from typer.testing import CliRunner

from drill import object_store
from drill.cli import app
from drill.errors import DrillError, UsageError
from drill.object_store import ObjectStore
from drill.record import RunRecord
from drill.settings import PublishTarget
from drill.verdicts import Outcome
from reports import conclude, metrics, published
from tests.unit.records import build_record
from tests.unit.restores import restore_record

RULES = Path(__file__).parents[2] / "docs" / "alerts" / "drill.rules.yaml"
PUBLISHED = PublishTarget(bucket="reports", keep_days=99_999)
WHERE = {"scenario": "broker-kill-leader", "context": "lab"}


def _judged(runs: Path, **changed: object) -> RunRecord:
    record = build_record(runs, **changed)  # type: ignore[arg-type]
    conclude(record)
    return RunRecord(record.path)


def _samples(runs: Path | metrics.Known, expected: tuple[str, ...] = ()) -> dict[str, dict[tuple[str, ...], float]]:
    """By name, and by the values of its labels in the order of their names."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    parsed = text_string_to_metric_families(  # type: ignore[no-untyped-call]
        metrics.text(metrics.metrics(metrics.of_folder(runs) if isinstance(runs, Path) else runs, expected, "lab"))
    )
    for family in parsed:
        for sample in family.samples:
            labels = tuple(value for name, value in sorted(sample.labels.items()))
            found.setdefault(sample.name.removeprefix("drill_"), {})[labels] = sample.value
    return found


def test_a_run_is_told_with_its_figures(tmp_path: Path) -> None:
    """And the whole of it is OpenMetrics, which its own parser takes."""
    record = _judged(tmp_path)
    told = _samples(tmp_path)
    (labels,) = told["last_run_timestamp_seconds"]
    assert labels[1] == "broker-kill-leader"
    assert told["last_run_timestamp_seconds"][labels] == record.first("run.started").t
    assert told["last_pass_timestamp_seconds"][labels] == record.first("run.started").t
    assert told["last_run_outcome"][labels[0], "pass", labels[1]] == 1
    assert told["last_run_outcome"][labels[0], "fail", labels[1]] == 0
    assert told["last_run_rto_seconds"][labels] == pytest.approx(6.3, abs=0.1)
    assert told["last_run_lost_records"][labels] == 0
    assert told["last_run_rpo_seconds"][labels] == 0
    assert told["unreadable_runs"][()] == 0


def test_what_was_lost_is_told(tmp_path: Path) -> None:
    """With how much time of data that was."""
    _judged(tmp_path, lost=range(4_900, 4_910))
    told = _samples(tmp_path)
    assert list(told["last_run_lost_records"].values()) == [10]
    assert next(iter(told["last_run_rpo_seconds"].values())) > 0
    assert list(told["last_pass_timestamp_seconds"].values()) == [0]


@pytest.mark.parametrize("changed", [{"drained": False}, {"omit": ("load",)}, {"altered": True}])
def test_what_no_check_can_tell_is_absent_and_no_zero(tmp_path: Path, changed: dict[str, object]) -> None:
    """A zero would be the best there is."""
    _judged(tmp_path, **changed)
    told = _samples(tmp_path)
    assert "last_run_lost_records" not in told
    assert "last_run_rpo_seconds" not in told
    assert {key[1] for key, value in told["last_run_outcome"].items() if value} <= {"inconclusive", "fail"}


def test_a_run_that_was_not_judged_is_inconclusive(tmp_path: Path) -> None:
    """It counts as a run, and never as a pass."""
    build_record(tmp_path)
    told = _samples(tmp_path)
    assert [key[1] for key, value in told["last_run_outcome"].items() if value] == ["inconclusive"]
    assert "last_run_rto_seconds" not in told
    assert list(told["last_pass_timestamp_seconds"].values()) == [0]


def test_the_newest_run_is_told_and_the_last_pass_is_kept(tmp_path: Path) -> None:
    """By when it began, whatever its folder is called."""
    first = _judged(tmp_path)
    second = RunRecord(first.path.with_name("19990101T000000Z"))
    shutil.copytree(first.path, second.path)
    lines = (second.path / "events.jsonl").read_text()
    began = first.first("run.started").t
    (second.path / "events.jsonl").write_text(lines.replace(f'"t":{began}', f'"t":{began + 100}', 1))
    told = _samples(tmp_path)
    (labels,) = told["last_run_timestamp_seconds"]
    assert told["last_run_timestamp_seconds"][labels] == began + 100
    assert told["last_pass_timestamp_seconds"][labels] == began, "the second was changed after it was sealed"
    assert told["runs"][labels[0], "pass", labels[1]] == 1
    assert told["runs"][labels[0], "inconclusive", labels[1]] == 1


def test_what_is_expected_and_never_ran_is_overdue_at_once(tmp_path: Path) -> None:
    """Otherwise nobody would miss it."""
    told = _samples(tmp_path, ("node-loss",))
    assert told["last_run_timestamp_seconds"]["lab", "node-loss"] == 0
    assert not any(told["last_run_outcome"].values())


def test_a_folder_that_is_no_record_is_counted(tmp_path: Path) -> None:
    """It is not passed over in silence; a game day's folder is none."""
    _judged(tmp_path)
    broken = tmp_path / "broker-kill" / "1"
    broken.mkdir(parents=True)
    (broken / "scenario.yaml").write_text("name: x\n")
    (tmp_path / "game-days" / "day").mkdir(parents=True)
    assert _samples(tmp_path)["unreadable_runs"][()] == 1


def test_every_alert_asks_for_what_is_told(tmp_path: Path) -> None:
    """By name; a control sees that a name that is not told is found."""
    _judged(tmp_path)
    told = {f"drill_{name}" for name in _samples(tmp_path)}
    rules = [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
    assert len(rules) == 6
    asked = {name for rule in rules for name in re.findall(r"\bdrill_\w+", rule["expr"])}
    assert asked <= told
    assert "drill_last_run_timestamp" not in told
    for rule in rules:
        assert rule["annotations"]["summary"]
        assert rule["labels"]["severity"] in {"warning", "critical"}


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not here")
def test_promtool_takes_the_rules() -> None:
    """Prometheus' own check."""
    subprocess.run(["promtool", "check", "rules", str(RULES)], check=True, capture_output=True)


# -- the command -----------------------------------------------------------------------------------------------------


def test_the_file_is_whole_and_the_collector_may_read_it(tmp_path: Path) -> None:
    """Nothing else is left beside it."""
    _judged(tmp_path / "runs")
    to = tmp_path / "out" / "drill.prom"
    to.parent.mkdir()
    done = CliRunner().invoke(app, ["metrics", str(tmp_path / "runs"), "-o", str(to)])
    assert done.exit_code == 0, done.output
    assert to.read_text().endswith("# EOF\n")
    assert to.stat().st_mode & 0o777 == 0o644
    assert list(to.parent.iterdir()) == [to]


def test_without_a_file_it_is_data(tmp_path: Path) -> None:
    """On stdout."""
    _judged(tmp_path)
    done = CliRunner().invoke(app, ["metrics", str(tmp_path), "--expect", "node-loss", "--context", "lab"])
    assert done.exit_code == 0, done.output
    assert 'drill_last_run_timestamp_seconds{context="lab",scenario="node-loss"} 0.0' in done.stdout


@pytest.fixture
def gateway() -> Iterator[tuple[str, list[tuple[str, str, bytes]], list[int]]]:
    """A real HTTP server in the place of a Pushgateway: its URL, what it got, and what it will answer."""
    got: list[tuple[str, str, bytes]] = []
    answers: list[int] = []

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            """Take it."""
            got.append((self.command, self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(answers.pop() if answers else 202)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", got, answers
    server.shutdown()
    server.server_close()


def test_a_pushgateway_gets_them(
    tmp_path: Path, gateway: tuple[str, list[tuple[str, str, bytes]], list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In place of what it had; one that refuses is an error that says so."""
    monkeypatch.setenv("no_proxy", "*")
    url, got, answers = gateway
    _judged(tmp_path)
    assert metrics.push(metrics.of_folder(tmp_path), url) == ("drill-lab",)
    ((method, path, body),) = got
    assert (method, path) == ("PUT", "/metrics/job/drill/context/drill-lab")
    assert b"drill_last_run_outcome" in body
    answers.append(400)
    with pytest.raises(DrillError, match="did not take"):
        metrics.push(metrics.of_folder(tmp_path), url)


def test_who_pushes_for_one_context_erases_nothing_of_another(
    tmp_path: Path, gateway: tuple[str, list[tuple[str, str, bytes]], list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A group for each context, with its series only: the Pushgateway would write a group's context over them."""
    monkeypatch.setenv("no_proxy", "*")
    url, got, _answers = gateway
    _judged(tmp_path)
    known = metrics.of_folder(tmp_path)
    assert metrics.push(known, url, ("node-loss",), "staging", "ci/1") == ("drill-lab", "staging")
    told = {path: body.decode() for _method, path, body in got}
    assert [path.split("/")[5] for path in told] == ["drill-lab", "staging"]
    assert all("/instance@base64/" in path for path in told)
    lab, staging = told.values()
    assert 'context="staging"' not in lab
    assert 'context="drill-lab"' not in staging
    assert 'drill_last_run_timestamp_seconds{context="staging",scenario="node-loss"} 0.0' in staging
    assert metrics.push(metrics.Known((), 0), url) == ()


def test_a_restore_that_nothing_was_lost_for_tells_estimates(tmp_path: Path) -> None:
    """By names of their own: nothing was measured."""
    conclude(restore_record(tmp_path, scratch=True))
    told = _samples(tmp_path)
    assert list(told["last_run_rpo_estimate_seconds"].values()) == [pytest.approx(72_020, abs=60)]
    assert list(told["last_run_rto_estimate_seconds"].values()) == [pytest.approx(34, abs=15)]
    assert not {"last_run_rto_seconds", "last_run_rpo_seconds"} & told.keys()


def test_a_restore_of_what_was_lost_tells_what_was_measured(tmp_path: Path) -> None:
    """From the disaster on."""
    conclude(restore_record(tmp_path))
    told = _samples(tmp_path)
    assert list(told["last_run_rto_seconds"].values()) == [pytest.approx(48, abs=1)]
    assert list(told["last_run_rpo_seconds"].values()) == [pytest.approx(20, abs=1)]
    assert not {"last_run_rto_estimate_seconds", "last_run_rpo_estimate_seconds"} & told.keys()


def test_data_that_did_not_come_back_has_no_recovery_time(tmp_path: Path) -> None:
    """However soon it was proven to be lost."""
    record = restore_record(tmp_path, spoil=lambda pieces: pieces["found"].update(markers={"kong": {"a": "1"}}))
    conclude(record)
    assert [each.outcome for each in RunRecord(record.path).verdicts if each.check == "markers-kept"] == ["fail"]
    told = _samples(tmp_path)
    assert "last_run_rto_seconds" not in told
    assert "last_run_rpo_seconds" in told


# -- runs that were published ----------------------------------------------------------------------------------------


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ObjectStore]:
    """An empty one, which the context `drill-lab` publishes to."""
    file = tmp_path / "drill.toml"
    file.write_text('[contexts.drill-lab.publish]\nbucket = "reports"\nkeep_days = 99999\n')
    for name, value in {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "DRILL_SETTINGS": str(file)}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(os, "environ", dict(os.environ))
    with mock_aws():
        s3 = object_store.client(PUBLISHED, "a", "b")
        s3.create_bucket(Bucket="reports")
        yield ObjectStore(PUBLISHED, s3)


def test_what_was_published_tells_as_the_records_do(tmp_path: Path, bucket: ObjectStore) -> None:
    """The records themselves may be gone; what can't be read is counted."""
    runs = tmp_path / "runs"
    record = _judged(runs, lost=range(4_900, 4_910))
    published.publish(record, bucket, PUBLISHED)
    as_records = _samples(runs)
    shutil.rmtree(runs)
    bucket.put("drills/2025/06/14/node-loss/lab/20250614T000000Z/run.json", b"{}", "application/json")
    as_published = _samples(metrics.of_bucket(bucket, PUBLISHED))
    assert as_published.pop("unreadable_runs") == {(): 1}
    for each in (as_records, as_published):
        each.pop("metrics_timestamp_seconds")
    as_records.pop("unreadable_runs")
    assert as_published == as_records
    assert list(as_published["last_run_lost_records"].values()) == [10]


def test_the_command_tells_of_the_bucket(tmp_path: Path, bucket: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no folder of records, as in a CronJob of its own."""
    monkeypatch.chdir(tmp_path)
    published.publish(_judged(tmp_path / "elsewhere"), bucket, PUBLISHED)
    given = ["metrics", "--published", "--context", "drill-lab", "--expect", "node-loss"]
    done = CliRunner().invoke(app, given)
    assert done.exit_code == 0, done.output
    assert 'drill_last_run_outcome{context="drill-lab",outcome="pass",scenario="broker-kill-leader"} 1.0' in done.stdout
    assert 'drill_last_run_timestamp_seconds{context="drill-lab",scenario="node-loss"} 0.0' in done.stdout
    assert isinstance(CliRunner().invoke(app, [*given, "elsewhere"]).exception, UsageError)


@pytest.mark.parametrize(
    "given",
    [
        ["nowhere"],
        [".", "--push", "gateway:9091"],
        [".", "-o", "nowhere/drill.prom"],
        [".", "--expect", "node-loss"],
        [".", "--instance", "ci"],
    ],
)
def test_what_can_not_be_meant_is_bad_usage(given: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is read."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DRILL_CONTEXT", raising=False)
    assert isinstance(CliRunner().invoke(app, ["metrics", *given]).exception, DrillError)


def test_an_outcome_is_one_of_three(tmp_path: Path) -> None:
    """Each has its series, so that an alert on one needs no absence."""
    _judged(tmp_path)
    assert {key[1] for key in _samples(tmp_path)["last_run_outcome"]} == {each.value for each in Outcome}
