"""What a reader must know before the verdict: a fault not undone, a run cut short, a record that was altered."""

from dataclasses import dataclass

from drill.record import RunRecord
from drill.rollback import FILE, pending
from reports._format import plain, plural
from reports._measured import Missing, measured
from reports._rejudged import unlike

JUDGE_ANEW = "They were edited, or made by another version of drill; “drill judge” makes them anew."
STILL_ON = "A fault may still be on: look at the cluster first, then run “drill rollback”."


@dataclass(frozen=True)
class Alarm:
    """One line above the verdict."""

    word: str
    text: str
    grave: bool
    """The platform may still be harmed, or the page must not be believed."""


def alarms(record: RunRecord) -> tuple[Alarm, ...]:
    """The gravest first; what can't be read is an alarm of its own."""
    found: list[Alarm] = []
    for source in (rollbacks, _altered, _judged_otherwise, _cut_short):
        each = measured(record, lambda source=source: source(record))  # type: ignore[misc]
        found += [Alarm("Unreadable", each.reason, grave=False)] if isinstance(each, Missing) else each
    return tuple(found)


def rollbacks(record: RunRecord) -> list[Alarm]:
    """Undos that failed, or that the write-ahead log has as registered and never done."""
    errors = {event.data.get("id"): event.data.get("error") for event in record.events_of("rollback.failed")}
    found = []
    for undo in pending(record.path / FILE):
        what = f"{undo.undo} ({plain(undo.arguments)})"
        if undo.id in errors:
            text = f"{what}: {errors[undo.id]}. {STILL_ON}"
            found.append(Alarm("Rollback failed", text, grave=True))
        else:
            text = f"{what} was registered and is not done. {STILL_ON}"
            found.append(Alarm("Not rolled back", text, grave=True))
    return found


def _altered(record: RunRecord) -> list[Alarm]:
    altered = measured(record, record.altered_files)
    if isinstance(altered, Missing) or not altered:
        return []
    names = ", ".join(altered[:5]) + (f" and {len(altered) - 5} more" if len(altered) > 5 else "")  # noqa: PLR2004
    text = f"{plural(len(altered), 'file')} of this record changed after it was sealed: {names}."
    return [Alarm("Record altered", text, grave=True)]


def _judged_otherwise(record: RunRecord) -> list[Alarm]:
    """Of a record that is as it was sealed; of one that was altered nothing follows."""
    altered = measured(record, record.altered_files)
    found = () if not isinstance(altered, Missing) and altered else unlike(record)
    text = f"The verdicts of this record are not those that follow from it: {'; '.join(found)}. {JUDGE_ANEW}"
    return [Alarm("Judged otherwise", text, grave=True)] if found else []


def _cut_short(record: RunRecord) -> list[Alarm]:
    found = [
        Alarm("Interrupted", f"The run was ended early by {event.data.get('signal', 'a signal')}.", grave=False)
        for event in record.events_of("run.interrupted")
    ]
    if (
        not found
        and not record.events_of("run.finished")
        and isinstance(measured(record, lambda: record.manifest), Missing)
    ):
        text = "The record was never closed: the harness was killed or still runs. What it wrote until then is shown."
        found.append(Alarm("Not finished", text, grave=False))
    return found
