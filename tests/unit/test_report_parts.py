"""The parts of a report: numbers as text, margins, faults from events, arrays on the time axis, SVG for the page."""

from pathlib import Path

import numpy as np
import pytest
import structlog

import recovery
from drill.objectives import Objectives
from drill.record import RunRecord
from drill.verdicts import Outcome, Verdict
from reports._comparison import Stretch, comparison
from reports._faults import faults
from reports._format import duration, number, offset, plain, words
from reports._layers import instants
from reports._measured import Missing, measured
from reports._objectives import not_set, objectives
from reports._scene import Scene, joined
from reports._svg import inline
from reports._templates import href
from reports.charts import Axis, Chart, Line
from tests.unit.records import FAULT, RECOVERED, START, build_record


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (2e-5, "20 µs"),
        (0.0123, "12.3 ms"),
        (0.25, "250 ms"),
        (3.206, "3.21 s"),
        (119.999, "120.00 s"),
        (125, "2 min 05 s"),
        (-6.69, "\N{MINUS SIGN}6.69 s"),
        (float("nan"), "none"),
    ],
)
def test_durations_are_in_their_natural_unit(seconds: float, text: str) -> None:
    """Three digits below a second, hundredths above it, whole seconds from two minutes on."""
    assert duration(seconds) == text


def test_numbers_and_names_are_as_people_read_them() -> None:
    """Thousands are separated in counts, never in settings; acronyms stay acronyms."""
    assert number(429180) == "429,180"
    assert offset(0.004) == "+0.00 s"
    assert words("rto") == "RTO"
    assert words("no-acked-record-lost") == "No acked record lost"
    assert plain({"seed": 3374787453, "idempotence": True, "nodes": [{"a": 1}, {"a": 2}]}) == (
        "seed: 3374787453, idempotence: yes, nodes: a: 1; a: 2"
    )


@pytest.mark.parametrize(
    ("target", "actual", "outcome", "margin"),
    [
        ("<= 15 s", "6.31 s", "pass", "+8.69 s (58% under)"),
        ("<= 5 s", "6.31 s", "fail", "\N{MINUS SIGN}1.31 s (26% over)"),
        ("<= 5 s", "at least 12.00 s", "fail", "at most \N{MINUS SIGN}7.00 s (140% over)"),
        (">= 5 s and <= 90 s", "33.92 s", "pass", "+28.92 s (578% over); +56.08 s (62% under)"),
        ("<= 0 records", "1,200 of 12,000 acknowledged", "fail", "\N{MINUS SIGN}1,200 records"),
        (">= 99.0%, at most 0.5 s late", "100.0% of 12,000 records", "pass", "+1.0 %"),
        ("<= 15 s", None, "inconclusive", None),
        ("<= 15 s", "6.31 s", "inconclusive", None),
        ("<= 15 s", "unknown", "fail", None),
    ],
)
def test_the_margin_is_the_room_to_the_target(
    target: str, actual: str | None, outcome: str, margin: str | None
) -> None:
    """Positive is room, negative is missed, and nothing unproven has a margin."""
    verdict = Verdict(check="client-outage", outcome=Outcome(outcome), reason="", target=target, actual=actual)
    assert [row.margin for row in objectives([verdict])] == [margin]


def test_objectives_that_were_not_set_are_named() -> None:
    """The reader sees what the run was not held to."""
    assert not_set(Objectives(rto=20.0)) == ("client_outage", "restored_within", "latency_p99")


def test_a_part_that_breaks_is_missing_with_its_reason(tmp_path: Path) -> None:
    """The reason names the error, and never where the record lay."""

    def broken() -> int:
        raise KeyError(f"{tmp_path}/x")

    with structlog.testing.capture_logs() as logged:
        found = measured(RunRecord(tmp_path), broken)
    assert isinstance(found, Missing)
    assert not found
    assert str(found) == "not measured: this part of the record could not be read (KeyError: 'x')"
    assert logged[0]["record"] == str(tmp_path)
    assert logged[0]["part"].startswith("test_report_parts.py:")


def test_a_link_never_leaves_the_record() -> None:
    """No scheme, no host, no way up."""
    assert href("../../etc/passwd") == "./etc/passwd"
    assert href("javascript:alert(1)").startswith("./javascript%3A")
    assert href("//host/a b") == "./host/a%20b"


def test_faults_are_told_apart_by_their_targets(tmp_path: Path) -> None:
    """Two faults at once, on two brokers: each has its own effect and its own recovery."""
    found = faults(build_record(tmp_path, faults=(FAULT, FAULT + 0.1)))
    assert [fault.target["broker"] for fault in found] == [0, 1]
    assert [fault.since for fault in found] == pytest.approx([START + FAULT, START + FAULT + 0.1])
    assert [fault.recovered for fault in found] == pytest.approx([START + FAULT + 14, START + FAULT + 14.1])


