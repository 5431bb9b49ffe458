"""`drill judge`, `drill report`: work on a run record alone."""

from pathlib import Path
from typing import Annotated

import typer

from drill.cli._common import AsOutput, Output, RunFolder, leave
from drill.errors import UsageError
from drill.exits import ExitCode


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(judge)
    app.command()(report)


def judge(
    run: RunFolder,
    output: AsOutput = Output.TEXT,
    junit: Annotated[Path | None, typer.Option("--junit", help="Write JUnit XML here as well.")] = None,
) -> None:
    """Judge a run record again, with no cluster; its report is written anew.

    Example: drill judge runs/broker-kill-leader/20261123T060000Z
    """
    from drill.cli._judging import judge_and_report  # noqa: PLC0415 - lazy
    from drill.record import RunRecord  # noqa: PLC0415 - lazy

    outcome = judge_and_report(RunRecord.open(_folder(run)), output=output, junit=junit)
    leave(outcome.exit_code)


def report(run: RunFolder) -> None:
    """Write a run's HTML report from its record and verdicts, with no cluster; prints the page's path.

    Example: drill report runs/broker-kill-leader/20261123T060000Z
    """
    import reports  # noqa: PLC0415 - lazy
    from drill.record import RunRecord  # noqa: PLC0415 - lazy

    typer.echo(reports.write(RunRecord.open(_folder(run))))
    leave(ExitCode.PASS)


def _folder(run: Path) -> Path:
    if not run.is_dir():
        raise UsageError(f"{run}: no such run record; `ls runs/*` shows what there is")
    return run
