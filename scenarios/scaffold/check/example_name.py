"""A check: a pure function of the run record, which passes, fails, or says why it can't tell."""

from recovery import Finding, Run, check, failed, passed, unsure

LIMIT = 15.0
"""How long an undo may take, s: as long it takes to stop a drill in an emergency."""


@check("events.jsonl", target=f"<= {LIMIT:g} s")
def example_name(run: Run) -> Finding:
    """Each fault was undone, and seen to be undone, within the limit."""
    began = run.events_of("fault.undoing")
    ended = run.events_of("fault.undone")
    if not began:
        return unsure("No fault was undone in this run, so nothing can be said of how long that takes.")
    if len(ended) < len(began):
        return unsure(f"{len(began) - len(ended)} undo of {len(began)} was not seen to end.")
    longest = max(end.t - begin.t for begin, end in zip(began, ended, strict=True))
    actual = f"{longest:.1f} s"
    if longest > LIMIT:
        return failed("An undo took longer than a drill may need to be stopped.", actual, undos=len(began))
    return passed("Each undo was done in time.", actual, undos=len(began))