def test_a_second_injection_into_the_same_target_starts_a_new_fault(tmp_path: Path) -> None:
    """The recovery of a repeated fault is not taken for that of the first one."""
    found = faults(build_record(tmp_path, faults=(20.0, 21.0, 22.0, 40.0)))
    assert [fault.target["broker"] for fault in found] == [0, 1, 2, 0]
    assert found[0].recovered == pytest.approx(START + 34)
    assert found[3].recovered == pytest.approx(START + 54)


def test_spans_that_touch_are_one() -> None:
    """Whatever their order."""
    assert joined([(5.0, 6.0), (0.0, 3.0), (1.0, 2.0), (3.0, 4.0)]) == [(0.0, 4.0), (5.0, 6.0)]


@pytest.mark.parametrize("each", [0.1, 1.0, 7.0])
def test_rates_keep_every_record_and_meet_the_origin(tmp_path: Path, each: float) -> None:
    """Coarser steps lose no record, and one of them begins at t0, so that no step mixes before and after."""
    record = build_record(tmp_path)
    scene = Scene(record, recovery.timeline(record), faults(record))
    counts = scene.series.acked.sum(axis=0)
    x, rates = scene.rates(counts, each)
    assert rates.sum() * each == pytest.approx(counts.sum())
    assert np.diff(x) == pytest.approx(each)
    assert np.abs(x).min() < scene.series.bin
    assert x[0] <= scene.series.start - scene.origin


def test_all_charts_of_the_whole_run_share_one_axis(tmp_path: Path) -> None:
    """It holds the load, every instant and every fault."""
    record = build_record(tmp_path)
    line = recovery.timeline(record)
    axis = Scene(record, line, faults(record)).axis
    assert axis.origin == "t0"
    assert axis.start == pytest.approx(-FAULT, abs=0.01)
    assert [name for name, _ in axis.marks] == ["t1", "t0", "t5", "t6", "t4"]
    assert dict(axis.marks)["t5"] == pytest.approx(RECOVERED - FAULT, abs=0.02)
    assert len(axis.windows) == 1
    assert axis.windows[0] == pytest.approx((0, 14))


def test_before_during_and_after_are_compared(tmp_path: Path) -> None:
    """The outage is in the middle and nowhere else; without a fault there is no middle."""
    record = build_record(tmp_path)
    scene = Scene(record, recovery.timeline(record), ())
    before, during, after = (each for _, each in comparison(record, scene.timeline, scene.series))
    assert isinstance(before, Stretch)
    assert isinstance(during, Stretch)
    assert isinstance(after, Stretch)
    assert before.maximum < 0.1 < during.maximum == pytest.approx(RECOVERED - FAULT, rel=0.02)
    assert before.offered == pytest.approx(200, rel=0.01)
    assert during.acked < before.acked < after.acked
    record = build_record(tmp_path / "none", effective=False, outages=())
    scene = Scene(record, recovery.timeline(record), ())
    assert [isinstance(each, Missing) for _, each in comparison(record, scene.timeline, scene.series)] == [
        False,
        True,
        True,
    ]


def test_instants_closer_than_their_names_are_named_together() -> None:
    """Each has a rule; names that would overlap are joined in the order of time."""
    axis = Axis(0, 100, "t0", marks=(("t1", 10.0), ("t0", 10.1), ("t5", 50.0)))
    rules, names = (layer.to_dict()["data"]["values"] for layer in instants(axis, 800))
    assert [rule["a"] for rule in rules] == [10.0, 10.1, 50.0]
    assert [name["text"] for name in names] == ["t1 t0", "t5"]


def test_a_chart_has_a_name_a_description_and_the_colours_of_the_page() -> None:
    """In each size, with gaps where nothing was measured, and nothing of a fixed colour or font."""
    x = np.arange(4.0)
    series = [Line("acked", "acked", x, np.array([1.0, np.nan, 3.0, 0.0]))]
    svg = Chart("some", "A <title>", "What it says & more", Axis(0, 4, "t0")).lines(series)
    assert svg.count("A &lt;title&gt;") == svg.count("What it says &amp; more") == 2
    assert 'stroke="var(--acked)"' in svg
    assert "font-family" not in svg
    assert "xmlns" not in svg


def test_ids_of_an_svg_are_its_own() -> None:
    """References follow their ids, and nothing that Vega counts over a process is left."""
    svg = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"><g clip-path="url(#clip7)"/>'
    svg += '<defs><clipPath id="clip7"><rect/></clipPath></defs></svg>'
    once = inline(svg, "one", "t", "d")
    assert once == inline(svg.replace("clip7", "clip99"), "one", "t", "d")
    assert "clip7" not in once
    assert "url(#one-" in once
