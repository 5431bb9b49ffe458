"""How a runbook went: each phase within its budget, and the platform restored in the time that all of them have."""

from typing import Any

from drill.errors import RecordIncompleteError
from recovery._check import Finding, check, counted, failed, passed, unsure
from recovery._run import Run


@check(
    "events.jsonl",
    "operator.jsonl",
    "evidence/runbook-*.json",
    target=lambda o: None if o.restored_within is None else "each phase done, within its budget",
)
def phases_within_budget(run: Run) -> Finding:
    """Each phase of the runbook was done, and took no longer than its budget.

    Inconclusive while one was not begun or did not end: nothing is known of how long it would have taken.
    """
    planned = [phase for event in run.events_of("runbook.started") for phase in event.data["phases"]]
    if not planned:
        return unsure("No runbook was begun.")
    ended = {event.data["phase"]: event.data for event in run.events_of("phase.ended")}
    rows = [_row(phase, ended.get(phase["phase"])) for phase in planned]
    spent = sum(row["seconds"] or 0.0 for row in rows)
    actual = f"{sum(row['ok'] is True for row in rows)} of {counted(len(rows), 'phase')}, {spent:.0f} s"
    if wrong := [row for row in rows if row["ok"] is False]:
        return failed(_sentence(wrong[0]), actual, phases=rows)
    if late := [row for row in rows if row["seconds"] is not None and row["seconds"] > row["budget"]]:
        return failed(_sentence(late[0]), actual, phases=rows)
    if undone := [row["phase"] for row in rows if row["ok"] is None]:
        return unsure(f"Not seen to end: {', '.join(undone)}.", actual, phases=rows)
    tight = max(rows, key=lambda row: row["seconds"] / row["budget"])
    share = tight["seconds"] / tight["budget"]
    reason = f"Every phase was done; {tight['phase']} came closest to its budget, with {share:.0%} of it."
    return passed(reason, actual, phases=rows)


@check(
    "load/*/rates.u32",
    "load/*/lag.u32",
    "events.jsonl",
    target=lambda o: None if o.restored_within is None else f"<= {o.restored_within:g} s",
)
def platform_restored(run: Run) -> Finding:
    """The slowest mandatory path was good again, for its clients, within the time that restoration has, from t0 on.

    Not of what the runbook says of itself: a platform is restored when its clients are served.
    """
    line, limit = run.timeline, run.record.objectives.restored_within
    at_least, error = line.rto_at_least, line.error
    if limit is None or at_least is None or error is None:
        raise RecordIncompleteError(line.unmeasured.get("rto") or line.unmeasured.get("error") or "no time is known")
    slowest = max(line.mandatory, key=lambda outage: outage.seen_until - (outage.t0 or outage.t1), default=None)
    if slowest is None:
        return unsure("No mandatory path was out, so that nothing had to be restored.", "0 s")
    actual = f"{'' if line.rto is not None else 'at least '}{at_least:.1f} s"
    if at_least - error > limit:
        return failed(f"{slowest.path} came back later than the platform may take.", actual, slowest=slowest.path)
    if line.rto is None:
        return unsure(f"Not all of the platform was seen to come back: {line.unmeasured['rto']}.", actual)
    if at_least > limit:
        return unsure(f"It is over the limit by no more than the {error:.2f} s that the load may have lagged.", actual)
    return passed(f"{slowest.path} was the slowest to come back, {at_least:.1f} s after t0.", actual)


def _row(phase: dict[str, Any], ended: dict[str, Any] | None) -> dict[str, Any]:
    row = {"phase": phase["phase"], "budget": float(phase["budget"]), "seconds": None, "ok": None, "reason": None}
    return row if ended is None else {**row, **{name: ended[name] for name in ("seconds", "ok", "reason")}}


def _sentence(row: dict[str, Any]) -> str:
    why = row["reason"] or f"it took {row['seconds']:.0f} s of {row['budget']:g} s"
    return f"Phase {row['phase']} was not done as planned: {why}."
