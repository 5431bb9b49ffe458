"""Whether a backup has in it what a restore would need: objects, volumes with their data, and no unknown warnings."""

import re
from collections.abc import Generator, Iterable, Iterator
from typing import Any

from drill.backup_evidence import RESOURCES, VOLUMES, FollowedSnapshot, Held
from drill.velero import PodVolume, StoredVolume, Tally
from recovery.backups._finding import Finding, bad, good, some, unseen
from recovery.backups._scene import Judged, Scene, UnseenError

_CLAIM = "v1/PersistentVolumeClaim"
_ALLOW = "Allow drill to list them (`drill rbac`)."
_SEE = "See the check of the backup's objects."
_DESCRIBE = "`velero backup describe --details` and `velero backup logs` tell why."


def resources_listed(scene: Scene) -> Iterator[Finding]:
    """What the cluster has of the namespaces and kinds of a backup, and had when it began, is in the backup's list."""
    target = "every object that is older than the backup"
    for each in scene.judged:
        scope = each.backup.scope
        try:
            listed = each.content(RESOURCES)
        except UnseenError as error:
            yield unseen(each.what, _sentence(str(error)), _SEE, target=target)
            continue
        held = [one for one in scene.held(each.backup) if scope.has_kind(one.kind)]
        errors = [one.error for one in held if one.error]
        wanted = {f"{one.kind} {name}" for one in held for name in _older(one, each)}
        there = {f"{kind} {name}" for kind, names in listed.items() for name in names}
        missing = sorted(wanted - there)
        actual = f"{len(wanted) - len(missing)} of {len(wanted)}"
        if scope.by_labels:
            reason = "It takes only objects with some labels, so what it lacks can't be told."
            yield unseen(each.what, reason, "Restore it to know.", actual, target)
        elif missing and scope.untold:
            reason = f"It lacks {some(missing)}, which may be meant: {scope.untold}."
            yield unseen(each.what, reason, "Restore it to know.", actual, target)
        elif missing:
            yield bad(each.what, f"It lacks {some(missing)}.", "See what the schedule includes.", actual, target)
        elif errors:
            yield unseen(each.what, f"Not all could be compared: {errors[0]}.", "Allow it.", actual, target)
        elif not wanted:
            reason = "The cluster has nothing of it that is older and looked up, so there is nothing to compare."
            yield unseen(each.what, reason, "Compare where the platform runs.", actual, target)
        else:
            others = {one.kind for one in scene.held(each.backup) if one.created} - {one.kind for one in held}
            but = f" but what its filters leave out: {some(sorted(others))}" if others else ""
            yield good(each.what, f"It has all that the cluster had{but} (Secrets are not looked up).", actual, target)


def volumes_backed_up(scene: Scene) -> Iterator[Finding]:
    """Each claim of a backup's namespaces has a volume in it that was not skipped, succeeded, and is not empty.

    Those of its list, and those that the cluster had when it began, unless it leaves claims out by a filter and another
    backup that was looked into has them.
    """
    target = "every claim: not skipped, succeeded, > 0 bytes"
    for each in scene.judged:
        try:
            listed = each.content(RESOURCES).get(_CLAIM, ())
            infos = each.content(VOLUMES) or ()
        except UnseenError as error:
            yield unseen(each.what, _sentence(str(error)), _SEE, target=target)
            continue
        by_claim = {f"{info.get('pvcNamespace')}/{info.get('pvcName')}": info for info in infos if info.get("pvcName")}
        held = [one for one in scene.held(each.backup) if one.kind == _CLAIM]
        lacked = {claim for one in held for claim in _older(one, each)} - set(listed) - set(by_claim)
        kept = lacked & _claims_of_others(scene, each) if not each.backup.scope.has_kind(_CLAIM) else set()
        doubted = lacked - kept if each.backup.scope.untold else set()
        claims = sorted(set(listed) | set(by_claim) | (lacked - kept - doubted))
        troubles = [f"{claim} ({why})" for claim in claims if (why := _trouble(by_claim.get(claim)))]
        size = sum(_size(info) or 0 for info in by_claim.values())
        actual = f"{len(claims) - len(troubles)} of {len(claims)} claims, {size:,} bytes"
        if troubles:
            remedy = f"Its data would be lost. {_DESCRIBE} hostPath volumes are never copied, nor those of no pod."
            yield bad(each.what, f"No data of {some(troubles)}.", remedy, actual, target)
        elif doubted:
            reason = f"It has no data of {some(sorted(doubted))}, which may be meant: {each.backup.scope.untold}."
            yield unseen(each.what, reason, "See that another backup has them.", actual, target)
        elif errors := [one.error for one in held if one.error]:
            reason = f"Whether the cluster has claims that it lacks was not seen: {errors[0]}."
            yield unseen(each.what, reason, "Allow it.", actual, target)
        elif kept:
            yield good(each.what, f"It leaves claims out, and another backup has {some(sorted(kept))}.", actual, target)
        elif not claims:
            yield good(each.what, "It has no volumes, as its resource list has no claims.", actual, target)
        else:
            volumes = [StoredVolume.of(info) for info in by_claim.values()]
            apart = [f"{one.name} ({one.elsewhere})" for one in volumes if one.elsewhere]
            reason = "The data of every volume was moved."
            if apart:
                reason = f"No volume was skipped, but not the data of all was moved into the bucket: {some(apart)}."
            yield good(each.what, reason, actual, target)


