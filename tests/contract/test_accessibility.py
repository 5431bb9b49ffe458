"""Every kind of page in a real browser, under axe-core; and the report that is printed."""

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from moto import mock_aws

import recovery
import reports
from drill import object_store
from drill.object_store import ObjectStore
from drill.record import RunRecord
from drill.settings import PublishTarget
from reports import compare, dr, gameday, pdf, portfolio, published
from tests.axe import violations
from tests.unit.gamedays import game_day_record
from tests.unit.mixed import build_mixed
from tests.unit.records import START, build_record
from tests.unit.restores import restore_record

DAY = 86_400.0
PAGES = ("run", "mix", "restore", "dr", "portfolio", "compare", "gameday", "published")
SOON = ("restore", "dr", "portfolio")
"""Those that are looked at on every push: a browser takes two seconds for each."""


def judged(record: RunRecord) -> RunRecord:
    """The record with its verdicts and its own report."""
    record.write_json("verdicts.json", {"verdicts": [each.model_dump(mode="json") for each in recovery.judge(record)]})
    reports.write(RunRecord.open(record.path))
    return RunRecord.open(record.path)


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One page of each kind: of what passed, failed and could not be proven."""
    folder = tmp_path_factory.mktemp("pages")
    runs = folder / "runs"
    good, failed = judged(build_record(runs)), judged(build_record(runs, lost=range(5)))
    mix, restored = judged(build_mixed(runs)), judged(restore_record(runs))
    found = [good, failed, restored]
    catalogue = {"broker-kill-leader": "The leader dies.", "two-brokers-down": "Two brokers die."}
    return {
        "run": failed.path / "report.html",
        "mix": mix.path / "report.html",
        "restore": restored.path / "report.html",
        "dr": dr.write(found, dr.Details(), folder / "dr", history=[runs]),
        "portfolio": portfolio.write(runs, catalogue, into=folder / "p.html", now=START + DAY, fresh=90 * DAY),
        "compare": compare.write(compare.compare(good, failed), folder / "c.html"),
        "gameday": gameday.write(game_day_record(runs, [(good, "pass"), (failed, "fail")])),
        "published": history(found, folder / "index.html"),
    }


def history(runs: Sequence[RunRecord], into: Path) -> Path:
    """The page of a bucket with these runs, and one of which nothing can be read."""
    target = PublishTarget(bucket="reports")
    with mock_aws():
        store = ObjectStore(target, object_store.client(target, "a", "b"))
        store.s3.create_bucket(Bucket="reports")
        store.put("drills/2025/06/14/node-loss/lab/20250614T000000Z/run.json", b"{}", "application/json")
        for each in runs:
            published.publish(each, store, target)
        into.write_bytes(store.read("drills/index.html"))
    return into


@pytest.mark.parametrize(
    "name", [each if each in SOON else pytest.param(each, marks=pytest.mark.slow) for each in PAGES]
)
def test_a_page_breaks_no_rule_of_axe(name: str, pages: dict[str, Path]) -> None:
    """Names, roles, headings, table headers, contrast and text alternatives, as they come out in the browser."""
    assert violations(pages[name].read_text()) == {}


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize(("width", "dark"), [(500, False), (800, True), (1200, True)])
def test_nor_does_it_on_other_screens(name: str, width: int, dark: bool, pages: dict[str, Path]) -> None:
    """A telephone, a tablet, and in the dark."""
    assert violations(pages[name].read_text(), width, dark=dark) == {}


def test_a_page_that_breaks_rules_is_found() -> None:
    """A picture without a text alternative, faint text, and a field without a name."""
    bad = '<!doctype html><html><body><img src="x.png"><p style="color:#ccc;background:#fff">faint</p><input></body>'
    found = " ".join(violations(bad))
    for rule in ("image-alt", "color-contrast", "label", "html-has-lang"):
        assert rule in found


def test_the_report_is_printed(pages: dict[str, Path], tmp_path: Path) -> None:
    """As a PDF of several pages, the summary on the first."""
    printed = pdf.print_page(pages["dr"], tmp_path / "report.pdf")
    assert len(re.findall(rb"/Type\s*/Page\b", printed.read_bytes())) > 3
