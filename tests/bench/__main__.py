"""Every bench, on a lab of its own: `make bench`. Exit code 1 when a target is missed."""

import sys

import lab
from lab._artifacts import build
from lab._progress import progress
from tests.bench import ingest, ledger, start, verify
from tests.bench._kafka import settings_for
from tests.bench._table import show


def main() -> int:
    """Print each table as it is done."""
    measures = show("start", start.measure())
    measures += show("ledger", ledger.measure())
    lab.up()
    try:
        with progress() as step:
            kafka = build(step).kafka
        measures += show("ingest", ingest.measure(settings_for(None), kafka))
        measures += show("verify", verify.measure(settings_for(None), kafka))
    finally:
        lab.down()
    return int(any(measure.met is False for measure in measures))


if __name__ == "__main__":
    sys.exit(main())
