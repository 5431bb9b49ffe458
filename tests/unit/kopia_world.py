"""A real kopia repository in memory, of two snapshots: the second has one file more, in a pack of its own.

Its blobs (data/kopia) were written by the library that Velero 1.18.3 is built with (project-velero/kopia
d946b1e75197): `deep/er/first` and `notes`, a link to that, and in the second snapshot `deep/er/second`.
"""

from functools import cache
from pathlib import Path

from drill import kopia
from drill.kopia import Repository

PASSWORD = "fixture password"  # noqa: S105 - of the fixture
FIRST = "d77b3571713048b992b45c500bc15a5b"
SECOND = "d5a5bd8b11dc04be90d339c171b4b844"
PACK_OF_FIRST = "p51fbfa7356002a9678eb3f787fc939b9-sc2100d31fed4604e147"
PACK_OF_SECOND = "p77cbc86075100cfe7b565e3184ee1daa-s4c6de800a6ce45cb147"
_FOLDER = Path(__file__).parent / "data" / "kopia"

key_of = cache(kopia._from_password)
"""Slow by design; the tests need it of one password or two."""


def blobs() -> dict[str, bytes]:
    """All of it by name."""
    return {each.name: each.read_bytes() for each in _FOLDER.iterdir()}


def opened(found: dict[str, bytes], password: str = PASSWORD) -> Repository:
    """The repository that these blobs are."""

    def read(name: str, offset: int, length: int) -> bytes:
        return found[name][offset : offset + length]

    return Repository.open(read, {name: len(content) for name, content in found.items()}, password)
