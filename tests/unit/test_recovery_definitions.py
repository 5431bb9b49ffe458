"""What PostgreSQL's tables rest on is that of the backup: the check passes, fails, and says when it can't tell."""

from pathlib import Path
from typing import Any

import pytest

from drill.fingerprints import Database, PostgresFingerprint, PostgresSelection, Sequence, Table, document
from drill.verdicts import Outcome, Verdict
from recovery._run import Run
from recovery.restores._definitions import definitions_as_backed_up
from tests.unit.restores import Evidence, restore_record

PASS, FAIL, INCONCLUSIVE = Outcome.PASS, Outcome.FAIL, Outcome.INCONCLUSIVE
OWNED = "public.orders_id_seq"
"""Of a table by its default; `public.beats_id_seq` is the identity of another, and `public.free_seq` of none."""


def server(
    *,
    roles: dict[str, str] | None = None,
    definition: dict[str, str] | None = None,
    more: tuple[str, ...] = (),
    columns: dict[str, str] | None = None,
    increment: int = 1,
    **ends: int | None,
) -> Any:
    """The fingerprint of a server with three sequences, which are at 1000 where nothing else is said."""
    defined = {"view public.v": "select 1", "function public.f()": "one", "extension pgcrypto": "1.3"}
    at = {"orders_id_seq": 1000, "beats_id_seq": 1000, "free_seq": 1000, **ends}
    tables = {
        "public.orders": {"column id": f"1: bigint not null default nextval('{OWNED}'::regclass)"},
        "public.beats": {"column id": "1: bigint not null identity by default"},
        "public.services": {"column id": "1: uuid not null", **(columns or {})},
    }
    kong = Database(
        definition=defined if definition is None else definition,
        tables={name: Table(kind="table", rows=5, checksum="a", definition=each) for name, each in tables.items()},
        sequences={
            f"public.{name}": Sequence(last_value=last, increment=increment, cache=1, definition="bigint")
            for name, last in at.items()
        },
    )
    empty = Database(definition={}, tables={}, sequences={})
    return document(
        PostgresFingerprint(
            started=1,
            finished=2,
            selection=PostgresSelection(),
            version="15.14",
            roles={"kong": "login", "app": "login, createdb"} if roles is None else roles,
            databases={"kong": kong, **dict.fromkeys(more, empty)},
        )
    )


def judged(runs: Path, before: Any, after: Any, found: Any, *changing: str, scratch: bool = False) -> Verdict:
    """The verdict on a restore with these fingerprints."""

    def spoil(pieces: Evidence) -> None:
        pieces["reference"] |= {"before": before, "after": after, "changing": list(changing)}
        pieces["found"]["fingerprint"] = found

    verdict = definitions_as_backed_up(Run(restore_record(runs, spoil=spoil, scratch=scratch)))
    assert verdict is not None
    return verdict


WITHOUT_VIEW = {"function public.f()": "one", "extension pgcrypto": "1.3"}
LOST: list[tuple[dict[str, Any], str]] = [
    ({"roles": {"kong": "login"}}, "app: the role is missing"),
    ({"roles": {"kong": "login", "app": "superuser"}}, "app: the role may superuser, was login, createdb"),
    ({"definition": WITHOUT_VIEW}, "kong: view public.v is missing"),
    ({"definition": {}}, "; and 2 more"),
    ({"more": ("evil",)}, "evil: the database was not there before"),
    ({"columns": {"column name": "2: text"}}, "kong.public.services: column name was not there before"),
    ({"free_seq": 1}, "kong.public.free_seq: last value 1, was 1000: it would give out numbers twice"),
    ({"free_seq": None}, "kong.public.free_seq: last value None, was 1000"),
    ({"free_seq": 2000}, "further ahead than a crash explains"),
    ({"more_seq": 1}, "kong.public.more_seq: the sequence was not there before"),
    ({"increment": 2}, "the sequence is defined otherwise"),
]


def test_as_it_was_it_passes(tmp_path: Path) -> None:
    """Of a namespace that was lost, and of a scratch restore of an old backup."""
    for number, after in enumerate((server(), None)):
        verdict = judged(tmp_path / str(number), server(), after, server(), scratch=after is None)
        assert verdict.outcome is PASS, verdict.reason
        assert verdict.actual == "1 of 1 databases; 2 of 2 roles; 3 tables; 3 sequences"


