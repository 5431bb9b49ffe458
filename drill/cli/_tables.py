"""How outcomes are shown in a terminal: their colours, how wide a table is, and how many there are of each."""

import sys
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console

    from drill.verdicts import Outcome

COLOURS = {"fail": "red", "inconclusive": "yellow", "pass": "green"}
"""By the outcome's value, so that `drill --help` need not import the outcomes."""
_WIDTH = 160
"""Columns of a table that nobody watches."""


def console() -> "Console":
    """Standard output, as wide as who watches it has it."""
    from rich.console import Console  # noqa: PLC0415 - lazy

    return Console(file=sys.stdout, width=None if sys.stdout.isatty() else _WIDTH)


def counted(outcomes: "Iterable[Outcome]") -> str:
    """How many there are of each, the worst first."""
    from drill.verdicts import WORST_FIRST  # noqa: PLC0415 - lazy

    of = Counter(outcomes)
    return ", ".join(f"{of[outcome]} {outcome}" for outcome in WORST_FIRST if of[outcome])
