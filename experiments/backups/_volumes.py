"""What a bucket has of the volumes that were moved into it: kopia's repositories, listed, followed and fetched."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from drill.backup_evidence import VOLUMES, BackupFiles, FollowedSnapshot, VolumeStore
from drill.errors import DrillError
from drill.kopia import INDEXES, Content, KopiaError, KopiaLockedError, LostError, Repository, SnapshotSeen
from drill.object_store import ObjectStore, ObjectStoreError, StoredObject
from drill.velero import Location, StoredVolume

_NO_PARTS = 32
"""Characters of an ETag that is an MD5."""
_LARGE = 64 << 20
"""Bytes of indexes up to which they are read without being asked for: of some 1.8 million pieces of files."""
_TOLD = 20
"""How many troubles of a snapshot are kept; the number of the others is."""


@dataclass(frozen=True)
class Moved:
    """A volume that a backup moved into a repository."""

    namespace: str
    """Whose repository it is."""
    location: str
    backup: str
    volume: str
    """`pod:volume`, or the claim of a snapshot that was moved, `namespace/name`."""
    snapshot: str
    """Id of the snapshot; empty: the backup has none."""


def moved(files: Iterable[BackupFiles]) -> Iterator[Moved]:
    """The volumes that the backups moved into kopia's repositories, as their lists in the bucket have them."""
    for each in files:
        listed = each.file(VOLUMES)
        for info in (listed.content if listed else None) or ():
            volume = StoredVolume.of(info)
            if volume.namespace is not None:
                yield Moved(volume.namespace, each.location, each.backup, volume.name, volume.snapshot)


def look(
    store: ObjectStore, place: Location, prefix: str, wanted: list[Moved], password: str | DrillError, *, download: bool
) -> VolumeStore:
    """One repository, and the snapshots in it that the backups name.

    Args:
        store: The bucket's.
        place: Which bucket.
        prefix: Of the repository's blobs.
        wanted: The volumes that are in it.
        password: The repository's, or why it can't be had.
        download: Fetch every blob, hold it to its ETag, and each content of the snapshots to the cipher's own tag.
    """
    known: dict[str, Any] = {"namespace": wanted[0].namespace, "location": place.name}
    try:
        blobs = {each.key.removeprefix(prefix): each for each in store.listed(prefix, place.bucket)}
        known |= _listed(blobs)
        repository, refusal = _opened(store, place, prefix, blobs, password, unasked=not download)
        followed = {each: _followed(repository, each) for each in wanted if each.snapshot} if repository else {}
        wrong: set[str] | None = None
        if download:
            needed = _needed(seen for seen, _ in followed.values())
            fetched = _Fetched()
            for name, each in blobs.items():
                whole = store.read(each.key, place.bucket)  # a pack has some 20 MB
                fetched.hold(each, whole)
                if repository and name in needed:
                    fetched.wrong |= {one.id for one in repository.authentic(whole, needed[name])}
            known |= {"fetched": len(blobs), "unverifiable": fetched.unverifiable, "damaged": tuple(fetched.damaged)}
            wrong = fetched.wrong
    except ObjectStoreError as error:
        return VolumeStore(**{**known, "error": str(error)})
    snapshots = tuple(_as_evidence(each, *found, wrong) for each, found in followed.items())
    locked = isinstance(refusal, KopiaLockedError)
    return VolumeStore(**known, unopened=str(refusal) if refusal else None, locked=locked, snapshots=snapshots)


@dataclass
class _Fetched:
    """What became of blobs that were fetched."""

    unverifiable: int = 0
    damaged: list[str] = field(default_factory=list)
    wrong: set[str] = field(default_factory=set)
    """Ids of contents that are not what was once written."""

    def hold(self, blob: StoredObject, whole: bytes) -> None:
        """Hold a blob to its ETag."""
        if len(blob.etag) != _NO_PARTS:
            self.unverifiable += 1
        elif hashlib.md5(whole, usedforsecurity=False).hexdigest() != blob.etag:
            self.damaged.append(blob.key)


def _listed(blobs: dict[str, StoredObject]) -> dict[str, Any]:
    kinds = Counter(name if name.startswith("kopia.") else name[:1] for name in blobs)
    size = sum(each.size for each in blobs.values())
    return {"objects": len(blobs), "bytes": size, "kinds": dict(sorted(kinds.items()))}


def _opened(
    store: ObjectStore,
    place: Location,
    prefix: str,
    blobs: dict[str, StoredObject],
    password: str | DrillError,
    *,
    unasked: bool,
) -> tuple[Repository | None, DrillError | None]:
    if isinstance(password, DrillError):
        return None, password
    indexes = sum(each.size for name, each in blobs.items() if name.startswith(INDEXES))
    if unasked and indexes > _LARGE:
        return None, DrillError(f"its indexes have {indexes:,} bytes: give --download to have them read")

    def read(name: str, offset: int, length: int) -> bytes:
        return store.read_part(f"{prefix}{name}", offset, length, place.bucket)

    try:
        return Repository.open(read, {name: each.size for name, each in blobs.items()}, password), None
    except KopiaError as error:
        return None, error


def _followed(repository: Repository, wanted: Moved) -> tuple[SnapshotSeen, str | None]:
    try:
        return repository.follow(wanted.snapshot), None
    except LostError as error:
        return SnapshotSeen(troubles=[str(error)]), None
    except KopiaError as error:
        return SnapshotSeen(), str(error)


def _needed(followed: Iterable[SnapshotSeen]) -> dict[str, list[Content]]:
    """The contents of several snapshots by the pack that they are in, each once."""
    contents = {one.id: one for seen in followed for one in seen.contents.values()}
    found: defaultdict[str, list[Content]] = defaultdict(list)
    for each in contents.values():
        found[each.pack].append(each)
    return found


def _as_evidence(wanted: Moved, seen: SnapshotSeen, unread: str | None, wrong: set[str] | None) -> FollowedSnapshot:
    troubles = list(seen.troubles)
    bad = (wrong or set()) & seen.contents.keys()
    troubles += [f"content {name} is not what was once written" for name in sorted(bad)]
    if len(troubles) > _TOLD:
        troubles = [*troubles[:_TOLD], f"{len(troubles) - _TOLD} more"]
    return FollowedSnapshot(
        id=wanted.snapshot,
        backup=wanted.backup,
        volume=wanted.volume,
        files=seen.files,
        bytes=seen.bytes,
        contents=len(seen.contents),
        authentic=None if wrong is None else len(seen.contents) - len(bad),
        troubles=tuple(troubles),
        unread=unread,
    )