@pytest.mark.parametrize(("found", "says"), LOST, ids=[each[1] for each in LOST])
def test_what_stood_still_while_it_was_backed_up_must_be_so(tmp_path: Path, found: dict[str, Any], says: str) -> None:
    """It fails; and where the backup is older than what it is held against, nobody knows."""
    verdict = judged(tmp_path / "around", server(), server(), server(**found))
    assert (verdict.outcome, says in verdict.reason) == (FAIL, True), verdict.reason
    older = judged(tmp_path / "older", server(), None, server(**found), scratch=True)
    assert older.outcome is INCONCLUSIVE
    assert "may have been so at the backup, which is older" in older.reason


@pytest.mark.parametrize(
    ("found", "outcome"),
    [
        ({}, PASS),
        ({"definition": WITHOUT_VIEW, "roles": {"kong": "login"}}, PASS),
        ({"definition": WITHOUT_VIEW}, PASS),
        ({"definition": {}}, INCONCLUSIVE),
        ({"columns": {"column name": "2: text"}}, FAIL),
    ],
)
def test_what_was_changed_meanwhile_may_be_as_before_or_as_after(
    tmp_path: Path, found: dict[str, Any], outcome: Outcome
) -> None:
    """As neither, nobody knows; and what did not change is held to what it was."""
    after = server(definition=WITHOUT_VIEW, roles={"kong": "login"})
    assert judged(tmp_path, server(), after, server(**found)).outcome is outcome


@pytest.mark.parametrize(
    ("after", "found", "outcome"),
    [
        (1000, 1033, PASS),  # as far ahead as a crash leaves it
        (1000, 1034, FAIL),
        (1500, 1000, PASS),
        (1500, 1200, PASS),
        (1500, 1533, PASS),
        (1500, 1534, INCONCLUSIVE),
        (1500, 999, FAIL),  # behind where it was before the backup, however far it went since
        (1500, None, FAIL),
        (500, 400, INCONCLUSIVE),  # it was set back meanwhile
        (500, 700, PASS),
    ],
)
def test_a_sequence_goes_on_from_where_it_was(tmp_path: Path, after: int, found: int | None, outcome: Outcome) -> None:
    """At 1000 before the backup."""
    verdict = judged(tmp_path, server(), server(free_seq=after), server(free_seq=found))
    assert verdict.outcome is outcome, verdict.reason


def test_a_sequence_may_count_down(tmp_path: Path) -> None:
    """Then what is lower is ahead."""
    sides = server(increment=-1), server(increment=-1, free_seq=500)
    assert judged(tmp_path / "a", *sides, server(increment=-1, free_seq=700)).outcome is PASS
    assert judged(tmp_path / "b", *sides, server(increment=-1, free_seq=1001)).outcome is FAIL


@pytest.mark.parametrize(
    ("sequence", "pattern"),
    [("orders_id_seq", "kong.public.orders"), ("beats_id_seq", "kong.public.beats"), ("free_seq", "kong.public.free*")],
)
def test_a_sequence_of_a_table_that_always_changes_may_go_on(tmp_path: Path, sequence: str, pattern: str) -> None:
    """Its clients may be back; but never behind, and no other sequence."""
    still, ahead, behind = server(), server(**{sequence: 5000}), server(**{sequence: 900})
    gone_on = judged(tmp_path / "on", still, still, ahead, pattern)
    assert (gone_on.outcome, "1 of what always changes could not be held" in gone_on.reason) == (PASS, True)
    assert gone_on.details["differences"][0]["name"] == f"kong.public.{sequence}"
    assert judged(tmp_path / "back", still, still, behind, pattern).outcome is FAIL
    assert judged(tmp_path / "other", still, still, ahead, "kong.public.services").outcome is FAIL
    assert judged(tmp_path / "older", still, None, behind, pattern, scratch=True).outcome is PASS
    assert judged(tmp_path / "undeclared", still, None, behind, scratch=True).outcome is INCONCLUSIVE


def test_what_nobody_saw_never_passes(tmp_path: Path) -> None:
    """No role, no table, another choice of databases, or no fingerprint."""
    bare = server(roles={})
    assert judged(tmp_path / "roles", bare, bare, bare).outcome is INCONCLUSIVE
    none = document(
        PostgresFingerprint(
            started=1, finished=2, selection=PostgresSelection(), version="15", roles={"kong": ""}, databases={}
        )
    )
    assert judged(tmp_path / "none", none, none, none).outcome is INCONCLUSIVE
    some = PostgresFingerprint.model_validate(server()["fingerprint"])
    chosen = document(some.model_copy(update={"selection": PostgresSelection(databases=("kong",))}))
    assert judged(tmp_path / "chosen", server(), server(), chosen).outcome is INCONCLUSIVE
    verdict = judged(tmp_path / "before", None, server(), server())
    assert (verdict.outcome, "does not say its before" in verdict.reason) == (INCONCLUSIVE, True)
