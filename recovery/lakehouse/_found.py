"""Whether the loss was found: by what the table's metadata says, and by the store's own list, each by itself.

What was found is judged from what both saw, and not from what the drill made of it: nobody who looks knows what was
damaged.
"""

from typing import Any

from drill.fingerprints import BucketFingerprint
from drill.iceberg import IcebergFingerprint
from recovery._check import Finding, check, counted, failed, passed
from recovery._run import Run
from recovery.lakehouse._evidence import damaged, fingerprint, key, of_buckets, piece, short, told


@check(
    "evidence/lakehouse-reference.json",
    "evidence/lakehouse-damage.json",
    "evidence/lakehouse-metadata.json",
    target="each damaged object, and no other",
    applies=of_buckets,
)
def loss_found_by_metadata(run: Run) -> Finding:
    """What Trino knows of the table names each damaged object, and none that is whole.

    A file is lost that the metadata names and the bucket has not, or has in another size; or of which a query does not
    get the rows of before. The metadata alone says nothing of bytes that were changed in their place.
    """
    before, seen = piece(run, "reference"), piece(run, "metadata")
    found: dict[str, str] = {}
    for name, table in fingerprint(seen, IcebergFingerprint, "metadata").tables.items():
        if trouble := table.problems.get("files"):
            return failed(f"The metadata of {name} can't be read: {trouble}.")
        for path, each in table.files.items():
            if each.stored is None:
                found[key(path)] = "named, and not in the bucket"
            elif each.size not in {None, each.stored}:
                found[key(path)] = f"{each.stored:,} bytes, and {each.size:,} by the metadata"
    rows, was = told(seen, "files", "metadata"), told(before, "files", "reference")
    for path, then in was.items():
        if path not in rows or rows[path] != then:
            found.setdefault(key(path), _unread(rows.get(path)))
    return _judged(run, found, "Trino")


@check(
    "evidence/lakehouse-reference.json",
    "evidence/lakehouse-damage.json",
    "evidence/lakehouse-manifest.json",
    target="each damaged object, and no other",
    applies=of_buckets,
)
def loss_found_by_manifest(run: Run) -> Finding:
    """The store's own list, held against that of before by key, size and ETag, names each damaged object and no other.

    Objects that have come since are no loss.
    """
    before = fingerprint(piece(run, "reference"), BucketFingerprint, "reference").objects
    now = fingerprint(piece(run, "manifest"), BucketFingerprint, "manifest").objects
    found: dict[str, str] = {}
    for name, was in before.items():
        there = now.get(name)
        if there is None:
            found[name] = "not listed"
        elif there.size != was.size:
            found[name] = f"{there.size:,} bytes of {was.size:,}"
        elif there.etag != was.etag:
            found[name] = "another ETag, the size the same"
    return _judged(run, found, "the manifest")


def _judged(run: Run, found: dict[str, str], by: str) -> Finding:
    lost = damaged(run)
    hit = [name for name in lost if name in found]
    actual = f"{len(hit)} of {counted(len(lost), 'object')}"
    if missed := sorted(lost.keys() - found.keys()):
        return failed(f"{_start(by)} did not find that {short(missed[0])} is lost.", actual, missed=missed)
    if strange := sorted(found.keys() - lost.keys()):
        reason = f"{_start(by)} calls {short(strange[0])} lost ({found[strange[0]]}), and the drill did not damage it."
        return failed(reason, actual, strange=strange)
    return passed(f"{_start(by)} found all that was damaged: {found[hit[0]]}.", actual, found=found)


def _unread(rows: dict[str, Any] | None) -> str:
    if rows is None:
        return "not read"
    return f"can't be read: {rows['problem']}" if rows.get("problem") else "it gives other rows"


def _start(text: str) -> str:
    return text[0].upper() + text[1:]
