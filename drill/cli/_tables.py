"""How outcomes are shown in a terminal: their colours, how wide a table is, and how many there are of each."""

import sys
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from drill.verdicts import WORST_FIRST, Outcome

if TYPE_CHECKING:
    from rich.console import Console

COLOURS = {Outcome.FAIL: "red", Outcome.INCONCLUSIVE: "yellow", Outcome.PASS: "green"}
_WIDTH = 160
"""Columns of a table that nobody watches."""


def console() -> "Console":
    """Standard output, as wide as who watches it has it."""
    from rich.console import Console  # noqa: PLC0415 - lazy

    return Console(file=sys.stdout, width=None if sys.stdout.isatty() else _WIDTH)


def counted(outcomes: Iterable[Outcome]) -> str:
    """How many there are of each, the worst first."""
    of = Counter(outcomes)
    return ", ".join(f"{of[outcome]} {outcome}" for outcome in WORST_FIRST if of[outcome])