def volume_data_present(scene: Scene) -> Iterator[Finding]:
    """The bucket has the repositories in which the volumes' data is, with data in them; no volume's is elsewhere."""
    target = "repository, index and data there"
    for each in scene.evidence.volumes:
        what = f"volumes of {each.namespace}"
        actual = f"{each.objects} objects, {each.bytes:,} bytes"
        if each.error is not None:
            yield unseen(what, f"The bucket was not seen: {each.error}.", "See that the store answers.", None, target)
            continue
        lacks = [
            word
            for word, there in {
                "the repository's own kopia.repository": each.kinds.get("kopia.repository"),
                "blobs of data (p)": each.kinds.get("p"),
                "blobs of metadata (q)": each.kinds.get("q"),
                "an index (x or n)": each.kinds.get("x", 0) + each.kinds.get("n", 0),
            }.items()
            if not there
        ]
        if lacks:
            remedy = "The volumes can't be restored: make a new backup, and find out who deletes from the bucket."
            yield bad(what, f"The bucket lacks {', '.join(lacks)}.", remedy, actual, target)
        elif each.damaged:
            reason = f"Their content is not what their ETag says: {some(list(each.damaged))}."
            yield bad(what, reason, "Make a new repository and a new backup; look after the disks.", actual, target)
        else:
            fetched = each.fetched - each.unverifiable
            proof = f"{fetched} held to their ETag" if each.fetched else "by the listing"
            yield good(what, f"The bucket has them ({proof}).", actual, target)
    for judged, volume in (yield from _stored(scene, target)):
        if volume.elsewhere:
            remedy = "Restore it to know. What is not in the bucket is lost with the storage."
            yield unseen(f"{judged.what}, {volume.name}", _sentence(volume.elsewhere), remedy, target=target)


def volume_files_whole(scene: Scene) -> Iterator[Finding]:
    """Each snapshot of a volume leads, through the repository's indexes, to packs that have all of each file."""
    target = "every file's data in packs that are there"
    for each in scene.evidence.volumes:
        what = f"volumes of {each.namespace}"
        if each.locked:
            reason = f"Nothing can be restored with the password that the cluster has: {each.unopened}."
            yield bad(what, reason, "Put the Secret back that the repository was made with.", None, target)
        elif each.error is not None or each.unopened is not None:
            remedy = "See that the store answers, and that drill may read the password's Secret."
            yield unseen(what, f"Nothing could be followed: {each.error or each.unopened}.", remedy, None, target)
        for one in each.snapshots if each.error is None else ():
            yield _followed(one, target)
    for judged, volume in (yield from _stored(scene, target)):
        if not volume.elsewhere and not _told(scene, judged, volume):
            what = f"{judged.what}, {volume.name}"
            reason = "No snapshot of it was followed." if volume.snapshot else "No snapshot of it is told of."
            yield unseen(what, reason, "Look again, or restore it to know.", None, target)


def repositories_ready(scene: Scene) -> Iterator[Finding]:
    """Velero can open every repository of volumes."""
    if scene.evidence.repositories.error:
        yield unseen("repositories", scene.evidence.repositories.error, _ALLOW)
    for each in scene.repositories:
        what = f"repository {each.namespace} in {each.location}"
        if each.phase == "Ready":
            yield good(what, "Velero can open it.", each.phase, "Ready")
        else:
            reason = f"Velero can't open it: {each.message or 'it does not say why'}."
            yield bad(what, reason, "See the password's Secret and the location.", each.phase or "none", "Ready")


