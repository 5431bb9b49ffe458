"""`drill metrics`: what is known of the drills themselves, for Prometheus."""

import os
from pathlib import Path
from typing import Annotated

import typer

from drill.cli._common import Context, leave, say, written_file
from drill.errors import UsageError
from drill.exits import ExitCode


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(metrics)


def metrics(
    runs: Annotated[Path, typer.Argument(metavar="[RUNS]", help="Folder of run records.", envvar="DRILL_RUNS")] = Path(
        "runs"
    ),
    to: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--to",
            help="File for the node exporter's textfile collector (*.prom); none: stdout.",
            callback=written_file,
        ),
    ] = None,
    push: Annotated[str | None, typer.Option("--push", metavar="URL", help="Push to this Pushgateway as well.")] = None,
    expect: Annotated[
        list[str] | None,
        typer.Option("--expect", metavar="SCENARIO", help="Tell of it although it was never run: it is overdue then."),
    ] = None,
    context: Context = None,
) -> None:
    """Write metrics of the drills: last run, verdict, RTO, RPO, losses, of each scenario and context.

    Example: drill metrics runs -o /var/lib/node_exporter/textfile/drill.prom

    In the OpenMetrics text format. docs/alerts/drill.rules.yaml has alerts: no drill in 90 days, failed, records lost.
    """
    if not runs.is_dir():
        raise UsageError(f"{runs}: no such folder of run records")
    if to is not None and not os.access(to.parent, os.W_OK):
        raise UsageError(f"--to {to}: its folder can't be written to")
    if push is not None and not push.startswith(("http://", "https://")):
        raise UsageError(f"--push {push}: give the Pushgateway's URL, http://host:9091")
    from reports import metrics as room  # noqa: PLC0415 - lazy
    from scenarios import reader  # noqa: PLC0415 - lazy

    expected = [reader.read(reader.find(each)).scenario.name for each in expect or ()]
    found = room.metrics(runs, expected, context or "")
    if push is not None:
        room.push(found, push)
        say(f"pushed to {push}")
    if to is not None:
        room.write(found, to)
        if to.suffix != ".prom":
            say(f"{to}: the textfile collector reads only files that are called *.prom")
    elif push is None:
        typer.echo(room.text(found), nl=False)
    leave(ExitCode.PASS)
