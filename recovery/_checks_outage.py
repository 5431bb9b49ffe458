"""How long clients were out, against the objectives; the definitions are in `_outages` and `_timeline`.

A measured outage may be too long by as much as the load generator stalled (`Timeline.error`), and one below a path's
threshold is not seen at all. A verdict that either could turn is inconclusive.
"""

from collections.abc import Callable
from functools import partial

from drill.errors import RecordIncompleteError
from drill.objectives import SERVICES, Objectives, ServiceObjectives
from recovery._check import Finding, check, combined, failed, passed, unsure
from recovery._run import Run
from recovery._timeline import Path, Service, Timeline

Line = Timeline | Service
"""What is measured: the platform, or one of several services."""


def _outage_target(objectives: Objectives) -> str:
    own = ((name, _bounds(objectives.own(name))) for name in SERVICES)
    return ", ".join([_bounds(objectives) or "it ends", *(f"{name} {bounds}" for name, bounds in own if bounds)])


def _bounds(held: Objectives | ServiceObjectives) -> str:
    at_least = f">= {held.min_client_outage:g} s" if held.min_client_outage else None
    at_most = None if held.client_outage is None else f"<= {held.client_outage:g} s"
    return " and ".join(bound for bound in (at_least, at_most) if bound)


def _rto_target(objectives: Objectives) -> str | None:
    held = {"": objectives.rto} | {f"{name} ": objectives.own(name).rto for name in SERVICES}
    return ", ".join(f"{whose}<= {limit:g} s" for whose, limit in held.items() if limit is not None) or None


def _each_service(
    run: Run, judge: Callable[[Line, Objectives], Finding], *, about: Callable[[Objectives, bool], bool]
) -> Finding:
    """What `judge` finds of the platform where one service was loaded, and of each of several.

    A service is passed over where `about`, asked with its objectives and whether it is mandatory, says so.
    """
    line, objectives = run.timeline, run.record.objectives
    if len(line.services) <= 1:
        return judge(line, objectives.of(line.services[0].name) if line.services else objectives)
    held = [(service, objectives.of(service.name)) for service in line.services]
    parts = {service.name: partial(judge, service, its) for service, its in held if about(its, service.mandatory)}
    if not parts:
        raise RecordIncompleteError("no service that was loaded has such an objective")
    return combined(parts, run)


@check("load/*/rates.u32", "load/*/lag.u32", "events.jsonl", target=_outage_target)
def client_outage(run: Run) -> Finding:
    """The longest client outage, t5 - t1, is within its bounds.

    One that was not seen to end has a lower bound only: over the objective, or without one over the time for which
    recovery is awaited, it fails; below that nothing is known. A path that was silent for less than
    `min_client_outage` (writes must stop when too few replicas are in sync) fails too, however long others were out.
    Of several services each is held to its own bounds, or to the platform's where it has none.
    """

    def about(its: Objectives, mandatory: bool) -> bool:
        return mandatory or bool(_bounds(its))

    return _each_service(run, _judge_outage, about=about)


def _judge_outage(line: Line, objectives: Objectives) -> Finding:
    at_least, error = _known(line.outage_at_least, line, "outage"), _known(line.error, line, "error")
    actual = _text(line.outage, at_least, line)
    details = {
        "outages": [outage.model_dump() | {"seconds": outage.seconds} for outage in line.outages],
        "silences": {path.name: _silence(path) for path in line.paths},
        "total": line.outage_total,
        "error": error,
    }
    limit, must_stop = objectives.client_outage, objectives.min_client_outage
    if limit is not None and at_least - error > limit:
        return failed("Clients were out for longer than the objective allows.", actual, **details)
    if line.outage is None and at_least - error > objectives.recovery_timeout:
        return failed("Clients were still out when recovery was no longer awaited.", actual, **details)
    if went_on := [path for path in line.paths if _went_on(path, must_stop)]:
        names, least = ", ".join(path.name for path in went_on), min(went_on, key=_silence)
        reason, silence = f"Writes went on where they had to stop: {names}.", f"{_silence(least):.2f} s on {least.name}"
        return failed(reason, silence, **details)
    open_ended = f"The outage was not seen to end: {line.unmeasured['outage']}." if line.outage is None else None
    if doubt := open_ended or _doubt(line, limit, at_least, error) or _doubt_of_silence(line, must_stop, error):
        return unsure(doubt, actual, **details)
    return passed(_worst(line), actual, **details)


