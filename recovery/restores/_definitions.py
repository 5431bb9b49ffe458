"""What PostgreSQL's tables rest on: databases, roles, definitions, and the place from which each sequence goes on."""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase

from drill.fingerprints import Database, PostgresFingerprint, Sequence, Table
from drill.verdicts import Outcome, Verdict
from recovery._check import Finding, check, failed, passed, unsure
from recovery._run import Run
from recovery.fingerprints import judge_postgres
from recovery.restores import _evidence
from recovery.restores._data import State
from recovery.restores._evidence import held, of, piece

_ASKED = ("postgres-databases", "postgres-roles", "postgres-schema", "postgres-sequences")
"""The verdicts of `judge_postgres` that are asked for; its rows are what `tables-as-backed-up` judges."""
_UNKNOWN = {
    True: "it was changed while the backup was made, so that nobody knows how it must be",
    False: "and may have been so at the backup, which is older than what it is held against",
}
"""Why a difference is doubtful: with a fingerprint of right after the backup, and without."""


@dataclass(frozen=True)
class Difference:
    """What is neither as right before the backup nor as right after it."""

    name: str
    what: str
    state: State


@dataclass(frozen=True)
class _Sides:
    before: PostgresFingerprint
    after: PostgresFingerprint | None
    """Right after the backup; None: the backup is older than the drill."""
    found: PostgresFingerprint
    changing: tuple[str, ...]
    """Patterns of tables that never stand still."""


@check(
    "evidence/restore-reference.json",
    "evidence/restore-found.json",
    target=lambda o: "roles, definitions and sequences as backed up" if held(o) else None,
    applies=of("postgres"),
)
def definitions_as_backed_up(run: Run) -> Finding:
    """Databases, roles, views, functions, extensions and tables are defined as at the backup, and sequences go on.

    What was the same right before the backup and right after it must be so now. What was changed meanwhile may be as
    before or as after it. As neither, nobody knows; and so with each difference where the backup is older than the
    drill, but for what was declared to change. A sequence must not be behind where it was before the backup, or it
    would give out numbers twice; and no further than a crash leaves it after the backup, but for one of a table that
    was declared to change.
    """
    sides = _Sides(*_evidence.sides(run), tuple(piece(run, "reference").get("changing") or ()))
    asked = _asked(sides.before, sides.found)
    differences = list(_judged(sides, asked))
    lost, doubtful, changing = (
        [each for each in differences if each.state == state] for state in ("lost", "doubtful", "changing")
    )
    actual = "; ".join(each.actual for each in asked.values() if each.actual is not None)
    details = {"differences": [asdict(each) for each in differences]}
    if lost:
        return failed(f"{lost[0].name}: {lost[0].what}.", actual, **details)
    if doubtful:
        why = _UNKNOWN[sides.after is not None]
        return unsure(f"{doubtful[0].name}: {doubtful[0].what}, {why}.", actual, **details)
    if untold := [each.reason for each in asked.values() if each.outcome is Outcome.INCONCLUSIVE]:
        return unsure(untold[0], actual, **details)
    aside = f"; {len(changing)} of what always changes could not be held to it" if changing else ""
    return passed(f"Databases, roles, definitions and sequences are as they were backed up{aside}.", actual, **details)


def _judged(sides: _Sides, asked: dict[str, Verdict]) -> Iterator[Difference]:
    differs = _differences(asked)
    after = None if sides.after is None else _differences(_asked(sides.after, sides.found))
    moved = {} if sides.after is None else _differences(_asked(sides.before, sides.after))
    for (check_, name), what in differs.items():
        if after is not None and (check_, name) not in after:
            continue
        state: State | None = _position(name, sides) if check_ == "postgres-sequences" else None
        if state is None and after is None and any(fnmatchcase(name, each) for each in sides.changing):
            state = "changing"
        if state is None:
            state = "doubtful" if after is None or (check_, name) in moved else "lost"
        if state != "same":
            more = f"; and {len(what) - 1} more" if what[1:] else ""
            yield Difference(name, what[0] + more, state)


def _position(label: str, sides: _Sides) -> State | None:
    """What is to be made of where a sequence is; None: it is not on all sides."""
    was, now = _sequence(sides.before, label), _sequence(sides.found, label)
    then = was if sides.after is None else _sequence(sides.after, label)
    if was is None or now is None or then is None:
        return None
    first, last, here = (_given(each, was.increment) for each in (was, then, now))
    changes = _changes(label, sides)
    if sides.after is None:
        return "changing" if changes else "doubtful"
    if here < min(first, last):
        return "lost" if first <= last else "doubtful"
    if here <= max(first, last):
        return "same"
    if changes:
        return "changing"
    return "lost" if first == last else "doubtful"


def _given(sequence: Sequence, increment: int) -> float:
    """How far it has come, in the direction in which it goes."""
    return -math.inf if sequence.last_value is None else math.copysign(1, increment) * sequence.last_value


def _sequence(side: PostgresFingerprint, label: str) -> Sequence | None:
    database, name = label.split(".", 1)
    held_ = side.databases.get(database)
    return None if held_ is None else held_.sequences.get(name)


def _changes(label: str, sides: _Sides) -> bool:
    """Whether a sequence is declared to change, by its own name or as that of a table which is."""
    database, name = label.split(".", 1)
    owners = (f"{database}.{table}" for table in _owners(name, sides.before.databases[database]))
    return any(fnmatchcase(each, pattern) for each in (label, *owners) for pattern in sides.changing)


def _owners(sequence: str, database: Database) -> Iterator[str]:
    """The tables with a column that takes its numbers from a sequence: by default, or as its identity."""

    def takes(table: str, column: str, text: str) -> bool:
        identity = " identity " in f" {text} " and sequence == f"{table}_{column.removeprefix('column ')}_seq"
        return f"nextval('{sequence}'" in text or identity

    for table, held_ in database.tables.items():
        if any(takes(table, column, text) for column, text in _columns(held_)):
            yield table


def _columns(table: Table) -> Iterator[tuple[str, str]]:
    return ((name, text) for name, text in table.definition.items() if name.startswith("column "))


def _asked(before: PostgresFingerprint, found: PostgresFingerprint) -> dict[str, Verdict]:
    return {each.check: each for each in judge_postgres(before, found) if each.check in _ASKED}


def _differences(verdicts: dict[str, Verdict]) -> dict[tuple[str, str], list[str]]:
    """All that differs, by the check that it is of and its name, in the order of the verdicts."""
    differs: dict[tuple[str, str], list[str]] = {}
    for check_, verdict in verdicts.items():
        for each in verdict.details.get("differences", ()):
            differs.setdefault((check_, each["name"]), []).append(each["what"])
    return differs