def pod_volumes_complete(scene: Scene) -> Iterator[Finding]:
    """Every pod's volume of a backup was moved to its end, with all its bytes, as the bucket and the cluster tell."""
    target = "all Completed with all their bytes"
    for each in scene.judged:
        try:
            volumes = [PodVolume.of(one) for one in each.content("-podvolumebackups.json.gz") or ()]
        except UnseenError as error:
            yield unseen(each.what, _sentence(str(error)), _SEE, target=target)
            continue
        there = {one.name: one for one in scene.pod_volumes if one.of_name == each.backup.name}
        found = {one.name: one for one in volumes} | there
        troubles = [f"{one.pod}:{one.volume} ({why})" for one in found.values() if (why := _unmoved(one))]
        size = sum(one.bytes.done for one in found.values())
        actual = f"{len(found) - len(troubles)} of {len(found)}, {size:,} bytes"
        lost = sorted(set(there) - {one.name for one in volumes})
        if troubles:
            yield bad(each.what, f"Not moved: {some(troubles)}.", _DESCRIBE, actual, target)
        elif refusal := scene.evidence.pod_volume_backups.error:
            yield unseen(each.what, f"What the cluster knows of was not seen: {refusal}.", _ALLOW, actual, target)
        elif lost:
            reason = f"The bucket does not know of {some(lost)}, and a new cluster would not restore it."
            yield bad(each.what, reason, "Make a new backup.", actual, target)
        elif not found:
            yield good(each.what, "No volume was to be moved file by file.", actual, target)
        else:
            yield good(each.what, "Every volume was moved to its end.", actual, target)


def operations_complete(scene: Scene) -> Iterator[Finding]:
    """Every asynchronous operation of a backup completed."""
    for each in scene.judged:
        try:
            listed = each.content("-itemoperations.json.gz") or ()
        except UnseenError as error:
            yield unseen(each.what, _sentence(str(error)), _SEE, target="attempted = completed")
            continue
        undone = [one for one in listed if one.get("status", {}).get("phase") != "Completed"]
        tally = each.backup.operations
        yield _tallied(each, "operations", tally, [str(one["spec"]["operationID"]) for one in undone], len(listed))


def hooks_complete(scene: Scene) -> Iterator[Finding]:
    """Every hook of a backup (a database's flush before it is copied, say) ran without an error."""
    for each in scene.judged:
        yield _tallied(each, "hooks", each.backup.hooks)


def snapshots_complete(scene: Scene) -> Iterator[Finding]:
    """Every snapshot of a volume was taken."""
    for each in scene.judged:
        yield _tallied(each, "snapshots", each.backup.snapshots)


def warnings_allowed(scene: Scene) -> Iterator[Finding]:
    """A backup has no error, and no warning that nobody has allowed: Velero warns where it skips a volume."""
    target, allowed = "0 errors, only allowed warnings", [re.compile(each) for each in scene.rules.allowed_warnings]
    for each in scene.judged:
        try:
            results = each.content("-results.gz")
        except UnseenError as error:
            yield unseen(each.what, _sentence(str(error)), _SEE, target=target)
            continue
        errors, warnings = _messages(results.get("errors")), _messages(results.get("warnings"))
        unknown = [one for one in warnings if not any(pattern.search(one) for pattern in allowed)]
        actual = f"{len(errors)} errors, {len(warnings)} warnings, {len(warnings) - len(unknown)} allowed"
        if errors or each.backup.errors:
            said = some(errors, 1) if errors else f"{each.backup.errors}, whose texts are not in the bucket"
            yield bad(each.what, f"It has errors: {said}.", _DESCRIBE, actual, target)
        elif unknown:
            remedy = "Mend what it warns of, or allow it: `allowed_warnings` in the settings, or --allow-warning."
            yield bad(each.what, f"It warns: {some(unknown, 1)}.", remedy, actual, target)
        elif each.backup.warnings > len(warnings):
            reason = f"It counts {each.backup.warnings} warnings, and the bucket has the texts of {len(warnings)}."
            yield unseen(each.what, reason, _DESCRIBE, actual, target)
        else:
            yield good(each.what, "It has no error and no unknown warning.", actual, target)


def _older(held: Held, judged: Judged) -> set[str]:
    """What of it was created before a backup began, as `namespace/name`."""
    began = judged.backup.started
    return {f"{held.namespace}/{name}" for name, created in held.created.items() if began and created < began}


def _claims_of_others(scene: Scene, judged: Judged) -> set[str]:
    """The claims in the lists of the other backups that were looked into, as far as these can be read."""
    files = [each.files.file(RESOURCES) for each in scene.judged if each.backup.name != judged.backup.name]
    return {
        claim for each in files if each and isinstance(each.content, dict) for claim in each.content.get(_CLAIM, ())
    }


