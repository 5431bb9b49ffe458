"""`drill new`: a working scenario, fault or check of one's own, with its test."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from drill.cli._common import leave, say
from drill.exits import ExitCode


class Kind(StrEnum):
    """What can be made."""

    SCENARIO = "scenario"
    FAULT = "fault"
    CHECK = "check"


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(new)


def new(
    kind: Annotated[Kind, typer.Argument(help="What to make.", show_default=False)],
    name: Annotated[str, typer.Argument(metavar="NAME", help="Lower-case words joined by hyphens.")],
    to: Annotated[Path, typer.Option("--to", metavar="FOLDER", help="Where to put it.")] = Path(),
) -> None:
    """Write a scenario, a fault or a check that works, with its test, to make your own of it.

    Example: drill new fault lost-rack --to drills

    Prints the files. Nothing is overwritten. docs/scenarios.md, docs/faults.md and docs/checks.md explain them.
    """
    from scenarios import scaffold  # noqa: PLC0415 - lazy

    for path in scaffold.copy(kind, name, to):
        typer.echo(path)
    test = f"test_{name.replace('-', '_')}.py"
    say(f"try it: python -m pytest {to / test}")
    if kind is not Kind.SCENARIO:
        say(f"drill finds its module by PYTHONPATH: PYTHONPATH={to} drill validate {to / name}.yaml")
    leave(ExitCode.PASS)
