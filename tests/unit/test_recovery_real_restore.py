"""Judged on the record of a real restore: `drill run data-loss` on the lab, with Velero 1.18.3.

data/data-loss is what the checks of a restore read of that record, without what its observers saw. What is spoilt here
is what a restore that falls short would have left.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from drill.fingerprints import PostgresFingerprint, Table, document, from_document
from drill.record import RunRecord
from drill.verdicts import Outcome, Verdict
from recovery._run import Run
from recovery.restores import CHECKS

REAL = Path(__file__).parent / "data" / "data-loss"
FAIL, PASS, UNSURE = Outcome.FAIL, Outcome.PASS, Outcome.INCONCLUSIVE
Spoil = Callable[[dict[str, Any]], None]


def _judged(folder: Path, piece: str | None = None, spoil: Spoil = lambda _: None) -> dict[str, Verdict]:
    """The verdicts, with one piece of the evidence spoilt."""
    copied = Path(shutil.copytree(REAL, folder / "data-loss" / "20261129T163513Z"))
    if piece is not None:
        file = copied / "evidence" / f"restore-{piece}.json"
        content = json.loads(file.read_text())
        spoil(content)
        file.write_text(json.dumps(content))
    run = Run(RunRecord.open(copied))
    return {each.check: each for each in (check(run) for check in CHECKS) if each is not None}


def _table(name: str, change: Callable[[Table], Table]) -> Spoil:
    """One table of the restored database kong is not as it was backed up."""

    def spoil(found: dict[str, Any]) -> None:
        seen = from_document(found["fingerprint"], PostgresFingerprint, "found")
        kong = seen.databases["kong"]
        tables = {**kong.tables, name: change(kong.tables[name])}
        databases = {**seen.databases, "kong": kong.model_copy(update={"tables": tables})}
        found["fingerprint"] = document(seen.model_copy(update={"databases": databases}))

    return spoil


def _without_a_table(found: dict[str, Any]) -> None:
    seen = from_document(found["fingerprint"], PostgresFingerprint, "found")
    kong = seen.databases["kong"]
    tables = {name: each for name, each in kong.tables.items() if name != "public.routes"}
    databases = {**seen.databases, "kong": kong.model_copy(update={"tables": tables})}
    found["fingerprint"] = document(seen.model_copy(update={"databases": databases}))


def _without_a_role(found: dict[str, Any]) -> None:
    seen = from_document(found["fingerprint"], PostgresFingerprint, "found")
    roles = {name: each for name, each in seen.roles.items() if name != "exporter"}
    found["fingerprint"] = document(seen.model_copy(update={"roles": roles}))


def _short_of_one_row(table: Table) -> Table:
    assert table.rows == 3
    return table.model_copy(update={"rows": 2, "checksum": "0" * 32})


def _altered(table: Table) -> Table:
    return table.model_copy(update={"checksum": "0" * 32})


def _tampered(found: dict[str, Any]) -> None:
    name = next(iter(found["markers"]["kong"]))
    found["markers"]["kong"][name] = "0" * 64


def _one_marker_gone(found: dict[str, Any]) -> None:
    found["markers"]["dolphinscheduler"].popitem()


def _one_mutation_there(found: dict[str, Any]) -> None:
    reference = json.loads((REAL / "evidence" / "restore-reference.json").read_text())
    name, digest = next(iter(reference["mutations"]["kong"].items()))
    found["mutations"]["kong"][name] = digest


def _skipped(restore: dict[str, Any]) -> None:
    """As over a namespace where everything is there already: Velero calls that Completed, too."""
    restore["resource_list"] = {
        kind: [each.replace("(created)", "(skipped)") for each in found]
        for kind, found in restore["resource_list"].items()
    }


def _one_skipped(restore: dict[str, Any]) -> None:
    claims = restore["resource_list"]["v1/PersistentVolumeClaim"]
    claims[0] = claims[0].replace("(created)", "(skipped)")


def _pending(objects: dict[str, Any]) -> None:
    objects["claims"][0]["phase"] = "Pending"


def _in_progress(restore: dict[str, Any]) -> None:
    restore |= {"phase": "InProgress", "results": None, "resource_list": None, "unread": ["it has not ended"]}
    restore["volumes"][1] |= {"phase": "InProgress", "bytes_done": 1_000_000}


def _failed(restore: dict[str, Any]) -> None:
    reason = 'found a restore with status "InProgress" during the server starting, mark it as "Failed"'
    _in_progress(restore)
    restore |= {"phase": "Failed", "failure_reason": reason}


def _remapped(backup: dict[str, Any]) -> None:
    """Its volume was to get another storage class, and has that of before."""
    backup["storage_classes"] = {"local-path-apart": "other"}


def test_as_it_was_recorded_it_passes(tmp_path: Path) -> None:
    """So that each failure below is of what was spoilt."""
    found = _judged(tmp_path)
    assert {name: each.reason for name, each in found.items() if each.outcome is not PASS} == {}
    assert {"markers-kept", "mutations-gone", "tables-as-backed-up", "definitions-as-backed-up", "rpo"} <= found.keys()


@pytest.mark.parametrize(
    ("piece", "spoil", "check", "outcome", "words"),
    [
        ("found", _tampered, "markers-kept", FAIL, "is not what was written"),
        ("found", _one_marker_gone, "markers-kept", FAIL, "1 of 10 markers in dolphinscheduler"),
        ("found", _one_mutation_there, "mutations-gone", FAIL, "was written after the backup"),
        ("found", _table("public.routes", _short_of_one_row), "tables-as-backed-up", FAIL, "kong.public.routes"),
        ("found", _table("public.consumers", _altered), "tables-as-backed-up", FAIL, "kong.public.consumers"),
        ("found", _without_a_table, "tables-as-backed-up", FAIL, "kong.public.routes"),
        ("found", _without_a_table, "definitions-as-backed-up", FAIL, "kong.public.routes: the table is missing"),
        ("found", _without_a_role, "definitions-as-backed-up", FAIL, "exporter: the role is missing"),
        ("restore", _skipped, "restore-completed", FAIL, "were there already and not restored"),
        ("restore", _one_skipped, "restore-completed", FAIL, "kong/data-kong-postgres-0"),
        ("restore", _in_progress, "restore-completed", UNSURE, "was not seen to end"),
        ("restore", _in_progress, "volumes-restored", UNSURE, "was not seen to end"),
        ("restore", _failed, "restore-completed", FAIL, "Failed"),
        ("backup", _remapped, "restored-whole", FAIL, "class"),
        ("objects", _pending, "restored-whole", FAIL, "claim data-kong-postgres-0 is Pending"),
    ],
)
def test_what_a_restore_fell_short_of_is_found(
    tmp_path: Path, piece: str, spoil: Spoil, check: str, outcome: Outcome, words: str
) -> None:
    """By the check that is about it."""
    verdict = _judged(tmp_path, piece, spoil)[check]
    assert verdict.outcome is outcome, verdict.reason
    assert words in verdict.reason
