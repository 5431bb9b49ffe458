"""The evidence of a restore, as docs/run-record.md has it: what each file must say, and where it does not."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from drill.errors import DrillError, RecordIncompleteError
from drill.fingerprints import Fingerprint, PostgresFingerprint, from_document
from drill.objectives import Objectives
from recovery import _evidence
from recovery._run import Run

F = TypeVar("F", bound=Fingerprint)
_ITEM = re.compile(r"^(?:(?P<namespace>[^/]+)/)?(?P<name>.+)\((?P<action>[a-z]+)\)$")
"""One entry of a restore's resource list in the bucket: `kong/kong-postgres-0(created)`."""


@dataclass(frozen=True)
class Item:
    """One object that a restore came to."""

    kind: str
    """With its version: `v1/Secret`, `apps/v1/StatefulSet`."""
    namespace: str | None
    name: str
    action: str
    """created, updated, skipped (it was there already) or failed."""

    def __str__(self) -> str:
        return f"{self.kind.rpartition('/')[2]} {'/'.join(filter(None, (self.namespace, self.name)))}"


def held(objectives: Objectives) -> bool:
    """Whether the run is held to what a restore must prove."""
    return objectives.rpo is not None


def of(system: str) -> Callable[[Run], bool]:
    """Whether it is a system's data that is restored: a tag of the experiment says so; without one, PostgreSQL's."""

    def applies(run: Run) -> bool:
        tags = run.record.experiment.get("tags") or []
        return system in tags or (system == "postgres" and "kafka" not in tags)

    return applies


def piece(run: Run, name: str) -> dict[str, Any]:
    """One piece of evidence, `evidence/restore-<name>.json`.

    Raises:
        RecordIncompleteError: the drill did not come to write it, or it is no mapping.
    """
    return _evidence.piece(run, f"restore-{name}")


def told(found: dict[str, Any], key: str, name: str) -> Any:
    """What a piece of evidence says of `key`.

    Raises:
        RecordIncompleteError: nothing.
    """
    return _evidence.told(found, key, f"restore-{name}")


def sides(run: Run) -> tuple[PostgresFingerprint, PostgresFingerprint | None, PostgresFingerprint]:
    """PostgreSQL right before the backup, right after it (None: the backup is older than the drill), and restored.

    Raises:
        RecordIncompleteError: one of them was not kept, or is not what it should be.
    """
    reference = piece(run, "reference")
    later = reference.get("after")
    return (
        fingerprint(told(reference, "before", "reference"), PostgresFingerprint, "before"),
        fingerprint(later, PostgresFingerprint, "after") if later else None,
        fingerprint(told(piece(run, "found"), "fingerprint", "found"), PostgresFingerprint, "found"),
    )


def fingerprint(document: Any, kind: type[F], name: str) -> F:
    """The fingerprint that a piece of evidence holds.

    Raises:
        RecordIncompleteError: it is not as it was written.
    """
    try:
        return from_document(document, kind, name)
    except DrillError as error:
        raise RecordIncompleteError(f"the fingerprint {name!r} can't be used: {error}") from error


def items(listed: dict[str, list[str]]) -> Iterator[Item]:
    """The entries of a restore's resource list.

    Raises:
        RecordIncompleteError: one of them does not say what was done with it.
    """
    for kind, entries in listed.items():
        for entry in entries:
            read = _ITEM.match(entry)
            if read is None:
                raise RecordIncompleteError(f"the restore's resource list does not say what became of {kind} {entry}")
            yield Item(kind, read["namespace"], read["name"], read["action"])


def messages(results: dict[str, Any], kind: str) -> list[str]:
    """The `warnings` or `errors` of a restore's results in the bucket: Velero's own, the cluster's, the namespaces'."""
    said = results.get(kind) or {}
    of_namespaces = [each for namespace in (said.get("namespaces") or {}).values() for each in namespace or ()]
    return [*(said.get("velero") or ()), *(said.get("cluster") or ()), *of_namespaces]
