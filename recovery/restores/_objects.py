"""The backup, the restore and the objects that came of it. That a restore is Completed proves none of the others."""

import re
from typing import Any

from drill.errors import RecordIncompleteError
from recovery._check import Finding, check, counted, failed, passed, unsure
from recovery._run import Run
from recovery.restores._evidence import Item, held, items, messages, piece, told

_ENDED = {"Completed", "PartiallyFailed", "Failed", "FailedValidation"}
"""Phases of a backup and of a restore that no other follows (velero.io/v1)."""
_OF_EVERY_NAMESPACE = {("v1/ConfigMap", "kube-root-ca.crt"), ("v1/ServiceAccount", "default")}
"""What Kubernetes puts into a new namespace by itself, so that a restore finds it there."""
_HARMLESS = tuple(
    re.compile(rf"could not restore, {kind.partition('/')[2]}(:| \"){re.escape(name)}\"? already exists\b")
    for kind, name in _OF_EVERY_NAMESPACE
)
"""What Velero warns of them (velero/pkg/restore/restore.go)."""


@check(
    "evidence/restore-inventory.json",
    "evidence/restore-backup.json",
    target=lambda o: "Completed, each volume with its bytes" if held(o) else None,
)
def backup_whole(run: Run) -> Finding:
    """The backup that was restored is Completed with no error, and each of its volumes was copied whole."""
    backup = piece(run, "backup")
    name, phase = told(backup, "name", "backup"), told(backup, "phase", "backup")
    if phase not in _ENDED:
        return unsure(f"Backup {name} was {phase}: it was not seen to end.", phase)
    if phase != "Completed" or backup.get("errors"):
        return failed(f"Backup {name} is {phase}, with {counted(backup.get('errors') or 0, 'error')}.", phase)
    volumes = told(backup, "volumes", "backup")
    if wrong := [each for each in volumes if each["phase"] != "Completed" or _empty(each)]:
        return failed(f"The copy of {_volume(wrong[0])} is {wrong[0]['phase']}, with {_bytes(wrong[0])}.", phase)
    copied = sum(each["bytes_done"] for each in volumes)
    actual = f"{phase}, {counted(len(volumes), 'volume')}, {copied:,} bytes"
    held_by = {each["claim"] for each in volumes}
    if bare := [each for each in told(backup, "claims", "backup") if each not in held_by]:
        return failed(f"Backup {name} has claim {bare[0]}, and none of its data.", actual, bare=bare)
    return passed(f"Backup {name} is whole.", actual, volumes=volumes)


@check(
    "evidence/restore-restore.json",
    target=lambda o: "Completed, nothing skipped" if held(o) else None,
)
def restore_completed(run: Run) -> Finding:  # noqa: PLR0911 - one return a trouble
    """The restore is Completed with no error, and nothing of it was left out because it was there already.

    Velero calls a restore Completed that found every object in place and restored none. A warning that nobody has
    declared harmless keeps it from passing, and so does a resource list or a result that could not be read.
    """
    restore = piece(run, "restore")
    name, phase = told(restore, "name", "restore"), told(restore, "phase", "restore")
    if phase not in _ENDED:
        return unsure(f"Restore {name} was {phase}: it was not seen to end.", phase)
    # A server that died in it has left nothing in the bucket; that it is Failed was seen all the same.
    ended = phase == "Completed"
    results = told(restore, "results", "restore") if ended else restore.get("results") or {}
    errors = messages(results, "errors")
    if not ended or errors or restore.get("errors"):
        said = errors[0] if errors else restore.get("failure_reason") or "it does not say why"
        return failed(f"Restore {name} is {phase}: {said}.", phase, errors=errors)
    found = list(items(told(restore, "resource_list", "restore")))
    done = [each for each in found if each.action in {"created", "updated"}]
    actual = f"{phase}, {len(done)} of {counted(len(found), 'item')} restored"
    if bad := [each for each in found if each.action == "failed" and not _of_every_namespace(each)]:
        # Velero says so, too, of what was there already and differs from the backup.
        return failed(f"{bad[0]} was not restored.", actual, failed=list(map(str, bad)))
    if left := [each for each in found if each.action == "skipped" and _matters(each, restore)]:
        reason = f"{counted(len(left), 'item')} were there already and not restored, {left[0]} for one."
        return failed(reason, actual, skipped=list(map(str, left)))
    if not done:
        return failed(f"Restore {name} is {phase}, and it restored nothing.", actual)
    warnings, allowed = messages(results, "warnings"), [re.compile(each) for each in restore.get("allowed") or ()]
    if len(warnings) < (restore.get("warnings") or 0):
        return unsure(f"{restore['warnings']} warnings were counted, and {len(warnings)} can be read.", actual)
    if strange := [each for each in warnings if not any(pattern.search(each) for pattern in (*_HARMLESS, *allowed))]:
        return unsure(f"It warns, and nobody declared that harmless: {strange[0]}.", actual, warnings=strange)
    return passed(f"Restore {name} restored every item of the backup that it came to.", actual, warnings=warnings)


