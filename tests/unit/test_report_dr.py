"""The DR drill report: what was met, missed, not proven and not tested; nothing made up; evidence to re-check."""

import hashlib
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

import recovery
import reports
from drill.cli import app
from drill.errors import DrillError, InputError, UsageError
from drill.record import RunRecord
from drill.verdicts import Outcome
from reports import dr, pdf
from reports._format import MINUS
from reports._summary import Reading, Summary
from reports.charts import Chart
from reports.dr import Details, Trouble, _drill, _page, seal, verify, write
from tests.unit import lakehouses, mixed
from tests.unit.mixed import build_mixed
from tests.unit.records import build_record
from tests.unit.restores import BACKUP, DISASTER, PROVEN, Evidence, restore_record
from tests.unit.test_report import Page


@pytest.fixture(autouse=True)
def _undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the charts show is tested elsewhere."""
    monkeypatch.setattr(Chart, "_draw", lambda chart, _: f'<svg aria-labelledby="{chart.name}-wide-title"></svg>')


def judged(record: RunRecord) -> RunRecord:
    """The record with its verdicts."""
    verdicts = [each.model_dump(mode="json") for each in recovery.judge(record)]
    record.write_json("verdicts.json", {"verdicts": verdicts})
    record.write_text("report.html", "the run's own page")
    return RunRecord.open(record.path)


def text_of(page: Path) -> str:
    """What a reader sees."""
    return " ".join(Page(page.read_text()).text.split())


@pytest.fixture
def exercise(tmp_path: Path) -> tuple[RunRecord, RunRecord]:
    """A broker kill that passed, and a scratch restore that passed."""
    return judged(build_record(tmp_path / "runs")), judged(restore_record(tmp_path / "runs", scratch=True))


def test_the_summary_says_what_was_met_and_what_was_not_tested(
    exercise: tuple[RunRecord, RunRecord], tmp_path: Path
) -> None:
    """Met objectives with target, actual and margin; systems that no drill touched are named like failures are."""
    page = write(exercise, Details(), tmp_path / "dr")
    text = text_of(page)
    summary = text.partition("Scope and exclusions")[0]
    assert "Every objective that was tested was met." in summary
    assert "not tested DolphinScheduler; Trino and the lakehouse; MinIO, the object store" in summary
    assert "Kafka was out for 6.31 s" in summary
    assert "32.0 s estimate" in summary
    row = (
        "met Kafka Recovery time (RTO) from the fault until its clients were served steadily ≤ 20.00 s 6.31 s +13.69 s"
    )
    assert row in text
    assert text.count("estimate") >= 4


def test_what_nobody_stated_is_not_stated(exercise: tuple[RunRecord, RunRecord], tmp_path: Path) -> None:
    """No participant, owner, date or exclusion is made up; and none is left out silently."""
    text = text_of(write(exercise, Details(), tmp_path / "dr"))
    for title in ("Scope, as planned", "Left out on purpose", "Participants and roles", "Date of the next drill:"):
        assert re.search(re.escape(title) + r" not stated", text), title
    assert "people's own: not stated" in text


def test_what_was_stated_is_there(exercise: tuple[RunRecord, RunRecord], tmp_path: Path) -> None:
    """Participants, exclusions, own findings with owner and due date, signatures and the retest date."""
    stated = Details.model_validate(
        {
            "title": "Q4",
            "participants": [{"name": "A. Rossi", "role": "coordinator"}],
            "exclusions": [{"what": "Trino", "why": "tested in January"}],
            "manual_steps": [{"what": "Opened the bridge", "by": "B. Chen", "minutes": 3}],
            "findings": [{"finding": "No contact list", "severity": "high", "owner": "B. Chen", "due": "2026-12-15"}],
            "retest": "2027-02-24",
            "sign_off": [{"role": "CTO", "name": "C. Diaz"}],
        }
    )
    text = text_of(write(exercise, stated, tmp_path / "dr"))
    for said in (
        "A. Rossi coordinator", "Trino: tested in January", "Opened the bridge, by B. Chen, 3 min",
        "No contact list people high B. Chen 2026-12-15 open", "Date of the next drill: 2027-02-24", "CTO C. Diaz",
    ):  # fmt: skip
        assert said in text


def _short_by_a_row(pieces: Evidence) -> None:
    pieces["found"]["fingerprint"] = pieces["reference"]["before"]
    pieces["found"]["markers"] = {"kong": {"a": "1"}}


def test_a_failed_check_is_a_finding_and_people_say_who_cares_for_it(tmp_path: Path) -> None:
    """Missed comes before met; severity and owner are those that the file gives to that check, or not stated."""
    record = judged(restore_record(tmp_path / "runs", spoil=_short_by_a_row, rpo=5))
    stated = Details.model_validate(
        {"findings": [{"check": "markers-kept", "scenario": "data-loss", "severity": "critical", "owner": "B. Chen"}]}
    )
    text = text_of(write([record], stated, tmp_path / "dr"))
    assert "The drills found failures." in text
    assert "missed PostgreSQL Data at risk (RPO)" in text
    assert "1 of 2 markers in kong are gone. fail critical B. Chen not stated open" in text
    assert "The backup is too old: the disaster cost 20 s of data. fail not stated not stated not stated open" in text
    assert "Put right what failed" in text


def test_what_could_not_be_proven_is_never_met(tmp_path: Path) -> None:
    """A run without its data proven, or without verdicts, is not proven, and says so first."""
    unproven = judged(restore_record(tmp_path / "runs", proven=False))
    text = text_of(write([unproven], Details(), tmp_path / "a"))
    assert "The drills found failures." in text or "Not everything could be proven." in text
    assert "not proven PostgreSQL Recovery time (RTO)" in text
    unjudged = restore_record(tmp_path / "other")
    text = text_of(write([unjudged], Details(), tmp_path / "b"))
    assert "Not everything could be proven." in text
    assert "the run was not judged" in text
    assert "Every objective that was tested was met." not in text


def test_earlier_drills_of_the_same_scenario_are_compared(tmp_path: Path) -> None:
    """Those before it, in the order of time; one that is alone is said to be."""
    runs = tmp_path / "runs"
    first, second = judged(build_record(runs)), judged(build_record(runs))
    text = text_of(write([second], Details(), tmp_path / "dr", history=[runs, runs]))
    assert text.count("UTC pass 6.31 s") + text.count("UTC (this report) pass 6.31 s") == 2
    alone = text_of(write([first], Details(), tmp_path / "alone"))
    assert "there is nothing to compare with" in alone


def test_charts_of_several_runs_have_ids_of_their_own(exercise: tuple[RunRecord, RunRecord], tmp_path: Path) -> None:
    """Two runs on a page, and no id is there twice."""
    html = write(exercise, Details(), tmp_path / "dr").read_text()
    ids = re.findall(r'\bid="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    assert "run1-phases-wide-title" in html
    assert "run2-runbook-wide-title" in html


def test_links_lead_to_the_evidence_beside_the_report(exercise: tuple[RunRecord, RunRecord], tmp_path: Path) -> None:
    """Every link is a place on the page or a file of the folder; nothing is fetched."""
    page = write(exercise, Details(), tmp_path / "dr")
    html = page.read_text()
    elements = Page(html)
    anchors = set(re.findall(r'\bid="([^"]+)"', html))
    for attributes in elements.all("a"):
        link = str(attributes["href"])
        assert link[1:] in anchors if link.startswith("#") else (page.parent / link).is_file(), link
    assert not elements.all("script")


def _changed(folder: Path) -> None:
    path = next(folder.rglob("events.jsonl"))
    path.write_bytes(path.read_bytes().replace(b"run.started", b"run.Started", 1))


def _page_changed(folder: Path) -> None:
    page = folder / "report.html"
    page.write_text(page.read_text().replace("Every objective", "every objective"))


def _missing(folder: Path) -> None:
    next(folder.rglob("events.jsonl")).unlink()


def _added(folder: Path) -> None:
    (folder / "evidence" / "more.json").write_text("{}")


def _sums_gone(folder: Path) -> None:
    (folder / "SHA256SUMS").unlink()


TAMPERED: list[tuple[Callable[[Path], None], str, str]] = [
    (_changed, "events.jsonl", "changed"),
    (_page_changed, "report.html", "changed"),
    (_missing, "events.jsonl", "missing"),
    (_added, "evidence/more.json", "added"),
    (_sums_gone, "SHA256SUMS", "missing"),
]


@pytest.mark.parametrize(("tamper", "path", "what"), TAMPERED, ids=[each[0].__name__ for each in TAMPERED])
def test_a_changed_byte_a_missing_and_an_added_file_are_found(
    tamper: Callable[[Path], None], path: str, what: str, tmp_path: Path
) -> None:
    """The untouched folder verifies; sha256sum(1) agrees; after the change it does not verify any more."""
    folder = write([judged(restore_record(tmp_path / "runs"))], Details(), tmp_path / "dr").parent
    assert verify(folder) == ()
    sums = ["sha256sum", "--check", "--quiet", "SHA256SUMS", "REPORT.SHA256"]
    assert subprocess.run(sums, cwd=folder, check=False).returncode == 0
    tamper(folder)
    assert any(each.path.endswith(path) and each.what == what for each in verify(folder))


def test_sums_that_were_made_anew_do_not_have_the_signed_digest(tmp_path: Path) -> None:
    """Who changes a file and all sums is found out by the digest that somebody signed, and only by it."""
    folder = write([judged(restore_record(tmp_path / "runs"))], Details(), tmp_path / "dr").parent
    signed = hashlib.sha256((folder / "SHA256SUMS").read_bytes()).hexdigest()
    assert signed in (folder / "report.html").read_text()
    assert verify(folder, signed) == ()
    page = folder / "evidence" / "data-loss"
    next(page.rglob("report.html")).write_text("another page")
    names = [line.partition("  ")[2] for line in (folder / "SHA256SUMS").read_text().splitlines()]
    lines = [f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in names]
    (folder / "SHA256SUMS").write_text("".join(lines))
    seal(folder)
    assert verify(folder) == ()
    neither = Trouble("REPORT.SHA256 or SHA256SUMS", "not the one whose digest was given")
    assert verify(folder, signed) == (neither,)


def test_the_printed_digest_covers_the_page_and_the_one_on_the_page_does_not(tmp_path: Path) -> None:
    """Who rewrites the page and its sum passes the digest of the evidence, which says so, and not the printed one."""
    record = judged(restore_record(tmp_path / "runs"))
    folder = tmp_path / "dr"
    code, said = _run("report", "--dr", record.path, "-o", folder)
    assert code == 0
    printed = said.split()[-1]
    shown = hashlib.sha256((folder / "SHA256SUMS").read_bytes()).hexdigest()
    assert printed != shown
    page = folder / "report.html"
    assert "covers the evidence, and not this page" in text_of(page)
    code, said = _run("verify-evidence", folder, "--sha256", printed.upper())
    assert (code, said.splitlines()[-1]) == (0, "the digest covers the report and all of its evidence")
    _page_changed(folder)
    seal(folder)
    code, said = _run("verify-evidence", folder, "--sha256", shown)
    assert (code, said.splitlines()[-1]) == (0, "the digest covers the evidence, and not the report itself")
    code, said = _run("verify-evidence", folder, "--sha256", printed)
    assert code == 1
    assert "not the one whose digest was given" in said


def test_a_run_record_is_re_checked_by_its_own_manifest(tmp_path: Path) -> None:
    """Also where no report was made of it."""
    record = judged(restore_record(tmp_path / "runs"))
    assert verify(record.path) == ()
    (record.path / "evidence" / "restore-found.json").write_text("{}")
    assert verify(record.path) == (Trouble("evidence/restore-found.json", "changed"),)


def test_evidence_is_never_mixed(tmp_path: Path) -> None:
    """A folder that has something in it is refused, and so is a run that is named twice, or what is no report."""
    record = judged(restore_record(tmp_path / "runs"))
    write([record], Details(), tmp_path / "dr")
    with pytest.raises(UsageError, match="is there already"):
        write([record], Details(), tmp_path / "dr")
    with pytest.raises(UsageError, match="named twice"):
        write([record, record], Details(), tmp_path / "twice")
    assert not (tmp_path / "twice").exists()
    with pytest.raises(UsageError, match="neither a report's folder"):
        verify(tmp_path)


def test_a_hostile_record_leads_nowhere(tmp_path: Path) -> None:
    """A scenario that is called like a path stays in the folder, its words stay words, and a link is no evidence."""
    record = judged(restore_record(tmp_path / "runs"))
    bad = "../../../../out<script>alert(1)</script>"
    record.write_text(
        "scenario.yaml", yaml.safe_dump({**record.scenario, "name": bad, "description": bad, "owner": bad})
    )
    page = write([RunRecord.open(record.path)], Details(), tmp_path / "a" / "b" / "dr")
    assert not Page(page.read_text()).all("script")
    assert {path.relative_to(tmp_path).parts[0] for path in tmp_path.rglob("events.jsonl")} == {"runs", "a"}
    (record.path / "evidence" / "more.json").symlink_to("/etc/hostname")
    with pytest.raises(UsageError, match="a record has no links"):
        write([RunRecord.open(record.path)], Details(), tmp_path / "linked")
    assert not (tmp_path / "linked").exists()


def test_a_printed_report_is_no_change_of_its_record(tmp_path: Path) -> None:
    """It is made of the record, as the page is."""
    record = judged(restore_record(tmp_path / "runs"))
    (record.path / "report.pdf").write_bytes(b"%PDF")
    assert verify(record.path) == ()


def _run(*arguments: str | Path) -> tuple[int, str]:
    done = CliRunner().invoke(app, [str(each) for each in arguments])
    if isinstance(done.exception, DrillError):
        return int(done.exception.exit_code), str(done.exception)
    return done.exit_code, done.output


def test_the_summary_is_one_page_and_names_first_what_was_not_met(tmp_path: Path) -> None:
    """What was not tested stands before what was met, and open findings of people are a next step."""
    record = judged(restore_record(tmp_path / "runs"))
    details = Details.model_validate({"findings": [{"finding": "Nobody calls the customers."}]})
    page = write([record], details, tmp_path / "dr")
    text = text_of(page)
    table = text[text.index("Did we meet it") : text.index("What we do next")]
    assert table.index("not tested") < table.index("Recovery time (RTO)")
    assert "Settle what people found (1 of the findings)." in text
    assert [_page._fits((), drills) for drills in (1, 4, 9)] == [10, 5, 3]


def test_the_command_line_makes_and_re_checks_a_report(tmp_path: Path) -> None:
    """`report --dr` with a file of details, then `verify-evidence`: 0, and 1 after a change."""
    record = judged(restore_record(tmp_path / "runs"))
    details = tmp_path / "details.yaml"
    details.write_text(yaml.safe_dump({"title": "Q4", "retest": "2027-02-24"}))
    code, said = _run("report", "--dr", record.path, "--details", details, "-o", tmp_path / "dr")
    assert (code, said.splitlines()[0]) == (0, str(tmp_path / "dr" / "report.html"))
    assert (tmp_path / "dr" / "evidence" / "details.yaml").read_bytes() == details.read_bytes()
    assert _run("verify-evidence", tmp_path / "dr")[0] == 0
    code, said = _run("verify-evidence", tmp_path / "dr", "--sha256", "abc")
    assert (code, said.startswith("--sha256 abc: not a SHA-256")) == (2, True)
    code, said = _run("verify-evidence", tmp_path / "dr", "--sha256", "0" * 64)
    assert (code, "SHA256SUMS: not the one whose digest was given" in said) == (1, True)
    _added(tmp_path / "dr")
    assert _run("verify-evidence", tmp_path / "dr")[0] == 1
    code, said = _run("report", "--dr", record.path, "--details", tmp_path / "none", "-o", tmp_path / "other")
    assert (code, "no such file. Give the path" in said) == (2, True)
    assert _run("report", record.path, "-o", tmp_path / "x") == (2, "--into is of the DR report; add --dr")
    assert _run("report", "--dr", record.path)[0] == 2


@pytest.mark.parametrize(
    ("content", "where"),
    [
        ("titel: Q4\n", ":1: titel: "),
        ("title: Q4\nfindings:\n  - {severity: awful}\n", ":3: findings.0.severity: "),
        ("title: Q4\nretest: soon\n", ":2: retest: "),
        ("participants:\n  - {name: A}\n", ":2: participants.0.role: "),
    ],
)
def test_mistakes_in_the_details_are_named_before_anything_is_written(content: str, where: str, tmp_path: Path) -> None:
    """File, line and field, exit code 2."""
    record = judged(restore_record(tmp_path / "runs"))
    details = tmp_path / "details.yaml"
    details.write_text(content)
    code, said = _run("report", "--dr", record.path, "--details", details, "-o", tmp_path / "dr")
    assert code == InputError.exit_code
    assert f"{details}{where}" in said
    assert not (tmp_path / "dr").exists()


def test_without_chromium_no_pdf_is_promised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is missing and how to get it, before anything is written."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(pdf.VARIABLE, raising=False)
    record = judged(restore_record(tmp_path / "runs"))
    code, said = _run("report", "--dr", record.path, "-o", tmp_path / "dr", "--pdf")
    assert code == 2
    assert "apt-get install chromium" in said
    assert not (tmp_path / "dr").exists()
    monkeypatch.setenv(pdf.VARIABLE, "/no/such/browser")
    with pytest.raises(UsageError, match="is no program"):
        pdf.browser()


def test_a_browser_that_does_not_print_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its status and its last word; no file is taken for a PDF that is none."""
    false = shutil.which("false")
    assert false is not None
    monkeypatch.setenv(pdf.VARIABLE, false)
    page = tmp_path / "page.html"
    page.write_text("<title>x</title>")
    with pytest.raises(pdf.PrintError, match="status 1"):
        pdf.print_page(page, tmp_path / "page.pdf")


