"""The report's folder: the page, copies of the records that it rests on, and sums to re-check them by.

`SHA256SUMS` lists every file of the evidence, in the form that sha256sum(1) reads, and `REPORT.SHA256` holds the sums
of that list and of the report. They show a change; they are no signature: who changes all of it together is found out
only by a digest that is kept elsewhere. That of `SHA256SUMS`, which the report shows, covers the evidence. No page can
show its own sum: that of `REPORT.SHA256`, which `drill report --dr` prints, covers the evidence and the report.
"""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from drill.errors import UsageError
from drill.record import RunRecord, sha256
from reports._measured import Missing, measured
from reports._rejudged import FILE as VERDICTS
from reports._rejudged import unlike
from reports._summary import Summary, summaries
from reports.dr._details import Details
from reports.dr._drill import drill
from reports.dr._page import Kept, page

SUMS, SEAL = "SHA256SUMS", "REPORT.SHA256"
_SHA256 = 64
COVERS = {
    SEAL: "the report and all of its evidence",
    SUMS: "the evidence, and not the report itself",
    "manifest.json": "all that the run wrote",
}
"""What the SHA-256 of each list of sums vouches for."""


@dataclass(frozen=True)
class Trouble:
    """One file that is not as it was when the record was sealed or the report was made."""

    path: str
    what: str
    """changed, missing or added; or in which way verdicts do not follow from their record."""


def write(
    records: Sequence[RunRecord],
    details: Details,
    into: Path,
    *,
    history: Sequence[Path] = (),
    stated: Path | None = None,
) -> Path:
    """Write the report of an exercise and its evidence into a folder; returns the page's path.

    Args:
        records: The runs, in the order of the report.
        details: What people say of the exercise.
        into: A folder that is not there yet, or is empty.
        history: Folders of run records to compare with.
        stated: The file that `details` came from; a copy goes into the evidence.

    Raises:
        UsageError: the folder has something in it, or two of the runs are one.
    """
    if into.exists() and (not into.is_dir() or any(into.iterdir())):
        raise UsageError(f"{into}: is there already; name another folder, so that no evidence is mixed or overwritten")
    found = [Summary(record) for record in records]
    drills = [drill(each, number) for number, each in enumerate(found, 1)]
    if len({each.folder for each in drills}) < len(drills):
        raise UsageError("the same run is named twice; name each run once")
    for each in drills:
        if link := next((path for path in each.summary.record.path.rglob("*") if path.is_symlink()), None):
            raise UsageError(f"{link}: a record has no links; what this one leads to is not its evidence")
    for each in drills:
        shutil.copytree(each.summary.record.path, into / each.folder)
    if stated is not None:
        shutil.copyfile(stated, into / "evidence" / "details.yaml")
    kept = [Kept(path, sha256(into / path)) for path in _files(into)]
    sums = into / SUMS
    sums.write_text("".join(f"{each.sha256}  {each.path}\n" for each in kept), encoding="utf-8")
    older = [each for folder in history for each in summaries(folder)]
    html = page(drills, details, older, kept, sha256(sums), version("drill"))
    (into / "report.html").write_text(html, encoding="utf-8")
    seal(into)
    return into / "report.html"


def seal(folder: Path) -> str:
    """Write the sums of the report itself, in each form that it has; returns the digest that covers everything."""
    names = [name for name in ("report.html", "report.pdf", SUMS) if (folder / name).is_file()]
    (folder / SEAL).write_text("".join(f"{sha256(folder / name)}  {name}\n" for name in names), encoding="utf-8")
    return sha256(folder / SEAL)


