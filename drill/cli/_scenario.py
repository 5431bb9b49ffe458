"""`drill validate`, `drill list`, `drill schema`: work on files alone."""

from pathlib import Path
from typing import Annotated

import typer

from drill.cli._common import AsOutput, Output, leave, leave_validated, print_json, written_file
from drill.errors import InputError, Mistake
from drill.exits import ExitCode


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(validate)
    app.command("list")(list_)
    app.command()(schema)


def validate(
    scenarios: Annotated[
        list[str] | None, typer.Argument(metavar="[SCENARIO]...", help="Names or files; none: the whole catalogue.")
    ] = None,
    output: AsOutput = Output.TEXT,
) -> None:
    """Check scenario files and the experiments they name; prints every mistake with file, line, field and remedy.

    Example: drill validate my-scenario.yaml
    """
    from scenarios import reader  # noqa: PLC0415 - lazy

    mistakes: list[Mistake] = []
    good: list[str] = []
    for name in scenarios or [str(path) for path in reader.catalogue()]:
        try:
            good.append(reader.read(reader.find(name)).scenario.name)
        except InputError as error:
            mistakes += error.mistakes
    leave_validated(good, mistakes, output)


def list_(output: AsOutput = Output.TEXT) -> None:
    """List the catalogue of scenarios.

    Example: drill list -o json
    """
    from scenarios import reader  # noqa: PLC0415 - lazy

    found = [reader.read(path).scenario for path in reader.catalogue()]
    if output is Output.JSON:
        print_json([each.model_dump(mode="json") for each in found])
    else:
        width = max(len(each.name) for each in found)
        for each in found:
            typer.echo(f"{each.name:<{width}}  {each.description}")
    leave(ExitCode.PASS)


def schema(
    path: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="Where to write it; none: stdout.", callback=written_file)
    ] = None,
) -> None:
    """Export the JSON Schema of scenario files, for editors.

    Example: drill schema scenario.schema.json
    """
    import json  # noqa: PLC0415 - lazy

    from scenarios.model import Scenario  # noqa: PLC0415 - lazy

    text = json.dumps(Scenario.model_json_schema(), indent=2)
    if path is None:
        typer.echo(text)
    else:
        path.write_text(text + "\n")
    leave(ExitCode.PASS)