def _stored(scene: Scene, target: str) -> Generator[Finding, None, list[tuple[Judged, StoredVolume]]]:
    """Where the backups say that the data of their volumes is; without those whose trouble another check tells.

    Yields a finding for each backup whose list of volumes was not seen, and returns what the others say.
    """
    found = []
    for each in scene.judged:
        try:
            infos = each.content(VOLUMES) or ()
        except UnseenError as error:
            yield unseen(each.what, _sentence(str(error)), _SEE, target=target)
        else:
            found += [(each, StoredVolume.of(info)) for info in infos if _trouble(info) is None]
    return found


def _told(scene: Scene, judged: Judged, volume: StoredVolume) -> bool:
    """Whether a volume's snapshot was followed, or its repository was seen not to let it be."""
    wanted = (judged.backup.name, volume.name, volume.snapshot)
    return any(
        each.error is not None
        or each.unopened is not None
        or wanted in {(one.backup, one.volume, one.id) for one in each.snapshots}
        for each in scene.evidence.volumes
        if (each.namespace, each.location) == (volume.namespace, judged.files.location)
    )


def _trouble(info: dict[str, Any] | None) -> str | None:
    """Why a claim's data is not in the backup."""
    if info is None:
        return "not even mentioned among the volumes"
    if info.get("skipped"):
        return f"skipped: {info.get('skippedReason') or 'no reason given'}"
    if info.get("result") != "succeeded":
        return f"result {info.get('result') or 'none'}"
    size = _size(info)
    if size is None:
        return None if info.get("nativeSnapshotInfo") else "no data told of"
    return None if size > 0 else "0 bytes"


def _size(info: dict[str, Any]) -> int | None:
    """Bytes of a volume; None: a native snapshot, whose size is the storage's secret, or nothing."""
    for key in ("pvbInfo", "snapshotDataMovementInfo", "csiSnapshotInfo"):
        if found := info.get(key):
            return int(found.get("size", 0))
    return None


def _followed(snapshot: FollowedSnapshot, target: str) -> Finding:
    what = f"backup {snapshot.backup}, {snapshot.volume}"
    actual = f"{snapshot.files:,} files, {snapshot.bytes:,} bytes, {snapshot.contents:,} pieces"
    if snapshot.troubles:
        remedy = "It can't be restored whole: make a new backup, and find out who deletes from the bucket."
        return bad(what, f"Its data is not whole: {some(list(snapshot.troubles))}.", remedy, actual, target)
    if snapshot.unread is not None:
        return unseen(what, f"It could not be followed: {snapshot.unread}.", "Restore it to know.", actual, target)
    if snapshot.authentic is None:
        reason = "The bucket has all that its files need, by the repository's indexes and the listing."
        return good(what, reason, actual, target)
    if snapshot.authentic < snapshot.contents:
        reason = f"Only {snapshot.authentic:,} of its pieces could be fetched and decrypted."
        return unseen(what, reason, "Look again.", actual, target)
    return good(what, "All that its files need was fetched and is what was once written.", actual, target)


def _unmoved(volume: PodVolume) -> str | None:
    """Why a pod's volume was not moved to its end; an emptyDir may be empty, a claim's volume may not."""
    if volume.phase != "Completed":
        return f"{volume.phase or 'not begun'}{': ' + volume.message if volume.message else ''}"
    if not volume.snapshot and volume.claim:
        return "no snapshot of it"
    if volume.bytes.done < volume.bytes.total:
        return f"{volume.bytes.done:,} of {volume.bytes.total:,} bytes"
    return "0 bytes" if volume.claim and not volume.bytes.done else None


def _tallied(
    judged: Judged, noun: str, tally: Tally, undone: list[str] | None = None, listed: int | None = None
) -> Finding:
    target = "attempted = completed, 0 failed"
    actual = f"{tally.attempted} attempted, {tally.completed} completed, {tally.failed} failed"
    if tally.failed or tally.completed < tally.attempted or undone:
        which = f" ({some(undone)})" if undone else ""
        return bad(judged.what, f"Not all {noun} completed{which}.", _DESCRIBE, actual, target)
    if listed is not None and listed != tally.attempted:
        reason = f"The cluster counts {tally.attempted} {noun}, the bucket {listed}."
        return bad(judged.what, reason, "Make a new backup.", actual, target)
    return good(judged.what, f"All {noun} completed." if tally.attempted else f"It has no {noun}.", actual, target)


def _messages(result: dict[str, Any] | None) -> list[str]:
    """The texts of a result: pkg/util/results/result.go."""
    found = result or {}
    spaces: Iterable[list[str]] = (found.get("namespaces") or {}).values()
    return [*(found.get("velero") or ()), *(found.get("cluster") or ()), *(each for some_ in spaces for each in some_)]


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + "."