def verify(folder: Path, digest: str | None = None) -> tuple[Trouble, ...]:
    """Re-check a report's folder, or a run record, against its own sums: what was changed, is missing or was added.

    The verdicts of a record, which are under no sum of its own, must be those that it is judged to have.

    Args:
        folder: Of a report, or of a run.
        digest: As it was kept elsewhere: of REPORT.SHA256 or SHA256SUMS, of a record that of its manifest.

    Raises:
        UsageError: it is neither, or its sums can't be read.
        RecordIncompleteError: the record was not sealed.
    """
    if (folder / "scenario.yaml").is_file():
        return (*_held(folder, digest), *_of_record(RunRecord.open(folder)))
    if not (folder / SUMS).is_file() and not (folder / SEAL).is_file():
        raise UsageError(f"{folder}: neither a report's folder ({SUMS} is not in it) nor a run record")
    troubles = list(_held(folder, digest))
    listed: dict[str, str] = {}
    for name in (SEAL, SUMS):
        if not (folder / name).is_file():
            troubles.append(Trouble(name, "missing"))
            continue
        listed |= _listed(folder / name)
    troubles += list(_differences(folder, listed, set(_files(folder)) - {SEAL}))
    for record in _records(folder):
        if (record.path / "manifest.json").is_file():
            place = record.path.relative_to(folder).as_posix()
            troubles += [Trouble(f"{place}/{each.path}", each.what) for each in _of_record(record)]
    return tuple(dict.fromkeys(sorted(troubles, key=lambda each: each.path)))


def checked(folder: Path) -> int:
    """How many files a re-check holds to a sum or, the verdicts of a record, to a judgement that is made again."""
    if (folder / "scenario.yaml").is_file():
        record = RunRecord.open(folder)
        again = (folder / VERDICTS).is_file() and not record.altered_files()
        return len(record.manifest.get("files", {})) + again
    return len({name for name in (SEAL, SUMS) if (folder / name).is_file() for name in _listed(folder / name)})


def _records(folder: Path) -> Iterator[RunRecord]:
    """The records in a report's folder."""
    for scenario in sorted((folder / "evidence").glob("*/*/scenario.yaml")):
        yield RunRecord.open(scenario.parent)


def _of_record(record: RunRecord) -> Iterator[Trouble]:
    """What differs from the manifest; where nothing does, the verdicts that do not follow from the record."""
    sealed = record.manifest.get("files", {})
    altered = record.altered_files()
    for name in altered:
        there = (record.path / name).is_file()
        yield Trouble(name, "added" if name not in sealed else "changed" if there else "missing")
    if not altered:
        found = measured(record, lambda: unlike(record))
        for each in (found.reason,) if isinstance(found, Missing) else found:
            yield Trouble(VERDICTS, f"not what follows from the record: {each}")


def covered(folder: Path, digest: str) -> str:
    """What a digest that was kept vouches for; empty: for nothing that is here."""
    return next((COVERS[name] for name in _lists(folder) if sha256(folder / name) == digest.strip().lower()), "")


def _lists(folder: Path) -> tuple[str, ...]:
    """The lists of sums that a record's folder has, or a report's."""
    names = ("manifest.json",) if (folder / "scenario.yaml").is_file() else (SEAL, SUMS)
    return tuple(name for name in names if (folder / name).is_file())


def _held(folder: Path, digest: str | None) -> Iterator[Trouble]:
    if digest is not None and not covered(folder, digest):
        yield Trouble(" or ".join(_lists(folder)), "not the one whose digest was given")


def _differences(folder: Path, listed: dict[str, str], present: set[str]) -> Iterator[Trouble]:
    for name, digest in listed.items():
        path = folder / name
        if name not in present or not path.is_file():
            yield Trouble(name, "missing")
        elif sha256(path) != digest:
            yield Trouble(name, "changed")
    for name in present - listed.keys():
        yield Trouble(name, "added")


def _listed(path: Path) -> dict[str, str]:
    found = {}
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        digest, _, name = line.partition("  ")
        if len(digest) != _SHA256 or not name:
            raise UsageError(f"{path}:{number}: not a sum and a file's name; take the original of the list")
        found[name] = digest
    return found


def _files(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() or path.is_symlink():
            yield path.relative_to(folder).as_posix()
