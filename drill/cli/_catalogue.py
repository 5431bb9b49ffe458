"""`drill catalogue`: all that drill ships, as a page of Markdown that is made of the code and the files themselves."""

import inspect
import re
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from drill.cli._common import leave, written_file
from drill.exits import ExitCode

if TYPE_CHECKING:
    from pydantic import BaseModel

    from scenarios.reader import Drill

Row = tuple[str, ...]

_HEAD = """\
# Catalogue

All that drill ships. This page is made of the scenario and experiment files and of the code's own words, by
`drill catalogue`; `make catalogue` writes it anew, and a test holds it to them. How to write your own:
[a scenario](scenarios.md), [a fault](faults.md), [a check](checks.md).
"""
_SCENARIOS = """\
Each is a file that `drill run NAME` takes. *Held to* are the checks to which the scenario gives an objective; every run
is held to all the [checks](#checks) besides.
"""
_FAULTS = """\
Each is a native Chaos Toolkit file in `experiments/catalogue/`, which `drill plan` resolves to exact targets. It calls
a function that injects, proves the effect, holds, undoes, and proves it undone. An effect that is not seen in time
makes the drill inconclusive. Nothing is hit beyond the scenario's `blast_radius`, which is checked at the moment of
injection against what was resolved then.

Every fault also reads its workload and its pods and writes its undo into the cluster (ConfigMap `drill-rollback`: get
and patch). *exec* stands for get and create pods/exec, *helper* for get pods, patch pods/ephemeralcontainers and exec
(and `helper_image` in the settings). `drill rbac SCENARIO` prints exactly what a scenario needs.
"""
_CONFIGURATION = """\
What `experiment.configuration` of a scenario sets is handed on to these. A value that has no default must be given, and
each file of the catalogue gives it.
"""
_PROBES = "They only read. A hypothesis holds them to a tolerance; what cannot be asked is inconclusive.\n"
_LOADS = (
    "What a scenario's `load` may list, each profile at most once. They arrive whether or not anything is answered.\n"
)
_CHECKS = """\
A check is a pure function of the sealed run record: pass, fail, or inconclusive where the record can't tell.
"""


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(catalogue)


def catalogue(
    path: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="Where to write it; none: stdout.", callback=written_file)
    ] = None,
) -> None:
    """Print scenarios, faults, probes, loads and checks as a page of Markdown, made of the code.

    Example: drill catalogue docs/catalogue.md
    """
    text = page()
    if path is None:
        typer.echo(text, nl=False)
    else:
        path.write_text(text)
    leave(ExitCode.PASS)


def page() -> str:
    """The whole page."""
    parts = (
        *(_HEAD, "## Scenarios\n", _SCENARIOS, _table(("scenario", "what happens", "load", "held to"), _scenarios())),
        *("## Faults\n", _FAULTS, *_faults()),
        *("### What can be configured\n", _CONFIGURATION, *_functions()),
        *("## Probes\n", _PROBES, _table(("probe", "what it tells"), _probes())),
        *("## Loads\n", _LOADS, *_loads()),
        *("## Checks\n", _CHECKS, _table(("check", "passes when", "held to"), _checks())),
    )
    return "\n".join(parts)


def _scenarios() -> Iterator[Row]:
    from scenarios import reader  # noqa: PLC0415 - lazy

    for drill in map(reader.read, reader.catalogue()):
        scenario = drill.scenario
        load = "; ".join(each.words for each in scenario.load) or "none: the data is judged"
        fault = f"[`{Path(scenario.experiment.file).stem}`](#faults)"
        what = f"{scenario.description} Fault: {fault}."
        yield f"`{scenario.name}`", what, load, "; ".join(_objectives(drill))


def _objectives(drill: "Drill") -> Iterator[str]:
    """The objectives as the checks that judge them say them."""
    import recovery  # noqa: PLC0415 - lazy
    from recovery._judge import CHECKS, OF_LOAD  # noqa: PLC0415 - lazy
    from recovery.lakehouse import CHECKS as LAKEHOUSE  # noqa: PLC0415 - lazy

    expected = recovery.expected(drill.scenario.model_dump(mode="json"), drill.experiment)
    for check in CHECKS:
        target = check.aim(drill.scenario.objectives)
        if target is None or check.name not in expected or check in OF_LOAD:
            continue
        if callable(check.target) or check in LAKEHOUSE:
            yield f"`{check.name}` {_plain(target)}"


def _folder() -> Path:
    from scenarios.model import EXPERIMENTS  # noqa: PLC0415 - lazy

    return EXPERIMENTS


def _experiments() -> list[tuple[str, dict[str, Any]]]:
    import yaml  # noqa: PLC0415 - lazy

    return [(path.stem, yaml.safe_load(path.read_text())) for path in sorted(_folder().glob("*.yaml"))]


