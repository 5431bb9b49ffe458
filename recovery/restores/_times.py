"""When the data was lost, and how much time of it that costs (RPO).

Measured where there was a disaster. A restore into a scratch namespace has none: what one would have cost is then
estimated from the same instants, and called so.
"""

from drill.errors import RecordIncompleteError
from recovery._check import Finding, check, failed, passed
from recovery._run import Run
from recovery.restores._evidence import piece, told

ACT = "restore"
"""The phase that restores."""


@check(
    "events.jsonl",
    "evidence/restore-backup.json",
    target=lambda o: None if o.rpo is None else f"<= {o.rpo:g} s",
)
def rpo(run: Run) -> Finding:
    """Disaster - start of the backup: from then on, nothing that was written is known to be in it.

    Of a scratch restore: the moment when it was begun takes the place of a disaster.
    """
    limit = run.record.objectives.rpo
    started = told(piece(run, "backup"), "started", "backup")
    cost = disaster(run) - float(started)
    actual = f"{cost:.1f} s"
    if cost < 0:
        raise RecordIncompleteError(
            f"the backup started {-cost:.1f} s after the disaster, so that it can't be of before"
        )
    if limit is not None and cost > limit:
        return failed(f"The backup is too old: {_words(run)} {cost:.0f} s of data.", actual, estimated=estimated(run))
    return passed(f"{_words(run).capitalize()} {cost:.0f} s of data.", actual, estimated=estimated(run))


def estimated(run: Run) -> bool:
    """Whether nothing was lost, so that the times say what a disaster would have cost."""
    return bool((run.record.scenario.get("target") or {}).get("scratch"))


def disaster(run: Run) -> float:
    """When the data was lost, epoch seconds; of a scratch restore, when it was begun."""
    if not estimated(run):
        return run.t0
    for event in run.events_of("phase.started"):
        if event.data["phase"] == ACT:
            return event.t
    raise RecordIncompleteError("no restore was begun")


def _words(run: Run) -> str:
    return "a disaster when the restore was begun would have cost" if estimated(run) else "the disaster cost"
