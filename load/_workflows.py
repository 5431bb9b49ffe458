"""How the starts of workflows are told apart: what the load sends, and the drain reads."""

STREAM = "workflows"
"""The name of the stream of starts, and of its one path."""
READS = "dolphinscheduler-api"
"""The name of the stream of reads, and of its one path."""


def workflow_name(run_id: str) -> str:
    """Of the one workflow that a run starts again and again; no other run's instances are in its list."""
    return f"drill-{run_id}"


def correlation(run_id: str, sequence: int) -> str:
    """What a start carries, and its instance after it."""
    return f"{run_id}/{sequence}"


def sequence_of(run_id: str, text: str | None) -> int | None:
    """The number of the start that an instance belongs to; None: it is not of this run."""
    owner, _, number = (text or "").rpartition("/")
    return int(number) if owner == run_id and number.isascii() and number.isdecimal() else None
