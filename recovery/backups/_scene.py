"""The evidence as checks read it: typed, and without asking anybody."""

import re
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from drill.backup_evidence import METADATA, BackupEvidence, BackupFiles, File, Held
from drill.velero import Backup, Location, PodVolume, Repository, Schedule, newest_of

_GO_UNITS = {"h": 1.0, "m": 1 / 60, "s": 1 / 3600, "ms": 1 / 3.6e6, "us": 1 / 3.6e9, "µs": 1 / 3.6e9, "ns": 1 / 3.6e12}


class UnseenError(Exception):
    """What a check needs was not seen; the message says why."""


@dataclass(frozen=True)
class Judged:
    """A backup that was looked into."""

    backup: Backup
    files: BackupFiles

    @property
    def what(self) -> str:
        """As people name it."""
        return f"backup {self.backup.name}"

    def content(self, suffix: str) -> Any:
        """The content of one of its files.

        Raises:
            UnseenError: the file is not there, was not read, or is damaged; other checks tell which.
        """
        if self.files.error is not None:
            raise UnseenError(f"the bucket was not seen: {self.files.error}")
        found = self.files.file(suffix)
        if found is None:
            raise UnseenError(f"its {suffix.removeprefix('-')} is not in the bucket")
        if not found.read or found.damage is not None:
            raise UnseenError(f"its {found.name} can't be read: {found.damage or found.unread or 'too large'}")
        return found.content

    @property
    def metadata(self) -> Backup:
        """The Backup as the bucket has it; UnseenError as `content`."""
        return Backup.of(self.content(METADATA))

    @property
    def readable(self) -> list[File]:
        """Its files whose content is there."""
        return [each for each in self.files.files if each.read and each.damage is None]


class Scene:
    """The evidence of one Velero."""

    def __init__(self, evidence: BackupEvidence) -> None:
        self.evidence = evidence
        self.rules = evidence.rules

    @cached_property
    def schedules(self) -> list[Schedule]:
        """All schedules."""
        return [Schedule.of(each) for each in self.evidence.schedules.items]

    @cached_property
    def backups(self) -> list[Backup]:
        """All backups."""
        return [Backup.of(each) for each in self.evidence.backups.items]

    @cached_property
    def locations(self) -> list[Location]:
        """All storage locations."""
        return [Location.of(each) for each in self.evidence.locations.items]

    @cached_property
    def repositories(self) -> list[Repository]:
        """All repositories of volumes."""
        return [Repository.of(each) for each in self.evidence.repositories.items]

    @cached_property
    def pod_volumes(self) -> list[PodVolume]:
        """All PodVolumeBackups."""
        return [PodVolume.of(each) for each in self.evidence.pod_volume_backups.items]

    @cached_property
    def judged(self) -> list[Judged]:
        """The backups that were looked into."""
        by_name = {each.name: each for each in self.backups}
        return [self._looked_into(by_name[name]) for name in self.evidence.judged]

    def of_schedule(self, schedule: str) -> list[Backup]:
        """The backups that a schedule made."""
        return [each for each in self.backups if each.schedule == schedule]

    def held(self, backup: Backup) -> list[Held]:
        """What was looked up in the cluster of the namespaces that a backup is of."""
        return [each for each in self.evidence.held if backup.scope.has_namespace(each.namespace)]

    def newest(self, schedule: str) -> Judged | None:
        """The newest completed backup of a schedule, of which perhaps only the resource list was looked at."""
        found = newest_of(self.backups).get(schedule)
        return self._looked_into(found) if found else None

    def age(self, instant: datetime) -> float:
        """Hours from an instant to when the evidence was taken."""
        return (self.evidence.taken - instant).total_seconds() / 3600

    def _looked_into(self, backup: Backup) -> Judged:
        none = BackupFiles(backup="", location="", error="nobody looked")
        return Judged(backup, self.evidence.files_of(backup.name) or none)


def go_hours(text: str | None, default: float) -> float:
    """Hours of a duration as Go writes it (`168h0m0s`); none or zero: Velero's default.

    Raises:
        UnseenError: it is no duration.
    """
    parts = re.findall(r"([\d.]+)(ns|us|µs|ms|h|m|s)", text or "")
    if text and "".join(map("".join, parts)) != text and text != "0":
        raise UnseenError(f"{text!r} is no duration")
    return sum(float(number) * _GO_UNITS[unit] for number, unit in parts) or default