def test_what_was_verified_and_what_was_not_is_there_for_each_restore(
    exercise: tuple[RunRecord, RunRecord], tmp_path: Path
) -> None:
    """By what each proof was had; and that an estimate is no measured disaster."""
    text = text_of(write(exercise, Details(), tmp_path / "dr"))
    assert text.count("What was verified of the restored data, and by what.") == 1
    assert "Every table read, its rows counted and summed" in text
    assert "What was not verified Times of a real disaster" in text or "Roles' passwords and server settings." in text


def test_lost_objects_of_a_bucket_are_a_restore_too(tmp_path: Path) -> None:
    """Their recovery time is one; systems that were hit are the object store and who reads from it."""
    record = judged(lakehouses.record_of(tmp_path / "runs", lakehouses.evidence()))
    text = text_of(write([record], Details(), tmp_path / "dr"))
    assert re.search(r"The data was proven 60\.00 s after it was lost\. \d+ objects? came back", text)
    assert "Recovery time (RTO) from the loss until objects and answers were proven ≤ 10 min 00 s 60.0 s" in text
    assert "Systems that drills touched Trino and the lakehouse, MinIO, the object store" in text


def test_that_nothing_was_lost_is_said_only_where_all_of_it_was_looked_for(tmp_path: Path) -> None:
    """A stream that was not read to its end is named; no total of the others stands for it, and no zero."""
    page = write([judged(build_mixed(tmp_path / "runs", unread=["postgres"]))], Details(), tmp_path / "dr")
    text = text_of(page)
    assert "whether confirmed transactions of PostgreSQL were lost is not known" in text
    assert "nothing that had been confirmed was lost" not in text
    assert _lost_before(text) == "not measured"
    whole = text_of(write([judged(build_mixed(tmp_path / "whole"))], Details(), tmp_path / "dr-whole"))
    assert "nothing that had been confirmed was lost" in whole
    assert _lost_before(whole) == "0"


