"""Whether something or somebody stopped the drill, and whether all that should have been watched was."""

from drill.record import Event
from recovery._check import Finding, check, counted, failed, passed, unsure
from recovery._run import Run

CONDITIONS = {"error-budget", "under-replicated", "promql"}
"""What says something of the platform; a person, a freeze and the deadman timer say nothing of it."""


@check("events.jsonl", target="no stop condition met")
def not_stopped(run: Run) -> Finding:
    """No stop condition was met (failed: under this fault the platform went beyond what it may), and each was watched.

    Who was stopped by a person, a freeze, the deadman timer or a missing number is inconclusive: what would have come
    is not known. So is a condition whose number could not be had, or that nobody watched while a fault was on.
    """
    fired = run.events_of("stop.fired")
    breaches = [event for event in fired if event.data["condition"] in CONDITIONS and not event.data["missing"]]
    halts = [event.data for event in run.events_of("stop.halted")]
    stops = counted(len(fired), "stop")
    if breaches:
        return failed(f"The drill was {_words(breaches[0])}.", actual=stops, halts=halts)
    if fired:
        return unsure(f"The drill was {_words(fired[0])}.", actual=stops, halts=halts)
    if (trouble := _unwatched(run)) is not None:
        return unsure(trouble, actual=stops)
    watched = [event.data for event in run.events_of("stop.watched")]
    return passed("Nothing and nobody had to stop it.", actual=stops, watched=watched)


def _unwatched(run: Run) -> str | None:
    """Why it can't be said that no condition was met; None: it can."""
    if blind := run.events_of("stop.blind"):
        return f"A stop condition could not be watched: {blind[0].data['who']}: {blind[0].data['value']}."
    if not run.events_of("run.finished"):
        return "The run did not come to its end, so that nobody can tell what stopped it."
    watched = [event.data for event in run.events_of("stop.watched")]
    if len(watched) < (declared := _declared(run)):
        return f"{declared - len(watched)} of {counted(declared, 'stop condition')} were not watched."
    if run.events_of("fault.injected") and (unread := [each["who"] for each in watched if not each["looks"]]):
        return f"A stop condition was never read while the fault was on: {', '.join(unread)}."
    return None


def _words(event: Event) -> str:
    reason = str(event.data["reason"])
    asked = event.data.get("asked_at")
    return f"{reason} (asked for at {asked})" if asked else reason


def _declared(run: Run) -> int:
    """How many conditions the scenario has."""
    plan = run.record.scenario.get("stop") or {}
    return sum(len(each) if isinstance(each, list) else each is not None for each in plan.values())
