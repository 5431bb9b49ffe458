"""`drill --help` answers at once: it imports nothing but what prints it."""

import json
import subprocess
import sys

from drill.cli import app

PRINTS = {"typer", "click", "rich", "shellingham", "pygments", "markdown_it", "mdurl", "annotated_doc", "attr"}
"""Packages of others that a help page is drawn with."""
OF_TYPER = {"pydantic", "pydantic_core", "annotated_types", "typing_inspection", "typing_extensions"}
ROOMS = {"experiments", "load", "recovery", "scenarios", "reports", "gate", "lab"}
REMEDY = "import it in the function that needs it (`# noqa: PLC0415 - lazy`), or `drill --help` is slow"
PROBE = """
import json, sys
from drill.cli import main
for command in json.loads(sys.argv[1]):
    sys.argv = ["drill", *command, "--help"]
    try:
        main()
    except SystemExit as left:
        assert not left.code, command
loaded = {name: getattr(each, "__file__", None) or "" for name, each in sys.modules.items()}
print(json.dumps(loaded), file=sys.stderr)
"""


def _loaded(*commands: list[str], probe: str = PROBE) -> dict[str, str]:
    """The modules that a fresh process has after the help of these commands, and the files they came from."""
    done = subprocess.run(
        [sys.executable, "-c", probe, json.dumps(commands)], capture_output=True, text=True, check=True
    )
    found: dict[str, str] = json.loads(done.stderr)
    return found


def _heavy(loaded: dict[str, str]) -> set[str]:
    """Packages of others, and our rooms behind the front door."""
    others = {name.partition(".")[0] for name, file in loaded.items() if "site-packages" in file}
    return (others - {"drill", "_distutils_hack"}) | (ROOMS & loaded.keys())


def test_help_imports_only_what_prints_it() -> None:
    """No model, no client of a cluster, no room."""
    assert _heavy(_loaded([])) <= PRINTS, REMEDY


def test_the_help_of_a_command_does_no_more() -> None:
    """Of each of them; typer itself reads their options by pydantic."""
    commands = [each.name or each.callback.__name__.strip("_") for each in app.registered_commands if each.callback]
    groups = [str(each.name) for each in app.registered_groups]
    assert _heavy(_loaded(*([name] for name in (*commands, *groups)))) <= PRINTS | OF_TYPER, REMEDY


def test_what_is_heavy_is_noticed() -> None:
    """A command that works imports more than its help does: the tests above can fail."""
    found = _heavy(_loaded(["schema"], probe=PROBE.replace(', "--help"]', "]")))
    assert {"pydantic", "scenarios"} <= found - PRINTS
