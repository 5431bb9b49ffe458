"""A record of a drill that lost an object of a lakehouse, and its pieces of evidence: a good one, to be spoilt."""

from pathlib import Path
from typing import Any

import yaml

from drill.fingerprints import BucketFingerprint, BucketSelection, StoredObject, document
from drill.iceberg import IcebergFingerprint, IcebergSelection, IcebergTable, NamedFile, Rows, Snapshot
from drill.record import RunRecord

LOST, PROVEN = 1_750_000_100.0, 1_750_000_160.0
FOLDER = "warehouse/lakehouse/prices-1"
KEYS = tuple(f"{FOLDER}/data/price_date=2026-11-{day}/{day}.parquet" for day in (22, 23))
"""Of the data files; the first is lost."""
HIT = KEYS[0]
ANSWER = [["GOLD", "200", "2400.5"], ["WTI", "200", "70.25"]]
Evidence = dict[str, Any]


def path(key: str) -> str:
    """The file's location."""
    return f"s3://lakehouse/{key}"


def iceberg(*gone: str, sizes: int = 10, current: str = "2") -> Any:
    """The table's fingerprint, where the bucket has not these objects."""
    files = {
        path(key): NamedFile(kind="data", size=10, stored=None if key in gone else sizes if key == HIT else 10)
        for key in KEYS
    }
    ids = [str(each) for each in range(1, int(current) + 1)]
    table = IcebergTable(
        columns={"price_date": "date"},
        current=current,
        snapshots={
            each: Snapshot(parent=None, committed="2026", operation="append", manifest_list=each) for each in ids
        },
        files=files,
        partitions={} if gone else {"price_date=2026-11-22": Rows(rows=3, checksum="aa")},
        problems={"partitions": "Trino: ICEBERG_CANNOT_OPEN_SPLIT: gone"} if gone else {},
    )
    return document(
        IcebergFingerprint(
            started=1,
            finished=2,
            selection=IcebergSelection(catalog="iceberg", schema_name="lakehouse", tables=("prices",)),
            url="http://trino",
            version="476",
            listed=True,
            tables={"prices": table},
        )
    )


def bucket(*gone: str, etag: str = "e", more: str | None = None) -> Any:
    """The bucket's fingerprint without these objects; the first has this ETag."""
    keys = [key for key in (*KEYS, more) if key is not None and key not in gone]
    return document(
        BucketFingerprint(
            started=1,
            finished=2,
            selection=BucketSelection(bucket="lakehouse", prefix=f"{FOLDER}/"),
            endpoint=None,
            objects={key: StoredObject(size=10, etag=etag if key == HIT else "e") for key in keys},
        )
    )


def files(**hit: Any) -> dict[str, dict[str, Any]]:
    """What a query gets of each file; of the first something else."""
    whole = {path(key): {"rows": 3, "checksum": "aa", "problem": None} for key in KEYS}
    whole[path(HIT)].update(hit)
    return whole


def kept(**changes: Any) -> dict[str, Any]:
    """The object that is lost, as it was."""
    return {"key": HIT, "version": "v1", "size": 10, "etag": "e", "sha256": "11", **changes}


def evidence() -> Evidence:
    """All pieces of a drill in which one object was deleted, found and brought back."""
    unread = "Trino: ICEBERG_CANNOT_OPEN_SPLIT: gone"
    return {
        "reference": {
            "table": "prices",
            "snapshot": "2",
            "iceberg": iceberg(),
            "bucket": bucket(),
            "files": files(),
            "records": {path(key): 3 for key in KEYS},
            "query": "SELECT symbol FROM {table}",
            "answer": ANSWER,
            "objects": [kept()],
        },
        "damage": {"objects": {HIT: None}},
        "metadata": {
            "iceberg": iceberg(HIT),
            "files": files(rows=None, checksum=None, problem=unread),
            "found": [HIT],
            "answer": None,
            "problem": unread,
        },
        "manifest": {"bucket": bucket(HIT), "found": [HIT]},
        "restored": {
            "from": "the bucket's own versions",
            "objects": {HIT: {"version": "v1", "modified": LOST - 60, "steps": ["the marker of its deletion removed"]}},
        },
        "found": {
            "objects": {HIT: kept()},
            "iceberg": iceberg(),
            "bucket": bucket(),
            "files": files(),
            "answer": ANSWER,
            "problem": None,
        },
    }


def record_of(tmp_path: Path, pieces: Evidence, *, proven: bool = True, rto: float = 600) -> RunRecord:
    """A record with this evidence and the events that the checks read."""
    record = RunRecord.create(tmp_path, "object-store-loss")
    scenario = {
        "name": "object-store-loss",
        "target": {"namespaces": ["data-platform"], "buckets": ["lakehouse"]},
        "load": [],
        "objectives": {"rto": rto, "recovery_timeout": 600},
    }
    record.write_text("scenario.yaml", yaml.safe_dump(scenario))
    for name, content in pieces.items():
        record.write_evidence(f"lakehouse-{name}", content)
    record.emit("runner", "run.started", at=LOST - 60, context="here")
    record.emit("experiment", "fault.effective", at=LOST + 1, since=LOST, target={"name": HIT}, proof={})
    outcome = {"seconds": 3.0, "ok": proven, "reason": None if proven else "no"}
    record.emit("experiment", "phase.ended", at=PROVEN, phase="prove", budget=300, **outcome)
    return RunRecord.open(record.path)
