"""`drill check`: the daily checklist and the weaknesses of a platform; read only."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from drill.cli._common import (
    AsOutput,
    Context,
    JUnit,
    Kubeconfig,
    Output,
    leave,
    print_json,
    say,
    settings,
)
from drill.cli._junit import junit as as_junit
from drill.cli._tables import COLOURS, console, counted

if TYPE_CHECKING:
    from experiments.checklist import Finding


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(check)


def check(
    context: Context = None,
    kubeconfig: Kubeconfig = None,
    output: AsOutput = Output.TEXT,
    junit: JUnit = None,
    weaknesses: Annotated[
        bool, typer.Option("--weaknesses/--no-weaknesses", help="Also tell what would go wrong in the first fault.")
    ] = True,
) -> None:
    """Look over the platform, read only: the daily checklist, and weaknesses that no fault has shown yet.

    Example: drill check --context drill-lab

    Exits with 1 when something is wrong or weak, with 3 when something could not be seen.
    """
    from drill.cluster import Cluster  # noqa: PLC0415 - lazy
    from drill.verdicts import WORST_FIRST, Outcome  # noqa: PLC0415 - lazy
    from experiments import checklist  # noqa: PLC0415 - lazy

    chosen = settings(context=context, kubeconfig=kubeconfig)
    found = list(
        checklist.look(chosen, Cluster.connect(chosen), lambda name: say(f"looking: {name}"), weaknesses=weaknesses)
    )
    found.sort(key=lambda each: (each.weakness, WORST_FIRST.index(each.outcome)))
    outcome = next((each for each in WORST_FIRST if each in {one.outcome for one in found}), Outcome.INCONCLUSIVE)
    missing = checklist.undeclared(chosen)
    if junit is not None:
        lines = [(each.check, each.object, each.outcome, each.reason, each.remedy) for each in found]
        junit.write_text(as_junit("check", lines))
    if output is Output.JSON:
        findings = [each.as_dict() for each in found]
        print_json({"outcome": outcome, "context": chosen.context, "findings": findings, "not_checked": missing})
    else:
        _print(found)
        for system in missing:
            typer.echo(f"not checked: {system} is not declared in the settings of {chosen.context}")
        typer.echo(f"{outcome.upper()}  {counted(each.outcome for each in found)}")
    leave(outcome.exit_code)


def _print(found: Sequence["Finding"]) -> None:
    from rich.table import Table  # noqa: PLC0415 - lazy
    from rich.text import Text  # noqa: PLC0415 - lazy

    out = console()
    for title, weakness in (("today", False), ("weaknesses", True)):
        lines = [each for each in found if each.weakness is weakness]
        if not lines:
            continue
        table = Table(title=title, title_justify="left", box=None, pad_edge=False)
        for heading, share in (("", 0), ("check", 0), ("what", 2), ("found", 3), ("remedy", 3)):
            table.add_column(heading, ratio=share or None, no_wrap=not share)
        for each in lines:
            outcome = Text(each.outcome.upper(), style=COLOURS[each.outcome])
            table.add_row(outcome, each.check, Text(each.object), Text(each.reason), Text(each.remedy))
        out.print(table)
        out.print()
