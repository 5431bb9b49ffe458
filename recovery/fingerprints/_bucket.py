"""Whether a bucket holds what it held: every object by key, size, ETag and, where downloaded, content."""

from collections.abc import Sequence

from drill.fingerprints import BucketFingerprint, StoredObject
from drill.verdicts import Verdict
from recovery.fingerprints._differences import Comparison, incomparable, names


def judge_bucket(
    before: BucketFingerprint, after: BucketFingerprint, *, allow_extra: bool = False, evidence: Sequence[str] = ()
) -> tuple[Verdict, ...]:
    """Hold a bucket to what it was; with `allow_extra` objects may have come since."""
    one, other = (each.selection.model_copy(update={"bucket": ""}) for each in (before, after))
    if one != other:  # a bucket may be restored under another name
        return incomparable("bucket-objects", "The two fingerprints do not look at the same objects.", evidence)
    found, size = Comparison(), 0
    both = names(before.objects, after.objects, found, "object", extra=not allow_extra)
    for key in both:
        size += before.objects[key].size
        _compare(key, before.objects[key], after.objects[key], found)
    more = len(after.objects) - len(both)
    if more and allow_extra:
        found.notes.append(f"{more:,} objects have come since.")
    by = "size, ETag and content" if before.selection.sha256 else "size and ETag"
    return (
        found.verdict(
            "bucket-objects",
            target=f"the same objects by {by}",
            well=f"All {len(both):,} objects ({size:,} bytes) are as they were, by {by}.",
            nothing=None if both else "There is no object on both sides.",
            actual=f"{len(both):,} of {len(before.objects):,} objects",
            evidence=evidence,
        ),
    )


def _compare(key: str, was: StoredObject, now: StoredObject, found: Comparison) -> None:
    if was.size != now.size:
        found.differs(key, f"{now.size:,} bytes of {was.size:,}")
    elif problem := was.problem or now.problem:
        found.doubtful(key, f"its content could not be read: {problem}")
    elif was.sha256 is not None and now.sha256 is not None:
        if was.sha256 != now.sha256:
            found.differs(key, "other content (SHA-256 differs)")
    elif was.etag != now.etag:
        # The ETag of an upload in parts depends on their sizes too.
        if "-" in was.etag or "-" in now.etag:
            found.doubtful(key, "ETag differs, and it was uploaded in parts: compare contents (--sha256)")
        else:
            found.differs(key, f"ETag {now.etag}, was {was.etag}")
