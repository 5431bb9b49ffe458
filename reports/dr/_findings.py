"""What is to be put right: the checks that did not pass, with what people said of them, and people's own findings."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from drill.verdicts import Outcome
from reports._format import words
from reports.dr._details import Details, Finding
from reports.dr._drill import Drill

UNRATED = "not stated"


@dataclass(frozen=True)
class Row:
    """One finding; None where nobody has said it."""

    text: str
    outcome: Outcome | None
    """Of the check that found it; None: a person did."""
    anchor: str | None
    severity: str | None
    owner: str | None
    due: date | None
    action: str | None
    status: str


def findings(drills: Sequence[Drill], details: Details) -> tuple[Row, ...]:
    """Those of the checks first, as the drills come, then people's own; what is said of a check stands with it."""
    rows = []
    used: set[int] = set()
    for drill in drills:
        for verdict in drill.troubles:
            said = _said(details, drill.summary.scenario, verdict.check, used)
            text = f"{drill.summary.scenario}: {words(verdict.check)}: {verdict.reason}"
            rows.append(
                _row(said, f"{said.finding} ({text})" if said and said.finding else text, verdict.outcome, drill)
            )
        rows += [
            _row(None, f"{drill.summary.scenario}: {alarm.word}: {alarm.text}", Outcome.INCONCLUSIVE, drill)
            for alarm in drill.alarms
        ]
        if not drill.summary.judged:
            rows.append(_row(None, f"{drill.summary.scenario}: the run was not judged.", Outcome.INCONCLUSIVE, drill))
    rows += list(_own(details, used))
    return tuple(rows)


def _own(details: Details, used: set[int]) -> Iterator[Row]:
    for number, said in enumerate(details.findings):
        if number not in used:
            about = f"{said.scenario or 'any scenario'}: {words(said.check)}" if said.check else ""
            yield _row(said, said.finding or f"{about} (this check did not fail in these drills)", None, None)


def _said(details: Details, scenario: str, check: str, used: set[int]) -> Finding | None:
    for number, each in enumerate(details.findings):
        if each.check == check and each.scenario in (None, scenario):
            used.add(number)
            return each
    return None


def _row(said: Finding | None, text: str, outcome: Outcome | None, drill: Drill | None) -> Row:
    anchor = None if drill is None else drill.anchor
    if said is None:
        return Row(text, outcome, anchor, None, None, None, None, "open")
    return Row(text, outcome, anchor, said.severity, said.owner, said.due, said.action, said.status)
