"""What every bench prints and writes: measured values beside their targets."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parents[2] / "runs" / "bench"


@dataclass(frozen=True)
class Measure:
    """One measured value; `target` as text, and whether it is met (None: there is no target)."""

    name: str
    value: float
    unit: str
    target: str = ""
    met: bool | None = None


def at_least(name: str, value: float, unit: str, target: float) -> Measure:
    """A value that should be `target` or more."""
    return Measure(name, value, unit, f">= {target:g}", value >= target)


def at_most(name: str, value: float, unit: str, target: float) -> Measure:
    """A value that should be `target` or less."""
    return Measure(name, value, unit, f"<= {target:g}", value <= target)


def show(title: str, measures: list[Measure]) -> list[Measure]:
    """Print the table, write it as runs/bench/<title>.json, and hand it back."""
    table = Table("measure", "value", "unit", "target", "met", title=title)
    for each in measures:
        met = "" if each.met is None else ("yes" if each.met else "NO")
        table.add_row(
            each.name, f"{each.value:,.3g}" if each.value < 1000 else f"{each.value:,.0f}", each.unit, each.target, met
        )
    Console().print(table)
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{title}.json").write_text(json.dumps([asdict(each) for each in measures], indent=2) + "\n")
    return measures