@check(
    "load/*/rates.u32",
    "load/*/lag.u32",
    "events.jsonl",
    target=_rto_target,
)
def rto(run: Run) -> Finding:
    """t5 - t0 on the worst path is within the objective: of each outage, from the fault that it follows.

    The platform's is that of its slowest mandatory service; a service with an objective of its own is held to that.
    """
    return _each_service(run, _judge_rto, about=lambda its, _mandatory: its.rto is not None)


def _judge_rto(line: Line, objectives: Objectives) -> Finding:
    objective = objectives.rto
    at_least, error = _known(line.rto_at_least, line, "rto"), _known(line.error, line, "error")
    actual = _text(line.rto, at_least, line)
    if objective is not None and at_least - error > objective:
        return failed("Service came back later after the fault than the objective allows.", actual)
    if line.rto is None:
        return unsure(f"Service was not seen to come back for good: {line.unmeasured['rto']}.", actual)
    if doubt := _doubt(line, objective, at_least, error):
        return unsure(doubt, actual)
    if not line.outages:
        return passed(_worst(line), actual)
    return passed(f"Every path was good again {line.rto:.2f} s after the fault or sooner.", actual)


def _known(value: float | None, line: Line, name: str) -> float:
    if value is None:
        raise RecordIncompleteError(line.unmeasured[name])
    return value


def _doubt(line: Line, limit: float | None, measured: float, error: float) -> str | None:
    """Why a measured time that isn't over the limit for certain may be so nevertheless."""
    if limit is None:
        return None
    if measured > limit:
        return f"It is over the objective by no more than the {error:.2f} s that the load generator may have lagged."
    blindest = max(line.paths, key=lambda path: path.threshold)
    if blindest.threshold > limit:
        return (
            f"Outages under {blindest.threshold:.2f} s can't be seen at this rate and baseline: {blindest.name} was "
            f"silent for {blindest.baseline_gap:.2f} s before the fault already."
        )
    return None


def _doubt_of_silence(line: Line, must_stop: float, error: float) -> str | None:
    """Why a path that isn't known to have gone on may have done so nevertheless."""
    least = min(line.paths, key=_silence)
    if not must_stop or _silence(least) - error >= must_stop:
        return None
    if not _silence(least):
        return f"Whether {least.name} stopped is not known: silence under {least.threshold:.2f} s can't be seen there."
    return f"{least.name} was silent for {_silence(least):.2f} s, but the load generator may have lagged {error:.2f} s."


def _went_on(path: Path, must_stop: float) -> bool:
    """Whether a path was certainly not silent for as long as it must; not certain while an outage is open."""
    ended = all(outage.t5 is not None for outage in path.outages)
    return ended and (_silence(path) or path.threshold) < must_stop


def _silence(path: Path) -> float:
    """The longest silence of a path after a fault, s; 0: none that could be seen."""
    return max((outage.silence for outage in path.outages if outage.t0 is not None), default=0.0)


def _text(measured: float | None, at_least: float, line: Line) -> str:
    if measured is None:
        return f"at least {at_least:.2f} s"
    if not line.outages:
        return f"0 s (nothing over {max(path.threshold for path in line.paths):.2f} s)"
    return f"{measured:.2f} s"


def _worst(line: Line) -> str:
    if not line.outages:
        return "No path was silent for long enough to be out."
    return f"The longest outage was that of {max(line.outages, key=lambda outage: outage.at_least).path}."
