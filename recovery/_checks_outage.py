"""How long clients were out, against the objectives; the definitions are in `_outages` and `_timeline`."""

from drill.errors import RecordIncompleteError
from drill.objectives import Objectives
from recovery._check import Finding, check, failed, passed, unsure
from recovery._run import Run
from recovery._timeline import Timeline


def _outage_target(objectives: Objectives) -> str:
    at_least = f">= {objectives.min_client_outage:g} s" if objectives.min_client_outage else None
    at_most = None if objectives.client_outage is None else f"<= {objectives.client_outage:g} s"
    return " and ".join(bound for bound in (at_least, at_most) if bound) or "it ends"


@check("load/*/rates.u32", "events.jsonl", target=_outage_target)
def client_outage(run: Run) -> Finding:
    """The longest client outage, t5 - t1, is within its bounds.

    One that was not seen to end has a lower bound only: over the objective, or without one over the time for which
    recovery is awaited, it fails; below that nothing is known. An outage shorter than `min_client_outage` (writes
    must stop when too few replicas are in sync) fails too.
    """
    line = run.timeline
    at_least = _known(line.outage_at_least, line, "outage")
    objectives = run.record.objectives
    actual = _text(line.outage, at_least, line)
    details = {
        "outages": [outage.model_dump() | {"seconds": outage.seconds} for outage in line.outages],
        "total": line.outage_total,
        "error": line.error,
    }
    if objectives.client_outage is not None and at_least > objectives.client_outage:
        return failed("Clients were out for longer than the objective allows.", actual, **details)
    if line.outage is None and at_least > objectives.recovery_timeout:
        return failed("Clients were still out when recovery was no longer awaited.", actual, **details)
    if line.outage is None:
        return unsure(f"The outage was not seen to end: {line.unmeasured['outage']}.", actual, **details)
    if line.outage < objectives.min_client_outage:
        return failed("Writes went on where they had to stop.", actual, **details)
    if not line.outages:
        return passed("No path was silent for long enough to be out.", actual, **details)
    return passed(f"The longest outage was that of {_worst(line)}.", actual, **details)


@check("load/*/rates.u32", "events.jsonl", target=lambda o: None if o.rto is None else f"<= {o.rto:g} s")
def rto(run: Run) -> Finding:
    """t5 - t0 on the worst path is within the objective: of each outage, from the fault that it follows."""
    line, objective = run.timeline, run.record.objectives.rto
    at_least = _known(line.rto_at_least, line, "rto")
    actual = _text(line.rto, at_least, line)
    if objective is not None and at_least > objective:
        return failed("Service came back later after the fault than the objective allows.", actual)
    if line.rto is None:
        return unsure(f"Service was not seen to come back for good: {line.unmeasured['rto']}.", actual)
    if not line.outages:
        return passed("No path was silent for long enough to be out.", actual)
    return passed(f"Every path was good again {line.rto:.2f} s after the fault or sooner.", actual)


def _known(value: float | None, line: Timeline, name: str) -> float:
    if value is None:
        raise RecordIncompleteError(line.unmeasured[name])
    return value


def _text(measured: float | None, at_least: float, line: Timeline) -> str:
    if measured is None:
        return f"at least {at_least:.2f} s"
    if not line.outages:
        return f"0 s (nothing over {max(path.threshold for path in line.paths):.2f} s)"
    return f"{measured:.2f} s"


def _worst(line: Timeline) -> str:
    return max(line.outages, key=lambda outage: outage.at_least).path