@check(
    "evidence/restore-backup.json",
    "evidence/restore-restore.json",
    target=lambda o: "every byte that was backed up" if held(o) else None,
)
def volumes_restored(run: Run) -> Finding:  # noqa: PLR0911 - one return a trouble
    """Each volume of the backup was restored, with as many bytes as were backed up of it."""
    backup, restore = piece(run, "backup"), piece(run, "restore")
    copied = {_key(each): each for each in told(backup, "volumes", "backup")}
    back = {_key(each): each for each in told(restore, "volumes", "restore")}
    claims = told(backup, "claims", "backup")
    if not copied and claims:
        return failed(f"The backup holds no data of {counted(len(claims), 'claimed volume')}.", "0 bytes")
    if not copied:
        return unsure("The backup has no volume, so that no data was restored.", "0 bytes")
    for key, each in copied.items():
        what, its = _volume(each), back.get(key)
        if its is None:
            return failed(f"The data of {what} was not restored.")
        if its["phase"] in {"Failed", "Canceled"}:
            return failed(f"The restore of {what} is {its['phase']}: {its.get('message') or 'it does not say why'}.")
        if its["phase"] != "Completed":
            return unsure(f"The restore of {what} is {its['phase'] or 'new'}: it was not seen to end.")
        if _empty(its) or its["bytes_done"] != each["bytes_done"]:
            return failed(f"Of {what} {_bytes(each)} were backed up, and {_bytes(its)} restored.")
    total = sum(each["bytes_done"] for each in back.values())
    return passed("As many bytes were restored as were backed up.", f"{counted(len(back), 'volume')}, {total:,} bytes")


@check(
    "evidence/restore-objects.json",
    "evidence/restore-backup.json",
    target=lambda o: "claims Bound, workloads Ready, Services with endpoints" if held(o) else None,
)
def restored_whole(run: Run) -> Finding:
    """In the restored namespace each claim is Bound, each workload Ready as a whole, and each Service has endpoints.

    A restore that is Completed says none of that. What must be there is what the backup holds; a Service that led
    nowhere when the backup was made need not lead anywhere now.
    """
    backup, seen = piece(run, "backup"), piece(run, "objects")
    claims = {each["name"]: each["phase"] for each in told(seen, "claims", "objects")}
    workloads, services = told(seen, "workloads", "objects"), told(seen, "services", "objects")
    if absent := [name for name in told(backup, "claims", "backup") if name not in claims]:
        return failed(f"The claim {absent[0]} of the backup is not there.", absent=absent)
    troubles = [f"claim {name} is {phase}" for name, phase in claims.items() if phase != "Bound"]
    if mapped := backup.get("storage_classes") or {}:
        classes = {each["name"]: told(each, "class", "objects") for each in seen["claims"]}
        troubles += [
            f"claim {name} is of storage class {its}, and was to get {mapped[its]}"
            for name, its in classes.items()
            if its in mapped
        ]
    there = {each["name"] for each in workloads}
    troubles += [f"{name} is not there" for name in told(backup, "workloads", "backup") if name not in there]
    troubles += [
        f"{each['name']} has {each['ready']} of {counted(each['wanted'], 'pod')} Ready"
        for each in workloads
        if each["ready"] < each["wanted"]
    ]
    idle = backup.get("idle_services") or ()
    troubles += [
        f"Service {each['name']} has no endpoint"
        for each in services
        if each["selects"] and not each["ready"] and each["name"] not in idle
    ]
    actual = (
        f"{counted(len(claims), 'claim')}, {counted(len(workloads), 'workload')}, {counted(len(services), 'Service')}"
    )
    if troubles:
        return failed(f"After the restore {'; '.join(troubles[:3])}.", actual, troubles=troubles)
    if not workloads:
        return unsure("The backup has no workload, so that nothing shows whether its data can be used.", actual)
    aside = f", but for {', '.join(idle)}, as before the backup" if idle else ""
    return passed(f"Every claim is Bound, every workload Ready, and every Service leads to one{aside}.", actual)


def _matters(item: Item, restore: dict[str, Any]) -> bool:
    """Whether it is part of what was to be restored: in the namespace, and not put there by Kubernetes.

    A volume whose files are restored is always skipped, for its claim gets a new one (pkg/restore/restore.go); that its
    data came back is `volumes-restored`'s to say.
    """
    into = told(restore, "into", "restore")  # of a whole cluster: several
    return item.namespace in ([into] if isinstance(into, str) else into) and not _of_every_namespace(item)


def _of_every_namespace(item: Item) -> bool:
    return (item.kind, item.name) in _OF_EVERY_NAMESPACE


def _empty(volume: dict[str, Any]) -> bool:
    """Whether nothing was moved of a volume that is claimed: a pod's own scratch space may well be empty."""
    return volume["claim"] is not None and not volume["bytes_done"]


def _key(volume: dict[str, Any]) -> tuple[str, str]:
    return volume["pod"], volume["volume"]


def _volume(volume: dict[str, Any]) -> str:
    return f"volume {volume['volume']} of pod {volume['pod']}"


def _bytes(volume: dict[str, Any]) -> str:
    done = volume["bytes_done"]
    if done is None:
        raise RecordIncompleteError(f"how many bytes of {_volume(volume)} were moved is not in the record")
    return f"{done:,} bytes"
