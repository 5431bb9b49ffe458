"""A PostgreSQL server is passed when it is equal, and each difference is named: pure judgements, no server."""

import random

import pytest

from drill.fingerprints import PostgresFingerprint, PostgresSelection, Sequence, Table
from drill.verdicts import Outcome, Verdict, overall
from recovery.fingerprints import judge_postgres, not_verified
from tests.unit.fingerprints import database, postgres, table


def _judged(before: PostgresFingerprint, after: PostgresFingerprint) -> dict[str, Verdict]:
    return {verdict.check: verdict for verdict in judge_postgres(before, after)}


def _with(**tables: Table) -> PostgresFingerprint:
    held = database().tables | {f"public.{name}": each for name, each in tables.items()}
    return postgres(databases={"kong": database(tables=held)})


def _sequence(last_value: int | None) -> PostgresFingerprint:
    one = Sequence(last_value=last_value, increment=1, cache=1, definition="integer")
    return postgres(databases={"kong": database(sequences={"public.ids": one})})


def test_equal_passes() -> None:
    """In every check, which say how much was compared."""
    verdicts = judge_postgres(postgres(), postgres(started=5.0, finished=6.0, context="other"))
    assert {each.outcome for each in verdicts} == {Outcome.PASS}
    assert {each.check: each.actual for each in verdicts}["postgres-rows"] == "7 rows in 2 tables"


def test_the_order_of_what_was_found_does_not_matter() -> None:
    """Whatever order the catalogues answer in."""
    names = [f"public.t{number}" for number in range(20)]
    tables = {name: table(number, f"{number}:{number}") for number, name in enumerate(names)}
    shuffled = dict(random.Random(7).sample(list(tables.items()), len(tables)))
    before = postgres(databases={"kong": database(tables=tables)})
    assert overall(judge_postgres(before, postgres(databases={"kong": database(tables=shuffled)}))) is Outcome.PASS


def test_one_row_short_fails() -> None:
    """By the table's name and how many."""
    verdict = _judged(postgres(), _with(routes=table(2, "9:9")))["postgres-rows"]
    assert verdict.outcome is Outcome.FAIL
    assert verdict.reason == "kong.public.routes: rows 2 of 3, checksum differs."


def test_one_changed_value_fails() -> None:
    """Though the number of rows is the same."""
    verdict = _judged(postgres(), _with(routes=table(3, "17:5")))["postgres-rows"]
    assert verdict.outcome is Outcome.FAIL
    assert "kong.public.routes: rows 3 of 3, checksum differs" in verdict.reason


def test_a_changed_value_on_another_major_version_is_a_doubt() -> None:
    """It may write the same values as other texts; a missing row stays a failure."""
    newer = _with(routes=table(3, "17:5")).model_copy(update={"version": "16.1"})
    assert _judged(postgres(), newer)["postgres-rows"].outcome is Outcome.INCONCLUSIVE
    short = _with(routes=table(2, "17:5")).model_copy(update={"version": "16.1"})
    assert _judged(postgres(), short)["postgres-rows"].outcome is Outcome.FAIL


def test_a_missing_table_fails_by_name() -> None:
    """In what is defined, and in the rows that it held."""
    gone = postgres(databases={"kong": database(tables={"public.services": table(4, "5:6")})})
    found = _judged(postgres(), gone)
    assert found["postgres-schema"].reason == "kong.public.routes: the table is missing."
    assert found["postgres-rows"].reason == "kong.public.routes: the table is missing, with 3 rows."


def test_a_table_that_was_not_there_fails() -> None:
    """What came after the backup is gone after a restore."""
    assert (
        "kong.public.new: the table was not there before"
        in _judged(postgres(), _with(new=table()))["postgres-schema"].reason
    )


def test_a_missing_database_fails_with_all_that_it_held() -> None:
    """Its tables are named, too."""
    found = _judged(postgres(), postgres(databases={}))
    assert found["postgres-databases"].reason == "kong: the database is missing."
    assert {found[check].outcome for check in ("postgres-schema", "postgres-rows", "postgres-sequences")} == {
        Outcome.FAIL
    }


