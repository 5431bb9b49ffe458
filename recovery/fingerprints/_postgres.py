"""Whether a PostgreSQL server holds what it held: databases, roles, definitions, every row, and the sequences."""

from collections.abc import Iterator, Sequence
from itertools import chain

from drill.fingerprints import Database, PostgresFingerprint, Table
from drill.fingerprints import Sequence as Numbers
from drill.verdicts import Verdict
from recovery.fingerprints._differences import Comparison, incomparable, names, texts

_LOGGED_AHEAD = 32
"""So many values of a sequence PostgreSQL writes to its log at once (SEQ_LOG_VALS): a crash skips up to these."""


def judge_postgres(
    before: PostgresFingerprint, after: PostgresFingerprint, *, evidence: Sequence[str] = ()
) -> tuple[Verdict, ...]:
    """Hold a server to what it was: equal in every database, definition, row and role."""
    if before.selection != after.selection:
        return incomparable("postgres-databases", "The two fingerprints do not look at the same databases.", evidence)
    verdicts = [
        _databases(before, after, evidence),
        _roles(before, after, evidence),
        _schema(before, after, evidence),
        _rows(before, after, evidence),
    ]
    if any(each.sequences for each in chain(before.databases.values(), after.databases.values())):
        verdicts.append(_sequences(before, after, evidence))
    return tuple(verdicts)


def _databases(before: PostgresFingerprint, after: PostgresFingerprint, evidence: Sequence[str]) -> Verdict:
    found = Comparison()
    both = names(before.databases, after.databases, found, "database")
    for name in set(before.selection.databases or ()) - before.databases.keys() - after.databases.keys():
        found.doubtful(name, "asked for, and on neither side")
    return found.verdict(
        "postgres-databases",
        target="the same databases",
        well=f"Every database is there: {', '.join(both)}.",
        nothing=None if both else "There is no database on either side.",
        actual=f"{len(both)} of {len(before.databases)} databases",
        evidence=evidence,
    )


def _roles(before: PostgresFingerprint, after: PostgresFingerprint, evidence: Sequence[str]) -> Verdict:
    found = Comparison()
    for name in names(before.roles, after.roles, found, "role"):
        if before.roles[name] != after.roles[name]:
            found.differs(name, f"the role may {after.roles[name] or 'nothing'}, was {before.roles[name] or 'nothing'}")
    return found.verdict(
        "postgres-roles",
        target="the same roles",
        well="Every role is there and may do what it could; passwords are not compared.",
        nothing=None if before.roles else "No role was seen.",
        actual=f"{len(after.roles)} of {len(before.roles)} roles",
        evidence=evidence,
    )


def _schema(before: PostgresFingerprint, after: PostgresFingerprint, evidence: Sequence[str]) -> Verdict:
    found, compared = Comparison(), 0
    for database, old, new in _pairs(before, after):
        texts(database, old.definition, new.definition, found)
        for table in names(_named(database, old), _named(database, new), found, "table"):
            one, other = old.tables[table.split(".", 1)[1]], new.tables[table.split(".", 1)[1]]
            compared += 1
            if one.kind != other.kind:
                found.differs(table, f"is a {other.kind}, was a {one.kind}")
            texts(table, one.definition, other.definition, found)
        for name in old.sequences.keys() & new.sequences.keys():
            defined, now = old.sequences[name], new.sequences[name]
            if (defined.definition, defined.increment, defined.cache) != (now.definition, now.increment, now.cache):
                found.differs(f"{database}.{name}", "the sequence is defined otherwise")
    return found.verdict(
        "postgres-schema",
        target="the same tables, columns, constraints, indexes, views, functions and grants",
        well="Every table is defined as it was.",
        nothing=None if compared else "There is no table on both sides, so nothing was compared.",
        actual=f"{compared:,} tables",
        evidence=evidence,
    )


