"""Data files of a table are lost in the bucket, found by the table's metadata and by a manifest, and brought back."""

import random
import secrets
from functools import partial
from typing import Any

from drill import object_store
from drill import settings as settings_of
from drill.errors import RefusedError, UsageError
from drill.fingerprints import BucketFingerprint, BucketSelection, document
from drill.object_store import ObjectStore
from drill.rollback import NotRestoredError
from drill.trino import TrinoQueryError
from experiments._fault import Injection
from experiments._guard import Limit, drillable, ensure_within
from experiments._values import AtLeastOne
from experiments._watch import NotSeenError
from experiments.fingerprints import bucket as buckets
from experiments.runbooks._phases import Evidence, Phase, Runbook, StepFailedError
from experiments.runbooks._rehearsal import Rehearsal, rehearsal
from experiments.trino import _site
from experiments.trino._objects import Bucket, How, Kept
from experiments.trino._table import FileRows, question


@rehearsal
def lose_objects(
    table: str,
    *,
    how: How,
    query: str,
    count: AtLeastOne = 1,
    metadata_budget: float = 300,
    manifest_budget: float = 60,
    restore_budget: float = 60,
    prove_budget: float = 300,
    max_objects: Limit = 1,
    effect_timeout: float = 30,
    recovery_timeout: float = 60,
    seed: int | None = None,
) -> Rehearsal:
    """Fault: delete or corrupt data files of an Iceberg table in its bucket; find them in two ways, bring them back.

    The bucket must keep versions: what is lost comes back as the version that was there, byte for byte. The runbook
    restores what it has found, not what the drill knows to be lost; the undo restores what the drill has damaged.

    Args:
        table: In the catalog and schema of the settings.
        how: `deleted`: the object is gone. `corrupted`: its first half is other bytes, and its size the same.
        query: What must have the same answer as before, such as SELECT count(*) FROM {table}.
        count: How many data files, chosen at random.
        metadata_budget: Seconds for: hold the bucket to the table's metadata, and read each data file by Trino.
        manifest_budget: Seconds for: hold the bucket to its manifest of before.
        restore_budget: Seconds for: make the versions of before the current ones.
        prove_budget: Seconds for: read objects, files and the query's answer again.
        max_objects: Blast radius: how many of the table's data files may be damaged.
        effect_timeout: How long it is awaited that the objects are damaged.
        recovery_timeout: How long it is awaited, after all that was done, that the objects are as before.
        seed: Of the random choice; None: another choice each time.

    Returns:
        `{targets, proof, since, phases}`.

    Raises:
        ActivityFailed: the damage was not seen, or the objects are not whole in time.
        RefusedError: not drillable, beyond the blast radius, or the table is not whole already.
        UsageError: a count or a query that can't be meant.
    """
    settings, cluster = drillable(None)
    question(query)
    site = _site.of(settings, cluster, table)
    files = sorted(path for path, each in site.whole.files.items() if each.kind == "data")
    if not 1 <= count <= len(files):
        raise UsageError(f"count is {count}, and table {table} has {len(files)} data files")
    ensure_within(count, len(files), max_objects, f"data files of {table}")
    chosen = random.Random(secrets.randbits(32) if seed is None else seed).sample(files, count)
    drill = _Drill(site, [site.bucket.read(site.key(path)) for path in sorted(chosen)], query)
    phases = (
        Phase("metadata", metadata_budget, "Hold the bucket to the table's metadata; read each file.", drill.metadata),
        Phase("manifest", manifest_budget, "Hold the bucket to its manifest of before.", drill.manifest),
        Phase("restore", restore_budget, "Bring back the versions of before.", drill.restore, acts=True),
        Phase("prove", prove_budget, "Read objects, files and the answer of the query again.", drill.prove),
    )
    injection = Injection(
        fault="lose_objects",
        method=f"objects {how}",
        targets=tuple(
            {"kind": "Object", "bucket": site.bucket.name, "name": each.key, "table": table, "bytes": each.size}
            for each in drill.chosen
        ),
        permissions=object_store.permissions(settings.object_store),
        prepare=drill.prepare,
        inject=partial(drill.damage, how),
        effect=drill.damaged,
        undo=bring_back,
        undo_arguments={
            "context": str(settings.context),
            "bucket": site.bucket.name,
            "objects": [each.as_dict() for each in drill.chosen],
            "run": site.run,
        },
        recovered=drill.whole,
        effect_timeout=effect_timeout,
        recovery_timeout=recovery_timeout,
    )
    return Rehearsal(injection, Runbook("object-store-loss", "runbook", phases))


