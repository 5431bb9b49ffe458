"""`drill metrics`: what is known of the drills themselves, for Prometheus."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from drill.cli._common import Context, Kubeconfig, leave, say, settings, written_file
from drill.errors import UsageError
from drill.exits import ExitCode

if TYPE_CHECKING:
    from reports.metrics import Known


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(metrics)


def metrics(
    command: typer.Context,
    runs: Annotated[Path, typer.Argument(metavar="[RUNS]", help="Folder of run records.", envvar="DRILL_RUNS")] = Path(
        "runs"
    ),
    published: Annotated[
        bool, typer.Option("--published", help="Of the runs in the context's bucket (drill publish), not of a folder.")
    ] = False,
    to: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--to",
            help="File for the node exporter's textfile collector (*.prom); none: stdout.",
            callback=written_file,
        ),
    ] = None,
    push: Annotated[
        str | None,
        typer.Option("--push", metavar="URL", help="Push to this Pushgateway as well, a group for each context."),
    ] = None,
    instance: Annotated[
        str | None,
        typer.Option("--instance", help="With --push: who pushes, where several do of the same context."),
    ] = None,
    expect: Annotated[
        list[str] | None,
        typer.Option(
            "--expect", metavar="SCENARIO", help="Tell of it although it never ran on the context: it is overdue then."
        ),
    ] = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Write metrics of the drills: last run, verdict, RTO, RPO, losses, of each scenario and context.

    Example: drill metrics runs -o /var/lib/node_exporter/textfile/drill.prom

    Example: drill metrics --published --context staging --expect broker-kill --push http://pushgateway:9091

    In the OpenMetrics text format. docs/alerts/drill.rules.yaml has alerts: no drill in 90 days, failed, records lost.
    """
    source = command.get_parameter_source("runs")
    if published and source is not None and source.name == "COMMANDLINE":
        raise UsageError(f"--published tells of the bucket, and not of {runs}: leave one of them out")
    if not published and not runs.is_dir():
        raise UsageError(f"{runs}: no such folder of run records")
    _check(to, push, instance)
    if expect and context is None:
        raise UsageError("--expect: on which context? give --context or set DRILL_CONTEXT")
    from reports import metrics as room  # noqa: PLC0415 - lazy
    from scenarios import reader  # noqa: PLC0415 - lazy

    expected = [reader.read(reader.find(each)).scenario.name for each in expect or ()]
    known = _published(context, kubeconfig) if published else room.of_folder(runs)
    if push is not None:
        pushed = room.push(known, push, expected, context or "", instance)
        say(f"pushed to {push}: {', '.join(pushed)}" if pushed else "no run is known: nothing was pushed")
    if to is not None or push is None:
        found = room.metrics(known, expected, context or "")
        if to is None:
            typer.echo(room.text(found), nl=False)
        else:
            room.write(found, to)
            if to.suffix != ".prom":
                say(f"{to}: the textfile collector reads only files that are called *.prom")
    leave(ExitCode.PASS)


def _check(to: Path | None, push: str | None, instance: str | None) -> None:
    """Refuse where the metrics can't go, before anything is read."""
    if to is not None and not os.access(to.parent, os.W_OK):
        raise UsageError(f"--to {to}: its folder can't be written to")
    if push is not None and not push.startswith(("http://", "https://")):
        raise UsageError(f"--push {push}: give the Pushgateway's URL, http://host:9091")
    if instance is not None and push is None:
        raise UsageError("--instance is for --push")


def _published(context: str | None, kubeconfig: Path | None) -> "Known":
    from drill.object_store import ObjectStore  # noqa: PLC0415 - lazy
    from reports import metrics as room  # noqa: PLC0415 - lazy

    chosen = settings(context=context, kubeconfig=kubeconfig)
    return room.of_bucket(ObjectStore.connect(chosen, target=chosen.publish), chosen.publish)
