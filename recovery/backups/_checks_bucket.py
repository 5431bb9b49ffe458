"""Whether the bucket has what the cluster says that it has."""

from collections.abc import Iterator

from drill.backup_evidence import ARCHIVE, METADATA, RESOURCES, VOLUMES, File
from recovery.backups._finding import Finding, bad, good, some, unseen
from recovery.backups._scene import Judged, Scene, UnseenError

_EXPECTED = (
    METADATA,
    ARCHIVE,
    "-logs.gz",
    "-podvolumebackups.json.gz",
    "-volumesnapshots.json.gz",
    "-itemoperations.json.gz",
    RESOURCES,
    "-results.gz",
    VOLUMES,
)
"""What every backup has: pkg/persistence/object_store.go, PutBackup."""
_SHAPES = {
    METADATA: dict,
    ARCHIVE: dict,
    "-logs.gz": dict,
    RESOURCES: dict,
    "-results.gz": dict,
}
"""What the content of some of them is; the others are lists, or null where there is nothing to list."""
_MD5 = 32
_REACH = "See that the object store's endpoint and keys in the settings are right, and that it runs."
_AGAIN = "Make a new backup at once (`velero backup create --from-schedule`), and find out who deletes from the bucket."


def backup_completed(scene: Scene) -> Iterator[Finding]:
    """A backup that was looked into is Completed: any other is not one to restore from."""
    for each in scene.judged:
        phase, troubles = each.backup.phase or "New", "; ".join(each.backup.troubles)
        if phase == "Completed":
            yield good(each.what, "Velero made it to its end.", phase, "Completed")
        elif each.backup.ended:
            reason = f"It is {phase}: {troubles or 'its log says why'}."
            yield bad(each.what, reason, "Mend what it tells of, and make a new one.", phase, "Completed")
        else:
            yield unseen(each.what, f"It is {phase}: not at its end.", "Wait for it.", phase, "Completed")


def phases_agree(scene: Scene) -> Iterator[Finding]:
    """A backup's phase in the cluster is the one that the bucket says; a new cluster would believe the bucket."""
    for each in scene.judged:
        target = "the same in the cluster and in the bucket"
        try:
            there = each.metadata
        except UnseenError as error:
            yield unseen(each.what, f"{_sentence(error)}", _REACH, target=target)
            continue
        here = each.backup
        actual = f"{here.phase} here, {there.phase or 'none'} in the bucket"
        if (here.phase, here.started, here.uid) == (there.phase, there.started, there.uid):
            yield good(each.what, "The bucket tells of the backup what the cluster tells.", actual, target)
        elif here.phase == there.phase and here.started == there.started:
            # A cluster that got the backup from the bucket has it under another uid.
            yield good(each.what, "The bucket tells the same; this cluster has the backup from it.", actual, target)
        else:
            reason = "The bucket tells something else of the backup than the cluster."
            yield bad(each.what, reason, "Trust neither; make a new backup.", actual, target)


def objects_present(scene: Scene) -> Iterator[Finding]:
    """Every object that Velero puts into the bucket for a backup is there, and none of them is empty."""
    for each in scene.judged:
        target = f"{len(_EXPECTED)} objects, none empty"
        if each.files.missing:
            yield bad(each.what, f"The bucket is not there: {each.files.error}.", _AGAIN, target=target)
            continue
        if each.files.error is not None:
            yield unseen(each.what, f"The bucket was not seen: {each.files.error}.", _REACH, target=target)
            continue
        missing = [_name(each, suffix) for suffix in _EXPECTED if each.files.file(suffix) is None]
        empty = [found.name for found in each.files.files if not found.size]
        size = sum(found.size for found in each.files.files)
        actual = f"{len(each.files.files)} objects, {size:,} bytes"
        if missing or empty:
            words = [f"missing: {some(missing)}" for _ in missing[:1]] + [f"empty: {some(empty)}" for _ in empty[:1]]
            yield bad(each.what, f"The bucket does not have all of it; {'; '.join(words)}.", _AGAIN, actual, target)
        else:
            yield good(each.what, "All its objects are in the bucket.", actual, target)


def objects_intact(scene: Scene) -> Iterator[Finding]:
    """Every object of a backup is what its ETag says, decompresses, and parses to what it should be."""
    target = "every object decompresses and parses"
    for each in scene.judged:
        if each.files.error is not None or not each.files.files:
            reason = each.files.error or "it has no objects in the bucket"
            yield unseen(each.what, f"Nothing could be read: {reason}.", _REACH, target=target)
            continue
        damaged = [f"{found.name} ({why})" for found in each.files.files if (why := _damage(each, found))]
        unread = [found for found in each.files.files if not found.read]
        actual = f"{len(each.files.files) - len(damaged) - len(unread)} of {len(each.files.files)} intact"
        if damaged:
            yield bad(each.what, f"Damaged: {some(damaged)}.", _AGAIN, actual, target)
        elif unread:
            why = unread[0].unread or "too large to be fetched without being asked"
            reason = f"Not read: {some([found.name for found in unread])}: {why}."
            yield unseen(each.what, reason, "Give --download.", actual, target)
        else:
            yield good(each.what, "All its objects decompress and parse.", actual, target)


def archive_whole(scene: Scene) -> Iterator[Finding]:
    """The archive has every object that the backup's resource list names, and no other."""
    target = "as in the resource list"
    for each in scene.judged:
        try:
            listed, archived = _pairs(each.content(RESOURCES)), _pairs(each.content(ARCHIVE)["objects"])
        except UnseenError as error:
            yield unseen(each.what, _sentence(error), "Give --download, and see the other checks.", target=target)
            continue
        missing, more = sorted(listed - archived), sorted(archived - listed)
        actual = f"{len(listed & archived)} of {len(listed)}"
        if not listed:
            yield bad(each.what, "It is a backup of nothing.", "See what it includes.", actual, target)
        elif missing or more:
            words = f"lacks {some(missing)}" if missing else f"has {some(more)} besides"
            yield bad(each.what, f"The archive {words}.", _AGAIN, actual, target)
        else:
            yield good(each.what, "The archive has all that the backup's own list names.", actual, target)


def _name(judged: Judged, suffix: str) -> str:
    return suffix if suffix == METADATA else f"{judged.backup.name}{suffix}"


def _damage(judged: Judged, found: File) -> str | None:
    """What is wrong with the content of a file that was read."""
    if not found.read:
        return None
    if len(found.etag) == _MD5 and found.md5 != found.etag:
        return f"its MD5 is {found.md5}, its ETag {found.etag}"
    if found.damage is not None:
        return found.damage
    shape = next((kind for suffix, kind in _SHAPES.items() if found.name == _name(judged, suffix)), None)
    if shape is not None and not isinstance(found.content, shape):
        return f"not what it should be, but a {type(found.content).__name__}"
    return None


def _pairs(objects: dict[str, list[str]]) -> set[str]:
    return {f"{kind} {name}" for kind, names in objects.items() for name in names}


def _sentence(error: UnseenError) -> str:
    text = str(error)
    return text[:1].upper() + text[1:] + "."
