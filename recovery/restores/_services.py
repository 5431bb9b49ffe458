"""Each service by itself: when its data was proven and it answered a client again, and how old its backup was."""

from typing import Any

from drill.errors import RecordIncompleteError
from drill.objectives import Objectives
from recovery._check import Finding, check, failed, passed, unsure
from recovery._run import Run
from recovery.restores._evidence import held, piece, told
from recovery.restores._proof import unproven
from recovery.restores._times import disaster, estimated


@check(
    "events.jsonl",
    "evidence/restore-services.json",
    target=lambda o: _limits(o) if held(o) else None,
    applies=lambda run: not estimated(run),
)
def services_in_time(run: Run) -> Finding:  # noqa: PLR0911 - one return a case
    """By service: from the disaster until its data was proven and it answered, and how old its backup was then."""
    seen, objectives = piece(run, "services"), run.record.objectives
    wanted, services = told(seen, "wanted", "services"), told(seen, "services", "services")
    at = disaster(run)
    rows = {name: _row(times, at) for name, times in services.items()}
    actual = "; ".join(f"{name} {row['rto']:.0f} s" for name, row in rows.items())
    for name, row in rows.items():
        own = objectives.of(name)
        if own.rto is not None and row["rto"] > own.rto:
            return failed(f"{name} was back {row['rto']:.0f} s after the disaster.", actual, services=rows)
        if own.rpo is not None and row["rpo"] is not None and row["rpo"] > own.rpo:
            return failed(f"The backup of {name} was {row['rpo']:.0f} s old at the disaster.", actual, services=rows)
    if unread := [name for name in wanted if "proven" not in services.get(name, {})]:
        return unsure(f"The data of {', '.join(unread)} was not proven.", actual or None, services=rows)
    if (short := unproven(run)) is not None:
        return unsure(f"They came back, and the data was not proven: {short}", actual, services=rows)
    if silent := [name for name in told(seen, "answering", "services") if "answered" not in services.get(name, {})]:
        return unsure(f"{', '.join(silent)} was not seen to answer.", actual, services=rows)
    if not rows:
        return unsure("No service was to come back.")
    last = max(rows, key=lambda name: float(rows[name]["rto"]))
    return passed(
        f"{last} was the last that was back, {rows[last]['rto']:.0f} s after the disaster.", actual, services=rows
    )


def _row(times: dict[str, Any], at: float) -> dict[str, Any]:
    instants = [float(times[each]) for each in ("proven", "answered") if times.get(each) is not None]
    if not instants:
        raise RecordIncompleteError("a service is listed of which nothing was seen")
    started = times.get("backup_started")
    return {
        "rto": max(instants) - at,
        "proven": None if times.get("proven") is None else float(times["proven"]) - at,
        # None: it outlived the cluster, and nothing of it was restored.
        "rpo": None if started is None else at - float(started),
    }


def _limits(objectives: Objectives) -> str:
    rto = "seen to be back" if objectives.rto is None else f"each back in <= {objectives.rto:g} s"
    return rto if objectives.rpo is None else f"{rto}, backup <= {objectives.rpo:g} s old"
