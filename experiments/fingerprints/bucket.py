"""The fingerprint of a bucket: its listing and, where asked for, the SHA-256 of every object, read only.

A listing is no snapshot: objects that come or go while it is made may or may not be in it.
"""

import hashlib

from drill import clock
from drill.fingerprints import BucketFingerprint, BucketSelection, StoredObject
from drill.object_store import ObjectStore, ObjectStoreError


def capture(store: ObjectStore, selection: BucketSelection, *, context: str | None = None) -> BucketFingerprint:
    """List the bucket as it is now; with `sha256`, download every object.

    Args:
        store: See `drill.object_store.ObjectStore.connect`.
        selection: Which bucket, and what of it.
        context: Of the settings, for the reader.

    Raises:
        ObjectMissingError: no such bucket.
        ObjectStoreError: no answer, or a refusal, to the listing.
    """
    started = clock.now()
    objects = {}
    for each in store.listed(selection.prefix, selection.bucket):
        stored = StoredObject(size=each.size, etag=each.etag)
        objects[each.key] = _read(store, selection.bucket, each.key, stored) if selection.sha256 else stored
    return BucketFingerprint(
        context=context,
        started=started,
        finished=clock.now(),
        selection=selection,
        endpoint=store.target.endpoint,
        objects=objects,
    )


def _read(store: ObjectStore, bucket: str, key: str, stored: StoredObject) -> StoredObject:
    """The object with the digest of its content, or with the reason why it could not be read."""
    digest, size = hashlib.sha256(), 0
    try:
        for part in store.parts(key, bucket):
            digest.update(part)
            size += len(part)
    except ObjectStoreError as error:  # of this object alone: the listing was answered
        return stored.model_copy(update={"problem": str(error)})
    if size != stored.size:
        return stored.model_copy(update={"problem": f"{size:,} bytes came of the {stored.size:,} that are listed"})
    return stored.model_copy(update={"sha256": digest.hexdigest()})
