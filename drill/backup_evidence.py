"""What was seen of the backups of a Velero, as one file: all that they are judged by, with or without the cluster.

Objects of the API are kept as they came (`drill.velero` reads them); contents of the bucket are kept decompressed.
"""

from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from drill.errors import InputError, Mistake
from drill.settings import VeleroTarget

ARCHIVE = ".tar.gz"
METADATA = "velero-backup.json"
RESOURCES = "-resource-list.json.gz"
VOLUMES = "-volumeinfo.json.gz"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Listing(_Part):
    """All objects of one kind of the API; or why they were not seen."""

    items: tuple[dict[str, Any], ...] = ()
    error: str | None = None


class File(_Part):
    """One object that a backup has in the bucket."""

    name: str
    """Without the backup's folder."""
    size: int
    etag: str
    modified: datetime
    read: bool = False
    """Whether its content was fetched; else only the listing is known."""
    md5: str | None = None
    """Of the content as it was fetched."""
    unread: str | None = None
    """Why it was not fetched, though it was wanted: the store's own words."""
    damage: str | None = None
    """Why its content can't be taken for what it should be: it does not decompress or does not parse."""
    content: Any = None
    """Of JSON: as it is. Of the archive: its objects by kind. Of the log: how many lines it has."""


class BackupFiles(_Part):
    """What one backup has in the bucket."""

    backup: str
    location: str
    error: str | None = None
    """Why the bucket was not seen; then there are no files."""
    missing: bool = False
    """The store did answer: the bucket itself is not there."""
    files: tuple[File, ...] = ()

    def file(self, suffix: str) -> File | None:
        """The file whose name is `suffix`, or `<backup><suffix>`."""
        return next((each for each in self.files if each.name in (suffix, f"{self.backup}{suffix}")), None)


class FollowedSnapshot(_Part):
    """A snapshot of one volume, followed through the repository to the packs of each of its files."""

    id: str
    backup: str
    volume: str
    """`pod:volume`, or the claim of a snapshot that was moved, `namespace/name`."""
    files: int = 0
    bytes: int = 0
    """Of its files, as its directories have them."""
    contents: int = 0
    """Of how many pieces all of it is made."""
    authentic: int | None = None
    """How many of these were fetched and are what was once written; None: nobody fetched them."""
    troubles: tuple[str, ...] = ()
    """What of it can't be restored: paths with the reason."""
    unread: str | None = None
    """Why it could not be followed to its end."""


class VolumeStore(_Part):
    """What the bucket has of the volumes of one namespace: kopia's repository."""

    namespace: str
    location: str
    error: str | None = None
    objects: int = 0
    bytes: int = 0
    kinds: dict[str, int] = {}
    """How many blobs by their first letter (p: data, q: metadata, x: index), and the repository's own by name."""
    fetched: int = 0
    """How many of them were fetched whole and held to their ETag."""
    unverifiable: int = 0
    """How many were fetched, but were put in parts, so that their ETag tells nothing of their content."""
    damaged: tuple[str, ...] = ()
    """Keys of those whose content is not what their ETag says."""
    unopened: str | None = None
    """Why the repository could not be opened, so that no snapshot was followed."""
    locked: bool = False
    """That was because its password is not the one that the cluster has."""
    snapshots: tuple[FollowedSnapshot, ...] = ()


class Held(_Part):
    """The objects of one kind that a namespace of the cluster has."""

    namespace: str
    kind: str
    """As Velero's resource list words it: v1/Pod, apps/v1/StatefulSet."""
    error: str | None = None
    created: dict[str, datetime] = {}
    """When each was created, by its name; without those that are kept out of backups by their label."""


class BackupEvidence(_Part):
    """What was seen of the backups of one Velero."""

    version: Literal[1] = 1
    context: str
    namespace: str
    """Velero's own."""
    namespaces: tuple[str, ...] = ()
    """Those that the settings declare: what is to be backed up."""
    taken: datetime
    rules: VeleroTarget
    """What they are held to."""
    judged: tuple[str, ...]
    """Names of the backups whose contents were looked at."""
    downloaded: bool
    """Whether everything was fetched, however large."""
    server: dict[str, Any] | None
    server_error: str | None = None
    password: Literal["own", "default", "absent"] | None
    """Of the repositories; None: it was not seen."""
    password_error: str | None = None
    schedules: Listing
    locations: Listing
    backups: Listing
    repositories: Listing
    pod_volume_backups: Listing
    files: tuple[BackupFiles, ...] = ()
    """Of the judged; of each other schedule's newest backup the resource list alone."""
    volumes: tuple[VolumeStore, ...] = ()
    held: tuple[Held, ...] = ()

    def files_of(self, backup: str) -> BackupFiles | None:
        """What a backup has in the bucket; None: nobody looked."""
        return next((each for each in self.files if each.backup == backup), None)


def write(path: Path, evidence: BackupEvidence) -> None:
    """Keep evidence as JSON."""
    path.write_text(evidence.model_dump_json(indent=2) + "\n")


def read(path: Path) -> BackupEvidence:
    """Evidence that was kept.

    Raises:
        InputError: there is no such file, or it is not one of ours.
    """
    try:
        return BackupEvidence.model_validate_json(path.read_bytes())
    except OSError as error:
        raise _unreadable(path, "(document)", str(error)) from error
    except ValidationError as error:
        first = error.errors()[0]
        raise _unreadable(path, ".".join(map(str, first["loc"])) or "(document)", first["msg"]) from error


def _unreadable(path: Path, field: str, problem: str) -> InputError:
    return InputError([Mistake(str(path), None, field, problem, "Give a file that `drill backups --evidence` wrote.")])
