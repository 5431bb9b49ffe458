"""A run record and its verdicts as a page for people (`write`) and as JUnit XML for CI servers (`junit`)."""

from pathlib import Path

import recovery
from drill.record import RunRecord
from drill.verdicts import Outcome, overall


def conclude(record: RunRecord) -> Outcome:
    """Judge a record anew and write into it all that follows: the verdicts, the page, the JUnit XML."""
    record = RunRecord(record.path)  # what was read while the run went on is stale
    verdicts = recovery.judge(record)
    outcome = overall(verdicts)
    record.write_json(
        "verdicts.json",
        {"outcome": outcome, "verdicts": [verdict.model_dump(mode="json") for verdict in verdicts]},
    )
    write(record)
    record.write_text("junit.xml", junit(record))
    return outcome


def write(record: RunRecord) -> Path:
    """Draw the record's report.html, one page that needs no network; returns its path.

    Never raises for what the record lacks: the page says what was not measured, and why.
    """
    from reports.page import render  # noqa: PLC0415 - numpy and Jinja have no place in the start of `drill --help`

    return record.path / record.write_text("report.html", render(record))


def junit(record: RunRecord) -> str:
    """The run as JUnit XML: a test case for each check; inconclusive is an error, so that no gate reads it as pass."""
    from reports._junit import junit as to_xml  # noqa: PLC0415

    return to_xml(record)