def _faults() -> Iterator[str]:
    """A table for each system, which is an experiment's first tag."""
    rows: dict[str, list[Row]] = {}
    for name, experiment in _experiments():
        (told,) = [each for each in experiment["extensions"] if each["name"] == "drill"]
        facts = (experiment["description"], told["effect"], told["undo"], told["permissions"], _limits(experiment))
        rows.setdefault(experiment["tags"][0], []).append((f"`{name}`", *facts))
    headings = ("fault", "what happens", "effect that must be seen", "undo", "permissions", "blast radius")
    for system in sorted(rows):
        yield f"### {system.capitalize()}\n"
        yield _table(headings, rows[system])


def _limits(experiment: dict[str, Any]) -> str:
    """What of the experiment's configuration bounds it."""
    from scenarios.model import BlastRadius  # noqa: PLC0415 - lazy

    return ", ".join(f"`{name}`" for name in BlastRadius.model_fields if name in experiment["configuration"])


def _functions() -> Iterator[str]:
    """Each action of the catalogue once, with its arguments."""
    named = {
        (each["provider"]["module"], each["provider"]["func"]): None
        for _, experiment in _experiments()
        for each in experiment["method"]
        if each["type"] == "action"
    }
    for module, name in sorted(named):
        function = getattr(import_module(module), name)
        yield f"#### `{module}.{name}`\n"
        yield f"{_sentence(function)}\n"
        yield _table(("argument", "default", "what it is"), _arguments(function))


def _arguments(function: Callable[..., Any]) -> Iterator[Row]:
    """An argument's name, its default, and what its docstring says of it, or of all of them in one line."""
    told = argument_docs(function)
    all_of_them = re.search(r"^Args: (.*)", inspect.getdoc(function) or "", re.MULTILINE)
    for name, each in inspect.signature(function).parameters.items():
        words = told.get(name) or (all_of_them[1].capitalize() if all_of_them else "")
        yield f"`{name}`", "" if each.default is inspect.Parameter.empty else f"`{each.default}`", words


def argument_docs(function: Callable[..., Any]) -> dict[str, str]:
    """What a docstring in Google's style says of each argument."""
    section = re.search(r"^Args:\n(.*?)(?=^\S|\Z)", inspect.getdoc(function) or "", re.DOTALL | re.MULTILINE)
    found = re.findall(r"^    (\w+): (.*?)(?=^    \w|\Z)", section[1] if section else "", re.DOTALL | re.MULTILINE)
    return {name: " ".join(words.split()) for name, words in found}


def _probes() -> Iterator[Row]:
    from scenarios.model import EXPERIMENTS  # noqa: PLC0415 - lazy

    for path in sorted(EXPERIMENTS.parent.glob("*/probes.py")):
        module = import_module(f"experiments.{path.parent.name}.probes")
        for name, function in inspect.getmembers(module, inspect.isfunction):
            if function.__module__ == module.__name__ and not name.startswith("_"):
                yield f"`{module.__name__}.{name}`", _sentence(function).removeprefix("Probe: ")


def _loads() -> Iterator[str]:
    from load.plan import PROFILES  # noqa: PLC0415 - lazy

    for profile, plan in PROFILES.items():
        yield f"### `{profile}`\n"
        yield f"{_sentence(plan)}\n"
        yield _table(("field", "default", "what it is"), _fields(plan))


def _fields(model: "type[BaseModel]") -> Iterator[Row]:
    for name, field in model.model_fields.items():
        if field.description:
            default = "" if field.is_required() else f"`{field.default}`"
            yield f"`{name}`", default, field.description


def _checks() -> Iterator[Row]:
    from recovery._judge import CHECKS  # noqa: PLC0415 - lazy

    for check in CHECKS:
        target = _plain(check.target) if isinstance(check.target, str) else "the scenario's objective"
        yield f"`{check.name}`", _sentence(check.function), target


def _plain(target: str) -> str:
    """A target, in the words that stand in it for what a run's records and replicas are called."""
    from recovery._check import RECORDS, REPLICAS  # noqa: PLC0415 - lazy

    return target.replace(RECORDS, "records").replace(REPLICAS, "all replicas in sync")


def _sentence(documented: Any) -> str:
    """The first paragraph of a docstring, in one line."""
    return " ".join((inspect.getdoc(documented) or "").partition("\n\n")[0].split())


def _table(headings: Row, rows: Iterable[Row]) -> str:
    lines = [headings, tuple("---" for _ in headings), *rows]
    cells = [[" ".join(cell.split()).replace("|", "\\|") for cell in line] for line in lines]
    return "".join(f"| {' | '.join(line)} |\n" for line in cells)