def _rows(before: PostgresFingerprint, after: PostgresFingerprint, evidence: Sequence[str]) -> Verdict:
    found, tables, rows = Comparison(), 0, 0
    another_major = _major(before) != _major(after)
    for database, old, new in _pairs(before, after):
        for name, was in sorted(old.tables.items()):
            if not was.holds_rows or name in old.excluded:
                continue
            label, now = f"{database}.{name}", new.tables.get(name)
            if now is None:
                found.differs(label, f"the table is missing, with {_count(was)}")
                continue
            _compare_rows(label, was, now, found, another_major=another_major)
            tables += 1
            rows += was.rows or 0
    return found.verdict(
        "postgres-rows",
        target="the same number of rows and the same checksum in every table",
        well=f"All {rows:,} rows of {tables:,} tables are as they were.",
        nothing=None if rows else "There is not one row to compare.",
        actual=f"{rows:,} rows in {tables:,} tables",
        evidence=evidence,
    )


def _compare_rows(label: str, was: Table, now: Table, found: Comparison, *, another_major: bool) -> None:
    if problem := was.problem or now.problem:
        when = "when the fingerprint was made" if was.problem else "now"
        found.doubtful(label, f"its rows could not be read {when}: {problem}")
    elif was.rows != now.rows:
        differs = ", checksum differs" if was.checksum != now.checksum else ""
        found.differs(label, f"rows {_number(now)} of {_number(was)}{differs}")
    elif was.checksum is None or now.checksum is None:
        found.doubtful(label, "it has no checksum")
    elif was.checksum != now.checksum and another_major:
        found.doubtful(label, "checksum differs, but another major version may write the same values as other texts")
    elif was.checksum != now.checksum:
        found.differs(label, f"rows {_number(now)} of {_number(was)}, checksum differs")


def _sequences(before: PostgresFingerprint, after: PostgresFingerprint, evidence: Sequence[str]) -> Verdict:
    found, compared = Comparison(), 0
    for database, old, new in _pairs(before, after):
        both = names(
            [f"{database}.{name}" for name in old.sequences],
            [f"{database}.{name}" for name in new.sequences],
            found,
            "sequence",
        )
        for label in both:
            name = label.split(".", 1)[1]
            _compare_sequence(label, old.sequences[name], new.sequences[name], found)
            compared += 1
    return found.verdict(
        "postgres-sequences",
        target="where they were, or as far ahead as a crash leaves them",
        well=f"All {compared:,} sequences go on from where they were.",
        nothing=None if compared else "There is no sequence on both sides.",
        actual=f"{compared:,} sequences",
        evidence=evidence,
    )


def _compare_sequence(label: str, was: Numbers, now: Numbers, found: Comparison) -> None:
    if was.last_value == now.last_value:
        return
    what = f"last value {now.last_value}, was {was.last_value}"
    if was.last_value is None or now.last_value is None:
        found.differs(label, what)
        return
    ahead = (now.last_value - was.last_value) / was.increment
    if ahead < 0:
        found.differs(label, f"{what}: it would give out numbers twice")
    elif ahead > _LOGGED_AHEAD + was.cache:
        found.differs(label, f"{what}: further ahead than a crash explains")
    else:
        found.notes.append(f"{label} is ahead by {ahead:g}, as after a crash; nothing is given out twice.")


def _pairs(before: PostgresFingerprint, after: PostgresFingerprint) -> Iterator[tuple[str, Database, Database]]:
    """The databases of before; one that is missing holds nothing, so that all it held is told as missing."""
    nothing = Database(definition={}, tables={}, sequences={})
    for name, database in sorted(before.databases.items()):
        yield name, database, after.databases.get(name, nothing)


def _named(database: str, held: Database) -> list[str]:
    return [f"{database}.{name}" for name in held.tables]


def _major(fingerprint: PostgresFingerprint) -> str:
    return fingerprint.version.split(".", maxsplit=1)[0]


def _count(table: Table) -> str:
    return "rows that were not counted" if table.rows is None else f"{table.rows:,} rows"


def _number(table: Table) -> str:
    return "?" if table.rows is None else f"{table.rows:,}"
