"""How long `drill --help` takes, beside a Python that does nothing and one that only imports typer and rich.

python -m tests.bench.start
"""

import subprocess
import sys
import time

from tests.bench._table import Measure, at_most, show

ROUNDS = 7
PRINTER = "import typer, typer.rich_utils"


def _best(*command: str) -> float:
    """The shortest of several, s: the others were kept waiting by something else."""
    taken = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        taken.append(time.perf_counter() - started)
    return min(taken)


def measure() -> list[Measure]:
    """Time the three, one after the other."""
    bare = _best(sys.executable, "-c", "pass")
    printer = _best(sys.executable, "-c", PRINTER)
    helped = _best(sys.executable, "-c", "from drill.cli import main; main()", "--help")
    return [
        at_most("drill --help", helped, "s", 0.5),
        Measure("against an empty Python", helped / bare, "times"),
        at_most("against importing typer and rich", helped / printer, "times", 2.5),
    ]


if __name__ == "__main__":
    show("start", measure())
