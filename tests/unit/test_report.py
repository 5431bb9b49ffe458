"""The report: what is on the page, for a whole record, a spoilt one and one that is hardly there."""

import json
import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import altair as alt
import pytest
import yaml

import recovery
import reports
from drill.record import RunRecord
from drill.verdicts import Outcome, Verdict
from reports.charts import SIZES, Chart
from reports.page import render
from tests.unit.records import build_record

VOID = {"meta", "br", "link", "img", "input", "hr"}


class Page(HTMLParser):
    """The elements of a page, its text, and whether every element is closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(html)
        assert not self._open, f"never closed: {self._open}"

    def handle_starttag(  # noqa: D102 - html.parser's
        self, tag: str, attrs: list[tuple[str, str | None]]
    ) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(  # noqa: D102
        self, tag: str, attrs: list[tuple[str, str | None]]
    ) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:  # noqa: D102
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:  # noqa: D102
        if self._open and self._open[-1] != "style":
            self.text += f" {data}"

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of every element of one kind."""
        return [attributes for name, attributes in self.elements if name == tag]


def judged(record: RunRecord) -> RunRecord:
    """The record with the verdicts that recovery gives it."""
    verdicts = [verdict.model_dump() for verdict in recovery.judge(record)]
    record.write_json("verdicts.json", {"verdicts": verdicts})
    return RunRecord.open(record.path)


def drawn(record: RunRecord) -> tuple[str, Page]:
    """The report as text and as elements."""
    html = reports.write(record).read_text()
    return html, Page(html)


@pytest.fixture
def unrendered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Charts are built in full but not rendered to SVG, which takes most of a report's time."""
    monkeypatch.setattr(alt.LayerChart, "save", lambda _, out, **__: out.write('<svg viewBox="0 0 1 1"/>'))


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunRecord, str, Page]:
    """A whole record of a run that passed, and its report."""
    record = judged(build_record(tmp_path_factory.mktemp("runs")))
    return record, *drawn(record)


def test_the_verdict_is_the_first_thing_on_the_page_by_word_and_by_shape(good: tuple[RunRecord, str, Page]) -> None:
    """A clean pass has no alarm; its heading says PASS beside a sign that is not told by colour alone."""
    _, html, page = good
    assert page.text.split("Skip to the checks")[1].split()[:2] == ["PASS", "broker-kill-leader"]
    assert 'class="alarm' not in html
    assert html.index('<svg class="sign"') < html.index("<h1>")


def test_every_check_is_on_the_page_with_its_reason_and_evidence(good: tuple[RunRecord, str, Page]) -> None:
    """No verdict is left out, and its evidence can be opened from where the report lies."""
    record, _, page = good
    text = " ".join(page.text.split())
    links = {attributes["href"] for attributes in page.all("a")}
    for verdict in record.verdicts:
        assert " ".join(verdict.reason.split()) in text
        assert {f"./{path}" for path in verdict.evidence} <= links
    for link in links:
        assert link
        assert link.startswith("#") or (record.path / link).is_file()


def test_numbers_on_the_page_are_those_of_the_record(good: tuple[RunRecord, str, Page]) -> None:
    """Outage and accounting agree with what recovery and the ledgers say."""
    record, _, page = good
    line = recovery.timeline(record)
    assert line.outage is not None
    assert f"clients were out for {line.outage:.2f} s" in page.text
    assert "of 12,000 acknowledged records none was lost" in page.text
    assert "not measured: no alert is watched in this drill" in page.text


def test_the_page_is_self_contained(good: tuple[RunRecord, str, Page]) -> None:
    """No script, nothing fetched, no handler, no address of any host."""
    _, html, page = good
    assert not {"script", "link", "img", "iframe", "object", "embed", "base", "form"} & {
        tag for tag, _ in page.elements
    }
    for _, attributes in page.elements:
        assert "src" not in attributes
        assert not [name for name in attributes if name.startswith("on")]
    assert not re.search(r"https?:|//[a-z]|@import|url\((?!#)", html)
    assert len(html.encode()) < 300_000


def test_the_page_is_accessible(good: tuple[RunRecord, str, Page]) -> None:
    """Headings in order, headers with a scope, charts with a name and a text alternative, ids used once."""
    _, html, page = good
    assert page.all("html") == [{"lang": "en"}]
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert all(attributes.get("scope") in ("col", "row") for attributes in page.all("th"))
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    charts = [each for each in page.all("svg") if each.get("role") == "img"]
    assert len(charts) == 6 * len(SIZES)
    for chart in charts:
        assert set(str(chart["aria-labelledby"]).split()) <= set(ids)
    assert {"".join(each) for each in re.findall(r"url\(#([^)]+)\)", html)} <= set(ids)
    for svg in page.all("svg"):
        assert svg.get("role") == "img" or svg.get("aria-hidden") == "true"


SPOILT: dict[str, tuple[dict[str, Any], str, str]] = {
    "lost": ({"lost": range(4000, 4600)}, "FAIL", "600 acknowledged records not found, in 3 intervals."),
    "not drained": ({"drained": False}, "INCONCLUSIVE", "Not complete:"),
    "no effect": ({"effective": False}, "INCONCLUSIVE", "not measured: the pod kept its container, after 10.00 s"),
    "not recovered": (
        {"recovered": False, "outages": ((0, 25.0, float("inf")),)},
        "FAIL",
        "clients were out for at least",
    ),
    "no baseline": ({"baseline": False}, "INCONCLUSIVE", "how long clients were out was not measured"),
    "interrupted": ({"interrupted": True}, "INCONCLUSIVE", "The run was ended early by SIGINT."),
    "altered": ({"altered": True}, "", "changed after it was sealed: experiment.json"),
    "no load": ({"omit": ["load"]}, "INCONCLUSIVE", "not measured: the record has no record ledger"),
    "no events": ({"omit": ["events.jsonl"]}, "INCONCLUSIVE", "not measured: the record has no events.jsonl"),
    "no outage": ({"outages": ()}, "PASS", "no client was out"),
    "two faults at once": ({"faults": (25.0, 25.1)}, "", "2 faults"),
    "no observer": ({"omit": ["evidence/cluster-after.json"]}, "INCONCLUSIVE", "evidence/cluster-after.json"),
    "two producers": ({"producers": 2}, "PASS", "load/2/acked.bits"),
}