class _Drill:
    """What the phases share."""

    def __init__(self, site: _site.Site, chosen: list[Kept], query: str) -> None:
        self._site, self.chosen, self._query = site, chosen, query
        self._files: dict[str, FileRows] = {}
        self._answer: list[list[str]] = []
        self._listed: BucketFingerprint | None = None
        self._lost: set[str] = set()

    def prepare(self) -> None:
        """Note what the table and its bucket are held to, while all is well.

        Raises:
            RefusedError: a file can't be read, or the query has no answer.
        """
        records = self._site.table.records()
        self._files = self._site.table.read(sorted(records))
        if unread := [path for path, each in self._files.items() if each.problem is not None]:
            raise RefusedError(f"nothing is damaged, for {unread[0]} can't be read: {self._files[unread[0]].problem}")
        self._answer = self._site.table.answer(self._query)
        self._listed = self._list()
        _site.keep(
            "reference",
            {
                "table": self._site.table.name,
                "snapshot": self._site.table.snapshot,
                "iceberg": document(self._site.before),
                "bucket": document(self._listed),
                "files": {path: each.as_dict() for path, each in self._files.items()},
                "records": records,
                "query": self._query,
                "answer": self._answer,
                "objects": [each.as_dict() for each in self.chosen],
            },
        )

    def damage(self, how: How) -> None:
        for each in self.chosen:
            self._site.bucket.damage(each.key, how, self._site.run)

    def damaged(self) -> dict[str, Any]:
        """What the damaged objects are now; raises NotSeenError where one is as before."""
        now = {each.key: self._site.bucket.look(each.key) for each in self.chosen}
        if same := [each.key for each in self.chosen if _same(now[each.key], each)]:
            raise NotSeenError(f"{same[0]} is as before")
        found = {key: None if each is None else each.as_dict() for key, each in now.items()}
        _site.keep("damage", {"objects": found})
        return {"damaged": sorted(found)}

    def metadata(self, _: float) -> Evidence:
        """What Trino knows: files that the metadata names and the bucket has not, and files that give other rows."""
        seen = self._site.capture()
        table = seen.tables.get(self._site.table.name)
        gone = [] if table is None else _site.missing(table)
        read = self._site.table.read(sorted(self._files))
        wrong = sorted(path for path, each in read.items() if each != self._files[path])
        found = sorted({self._site.key(path) for path in (*gone, *wrong)})
        _site.keep(
            "metadata",
            {
                "iceberg": document(seen),
                "files": {path: each.as_dict() for path, each in read.items()},
                "found": found,
                **self._ask(),
            },
        )
        self._lost |= set(found)
        said = {"lost": found, "absent": len(gone), "unreadable": len(wrong), "files": len(read)}
        if not found:
            raise StepFailedError("neither the metadata nor the rows say that a file is lost", said)
        return said

    def manifest(self, _: float) -> Evidence:
        """What the store's own list says against that of before."""
        before, now = self._reference(), self._list()
        found = sorted(key for key, each in before.objects.items() if now.objects.get(key) != each)
        _site.keep("manifest", {"bucket": document(now), "found": found})
        self._lost |= set(found)
        said = {"lost": found, "objects": len(before.objects)}
        if not found:
            raise StepFailedError("the manifest does not say that an object is lost", said)
        return said

    def restore(self, _: float) -> Evidence:
        """Bring back each object that was found to be lost, as the newest version that the manifest fits."""
        done: dict[str, Any] = {}
        for key in sorted(self._lost):
            was = self._reference().objects.get(key)
            fitting = [
                each
                for each in self._site.bucket.versions(key)
                if was is not None and (each.etag, each.size) == (was.etag, was.size)
            ]
            if not fitting:
                raise StepFailedError(f"{key} has no version that the manifest fits", {"restored": done})
            steps = self._site.bucket.bring_back(key, fitting[0].id, self._site.run)
            done[key] = {"version": fitting[0].id, "modified": fitting[0].modified, "steps": steps}
        _site.keep("restored", {"from": "the bucket's own versions", "objects": done})
        return {"restored": done}

    def prove(self, _: float) -> Evidence:
        """Read all of it again, as it was read before.

        Raises:
            StepFailedError: an object, a file's rows or the answer is another.
        """
        now = {each.key: self._site.bucket.look(each.key) for each in self.chosen}
        read = self._site.table.read(sorted(self._files))
        asked = self._ask()
        _site.keep(
            "found",
            {
                "objects": {key: None if each is None else each.as_dict() for key, each in now.items()},
                "iceberg": document(self._site.capture()),
                "bucket": document(self._list()),
                "files": {path: each.as_dict() for path, each in read.items()},
                **asked,
            },
        )
        said = {"objects": len(now), "files": len(read), "rows": sum(each.rows or 0 for each in read.values())}
        if other := [each.key for each in self.chosen if not _same(now[each.key], each)]:
            raise StepFailedError(f"{other[0]} is not what it was", said)
        if wrong := [path for path, each in read.items() if each != self._files[path]]:
            raise StepFailedError(f"{wrong[0]} does not give the rows of before: {read[wrong[0]].problem}", said)
        if asked["answer"] != self._answer:
            raise StepFailedError(f"the query does not answer as before: {asked['problem'] or 'other rows'}", said)
        return said

    def whole(self) -> Evidence:
        """Look once whether each object is as before; raises NotSeenError where one is not."""
        for each in self.chosen:
            if not _same(self._site.bucket.look(each.key), each):
                raise NotSeenError(f"{each.key} is not as before")
        return {"objects": len(self.chosen)}

    def _ask(self) -> dict[str, Any]:
        try:
            return {"answer": self._site.table.answer(self._query), "problem": None}
        except TrinoQueryError as error:
            return {"answer": None, "problem": str(error)}

    def _list(self) -> BucketFingerprint:
        selection = BucketSelection(bucket=self._site.bucket.name, prefix=self._site.folder)
        return buckets.capture(self._site.store, selection, context=self._site.settings.context)

    def _reference(self) -> BucketFingerprint:
        if self._listed is None:
            raise StepFailedError("no manifest was taken that the bucket could be held to", {})
        return self._listed


def _same(now: Kept | None, was: Kept) -> bool:
    """Whether its content is what it was; another version with the same content is as good."""
    return now is not None and (now.size, now.sha256) == (was.size, was.sha256)


def bring_back(context: str, bucket: str, objects: list[dict[str, Any]], run: str) -> dict[str, Any]:
    """Undo: make the versions of before the current ones again, where they are not.

    Raises:
        NotRestoredError: a version is gone, or the object is not what it was.
        DrillError: the store can't be asked.
    """
    loaded = settings_of.load(context=context)
    place = Bucket(ObjectStore.connect(loaded), bucket)
    proof: dict[str, Any] = {}
    for was in (Kept(**each) for each in objects):
        if not _same(place.look(was.key), was):
            proof[was.key] = place.bring_back(was.key, was.version, run)
        if not _same(place.look(was.key), was):
            raise NotRestoredError(f"{bucket}/{was.key} is not what it was, though its version was brought back")
    return {"bucket": bucket, "objects": len(objects), "restored": proof}
