"""The portfolio: what was never tried is on it, and nothing but a drill that passes raises its score."""

import shutil
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

import recovery
from drill.cli import app
from drill.errors import InputError, UsageError
from drill.record import RunRecord
from drill.verdicts import Outcome
from reports._format import age
from reports._spark import spark
from reports.portfolio import DAY, worth, write
from scenarios.model import CATALOGUE as CATALOGUE_FOLDER
from tests.unit.records import START, build_record
from tests.unit.restores import restore_record
from tests.unit.test_report import Page

NOW, FRESH = START + DAY, 90 * DAY
CATALOGUE = {
    "broker-kill-leader": "The leader dies.",
    "two-brokers-down": "Two brokers die.",
    "data-loss": "It is lost.",
}


def judged(record: RunRecord) -> RunRecord:
    """The record with its verdicts."""
    record.write_json("verdicts.json", {"verdicts": [each.model_dump(mode="json") for each in recovery.judge(record)]})
    return RunRecord.open(record.path)


def moved(record: RunRecord, stamp: str, context: str = "drill-lab") -> RunRecord:
    """The record, judged, as of a run at another time on another context."""
    events = record.path / "events.jsonl"
    events.write_text(events.read_text().replace('"context":"drill-lab"', f'"context":"{context}"'))
    record.seal({name: value for name, value in record.manifest.items() if name != "files"})
    path = judged(RunRecord(record.path)).path
    return RunRecord.open(path.rename(path.with_name(stamp)))


def portfolio(runs: Path, now: float = NOW, context: str | None = None) -> tuple[int, str]:
    """The score and the text of the page."""
    page = write(runs, CATALOGUE, into=runs / "portfolio.html", now=now, fresh=FRESH, context=context)
    html = page.read_text()
    text = " ".join(Page(html).text.split())
    for attributes in Page(html).all("a"):
        link = str(attributes["href"])
        assert link.startswith("#") or (runs / link).is_file(), link
    return int(text.split(" of 100")[0].rsplit(maxsplit=1)[-1]), text


def test_without_any_run_the_score_is_nothing(tmp_path: Path) -> None:
    """Every scenario, system and runbook is an untested risk."""
    score, text = portfolio(tmp_path)
    assert score == 0
    assert "3 never run" in text
    for risk in ("two-brokers-down : Two brokers die.", "Kafka : no drill has touched it", "is down : never"):
        assert risk in text


def test_only_a_pass_is_worth_anything_and_only_while_it_is_fresh(tmp_path: Path) -> None:
    """One of three passed: 33; twice the time later: 0. A failure after it takes the points away."""
    judged(build_record(tmp_path))
    score, text = portfolio(tmp_path)
    assert score == 33
    assert "broker-kill-leader drill-lab pass" in text
    assert portfolio(tmp_path, NOW + 1.5 * FRESH)[0] == 16
    late, said = portfolio(tmp_path, NOW + 2 * FRESH)
    assert late == 0
    assert "expired" in said
    newest = judged(build_record(tmp_path, lost=range(5)))
    newest.path.rename(newest.path.with_name("99990101T000000Z"))
    score, text = portfolio(tmp_path)
    assert score == 0
    assert "broker-kill-leader drill-lab fail" in text


@pytest.mark.parametrize("outcome", [None, *Outcome])
def test_waiting_never_raises_what_a_run_is_worth(outcome: Outcome | None) -> None:
    """Whatever the newest run said, and at any age; and no run is worth no more than any."""
    ages = [0.0, FRESH, 1.1 * FRESH, 1.9 * FRESH, 2 * FRESH, 9 * FRESH]
    points = [worth(outcome, each, FRESH)[0] for each in ages]
    assert points == sorted(points, reverse=True)
    assert all(0 <= each <= 1 for each in points)
    assert worth(None, None, FRESH)[0] == 0 == worth(Outcome.PASS, None, FRESH)[0]
    assert points[0] == (1 if outcome is Outcome.PASS else 0)