def test_what_is_known_to_be_lost_is_told_beside_what_is_not_known(tmp_path: Path) -> None:
    """Lost records of one stream are no less lost because another was not read."""
    record = build_mixed(tmp_path / "runs", unread=["postgres"], lost={"workflows": [3]})
    text = text_of(write([judged(record)], Details(), tmp_path / "dr"))
    assert "1 of the confirmed workflows of DolphinScheduler was lost" in text
    assert "whether confirmed transactions of PostgreSQL were lost is not known" in text
    assert _lost_before(text) == "at least 1"


def test_streams_of_one_kind_do_not_stand_for_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two loads of one database: what was lost of one and what is not known of the other are both told."""
    monkeypatch.setitem(mixed.STREAMS, "trades", mixed.STREAMS["postgres"])
    monkeypatch.setitem(mixed.BACK, "trades", mixed.BACK["postgres"])
    lost: dict[str, list[int]] = {"postgres": [3, 4], "trades": [5]}
    both = ["postgres", "trades"]
    summed = Summary(judged(build_mixed(tmp_path / "a", only=both, kafka=False, lost=lost))).losses
    assert (summed.counted, summed.unknown) == ({"transactions of PostgreSQL": 3}, ())
    partly = Summary(judged(build_mixed(tmp_path / "b", only=both, kafka=False, lost=lost, unread=["trades"]))).losses
    assert (partly.counted, partly.total) == ({"transactions of PostgreSQL": 2}, "at least 2")
    assert partly.unknown == ("transactions of PostgreSQL",)
    assert [*_drill._lost(partly)] == [
        "2 of the confirmed transactions of PostgreSQL were lost",
        "whether more confirmed transactions of PostgreSQL were lost is not known",
    ]


def _lost_before(text: str) -> str:
    """The last cell of the only row of the comparison with earlier drills."""
    row = re.search(r"\(this report\) (?:pass|fail|inconclusive) (.*?) Evidence", text)
    assert row is not None
    cell = re.search(r"(not measured|(?:at least )?[\d,]+)$", row[1])
    assert cell is not None
    return cell[0]


def test_a_record_that_was_changed_after_it_was_judged_has_met_nothing(tmp_path: Path) -> None:
    """What had passed is not proven, of each objective and of each stream; why is said beside the result."""
    record = judged(build_mixed(tmp_path / "runs"))
    drain = record.path / "evidence" / "drain.json"
    drain.write_text(drain.read_text().replace('"foreign": 0', '"foreign": 1'))
    text = text_of(write([record], Details(), tmp_path / "dr"))
    summary = text.partition("Scope and exclusions")[0]
    assert "0 met, 0 missed, " in summary
    assert "The record was changed after it was sealed, so that it proves nothing." in summary
    assert "nothing that had been confirmed was lost" not in text
    assert text.count("Record altered: 1 file of this record changed after it was sealed: evidence/drain.json.") == 1
    assert _lost_before(text) == "not measured"


def _failed_made_pass(record: RunRecord) -> None:
    """What an editor would do who wants a lost record forgotten: outcome, words and numbers of one check."""
    kept = json.loads((record.path / "verdicts.json").read_text())
    for each in kept["verdicts"]:
        if each["check"] == "no-acked-record-lost":
            each |= {"outcome": "pass", "reason": "Every one was found.", "actual": "0 of 12,000 acknowledged"}
    kept["outcome"] = "pass"
    record.write_json("verdicts.json", kept)


def test_edited_verdicts_are_found_and_no_page_believes_them(tmp_path: Path) -> None:
    """They are under no sum of the record: it is judged again, for a re-check and for every page."""
    record = build_record(tmp_path / "runs", lost=range(500, 540))
    reports.conclude(record)
    assert _run("verify-evidence", record.path)[0] == 0
    _failed_made_pass(record)
    code, said = _run("verify-evidence", record.path)
    assert code == 1
    edited = "no-acked-record-lost: pass, but fail judged again"
    assert f"verdicts.json: not what follows from the record: {edited}" in said
    text = text_of(write([RunRecord(record.path)], Details(), tmp_path / "dr"))
    assert "Not everything could be proven. 0 met, 0 missed, " in text
    assert "prove nothing. Kafka was out for 6.31 s; and whether confirmed records of Kafka were lost" in text
    assert edited in text
    assert any(each.path.endswith("verdicts.json") for each in verify(tmp_path / "dr"))
    own = text_of(reports.write(RunRecord(record.path)))
    assert own.startswith("INCONCLUSIVE: broker-kill-leader")
    assert edited in own


def test_a_failed_check_that_was_taken_out_is_found(tmp_path: Path) -> None:
    """Also one whose numbers alone were edited, and a sum of outcomes that is not theirs."""
    record = build_record(tmp_path / "runs", lost=range(500, 540))
    reports.conclude(record)
    path = record.path / "verdicts.json"
    kept = json.loads(path.read_text())

    def after(**edited: object) -> str:
        record.write_json("verdicts.json", {**kept, **edited})
        return " ".join(each.what for each in verify(record.path))

    others = [each for each in kept["verdicts"] if each["check"] != "no-acked-record-lost"]
    fewer = [each | {"actual": "1 of 12,000"} if each["outcome"] == "fail" else each for each in kept["verdicts"]]
    assert "no-acked-record-lost: not there, but fail judged again" in after(verdicts=others, outcome="pass")
    assert "no-acked-record-lost: fail, but with other numbers judged again" in after(verdicts=fewer)
    assert "the whole run: pass, though its verdicts make it fail" in after(outcome="pass")
    assert "could not be read" in after(verdicts=[{"check": 1}])
    assert after() == ""


def test_only_what_was_checked_is_counted(tmp_path: Path) -> None:
    """Pages that anybody can make anew are under no sum; of a report, its list of sums is checked, too."""
    record = judged(restore_record(tmp_path / "runs"))
    assert dr.checked(record.path) == len(record.manifest["files"]) + 1
    (record.path / "report.pdf").write_bytes(b"%PDF")
    assert dr.checked(record.path) == len(record.manifest["files"]) + 1
    folder = write([record], Details(), tmp_path / "dr").parent
    assert dr.checked(folder) == sum(path.is_file() for path in folder.rglob("*")) - 1


def _of_cluster(record: RunRecord, **cluster: object) -> RunRecord:
    """The record as if it had been made on another cluster."""
    record.seal({name: each for name, each in record.manifest.items() if name != "files"} | {"cluster": cluster})
    return judged(RunRecord(record.path))


def test_the_cluster_is_named_and_drills_of_another_one_are_marked(tmp_path: Path) -> None:
    """By its identity and not by its name; one that is not known is said to be not known."""
    runs = tmp_path / "runs"
    same, other, unknown, ours = (build_record(runs) for _ in range(4))
    same = judged(same)
    _of_cluster(other, context="drill-lab", uid="uid-other", server_version="v1.30.1", nodes=[{}])
    _of_cluster(unknown, context="drill-lab")
    text = text_of(write([judged(ours)], Details(), tmp_path / "dr", history=[runs]))
    assert "Cluster drill-lab (Kubernetes v1.35.4, 3 nodes, identity uid-kube-system)" in text
    assert text.count("another cluster: drill-lab (Kubernetes v1.30.1, 1 node, identity uid-other) pass") == 1
    assert text.count("which cluster is not known; context drill-lab pass") == 1
    assert "Not all of these drills are known to be of one cluster" in text
    alone = text_of(write([same], Details(), tmp_path / "alone"))
    assert "Not all of these drills" not in alone


def _several(pieces: Evidence) -> None:
    """Kafka came back 31 min after the loss, DolphinScheduler was not seen to answer, the lakehouse outlived it."""
    backup = {"backup_started": BACKUP}
    pieces["services"] = {
        "wanted": ["postgres", "kafka", "dolphinscheduler", "lakehouse", "iceberg"],
        "answering": ["postgres", "kafka", "dolphinscheduler"],
        "services": {
            "postgres": {**backup, "proven": PROVEN, "answered": PROVEN + 2},
            "kafka": {**backup, "proven": PROVEN + 10, "answered": DISASTER + 1860},
            "dolphinscheduler": {**backup, "proven": PROVEN},
            "lakehouse": {"backup_started": None, "proven": PROVEN + 5},
        },
    }


def test_each_service_of_a_restore_is_held_to_its_own_times(tmp_path: Path) -> None:
    """Target, actual and margin of each; who missed its time is missed, and what was not seen is not proven."""
    record = judged(restore_record(tmp_path / "runs", spoil=_several))
    text = text_of(write([record], Details(), tmp_path / "dr"))
    since = "Recovery time (RTO) from the loss until its data was proven and it answered a client ≤ 30 min 00 s"
    assert f"met PostgreSQL {since} 50.0 s +1,750.0 s (97% under)" in text
    assert f"missed Kafka {since} 31 min 00 s {MINUS}60.0 s (3% over)" in text
    assert f"not proven DolphinScheduler {since} not measured: it was not seen to answer —" in text
    assert f"met MinIO, the object store {since} 53.0 s" in text
    assert f"not proven Trino and the lakehouse {since} not measured: its data was not proven —" in text
    assert "met Kafka Data at risk (RPO) age of its own backup at the loss ≤ 15 min 00 s 20.0 s +880.0 s" in text
    assert "MinIO, the object store Data at risk" not in text  # it outlived the loss
    summary = text.partition("Scope and exclusions")[0]
    assert re.search(r"met, 1 missed, \d+ not proven; 0 of 6 systems not tested", summary)


def test_services_of_which_nothing_was_kept_are_not_proven(tmp_path: Path) -> None:
    """Nobody can say which they are: that is a row, too."""
    record = judged(restore_record(tmp_path / "runs", spoil=lambda pieces: pieces.pop("services")))
    text = text_of(write([record], Details(), tmp_path / "dr"))
    assert re.search(r"not proven The services Recovery time .* seen to be back not measured: .*restore-services", text)


def test_no_system_is_tested_because_a_cluster_or_a_node_is_called_like_it(tmp_path: Path) -> None:
    """What a restore brought back, and whose data it was to prove, was tested, whatever its namespace is called."""
    record = restore_record(tmp_path / "runs")
    for target in (
        {"kind": "Cluster", "namespace": None, "name": "prod-kafka"},
        {"kind": "Node", "namespace": None, "name": "trino-worker-1", "pods": ["kafka/kafka-0"]},
        {"kind": "Table", "namespace": "kong", "name": "dolphinscheduler.t"},
    ):
        record.emit("experiment", "fault.effective", at=DISASTER, target=target, since=DISASTER)
    assert Summary(RunRecord(record.path)).systems == {"postgres", "velero"}
    record.emit(
        "experiment",
        "fault.effective",
        at=DISASTER,
        target={
            "kind": "Namespace",
            "namespace": "data-platform",
            "name": "data-platform",
            "pods": ["dolphinscheduler-0"],
        },
        since=DISASTER,
    )
    record.write_evidence("restore-systems", {"kafka": {}, "iceberg": {}, "left_out": {"lakehouse": "not declared"}})
    found = Summary(RunRecord(record.path))
    assert found.systems == {"postgres", "velero", "dolphinscheduler", "kafka", "trino"}


def test_the_longest_time_of_a_part_is_no_less_than_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where one service's time was not measured, the longest of the others is a lower bound in the comparison."""
    known = Reading("kafka", "6.31 s", 6.31, at_least=False, outcome=Outcome.PASS, estimated=False)
    lacks = replace(known, service="postgres", text="not measured", value=None, outcome=Outcome.INCONCLUSIVE)
    found = {"rto": (known, lacks), "rpo": (lacks,)}
    monkeypatch.setattr(Summary, "readings", lambda _, check: found.get(check, ()))
    row = _page._before(*[Summary(build_record(tmp_path))] * 2, current=True)
    assert (row.rto, row.rpo) == ("at least 6.31 s", "not measured")
