"""`drill gate`: drills as tests of pytest, with drill's exit codes; thin over the plugin in `gate`."""

import importlib.util
import sys
import tempfile
from contextlib import nullcontext, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from drill.cli._common import AsOutput, Context, Kubeconfig, Output, Runs, configure_logging, leave, say, settings
from drill.errors import UsageError
from drill.exits import ExitCode

if TYPE_CHECKING:
    import pytest

INSTALL = "pip install 'dist/drill-<version>-py3-none-any.whl[gate]'"
"""By the wheel (docs/start.md): on PyPI `drill` is another project."""
OF_PYTEST = {1: ExitCode.FAIL, 2: ExitCode.INTERRUPTED, 3: ExitCode.HARNESS_ERROR, 4: ExitCode.USAGE}
"""What pytest's own exit codes mean where the plugin did not come to say it."""


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(gate)


def gate(
    targets: Annotated[
        list[str],
        typer.Argument(
            metavar="TARGET...",
            help="A gate profile, scenario files or names, folders of them, tests in Python; after `--`, options of "
            "pytest (-k, -m, -x, ...).",
        ),
    ],
    context: Context = None,
    kubeconfig: Kubeconfig = None,
    runs: Runs = None,
    output: AsOutput = Output.TEXT,
    junit: Annotated[Path | None, typer.Option("--junit", help="Write JUnit XML here.")] = None,
    html: Annotated[Path | None, typer.Option("--html", help="Write one self-contained HTML page here.")] = None,
    result: Annotated[Path | None, typer.Option("--result", help="Write what was measured here, as JSON.")] = None,
    allow_inconclusive: Annotated[
        str | None,
        typer.Option("--allow-inconclusive", help="Checks (comma-separated patterns) that may be inconclusive."),
    ] = None,
    save_baseline: Annotated[
        bool, typer.Option("--save-baseline", help="Make this the profile's baseline, if it passes.")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("-v", "--verbose", help="One line a check; log everything to stderr.")
    ] = False,
) -> None:
    """Hold a release to its gate: run drills as tests, one item a check, and end with one exit code.

    Example: drill gate gate.yaml --context drill-lab --junit junit.xml --html gate.html

    An inconclusive check fails the gate (exit code 3), unless it is allowed. Everything is validated before anything
    is touched (exit code 2). The first failure does not end the gate; `-- -x` does.
    """
    try:
        import pytest  # noqa: PLC0415 - lazy
    except ImportError as error:
        raise UsageError(f"{error.name} is not installed: {INSTALL}") from error
    configure_logging(verbose=verbose)
    if html is not None:
        _need_html()
    chosen = settings(context=context, kubeconfig=kubeconfig, runs=runs)
    chosen.target  # noqa: B018 - raises where no context is chosen, or one that is not declared
    told = Told()
    with tempfile.TemporaryDirectory() as scratch:
        kept = result or Path(scratch) / "result.json"
        arguments = [
            # Pytest would rewrite the assertions of a plugin's whole distribution; some of this one is imported by now.
            *("-W", "ignore::pytest.PytestAssertRewriteWarning"),
            *("-p", "gate.plugin", "--drill-context", str(chosen.context), "--drill-runs", str(chosen.runs)),
            *(("--drill-kubeconfig", str(chosen.kubeconfig)) if chosen.kubeconfig else ()),
            *(("--junitxml", str(junit)) if junit else ()),
            *(("--html", str(html)) if html else ()),
            *(("--drill-allow-inconclusive", allow_inconclusive) if allow_inconclusive else ()),
            *(("--drill-save-baseline",) if save_baseline else ()),
            *("--drill-result", str(kept)),
            *(("-v",) if verbose else ()),
            *_targets(targets),
        ]
        # The data of a program is the result alone; what pytest prints is for people.
        with redirect_stdout(sys.stderr) if output is Output.JSON else nullcontext():
            from gate.signals import keyboard_interrupts  # noqa: PLC0415 - lazy

            with keyboard_interrupts():
                ended = pytest.main(arguments, [told])
        if output is Output.JSON and kept.is_file():
            typer.echo(kept.read_text().rstrip())
    if told.selected == 0 and told.code is ExitCode.INCONCLUSIVE:
        say(f"nothing was run: {' '.join(targets)} selects no check and no test; look at the folder, or at -k and -m")
    leave(told.code if told.code is not None else OF_PYTEST.get(int(ended), ExitCode.INCONCLUSIVE))


class Told:
    """Takes from the session what its end does not say: pytest's own exit codes mean other things."""

    code: ExitCode | None = None
    selected: int | None = None
    """How many items there were to be run; None: it did not come to that."""

    def pytest_collection_finish(self, session: "pytest.Session") -> None:
        """What is left of all that was found."""
        self.selected = len(session.items)

    def pytest_unconfigure(self, config: "pytest.Config") -> None:
        """The session is over."""
        from gate.signals import EXIT_CODE  # noqa: PLC0415 - lazy

        self.code = config.stash.get(EXIT_CODE, None)


def _targets(words: list[str]) -> list[str]:
    """Names of the catalogue as their paths, up to the first option of pytest: what follows it is its business."""
    options = next((at for at, word in enumerate(words) if word.startswith("-")), len(words))
    return [*map(_target, words[:options]), *words[options:]]


def _target(text: str) -> str:
    if Path(text.partition("::")[0]).exists():
        return text
    from scenarios import reader  # noqa: PLC0415 - lazy

    return str(reader.find(text))


def _need_html() -> None:
    if importlib.util.find_spec("pytest_html") is None:
        raise UsageError(f"--html needs pytest-html: {INSTALL}")