@pytest.mark.parametrize(
    ("definition", "said"),
    [
        ({"column id": "1: uuid", "index pk": "unique (id)"}, "column id is '1: uuid', was '1: uuid not null'"),
        ({"column id": "1: uuid not null"}, "index pk is missing"),
        ({"column id": "1: uuid not null", "index pk": "unique (id)", "column x": "2: text"}, "column x was not there"),
    ],
)
def test_another_definition_fails(definition: dict[str, str], said: str) -> None:
    """With what it was."""
    verdict = _judged(postgres(), _with(routes=table(definition=definition)))["postgres-schema"]
    assert verdict.outcome is Outcome.FAIL
    assert said in verdict.reason


def test_a_role_that_may_less_fails() -> None:
    """And one that is missing."""
    found = _judged(postgres(), postgres(roles={"kong": ""}))["postgres-roles"]
    assert found.outcome is Outcome.FAIL
    assert "kong: the role may nothing, was login" in found.reason
    assert "postgres: the role is missing" in found.reason


@pytest.mark.parametrize(
    ("last_value", "outcome"),
    [
        (9, Outcome.PASS),
        (10, Outcome.PASS),  # as after a crash, which skips what was logged ahead
        (9 + 33, Outcome.PASS),
        (9 + 34, Outcome.FAIL),
        (8, Outcome.FAIL),  # it would give out 9 again
        (None, Outcome.FAIL),
    ],
)
def test_sequences_never_go_back(last_value: int | None, outcome: Outcome) -> None:
    """Ahead by what a crash skips is none's loss, and is told."""
    verdict = _judged(postgres(), _sequence(last_value))["postgres-sequences"]
    assert verdict.outcome is outcome
    assert ("as after a crash" in verdict.reason) is (outcome is Outcome.PASS and last_value != 9)


def test_a_table_that_could_not_be_read_is_a_doubt() -> None:
    """On either side; never a pass."""
    unread = _with(routes=table(None, None, problem="permission denied"))
    for before, after in ((postgres(), unread), (unread, postgres()), (unread, unread)):
        verdict = _judged(before, after)["postgres-rows"]
        assert verdict.outcome is Outcome.INCONCLUSIVE
        assert "permission denied" in verdict.reason


def test_a_comparison_of_nothing_is_inconclusive() -> None:
    """No database, no table, or not one row on both sides."""
    none = postgres(databases={})
    assert overall(judge_postgres(none, none)) is Outcome.INCONCLUSIVE
    no_table = postgres(databases={"kong": database(tables={}, sequences={})})
    assert overall(judge_postgres(no_table, no_table)) is Outcome.INCONCLUSIVE
    no_row = postgres(databases={"kong": database(tables={"public.routes": table(0, "0:0")})})
    assert _judged(no_row, no_row)["postgres-rows"].outcome is Outcome.INCONCLUSIVE


def test_a_database_that_is_on_neither_side_is_a_doubt() -> None:
    """Someone asked for it."""
    asked = postgres(selection=PostgresSelection(databases=("kong", "grafana")))
    verdict = _judged(asked, asked)["postgres-databases"]
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "grafana" in verdict.reason


def test_other_selections_are_not_compared() -> None:
    """A part can't vouch for the whole."""
    (verdict,) = judge_postgres(postgres(), postgres(selection=PostgresSelection(databases=("kong",))))
    assert verdict.outcome is Outcome.INCONCLUSIVE


def test_an_excluded_table_is_told() -> None:
    """Its rows may be any, and it has to be there all the same."""
    beats = {**database().tables, "public.beats": table(None, None)}
    before = postgres(databases={"kong": database(tables=beats, excluded=("public.beats",))})
    assert overall(judge_postgres(before, before)) is Outcome.PASS
    assert any("kong.public.beats" in limit for limit in not_verified(before, before))
    after = postgres(databases={"kong": database(excluded=("public.beats",))})
    assert "kong.public.beats: the table is missing" in _judged(before, after)["postgres-schema"].reason


def test_many_differences_are_a_short_sentence_and_a_whole_list() -> None:
    """The first few are named; all are in the details."""
    many = {f"public.t{number:03}": table() for number in range(100)}
    after = {name: table(2, "1:1") for name in many}
    verdict = _judged(
        postgres(databases={"kong": database(tables=many)}), postgres(databases={"kong": database(tables=after)})
    )["postgres-rows"]
    assert len(verdict.reason) < 1000
    assert verdict.reason.endswith("and 95 more differences.")
    assert len(verdict.details["differences"]) == 100
