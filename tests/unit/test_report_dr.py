"""The DR drill report: what was met, missed, not proven and not tested; nothing made up; evidence to re-check."""

import hashlib
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

import recovery
from drill.cli import app
from drill.errors import DrillError, InputError, UsageError
from drill.record import RunRecord
from reports import pdf
from reports.charts import Chart
from reports.dr import Details, Trouble, seal, verify, write
from tests.unit.records import build_record
from tests.unit.restores import Evidence, restore_record
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
    _changed(folder)
    names = [line.partition("  ")[2] for line in (folder / "SHA256SUMS").read_text().splitlines()]
    lines = [f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in names]
    (folder / "SHA256SUMS").write_text("".join(lines))
    seal(folder)
    assert verify(folder) == ()
    assert verify(folder, signed) == (Trouble("SHA256SUMS", "not the one whose digest was given"),)


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


def test_the_command_line_makes_and_re_checks_a_report(tmp_path: Path) -> None:
    """`report --dr` with a file of details, then `verify-evidence`: 0, and 1 after a change."""
    record = judged(restore_record(tmp_path / "runs"))
    details = tmp_path / "details.yaml"
    details.write_text(yaml.safe_dump({"title": "Q4", "retest": "2027-02-24"}))
    code, said = _run("report", "--dr", record.path, "--details", details, "-o", tmp_path / "dr")
    assert (code, said.strip()) == (0, str(tmp_path / "dr" / "report.html"))
    assert (tmp_path / "dr" / "evidence" / "details.yaml").read_bytes() == details.read_bytes()
    assert _run("verify-evidence", tmp_path / "dr")[0] == 0
    code, said = _run("verify-evidence", tmp_path / "dr", "--sha256", "abc")
    assert (code, said.startswith("--sha256 abc: not a SHA-256")) == (2, True)
    code, said = _run("verify-evidence", tmp_path / "dr", "--sha256", "0" * 64)
    assert (code, "not the one whose digest was given  SHA256SUMS" in said) == (1, True)
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
    record = judged(restore_record(tmp_path / "runs"))
    scenario = {**record.scenario, "target": {"namespaces": ["data-platform"], "buckets": ["lakehouse"]}}
    scenario["objectives"] = {"rto": 600, "recovery_timeout": 900}
    record.write_text("scenario.yaml", yaml.safe_dump(scenario))
    (record.path / "evidence" / "restore-backup.json").unlink()
    told = [
        {
            "check": "lakehouse-restored",
            "outcome": "pass",
            "reason": "Proven.",
            "target": "<= 600 s",
            "actual": "48.0 s",
        },
        {
            "check": "nothing-newer-lost",
            "outcome": "pass",
            "reason": "1 object came back.",
            "target": "0 s",
            "actual": "0 s",
        },
    ]
    record.write_json("verdicts.json", {"verdicts": told})
    text = text_of(write([RunRecord.open(record.path)], Details(), tmp_path / "dr"))
    assert "The data was proven 48.00 s after it was lost. 1 object came back." in text
    assert "Recovery time (RTO) from the loss until objects and answers were proven ≤ 10 min 00 s 48.0 s" in text
    assert "Systems that drills touched Trino and the lakehouse, MinIO, the object store" in text
