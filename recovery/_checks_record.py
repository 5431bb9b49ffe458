"""Whether the record itself is whole: the run went to its end, and nobody touched what it wrote."""

from typing import Any

from drill.errors import RecordIncompleteError
from recovery._check import Finding, check, passed, unsure
from recovery._run import Run

PHASES = ("preflight", "load", "baseline", "experiment", "recovery", "drain", "record")
UNLOADED = ("preflight", "experiment", "record")
"""The phases of a run that has no load."""
CUT_SHORT = {
    "run.refused": "The run was refused: {reason}.",
    "run.interrupted": "The run was interrupted by {signal}.",
    "run.failed": "The harness broke: {error}.",
    "stop.fired": "The drill was {reason}.",
}
"""The events that cut a run short, and what they say."""


@check("events.jsonl", "journal.json", target="every phase run to its end")
def run_complete(run: Run) -> Finding:
    """The run went through every phase and activity: not refused, interrupted, broken off or killed half-way.

    Chaos Toolkit calls an experiment completed although an action of its method failed, and goes on after it: so each
    activity of the method and of the rollbacks must have succeeded.

    A run that was cut short is inconclusive, not failed: it says nothing of what would have come. So is one that
    restored a backup and has no objective for its RPO: no check of what came back is asked then.
    """
    for event in run.record.events:
        if event.kind in CUT_SHORT:
            return unsure(CUT_SHORT[event.kind].format_map(event.data))
    seen = [event.data.get("phase") for event in run.events_of("run.phase")]
    phases = PHASES if run.loaded else UNLOADED
    missing = [phase for phase in phases if phase not in seen]
    if missing:
        return unsure(f"The run ended before it came to: {', '.join(missing)}.", actual=f"{len(seen)} phases")
    if (status := run.record.journal.get("status")) != "completed":
        return unsure(f"Chaos Toolkit ended the experiment with status {status!r}.", actual=str(status))
    trouble = _trouble(run.record.journal, "run", "method") or _trouble(run.record.journal, "rollbacks", "rollbacks")
    if trouble:
        return unsure(trouble)
    if run.restores and run.record.objectives.rpo is None:
        return unsure("A backup was restored, and without the objective `rpo` nothing judged what came back.")
    return passed("The run went through every phase to its end.", actual=f"{len(phases)} phases")


@check("manifest.json", target="every file as it was sealed")
def record_intact(run: Run) -> Finding:
    """No file differs from the SHA-256 in the manifest, is missing, or was added.

    A record that was changed is inconclusive, not failed: it proves nothing about the platform either way.
    """
    altered = run.record.altered_files()
    if altered:
        return unsure(
            f"The record was changed after it was sealed: {', '.join(altered[:5])}{' ...' if altered[5:] else ''}.",
            actual=f"{len(altered)} files changed",
            altered=list(altered),
        )
    sealed = len(run.record.manifest["files"])
    return passed(f"All {sealed} files are as the manifest sealed them.", actual=f"{sealed} files unchanged")


def _trouble(journal: dict[str, Any], section: str, declared: str) -> str | None:
    """Which activity of a section of the journal did not succeed, or was not even begun."""
    ran, experiment = journal.get(section), journal.get("experiment")
    if ran is None or experiment is None:
        raise RecordIncompleteError(f"the journal does not say what became of the {declared}")
    for entry in ran:
        if (status := entry.get("status")) != "succeeded":
            lines = "".join(entry.get("exception", [])).strip().splitlines() or [f"its status is {status!r}"]
            return f"The {entry['activity']['type']} {entry['activity']['name']} did not succeed: {lines[-1]}."
    planned = len(experiment.get(declared, []))
    if len(ran) < planned:
        return f"Only {len(ran)} of {planned} activities of the {declared} were run."
    return None
