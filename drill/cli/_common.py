"""What every command shares: the app, the common options, the two ways of speaking."""

import json
import logging
import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drill.errors import Mistake
    from drill.exits import ExitCode
    from drill.settings import Settings

app = typer.Typer(
    name="drill",
    help="A chaos and disaster-recovery test harness for Kubernetes data platforms.\n\n"
    "Example: drill run broker-kill-leader --context drill-lab",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(*, wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version  # noqa: PLC0415 - lazy

        typer.echo(f"drill {version('drill')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[  # noqa: ARG001 - its callback does it
        bool, typer.Option("--version", help="Print the version, and end.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """What stands before a command."""
    if not {"-h", "--help"} & set(sys.argv):  # what only prints help logs nothing, and is not to wait for structlog
        configure_logging(verbose=False)


def ensure_writable(path: Path, name: str) -> None:
    """Refuse a file that can't be written, before the work whose result it would hold.

    Raises:
        UsageError: it is a folder, its folder is not there, or one of them may not be written.
    """
    from drill.errors import UsageError  # noqa: PLC0415 - lazy

    if path.is_dir():
        raise UsageError(f"{name} {path}: is a folder: name a file in it")
    if not path.parent.is_dir():
        raise UsageError(f"{name} {path}: there is no folder {path.parent}: make it, or name a file elsewhere")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise UsageError(f"{name} {path}: can't be written to: name another file")


def written_file(option: typer.CallbackParam, path: Path | None) -> Path | None:
    """The callback of every option and argument that names a file to write."""
    if path is not None:
        ensure_writable(path, option.opts[-1] if option.param_type_name == "option" else "FILE")
    return path


class Output(StrEnum):
    """How a command prints its data."""

    TEXT = "text"
    JSON = "json"


Context = Annotated[
    str | None,
    typer.Option("--context", help="kubeconfig context to drill; it must be in drill.toml.", envvar="DRILL_CONTEXT"),
]
Kubeconfig = Annotated[
    Path | None,
    typer.Option("--kubeconfig", help="kubeconfig file, instead of the context's own.", envvar="DRILL_KUBECONFIG"),
]
Runs = Annotated[
    Path | None, typer.Option("--runs", help="Folder of run records (default: runs).", envvar="DRILL_RUNS")
]
JUnit = Annotated[Path | None, typer.Option("--junit", help="Write JUnit XML here as well.", callback=written_file)]
AsOutput = Annotated[Output, typer.Option("-o", "--output", help="How to print the result.")]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="A run record's folder: runs/<scenario>/<UTC>.")]


def settings(**flags: Any) -> "Settings":
    """The settings, with the flags in the environment too, where every room and every child looks for them."""
    from drill import settings as module  # noqa: PLC0415 - lazy

    chosen = module.load(**flags)
    os.environ.update(chosen.environment())
    return chosen


def configure_logging(*, verbose: bool) -> None:
    """Logs go to stderr, in plain lines; one level for ours and for the libraries'.

    Done for every command before it begins; one that has `--verbose` does it again.
    """
    import structlog  # noqa: PLC0415 - lazy

    level = logging.DEBUG if verbose else logging.WARNING
    logging.basicConfig(stream=sys.stderr, format="%(name)s %(levelname)s %(message)s")
    logging.getLogger().setLevel(level)
    # Each of its retries would be told, all through a drill that takes the cluster away; what fails is told by us.
    logging.getLogger("urllib3.connectionpool").setLevel(logging.DEBUG if verbose else logging.ERROR)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty() and "NO_COLOR" not in os.environ),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),  # the stderr of the moment, not of this one
    )


def say(line: str) -> None:
    """Tell a person something that is not the command's data."""
    typer.echo(line, err=True)


def print_json(content: Any) -> None:
    """The command's data, for programs."""
    typer.echo(json.dumps(content, indent=2, default=str))


def leave(code: "ExitCode") -> NoReturn:
    """End the command with its documented exit code."""
    raise typer.Exit(int(code))


def leave_validated(good: "Sequence[str]", mistakes: "Sequence[Mistake]", output: Output) -> NoReturn:
    """Tell which files are valid and every mistake of the others, and end the command."""
    from drill.exits import ExitCode  # noqa: PLC0415 - lazy

    if output is Output.JSON:
        print_json({"valid": good, "mistakes": [vars(mistake) for mistake in mistakes]})
    else:
        for mistake in mistakes:
            typer.echo(str(mistake))
        say(f"{len(good)} valid, {len(mistakes)} mistakes")
    leave(ExitCode.USAGE if mistakes else ExitCode.PASS)
