"""The rows that the PostgreSQL load writes and the drain reads back: one table, and what a row's checksum covers."""

import hashlib
from zlib import crc32

TABLE = "drill_ledger"
STREAM = "postgres"
"""Its name in the record: the name of its one path."""

CREATE = f"""
create table if not exists {TABLE} (
    run text not null,
    producer bigint not null,
    sequence bigint not null,
    due_ns bigint not null,
    checksum bigint not null,
    payload text not null,
    written timestamptz not null default now()
)
"""
# No unique index: a transaction that took effect twice must be able to show itself.
INDEX = f"create index if not exists {TABLE}_run on {TABLE} (run, sequence)"
FORGET = f"delete from {TABLE} where written < now() - interval '1 day'"  # noqa: S608 - our own constant
INSERT = f"insert into {TABLE} (run, producer, sequence, due_ns, checksum, payload) values (%s, %s, %s, %s, %s, %s)"  # noqa: S608 - our own constant
SELECT = f"select producer, sequence, due_ns, checksum, payload from {TABLE} where run = %s"  # noqa: S608 - our own constant


def application(run_id: str) -> str:
    """The application_name of the load's sessions, which a pool hands on to the server: at most 63 letters."""
    return f"drill-load {hashlib.blake2b(run_id.encode(), digest_size=8).hexdigest()}"


def payload(run_id: str, sequence: int, size: int) -> str:
    """So many letters, other ones for each row, that no compression makes small."""
    seed = hashlib.shake_128(f"{run_id}/{sequence}".encode())
    return seed.hexdigest(-(-size // 2))[:size]


def checksum(run_id: str, producer: int, sequence: int, due_ns: int, content: str) -> int:
    """CRC-32 over all that a row says."""
    return crc32(f"{run_id}\n{producer}\n{sequence}\n{due_ns}\n{content}".encode())
