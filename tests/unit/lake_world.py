"""A lakehouse without Trino: a table of three data files in a bucket, and one who answers as Trino does from it."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from drill.object_store import ObjectStore
from drill.settings import ContextSettings, ObjectStoreTarget, Settings, TrinoTarget
from drill.trino import TrinoQueryError

TARGET = ObjectStoreTarget(bucket="velero", lakehouse="lakehouse", drillable=("lakehouse",))
SETTINGS = Settings(
    context="here",
    contexts={"here": ContextSettings(drillable=True, object_store=TARGET, trino=TrinoTarget(url="http://trino:1"))},
)
FOLDER = "warehouse/prices-1"
DATA = {f"{FOLDER}/data/day={day}/{day}.parquet": f"PAR1 rows of {day} PAR1".encode() for day in ("21", "22", "23")}
METADATA = {f"{FOLDER}/metadata/{name}": name.encode() for name in ("snap.avro", "m.avro", "v1.json")}


def fill(store: ObjectStore) -> None:
    """The table's bucket, which keeps versions."""
    store.s3.create_bucket(Bucket="lakehouse")
    store.s3.put_bucket_versioning(Bucket="lakehouse", VersioningConfiguration={"Status": "Enabled"})
    for key, content in (DATA | METADATA).items():
        store.s3.put_object(Bucket="lakehouse", Key=key, Body=content)


@dataclass
class Lake:
    """Stands in for Trino: reads the bucket as it is, and fails as Trino does where a file is gone or no Parquet."""

    store: ObjectStore
    target: TrinoTarget
    bent: dict[str, list[tuple[Any, ...]]] = field(default_factory=dict)
    """Answers that are not those of the bucket, by a part of the statement."""

    def rows(self, statement: str, *parameters: str | int) -> list[tuple[Any, ...]]:
        """The answer to one of the statements that drills make."""
        for part, rows in self.bent.items():
            if part in statement:
                return rows
        for part, answer in _ANSWERS.items():
            if part in statement:
                return answer(self, [str(each) for each in parameters])
        raise AssertionError(statement)

    def read(self, path: str) -> bytes:
        """The content of a data file."""
        content = None
        key = path.removeprefix("s3://lakehouse/")
        if any(each.key == key for each in self.store.listed(key, "lakehouse")):
            content = self.store.read(key, "lakehouse")
        if content is None or not content.startswith(b"PAR1"):
            raise TrinoQueryError("ICEBERG_CANNOT_OPEN_SPLIT", f"Error opening Iceberg split {path}")
        return content


def _path(key: str) -> str:
    return f"s3://lakehouse/{key}"


def _files(_: Lake, __: list[str]) -> list[tuple[Any, ...]]:
    return [(0, _path(key), len(content)) for key, content in DATA.items()]


def _sums(lake: Lake, paths: list[str]) -> list[tuple[Any, ...]]:
    return [(path, 3, hashlib.sha256(lake.read(path)).hexdigest()[:8]) for path in paths]


_ANSWERS: dict[str, Callable[[Lake, list[str]], list[tuple[Any, ...]]]] = {
    "node_version": lambda *_: [("476",)],
    "SHOW TABLES": lambda *_: [("prices",)],
    "SHOW COLUMNS": lambda *_: [("symbol", "varchar"), ("price", "decimal(18,4)")],
    "SELECT snapshot_id": lambda *_: [
        (7, None, "2026-11-24T06:00:00Z", "append", _path(f"{FOLDER}/metadata/snap.avro"))
    ],
    "$refs": lambda *_: [("main", 7)],
    "SELECT content, file_path": _files,
    "SELECT file_path, record_count": lambda *_: [(_path(key), 3) for key in DATA],
    "$manifests": lambda *_: [(_path(f"{FOLDER}/metadata/m.avro"), len(b"m.avro"))],
    "SELECT manifest_list": lambda *_: [(_path(f"{FOLDER}/metadata/snap.avro"),)],
    "$metadata_log_entries": lambda *_: [(_path(f"{FOLDER}/metadata/v1.json"),)],
    'SELECT "$partition"': lambda lake, _: _sums(lake, [_path(key) for key in DATA]),
    'SELECT "$path"': _sums,
    "SELECT symbol": lambda lake, _: [("GOLD", sum(len(lake.read(_path(key))) for key in DATA))],
}
