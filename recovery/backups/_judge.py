"""All checks of backups, and the judgement of evidence by them."""

from collections.abc import Callable, Iterator

import structlog

from drill.backup_evidence import BackupEvidence
from drill.verdicts import Verdict
from recovery.backups._checks_bucket import (
    archive_whole,
    backup_completed,
    objects_intact,
    objects_present,
    phases_agree,
)
from recovery.backups._checks_contents import (
    hooks_complete,
    operations_complete,
    pod_volumes_complete,
    repositories_ready,
    resources_listed,
    snapshots_complete,
    volume_data_present,
    volume_files_whole,
    volumes_backed_up,
    warnings_allowed,
)
from recovery.backups._checks_velero import (
    backup_fresh,
    location_available,
    namespaces_covered,
    password_own,
    retention,
    schedule_active,
    velero_serves,
)
from recovery.backups._finding import Finding, unseen
from recovery.backups._scene import Scene

_log = structlog.get_logger()

CHECKS: tuple[Callable[[Scene], Iterator[Finding]], ...] = (
    # whether backups are made
    velero_serves,
    location_available,
    schedule_active,
    backup_fresh,
    namespaces_covered,
    retention,
    password_own,
    repositories_ready,
    # whether the bucket has them
    backup_completed,
    phases_agree,
    objects_present,
    objects_intact,
    archive_whole,
    # whether they have what a restore needs
    resources_listed,
    volumes_backed_up,
    volume_data_present,
    volume_files_whole,
    pod_volumes_complete,
    operations_complete,
    hooks_complete,
    snapshots_complete,
    warnings_allowed,
)


def judge(evidence: BackupEvidence) -> tuple[Verdict, ...]:
    """The verdicts on what was seen, in the order of CHECKS, one for each object; details: `object` and `remedy`."""
    scene = Scene(evidence)
    verdicts = [each.verdict(_name(check)) for check in CHECKS for each in _found(check, scene)]
    if not evidence.judged:
        nothing = unseen("backups", "No backup was looked into: none is completed.", "Make one, and see why.")
        verdicts.append(nothing.verdict("backup-contents"))
    return tuple(verdicts)


def _found(check: Callable[[Scene], Iterator[Finding]], scene: Scene) -> list[Finding]:
    """What a check finds; what it raises is a finding that says so."""
    found = []
    try:
        for each in check(scene):
            found.append(each)  # noqa: PERF402 - what was found before it broke is kept
    except Exception as error:  # noqa: BLE001 - a check that breaks is told as its verdict, and in the log
        _log.exception("check.broke", check=_name(check))
        found.append(unseen("the check itself", f"It broke: {type(error).__name__}: {error}.", "Report it."))
    return found


def _name(check: Callable[[Scene], Iterator[Finding]]) -> str:
    return check.__name__.replace("_", "-")
