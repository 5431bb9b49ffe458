"""What a comparison can't vouch for, in sentences: a reader must not take silence for proof."""

from drill.fingerprints import BucketFingerprint, Fingerprint, KafkaFingerprint, PostgresFingerprint
from drill.iceberg import IcebergFingerprint


def not_verified(before: Fingerprint, after: Fingerprint) -> tuple[str, ...]:
    """The limits of comparing these two."""
    if isinstance(before, PostgresFingerprint) and isinstance(after, PostgresFingerprint):
        return _postgres(before, after)
    if isinstance(before, KafkaFingerprint):
        return _kafka(before)
    if isinstance(before, BucketFingerprint) and not before.selection.sha256:
        return ("The objects' contents: they were not downloaded (--sha256), and size and ETag stand for them.",)
    if isinstance(before, IcebergFingerprint):
        return (
            "Rows of older snapshots, and their data files: only the current one is read.",
            "Files that no table names.",
        )
    return ()


def _postgres(before: PostgresFingerprint, after: PostgresFingerprint) -> tuple[str, ...]:
    limits = [
        "Roles' passwords and server settings.",
        "Grants on schemas and functions, default privileges, domains and publications.",
    ]
    excluded = sorted(
        {f"{name}.{table}" for side in (before, after) for name, of in side.databases.items() for table in of.excluded}
    )
    if excluded:
        limits.append(f"Rows of tables left out by pattern: {', '.join(excluded)}.")
    foreign = sorted(
        f"{name}.{label}"
        for name, of in before.databases.items()
        for label, table in of.tables.items()
        if table.kind == "foreign table"
    )
    if foreign:
        limits.append(f"Rows of foreign tables, which are elsewhere: {', '.join(foreign)}.")
    return tuple(limits)


def _kafka(before: KafkaFingerprint) -> tuple[str, ...]:
    limits = ["Access control lists, quotas, and internal topics but for the consumers' positions."]
    if newest := before.selection.content_records:
        limits.append(f"Contents before the last {newest:,} offsets of each partition.")
    else:
        limits.append("The records' contents: they were not read (--content-records), and offsets stand for them.")
    if not any(before.groups.values()):
        limits.append("Consumers' positions: no group had committed one.")
    return tuple(limits)
