"""Whether a restore went back to its backup: what was written before is there untouched, what came after is not."""

from collections.abc import Sequence

from drill.markers import FoundMarker, Marker
from drill.verdicts import Verdict
from recovery.fingerprints._differences import Comparison


def judge_markers(
    written: Sequence[Marker], found: Sequence[FoundMarker], *, evidence: Sequence[str] = ()
) -> tuple[Verdict, ...]:
    """Hold the markers that were found after a restore to those that the drill wrote."""
    before = [each for each in written if each.phase == "before-backup"]
    after = [each for each in written if each.phase == "after-backup"]
    there = {each.id: each for each in found}

    present = Comparison()
    for marker in before:
        _compare(marker, there.get(marker.id), present)
    absent = Comparison()
    known = {each.id for each in written}
    for marker in found:
        if marker.phase == "after-backup" or marker.id not in known:
            what = "written after the backup" if marker.id in known else "that this drill did not write"
            absent.differs(marker.id, f"a marker {what} is there")
    return (
        present.verdict(
            "markers-before-present",
            target="every marker of before the backup, untouched",
            well=f"All {len(before):,} markers of before the backup are there, untouched.",
            nothing=None if before else "No marker was written before the backup.",
            actual=f"{sum(each.id in there for each in before):,} of {len(before):,} markers",
            evidence=evidence,
        ),
        absent.verdict(
            "markers-after-absent",
            target="no marker of after the backup",
            well=f"None of the {len(after):,} markers written after the backup is there.",
            nothing=None if after else "No marker was written after the backup, so its absence shows nothing.",
            actual=f"{sum(each.id in there for each in after):,} of {len(after):,} markers",
            evidence=evidence,
        ),
    )


def _compare(marker: Marker, now: FoundMarker | None, found: Comparison) -> None:
    if now is None:
        found.differs(marker.id, "the marker is missing")
    elif now.payload_digest != marker.digest:
        found.differs(marker.id, "the marker's payload is another one")
    elif (now.digest, now.phase, now.run) != (marker.digest, marker.phase, marker.run):
        found.differs(marker.id, "the marker's row was changed")
