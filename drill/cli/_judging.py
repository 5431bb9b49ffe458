"""From a finished record to verdicts, report and the words on the terminal; needs no cluster."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

import reports
from drill.cli._common import Output, print_json, say
from drill.record import RunRecord
from drill.verdicts import WORST_FIRST, Outcome, Verdict

if TYPE_CHECKING:
    from drill.notify import Notifier


def judge_and_report(record: RunRecord, *, output: Output, junit: Path | None) -> Outcome:
    """Judge, report, and tell the result on stdout."""
    outcome = reports.conclude(record)
    if junit is not None:
        junit.write_text((record.path / "junit.xml").read_text())
    tell(RunRecord(record.path), outcome, record.path / "report.html", output)
    return outcome


def tell_the_end(notifier: "Notifier", record: RunRecord, outcome: Outcome) -> None:
    """Tell whoever is to be told how a run ended; the page shows the record as it is after that."""
    if notifier.judged(outcome, str(record.path / "report.html")):
        reports.write(RunRecord(record.path))


def tell(record: RunRecord, outcome: Outcome, page: Path, output: Output) -> None:
    """Print the verdicts, worst first, and where the report is."""
    if output is Output.JSON:
        verdicts = [verdict.model_dump(mode="json") for verdict in record.verdicts]
        print_json({"outcome": outcome, "run": str(record.path), "report": str(page), "verdicts": verdicts})
        return
    for verdict in sorted(record.verdicts, key=lambda each: WORST_FIRST.index(each.outcome)):
        typer.echo(line(verdict))
    say("")
    typer.echo(f"{outcome.upper()}  {record.scenario['name']}")
    typer.echo(f"report: {page}")


def line(verdict: Verdict) -> str:
    """One verdict in one line."""
    measured = f" ({verdict.actual}; objective {verdict.target})" if verdict.actual and verdict.target else ""
    return f"{verdict.outcome.upper():<13}{verdict.check + ' ':<26}{verdict.reason}{measured}"
