"""A snapshot is followed to all that its files need; what is missing, short or altered is told, and no data fetched."""

import json
from collections.abc import Callable

import pytest

from drill import kopia
from drill.kopia import KopiaError, KopiaLockedError, LostError
from tests.unit.kopia_world import FIRST, PACK_OF_FIRST, PACK_OF_SECOND, SECOND, blobs, key_of, opened


@pytest.fixture(autouse=True)
def _quick_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kopia, "_from_password", key_of)


@pytest.fixture
def found() -> dict[str, bytes]:
    """The blobs, to be spoilt."""
    return blobs()


def _named(found: dict[str, bytes], beginning: str) -> list[str]:
    return sorted(name for name in found if name.startswith(beginning))


@pytest.mark.parametrize(("snapshot", "files", "size"), [(FIRST, 3, 20_012), (SECOND, 4, 40_012)])
def test_a_whole_snapshot_is_followed_to_its_end(found: dict[str, bytes], snapshot: str, files: int, size: int) -> None:
    """With the number of its files and of their bytes, links included."""
    seen = opened(found).follow(snapshot)
    assert (seen.troubles, seen.files, seen.bytes) == ([], files, size)


def test_no_pack_of_data_is_read_for_it(found: dict[str, bytes]) -> None:
    """Terabytes may lie there."""
    read: set[str] = set()

    def reading(name: str, offset: int, length: int) -> bytes:
        read.add(name[0])
        return found[name][offset : offset + length]

    sizes = {name: len(content) for name, content in found.items()}
    kopia.Repository.open(reading, sizes, "fixture password").follow(SECOND)
    assert read == {"k", "x", "q"}


def test_a_pack_that_is_gone_is_told_by_the_files_that_need_it(found: dict[str, bytes]) -> None:
    """The older snapshot, which does not need it, is whole."""
    del found[PACK_OF_SECOND]
    repository = opened(found)
    (trouble,) = repository.follow(SECOND).troubles
    assert trouble == f"/deep/er/second: pack {PACK_OF_SECOND} is not there"
    assert repository.follow(FIRST).troubles == []


def test_a_pack_that_is_too_short_is_told(found: dict[str, bytes]) -> None:
    """By what its index says of it."""
    found[PACK_OF_FIRST] = found[PACK_OF_FIRST][:10_000]
    assert any("has 10,000 bytes" in each for each in opened(found).follow(SECOND).troubles)


def test_directories_that_are_gone_are_told(found: dict[str, bytes]) -> None:
    """They lie in packs of metadata, as the list of snapshots does."""
    for name in _named(found, "q"):
        del found[name]
    with pytest.raises(LostError, match="is not there"):
        opened(found).follow(SECOND)


def test_an_index_that_is_gone_takes_its_snapshot_with_it(found: dict[str, bytes]) -> None:
    """What no index names is not there."""
    older, newer = _named(found, "xn")
    del found[newer]
    repository = opened(found)
    assert repository.follow(FIRST).troubles == []
    with pytest.raises(LostError, match="not in the repository"):
        repository.follow(SECOND)
    assert older in found


def test_another_password_opens_nothing(found: dict[str, bytes]) -> None:
    """And that is told from damage."""
    with pytest.raises(KopiaLockedError):
        opened(found, "static-passw0rd")


def _other_version(found: dict[str, bytes]) -> None:
    text = json.loads(found["kopia.repository"])
    found["kopia.repository"] = json.dumps(text | {"keyAlgo": "argon2"}).encode()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda found: found.pop("kopia.repository"),
        lambda found: found.update({"kopia.repository": b"{}"}),
        lambda found: found.update({"kopia.repository": b"not JSON"}),
        _other_version,
    ],
)
def test_what_is_no_repository_is_told(found: dict[str, bytes], spoil: Callable[[dict[str, bytes]], None]) -> None:
    """In words, whatever it is instead."""
    spoil(found)
    with pytest.raises(KopiaError):
        opened(found)


def test_a_damaged_index_is_told(found: dict[str, bytes]) -> None:
    """By its name."""
    name = _named(found, "xn")[0]
    found[name] = found[name][:-1] + bytes([found[name][-1] ^ 1])
    with pytest.raises(KopiaError, match=f"index {name} can't be read"):
        opened(found)


def test_contents_of_a_pack_are_held_to_the_ciphers_tag(found: dict[str, bytes]) -> None:
    """One bit of one of them, and it is told; the others are what was once written."""
    repository = opened(found)
    needed = [each for each in repository.follow(SECOND).contents.values() if each.pack == PACK_OF_FIRST]
    pack = found[PACK_OF_FIRST]
    assert list(repository.authentic(pack, needed)) == []
    at = needed[0].offset + needed[0].length // 2
    spoilt = pack[:at] + bytes([pack[at] ^ 1]) + pack[at + 1 :]
    assert list(repository.authentic(spoilt, needed)) == [needed[0]]
    assert list(repository.authentic(b"", needed)) == needed