@pytest.mark.usefixtures("unrendered")
@pytest.mark.parametrize("name", SPOILT)
def test_a_spoilt_record_still_has_a_page_that_says_so(name: str, tmp_path: Path) -> None:
    """Whatever a record lacks is said in its place; the verdict never turns better for it."""
    how, outcome, says = SPOILT[name]
    _, page = drawn(judged(build_record(tmp_path, **how)))
    assert outcome in page.text
    assert says in " ".join(page.text.split())
    assert str(tmp_path) not in page.text


@pytest.mark.usefixtures("unrendered")
def test_a_killed_run_has_a_readable_page(tmp_path: Path) -> None:
    """No journal, no drain, no manifest, no verdicts: inconclusive, and what must be done first is the first line."""
    record = build_record(tmp_path, killed=30.0)
    _, page = drawn(record)
    text = " ".join(page.text.split())
    first = text.index("Not rolled back.")
    assert first < text.index("INCONCLUSIVE broker-kill-leader")
    assert "The run was not judged: the record has no verdicts.json." in text
    assert "whether an acknowledged record was lost was not measured" in text
    assert "the record was not sealed" in text
    assert "6,000" in text


def test_every_file_of_a_record_may_be_missing_or_rubbish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only scenario.yaml makes a folder a record: without any other file, or with rubbish in it, there is a page."""
    monkeypatch.setattr(Chart, "_draw", lambda *_: "")  # charts are built of what was read already
    whole = judged(build_record(tmp_path))
    names = [path for path in sorted(whole.path.rglob("*.json*")) if path.is_file()]
    for path in names:
        content = path.read_bytes()
        for rubbish in (None, b"[1, 2", b'{"a": null}'):
            path.unlink()
            if rubbish is not None:
                path.write_bytes(rubbish)
            html = render(RunRecord.open(whole.path))
            assert "Integrity" in Page(html).text
            path.write_bytes(content)


@pytest.mark.usefixtures("unrendered")
def test_a_failed_rollback_is_the_very_first_line(tmp_path: Path) -> None:
    """Before even the verdict, because a fault may still be on."""
    _, page = drawn(judged(build_record(tmp_path, rollback="failed")))
    first = page.text.split("Skip to the checks")[1].strip()
    assert first.startswith("Rollback failed.")
    assert "no such pod" in first[:300]


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    """What a record says, names and paths of evidence too, can neither make elements nor lead out of the folder."""
    bad = "</title></style><script>alert(1)</script><img src=x onerror=alert(1)>{{ 7 * 7 }}"
    record = build_record(tmp_path)
    scenario = record.scenario | {"name": bad, "description": bad, "owner": bad, "hypothesis": {"title": bad}}
    record.write_text("scenario.yaml", yaml.safe_dump(scenario))
    record.emit("runner", "run.phase", at=1_750_000_030.0, phase=bad)
    record.emit("experiment", "fault.injected", at=1_750_000_031.0, fault=bad, target={"name": bad}, method=bad)
    verdict = Verdict(
        check=bad, outcome=Outcome.FAIL, reason=bad, target=bad, actual=bad,
        evidence=("javascript:alert(1)", "../../../etc/passwd", "//host/x", "a?b#c"),
    )  # fmt: skip
    record.write_json("verdicts.json", {"verdicts": [verdict.model_dump()]})
    html, page = drawn(RunRecord.open(record.path))
    assert not page.all("script")
    assert not page.all("img")
    assert "49" not in re.findall(r"onerror=alert\(1\)&gt;(.{0,4})", html)
    links = {str(attributes["href"]) for attributes in page.all("a")}
    assert {"./javascript%3Aalert%281%29", "./etc/passwd", "./host/x", "./a%3Fb%23c"} <= links
    assert all(link.startswith(("#", "./")) for link in links)


@pytest.mark.usefixtures("unrendered")
def test_losses_are_capped_on_the_page_with_the_rest_counted(tmp_path: Path) -> None:
    """Every other record of a partition lost is many intervals: the page shows a hundred and counts the others."""
    _, page = drawn(judged(build_record(tmp_path, lost=range(0, 3000, 6))))
    text = " ".join(page.text.split())
    assert "500 acknowledged records not found, in 500 intervals." in text
    assert "The earliest 100 intervals are shown, 400 more are left out." in text


@pytest.mark.usefixtures("unrendered")
def test_an_unjudged_record_is_inconclusive(tmp_path: Path) -> None:
    """No verdicts, or none in the list, never look like a pass."""
    record = build_record(tmp_path)
    for judged_already in (False, True):
        if judged_already:
            record.write_json("verdicts.json", {"verdicts": []})
        _, page = drawn(RunRecord.open(record.path))
        assert "INCONCLUSIVE" in page.text
        assert "PASS" not in page.text


def test_the_same_record_gives_the_same_page(good: tuple[RunRecord, str, Page]) -> None:
    """Drawing again changes nothing, so that a difference means a different record."""
    record, html, _ = good
    assert render(RunRecord.open(record.path)) == html
    assert json.loads((record.path / "verdicts.json").read_text())
