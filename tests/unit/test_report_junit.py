"""JUnit XML: what a CI server reads from a run."""

from pathlib import Path
from xml.etree import ElementTree as ET

import recovery
import reports
from drill.record import RunRecord
from drill.verdicts import Outcome, Verdict
from tests.unit.records import build_record


def suite_of(record: RunRecord) -> ET.Element:
    """The one test suite of a record's JUnit XML."""
    suite = ET.fromstring(reports.junit(record)).find("testsuite")  # noqa: S314 - our own output
    assert suite is not None
    return suite


def judged(record: RunRecord, verdicts: tuple[Verdict, ...] | None = None) -> RunRecord:
    """The record with these verdicts, or those that recovery gives it."""
    chosen = recovery.judge(record) if verdicts is None else verdicts
    record.write_json("verdicts.json", {"verdicts": [verdict.model_dump() for verdict in chosen]})
    return RunRecord.open(record.path)


def test_each_check_is_a_test_case_with_its_outcome(tmp_path: Path) -> None:
    """Pass, fail and inconclusive are a plain case, a failure and an error, each with its reason."""
    verdicts = tuple(Verdict(check=f"is-{outcome}", outcome=outcome, reason=f"It is {outcome}.") for outcome in Outcome)
    suite = suite_of(judged(build_record(tmp_path), verdicts))
    assert [case.get("name") for case in suite.iter("testcase")] == ["is-pass", "is-fail", "is-inconclusive"]
    assert [case.find("failure") is not None for case in suite.iter("testcase")] == [False, True, False]
    assert [case.find("error") is not None for case in suite.iter("testcase")] == [False, False, True]
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("3", "1", "1")
    assert [failure.get("message") for failure in suite.iter("failure")] == ["It is fail."]


def test_the_duration_is_that_of_the_run(tmp_path: Path) -> None:
    """Seconds, not an epoch; the time stamp is when the run began."""
    suite = suite_of(judged(build_record(tmp_path)))
    assert suite.get("time") == "68.000"
    assert suite.get("timestamp") == "2025-06-15T15:06:37"


def test_a_run_that_was_not_judged_is_an_error(tmp_path: Path) -> None:
    """A gate must not read a suite with no cases as a pass."""
    suite = suite_of(build_record(tmp_path, killed=30.0))
    assert suite.get("errors") == suite.get("tests") != "0"
    assert suite_of(judged(build_record(tmp_path), ())).get("errors") == "1"


def test_a_rollback_that_failed_is_an_error_of_its_own(tmp_path: Path) -> None:
    """Whatever the checks say."""
    passed = (Verdict(check="one", outcome=Outcome.PASS, reason="Fine."),)
    assert suite_of(judged(build_record(tmp_path, rollback="failed"), passed)).get("errors") == "1"
    assert suite_of(judged(build_record(tmp_path, rollback="done"), passed)).get("errors") == "0"


def test_text_that_xml_cannot_hold_is_replaced(tmp_path: Path) -> None:
    """Control characters and mark-up in a reason leave the file well-formed."""
    bad = Verdict(check="<&\x00>", outcome=Outcome.FAIL, reason="]]> \x1b[31m \ud800 <b>")
    case = suite_of(judged(build_record(tmp_path), (bad,))).find("testcase")
    assert case is not None
    assert case.get("name") == "<&\N{REPLACEMENT CHARACTER}>"