def test_taking_a_failed_run_away_raises_nothing(tmp_path: Path) -> None:
    """Not having tried is worth as little as having failed."""
    record = judged(build_record(tmp_path, lost=range(5)))
    before, _ = portfolio(tmp_path)
    shutil.rmtree(record.path)
    assert portfolio(tmp_path)[0] == before == 0


def test_a_record_that_was_altered_or_never_judged_passes_nothing(tmp_path: Path) -> None:
    """A pass that nobody can trust is inconclusive."""
    record = judged(build_record(tmp_path))
    (record.path / "evidence" / "drain.json").write_text("{}")
    assert portfolio(tmp_path)[0] == 0
    shutil.rmtree(record.path)
    build_record(tmp_path)
    score, text = portfolio(tmp_path)
    assert score == 0
    assert "broker-kill-leader drill-lab inconclusive" in text


def test_systems_and_runbooks_are_covered_by_what_was_hit_and_done(tmp_path: Path) -> None:
    """A restore tests Velero and the data's own server; a platform that healed by itself rehearsed no runbook."""
    judged(restore_record(tmp_path))
    _, text = portfolio(tmp_path)
    assert "Velero, the backups lab pass" in text
    assert "PostgreSQL lab pass" in text
    assert "Emergency: data may be lost lab pass" in text
    assert "Kafka lab not tested" in text
    record = judged(restore_record(tmp_path / "other"))
    events = record.path / "events.jsonl"
    events.write_text(events.read_text().replace('"mode":"runbook"', '"mode":"self-heal"'))
    assert "data may be lost lab not tested" in portfolio(tmp_path / "other")[1]


def test_trends_have_their_numbers_in_words(tmp_path: Path) -> None:
    """Two runs of one scenario: recovery time, losses and latency, each with a text alternative."""
    judged(build_record(tmp_path))
    judged(build_record(tmp_path, outages=((0, 25.0, 33.3),)))
    _, text = portfolio(tmp_path)
    assert "Kafka Recovery time (RTO)" in text
    assert "2.00 s more than before" in text
    html = (tmp_path / "portfolio.html").read_text()
    assert 'aria-label="Recovery time (RTO), 2 runs, the oldest first: 6.31 s, 8.31 s."' in html
    assert "Latency p99, 2 runs" in html


def test_a_failure_on_one_cluster_is_not_mended_by_a_later_pass_on_another(tmp_path: Path) -> None:
    """Each context has its row and its systems; the worst counts, unless the others are left out."""
    moved(build_record(tmp_path, lost=range(40)), "20250101T000000Z", "production")
    moved(build_record(tmp_path), "20250102T000000Z", "laptop-kind")
    score, text = portfolio(tmp_path)
    assert score == 0
    assert "3 scenarios: 0 passed, 1 failed, 0 inconclusive, 2 never run" in text
    for row in ("broker-kill-leader production fail", "broker-kill-leader laptop-kind pass"):
        assert row in text
    assert "Kafka laptop-kind pass" in text
    assert "Kafka production fail" in text
    assert "run twice on one context" in text, "two clusters make no trend"
    score, text = portfolio(tmp_path, context="laptop-kind")
    assert score == 33
    assert "production" not in text
    assert portfolio(tmp_path, context="production")[0] == 0
    assert "3 never run" in portfolio(tmp_path, context="elsewhere")[1]


def test_a_trend_does_not_call_an_older_run_the_newest(tmp_path: Path) -> None:
    """A newest run without a number says so; a recovery that was not seen is a bound, and not reckoned with."""
    moved(build_record(tmp_path), "20250101T000000Z")
    moved(build_record(tmp_path, outages=((0, 25.0, float("inf")),)), "20250102T000000Z")
    _, text = portfolio(tmp_path)
    assert "Recovery time (RTO) at least 35.00 s not to be told" in text
    moved(build_record(tmp_path, omit=["load"]), "20250103T000000Z")
    _, text = portfolio(tmp_path)
    assert "Recovery time (RTO) not measured not to be told; not measured in 1 run" in text
    told = "Recovery time (RTO), 3 runs, the oldest first: 6.31 s, at least 35.00 s, not measured."
    assert told in (tmp_path / "portfolio.html").read_text()


