"""Two runs side by side: the numbers of each, by how much they differ, and what was not alike."""

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

import recovery
import reports
from drill.cli import app
from drill.record import RunRecord
from reports.charts import Chart
from reports.compare import Comparison, Row, compare, write
from tests.unit.records import build_record
from tests.unit.restores import restore_record
from tests.unit.test_report import Page


@pytest.fixture(autouse=True)
def _undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the charts show is tested elsewhere."""
    monkeypatch.setattr(Chart, "_draw", lambda chart, _: f'<svg aria-labelledby="{chart.name}-wide-title"></svg>')


def judged(record: RunRecord) -> RunRecord:
    """The record with its verdicts and its own report."""
    record.write_json("verdicts.json", {"verdicts": [each.model_dump(mode="json") for each in recovery.judge(record)]})
    reports.write(RunRecord.open(record.path))
    return RunRecord.open(record.path)


def row(found: Comparison, measure: str, of: str) -> Row:
    """One measure."""
    return next(each for each in found.rows if (each.measure, each.of) == (measure, of))


def test_numbers_are_held_beside_each_other(tmp_path: Path) -> None:
    """From the first to the second, in words and as a share; and what was the same is said to be."""
    found = compare(judged(build_record(tmp_path)), judged(build_record(tmp_path, outages=((0, 25.0, 33.3),))))
    assert row(found, "Recovery time (t5 - t0)", "Kafka").change == "2.00 s more (32%)"
    assert row(found, "Confirmed and lost", "Kafka (records)").change == "none"
    assert found.conditions == ()
    assert found.checks == ()


def test_what_was_not_alike_is_named(tmp_path: Path) -> None:
    """Objectives and load of the scenario: each field by itself."""
    found = compare(judged(build_record(tmp_path)), judged(build_record(tmp_path, rate=100, objectives={"rto": 9.0})))
    told = {each.name: (each.first, each.second) for each in found.conditions}
    assert told == {"load.rate": ("200.0", "100"), "objectives.rto": ("20.0", "9.0")}


def test_another_fault_or_another_machine_is_not_alike(tmp_path: Path) -> None:
    """Two experiments may be called the same; the seed alone makes no other fault."""

    def altered(experiment: dict[str, object], **harness: int) -> RunRecord:
        record = build_record(tmp_path)
        record.write_json("experiment.json", experiment)
        record.seal({**record.manifest, "harness": {**record.manifest["harness"], **harness}})
        return judged(RunRecord.open(record.path))

    kill = {"title": "Kill the leader", "method": [{"name": "kill"}]}
    one = altered({**kill, "configuration": {"seed": 1}})
    assert compare(one, altered({**kill, "configuration": {"seed": 2}})).conditions == ()
    other = compare(one, altered({**kill, "method": [{"name": "partition"}]}, cpus=16))
    told = {each.name: (each.first, each.second) for each in other.conditions}
    assert told.keys() == {"experiment.json", "harness.cpus"}
    assert told["harness.cpus"] == ("2", "16")


def test_what_neither_record_knows_is_not_taken_for_alike(tmp_path: Path) -> None:
    """Both lack the experiment, and the machine that drill ran on."""
    lacking = []
    for _ in range(2):
        record = judged(build_record(tmp_path))
        (record.path / "experiment.json").unlink()
        record.seal({name: value for name, value in record.manifest.items() if name not in ("harness", "files")})
        lacking.append(RunRecord.open(record.path))
    told = {each.name: each.second for each in compare(lacking[0], lacking[1]).conditions}
    assert told == {
        "experiment.json": "not measured: the record has no experiment.json",
        "harness": "not measured: the manifest says nothing of its harness",
    }


def test_a_check_that_came_out_differently_is_told_with_both_reasons(tmp_path: Path) -> None:
    """Passed in one, failed in the other; and one that was not made in one of them."""
    found = compare(judged(build_record(tmp_path)), judged(build_record(tmp_path, lost=range(3))))
    changed = {
        each.check: (each.first and each.first.outcome, each.second and each.second.outcome) for each in found.checks
    }
    assert changed == {"no-acked-record-lost": ("pass", "fail")}
    other = compare(judged(build_record(tmp_path)), judged(restore_record(tmp_path)))
    assert {each.check for each in other.checks if each.first is None} >= {"markers-kept", "rpo"}


def test_a_bound_is_shown_and_not_reckoned_with(tmp_path: Path) -> None:
    """An outage that was not seen to end, and what was not measured, have no difference to anything."""
    endless = judged(build_record(tmp_path, outages=((0, 25.0, float("inf")),)))
    found = compare(judged(build_record(tmp_path)), endless)
    told = row(found, "Outage for clients (t5 - t1)", "Kafka")
    assert told.second.startswith("at least ")
    assert told.change == "not to be told"
    undrained = compare(judged(build_record(tmp_path)), judged(build_record(tmp_path, drained=False)))
    told = row(undrained, "Confirmed and lost", "Kafka (records)")
    assert (told.first, told.second, told.change) == ("0", "not measured", "not to be told")


def test_an_estimate_stays_one(tmp_path: Path) -> None:
    """Of a scratch restore beside a real loss."""
    found = compare(judged(restore_record(tmp_path)), judged(restore_record(tmp_path, scratch=True)))
    told = row(found, "Recovery time, loss to data proven", "PostgreSQL")
    assert (told.first, told.second) == ("48.0 s", "32.0 s (estimate)")


def test_each_number_leads_to_its_check(tmp_path: Path) -> None:
    """Links go into the runs' own reports, to a place that is there; ids of the two runs' charts differ."""
    one, other = judged(build_record(tmp_path)), judged(build_record(tmp_path))
    page = write(compare(one, other), tmp_path / "both.html")
    html = page.read_text()
    ids = re.findall(r'\bid="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    assert "run1-phases-wide-title" in html
    assert "run2-latency-wide-title" in html
    links = [str(attributes["href"]) for attributes in Page(html).all("a")]
    for link in links:
        file, _, anchor = link.partition("#")
        assert not file or (tmp_path / file).is_file()
        if anchor == "check-rto":
            assert 'id="check-rto"' in (tmp_path / file).read_text()
    assert sum(link.endswith("#check-rto") for link in links) == 2


def test_the_command_line_tells_it_as_text_as_json_and_as_a_page(tmp_path: Path) -> None:
    """Data on stdout; a run that is none is bad usage."""
    one, other = judged(build_record(tmp_path)), judged(build_record(tmp_path, lost=range(3)))
    arguments = ["compare", str(one.path), str(other.path)]
    text = CliRunner().invoke(app, arguments)
    assert text.exit_code == 0
    assert "check no-acked-record-lost: pass, then fail" in text.output
    told = json.loads(CliRunner().invoke(app, [*arguments, "-o", "json", "--html", str(tmp_path / "c.html")]).stdout)
    assert told["checks"] == [{"check": "no-acked-record-lost", "first": "pass", "second": "fail"}]
    assert (tmp_path / "c.html").is_file()
    assert CliRunner().invoke(app, ["compare", str(one.path), str(tmp_path / "no")]).exit_code != 0
