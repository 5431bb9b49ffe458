"""Whether Iceberg tables are what they were (columns, snapshots, rows), and whether the bucket has all their files."""

from collections.abc import Callable, Mapping, Sequence

from drill.iceberg import IcebergFingerprint, IcebergTable
from drill.verdicts import Verdict
from recovery.fingerprints._differences import Comparison, incomparable, names, texts

_Side = Callable[[IcebergTable], Mapping[str, str]]


def judge_iceberg(
    before: IcebergFingerprint, after: IcebergFingerprint, *, evidence: Sequence[str] = ()
) -> tuple[Verdict, ...]:
    """Hold tables to what they were; of files `after` alone is judged, since metadata says which must be there."""
    if before.selection.tables != after.selection.tables:
        return incomparable("iceberg-tables", "The two fingerprints do not look at the same tables.", evidence)
    return (
        _tables(before, after, evidence),
        _side("columns", "the same columns and types", _columns, before, after, evidence),
        _side("snapshots", "the same snapshots, and the same one current", _snapshots, before, after, evidence),
        _files(after, evidence),
        _side("partitions", "the same rows by count and checksum a partition", _partitions, before, after, evidence),
    )


def _tables(before: IcebergFingerprint, after: IcebergFingerprint, evidence: Sequence[str]) -> Verdict:
    found = Comparison()
    both = names(before.tables, after.tables, found, "table")
    return found.verdict(
        "iceberg-tables",
        target="the same tables",
        well=f"All {len(both)} tables are there.",
        nothing=None if both else "There is no table on both sides.",
        actual=f"{len(both)} of {len(before.tables)} tables",
        evidence=evidence,
    )


def _side(
    what: str,
    target: str,
    of: _Side,
    before: IcebergFingerprint,
    after: IcebergFingerprint,
    evidence: Sequence[str],
) -> Verdict:
    """Compare one side of the tables that are in both fingerprints."""
    found, compared = Comparison(), 0
    for name in sorted(before.tables.keys() & after.tables.keys()):
        then, now = before.tables[name], after.tables[name]
        if problem := then.problems.get(what):
            found.doubtful(name, f"they could not be read before: {problem}")
        elif problem := now.problems.get(what):
            found.differs(name, f"they can't be read: {problem}")
        else:
            texts(name, of(then), of(now), found)
            compared += len(getattr(then, what))
    return found.verdict(
        f"iceberg-{what}",
        target=target,
        well=f"All {compared:,} {what} are as they were.",
        nothing=None if compared else f"There were no {what} to compare.",
        actual=f"{compared:,} {what}",
        evidence=evidence,
    )


def _columns(table: IcebergTable) -> Mapping[str, str]:
    return table.columns


def _snapshots(table: IcebergTable) -> Mapping[str, str]:
    said = {
        key: f"{each.operation} at {each.committed} after {each.parent}, {each.manifest_list}"
        for key, each in table.snapshots.items()
    }
    return said if table.current is None else said | {"current": table.current}


def _partitions(table: IcebergTable) -> Mapping[str, str]:
    return {key or "(all)": f"{each.rows} rows, {each.checksum}" for key, each in table.partitions.items()}


def _files(after: IcebergFingerprint, evidence: Sequence[str]) -> Verdict:
    found, there, sized = Comparison(), 0, 0
    for name, table in after.tables.items():
        if problem := table.problems.get("files"):
            found.differs(name, f"its metadata can't be read: {problem}")
        for path, each in table.files.items():
            there += 1
            sized += each.size is not None
            if not after.listed:
                continue
            if each.stored is None:
                found.differs(path, f"the {each.kind} file is not in the bucket")
            elif each.size not in {None, each.stored}:
                found.differs(path, f"{each.stored:,} bytes, and the metadata says {each.size:,}")
    if not after.listed:
        found.doubtful("bucket", "it was not listed")
    return found.verdict(
        "iceberg-files",
        target="every file that the metadata names is in the bucket, of the size that it says",
        well=f"All {there:,} files are in the bucket, {sized:,} of them of the size that the metadata says; of the "
        f"others it says none.",
        nothing=None if there else "No table names any file.",
        actual=f"{there:,} files",
        evidence=evidence,
    )