def test_a_gap_in_a_trend_is_one() -> None:
    """The line ends where nothing was measured, a number between gaps is a dot, and only the newest run is marked."""
    drawn = spark([2.0, 1.0, None, 2.0, None], "a")
    assert 'points="4.0,4.0 32.0,14.0"' in drawn
    assert '<circle cx="88.0" cy="4.0" r="1.75"' in drawn
    assert 'r="3"' not in drawn
    assert "polyline" not in spark([None, None], "a")


def test_a_trend_is_drawn_from_zero_and_its_words_are_escaped() -> None:
    """A flat line of zeros is drawn as well; one number is a mark."""
    assert 'points="4.0,24.0 116.0,4.0"' in spark([0.0, 2.0], "a")
    assert 'points="116.0,4.0"' in spark([3.0], "a")
    assert "nan" not in spark([0.0, 0.0], "a")
    assert "&lt;b&gt;&#34;" in spark([1.0], '<b>"')


def test_ages_are_as_rough_as_people_say_them() -> None:
    """Minutes, hours, days."""
    assert [age(each) for each in (0, 3599, 3600, 2 * DAY - 1, 2 * DAY)] == ["0 min", "59 min", "1 h", "47 h", "2 days"]


def test_the_command_line_draws_the_catalogue(tmp_path: Path) -> None:
    """Every scenario that drill ships is on the page but its control, and hostile words stay words."""
    record = judged(build_record(tmp_path))
    scenario = {**record.scenario, "description": "<script>alert(1)</script>", "name": "my-own"}
    record.write_text("scenario.yaml", yaml.safe_dump(scenario))
    done = CliRunner().invoke(app, ["portfolio", str(tmp_path)])
    assert (done.exit_code, done.output.strip()) == (0, str(tmp_path / "portfolio.html"))
    page = Page((tmp_path / "portfolio.html").read_text())
    assert "Not counted: durability-control" in page.text
    assert "platform-down" in page.text
    assert not page.all("script")
    assert CliRunner().invoke(app, ["portfolio", str(tmp_path / "none")]).exit_code != 0


def test_a_scenario_of_ones_own_that_was_never_run_is_an_untested_risk(tmp_path: Path) -> None:
    """Whose file or folder is named counts, so that taking its failed runs away raises nothing."""
    runs, own = tmp_path / "runs", tmp_path / "own"
    runs.mkdir()
    own.mkdir()
    text = (CATALOGUE_FOLDER / "broker-kill-leader.yaml").read_text()
    for name in ("own-a", "own-b"):
        (own / f"{name}.yaml").write_text(text.replace("name: broker-kill-leader\n", f"name: {name}\n"))
    (own / "gate.yaml").write_text("name: release\nscenarios: [own-a.yaml]\n")

    def drawn(*arguments: str | Path) -> tuple[int, str]:
        done = CliRunner().invoke(app, ["portfolio", str(runs), *map(str, arguments)])
        return done.exit_code, " ".join(Page((runs / "portfolio.html").read_text()).text.split())

    assert "own-a" not in drawn()[1]
    code, told = drawn("--scenarios", own)
    assert code == 0
    assert "own-a :" in told
    assert "own-b :" in told
    code, told = drawn("--scenarios", own / "own-b.yaml")
    assert ("own-a" in told, "own-b" in told) == (False, True)
    for wrong in (tmp_path / "none", runs):
        assert isinstance(_refused("--scenarios", wrong, runs=runs), UsageError)
    (own / "broken.yaml").write_text("objectives: [")
    assert isinstance(_refused("--scenarios", own, runs=runs), InputError)


def _refused(*arguments: str | Path, runs: Path) -> BaseException | None:
    return CliRunner().invoke(app, ["portfolio", str(runs), *map(str, arguments)]).exception
