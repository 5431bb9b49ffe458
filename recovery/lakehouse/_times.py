"""What the loss cost: how much time of data (RPO), and how long until all of it was proven (RTO)."""

from drill.errors import RecordIncompleteError
from recovery._check import Finding, check, counted, failed, passed
from recovery._run import Run
from recovery.lakehouse._evidence import damaged, of_buckets, piece, short, told

PROOF = "prove"
"""The phase of the runbook that proves the data; its end is when the restore is over."""


@check(
    "evidence/lakehouse-reference.json",
    "evidence/lakehouse-damage.json",
    "evidence/lakehouse-found.json",
    target="0 s",
    applies=of_buckets,
)
def nothing_newer_lost(run: Run) -> Finding:
    """What came back of each object is what was there last before the loss: no time of data is gone (RPO)."""
    was = {each["key"]: each for each in told(piece(run, "reference"), "objects", "reference")}
    now = told(piece(run, "found"), "objects", "found")
    lost = damaged(run)
    for name in lost:
        if name not in was:
            raise RecordIncompleteError(f"what {short(name)} was before the loss is not in the record")
        there = now.get(name)
        if there is None:
            return failed(f"Nothing came back of {short(name)}.")
        if (there["size"], there["etag"], there["sha256"]) != tuple(
            was[name][each] for each in ("size", "etag", "sha256")
        ):
            return failed(f"What came back of {short(name)} is not what was there at the loss.")
    return passed(f"{counted(len(lost), 'object')} came back as of the moment of the loss.", "0 s")


@check(
    "events.jsonl",
    "evidence/lakehouse-found.json",
    target=lambda o: "seen to be proven" if (limit := o.rto or o.restored_within) is None else f"<= {limit:g} s",
    applies=of_buckets,
)
def lakehouse_restored(run: Run) -> Finding:
    """From the loss to the end of the phase that proved objects, files and the answer (RTO)."""
    objectives = run.record.objectives
    limit = objectives.rto or objectives.restored_within
    took = proven(run) - run.t0
    if limit is not None and took > limit:
        return failed(f"The data was proven {took:.0f} s after the loss.", f"{took:.1f} s")
    return passed(f"The data was proven {took:.0f} s after the loss.", f"{took:.1f} s")


def proven(run: Run) -> float:
    """When the data was proven, epoch seconds.

    Raises:
        RecordIncompleteError: it was not.
    """
    for event in run.events_of("phase.ended"):
        if event.data["phase"] == PROOF and event.data["ok"]:
            return event.t
    raise RecordIncompleteError("the data was not proven again")
