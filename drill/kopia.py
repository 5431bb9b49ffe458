"""What the rest of the house asks of a kopia repository, where Velero keeps the files of volumes; read only.

A bucket's listing can't tell whether a volume can be restored: a file is cut into contents, contents lie in packs, and
which lie where is in encrypted indexes. With the repository's password all of it can be followed, from a snapshot to
the packs of each of its files, and nothing of their data has to be fetched for it.

The forms, of format versions 2 and 3: https://github.com/kopia/kopia/tree/v0.22.3/repo (format/format_blob.go,
content/index/index_v2.go, internal/blobcrypto, object/, manifest/).
"""

import gzip
import hashlib
import hmac
import json
import zlib
from base64 import b64decode
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

import zstandard
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from drill.errors import DrillError

FORMAT_BLOB = "kopia.repository"
INDEXES = ("xn", "xs", "xr")
"""What names of index blobs begin with: those of one epoch, of one that is compacted, of a range of them."""

_CIPHER, _NONCE, _IV = "AES256-GCM-HMAC-SHA256", 12, 16
_VERSIONS = {2, 3}
_SCRYPT = {"n": 65536, "r": 8, "p": 1, "maxmem": 1 << 27}
_PBKDF2 = 600_000
_HEADER, _PACK_INFO, _FORMAT_INFO, _LEAST_ENTRY = 17, 5, 6, 16
_DELETED, _OFFSET = 0x80000000, 0x7FFFFFFF
_GZIP, _ZSTD = range(0x1000, 0x1003), range(0x1100, 0x1104)
_PGZIP = range(0x1300, 0x1303)
_MANIFESTS = "m"
_WRONG = (ValueError, KeyError, IndexError, TypeError, EOFError, OSError, zlib.error, zstandard.ZstdError)
"""What reading something damaged raises."""

Read = Callable[[str, int, int], bytes]
"""So many bytes of a blob, from an offset on."""


class KopiaError(DrillError):
    """The repository, or something in it, can't be read; the message says which and why."""


class KopiaLockedError(KopiaError):
    """The password does not open the repository."""


class LostError(KopiaError):
    """A snapshot needs something that the repository does not have; the message says what."""


@dataclass(frozen=True)
class Content:
    """Where one content lies."""

    id: str
    pack: str
    """Name of the blob."""
    offset: int
    length: int
    """Bytes, encrypted."""
    compression: int
    """0: none."""


@dataclass
class SnapshotSeen:
    """What a snapshot was followed to."""

    files: int = 0
    bytes: int = 0
    """Of its files, as its directories have them."""
    contents: dict[str, Content] = field(default_factory=dict)
    """All that it needs, by their ids."""
    troubles: list[str] = field(default_factory=list)
    """Paths that can't be restored, each with the reason."""


class Repository:
    """One repository that was opened."""

    def __init__(self, read: Read, sizes: Mapping[str, int], key: bytes) -> None:
        self._read, self._sizes, self._key = read, sizes, key
        self._contents: dict[str, Content] = dict(self._indexed())
        self._manifests: dict[str, dict[str, Any]] | None = None

    @classmethod
    def open(cls, read: Read, sizes: Mapping[str, int], password: str) -> Self:
        """Open it.

        Args:
            read: Reads a part of a blob.
            sizes: Bytes of each blob that is there.
            password: The repository's.

        Raises:
            KopiaLockedError: the password is another.
            KopiaError: it is no repository, one of a form that is not known here, or its indexes are damaged.
        """
        if FORMAT_BLOB not in sizes:
            raise KopiaError(f"{FORMAT_BLOB} is not there")
        try:
            locked = json.loads(read(FORMAT_BLOB, 0, sizes[FORMAT_BLOB]))
            master = _from_password(password, b64decode(locked["uniqueID"]), locked["keyAlgo"])
            format_ = _unlocked(locked, master)
            if format_["version"] not in _VERSIONS or format_["encryption"] != _CIPHER or format_.get("ecc"):
                what = f"version {format_['version']}, {format_['encryption']} {format_.get('ecc', '')}".strip()
                raise KopiaError(f"a repository of this form can't be read here: {what}")
            key = _derived(b64decode(format_["masterKey"]), b"encryption", b"")
        except _WRONG as error:
            raise KopiaError(f"{FORMAT_BLOB} can't be read: {type(error).__name__}: {error}") from error
        return cls(read, sizes, key)

    def follow(self, snapshot: str) -> SnapshotSeen:
        """Follow a snapshot through its directories to all that its files need.

        Raises:
            LostError: the snapshot is not there.
            KopiaError: the repository's list of snapshots can't be read.
        """
        found = self._snapshots().get(snapshot)
        if found is None:
            raise LostError(f"snapshot {snapshot} is not in the repository")
        seen = SnapshotSeen()
        if reason := found.get("incomplete"):
            seen.troubles.append(f"the snapshot is incomplete: {reason}")
        if failed := (found.get("stats") or {}).get("errorCount"):
            seen.troubles.append(f"{failed} of its files could not be read when it was made")
        self._walk({**found["rootEntry"], "name": ""}, "", seen)
        return seen

    def authentic(self, pack: bytes, contents: Iterable[Content]) -> Iterator[Content]:
        """Those of a pack's contents that are not what was once written: what the cipher's own tag tells."""
        for each in contents:
            try:
                self._decrypted(pack[each.offset : each.offset + each.length], _iv(each.id))
            except KopiaError:
                yield each

    def _indexed(self) -> Iterator[tuple[str, Content]]:
        """Where each content lies by the newest entry of all indexes; those that were deleted are left out."""
        newest: dict[str, tuple[tuple[int, bool, str], Content]] = {}
        for name in sorted(self._sizes):
            if not name.startswith(INDEXES):
                continue
            try:
                text = self._decrypted(self._read(name, 0, self._sizes[name]), _iv(name.partition("-")[0]))
                entries = list(_entries(text))
            except (KopiaError, *_WRONG) as error:
                raise KopiaError(f"index {name} can't be read: {error}") from error
            for age, content in entries:
                if content.id not in newest or age > newest[content.id][0]:
                    newest[content.id] = age, content
        for name, ((_, there, _), content) in newest.items():
            if there:
                yield name, content

    def _snapshots(self) -> dict[str, dict[str, Any]]:
        if self._manifests is None:
            newest: dict[str, tuple[datetime, dict[str, Any]]] = {}
            for name in [each for each in self._contents if each.startswith(_MANIFESTS)]:
                try:
                    listed = json.loads(gzip.decompress(self._content(name)))["entries"] or ()
                except _WRONG as error:
                    raise KopiaError(f"manifest {name} can't be read: {error}") from error
                for each in listed:
                    changed = datetime.fromisoformat(each["modified"])
                    if each["id"] not in newest or changed > newest[each["id"]][0]:
                        newest[each["id"]] = changed, each
            self._manifests = {
                name: each["data"]
                for name, (_, each) in newest.items()
                if not each.get("deleted") and (each.get("labels") or {}).get("type") == "snapshot"
            }
        return self._manifests

    def _walk(self, entry: dict[str, Any], path: str, seen: SnapshotSeen) -> None:
        try:
            if entry.get("type") != "d":
                seen.files += 1
                seen.bytes += entry.get("size", 0)
                for content in self._backing(entry["obj"], seen):
                    self._need(content)
                return
            listed = json.loads(self._object(entry["obj"], seen))
        except (KopiaError, *_WRONG) as error:
            seen.troubles.append(f"{path or '/'}: {error}")
            return
        for each in listed["entries"] or ():
            self._walk(each, f"{path}/{each['name']}", seen)

    def _backing(self, name: str, seen: SnapshotSeen) -> Iterator[str]:
        """The ids of the contents of which an object is made; an indirect one has a list of others."""
        if not name.startswith("I"):
            if name.startswith("Z"):
                raise KopiaError(f"object {name} is compressed in a way of old, which is not known here")
            name = name.removeprefix("D")
            seen.contents[name] = self._need(name)
            yield name
            return
        for each in json.loads(self._object(name[1:], seen))["entries"]:
            yield from self._backing(each["o"], seen)

    def _object(self, name: str, seen: SnapshotSeen) -> bytes:
        return b"".join(self._content(each) for each in self._backing(name, seen))

    def _need(self, name: str) -> Content:
        """Where a content lies.

        Raises:
            LostError: it lies nowhere: no index has it, or its pack is not there or too short.
        """
        found = self._contents.get(name)
        if found is None:
            raise LostError(f"content {name} is in no index")
        size = self._sizes.get(found.pack)
        if size is None:
            raise LostError(f"pack {found.pack} is not there")
        if size < found.offset + found.length:
            raise LostError(f"pack {found.pack} has {size:,} bytes, and {found.offset + found.length:,} are needed")
        return found

    def _content(self, name: str) -> bytes:
        where = self._need(name)
        text = self._decrypted(self._read(where.pack, where.offset, where.length), _iv(name))
        if not where.compression:
            return text
        if int.from_bytes(text[:4]) != where.compression:
            raise KopiaError(f"content {name} is not compressed as its index says")
        if where.compression in _ZSTD:
            return zstandard.ZstdDecompressor().decompressobj().decompress(text[4:])
        if where.compression in _GZIP or where.compression in _PGZIP:
            return gzip.decompress(text[4:])
        raise KopiaError(f"content {name} is compressed in a way that is not known here: {where.compression:#x}")

    def _decrypted(self, found: bytes, iv: bytes) -> bytes:
        cipher = AESGCM(hmac.digest(self._key, iv, "sha256"))
        try:
            return cipher.decrypt(found[:_NONCE], found[_NONCE:], iv)
        except (InvalidTag, ValueError) as error:
            raise KopiaError("it is not what was once written there") from error


def _from_password(password: str, salt: bytes, algorithm: str) -> bytes:
    if algorithm == "scrypt-65536-8-1":
        return hashlib.scrypt(password.encode(), salt=salt, dklen=32, **_SCRYPT)
    if algorithm == "pbkdf2-sha256-600000":
        return hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _PBKDF2, 32)
    raise KopiaError(f"its key is made from the password in a way that is not known here: {algorithm}")


def _unlocked(locked: dict[str, Any], master: bytes) -> dict[str, Any]:
    if locked["encryption"] != "AES256_GCM":
        raise KopiaError(f"its format is encrypted in a way that is not known here: {locked['encryption']}")
    salt, block = b64decode(locked["uniqueID"]), b64decode(locked["encryptedBlockFormat"])
    key, authenticated = _derived(master, salt, b"AES"), _derived(master, salt, b"CHECKSUM")
    try:
        text = AESGCM(key).decrypt(block[:_NONCE], block[_NONCE:], authenticated)
    except InvalidTag as error:
        raise KopiaLockedError("the password does not open the repository") from error
    format_: dict[str, Any] = json.loads(text)["format"]
    return format_


def _derived(key: bytes, salt: bytes, purpose: bytes) -> bytes:
    return HKDF(SHA256(), 32, salt, purpose).derive(key)


def _iv(name: str) -> bytes:
    """What the key of a content or an index is made from: the last 16 bytes of its hash, which its name ends in."""
    return bytes.fromhex(name[-2 * _IV :])


def _entries(text: bytes) -> Iterator[tuple[tuple[int, bool, str], Content]]:
    """The entries of an index of version 2, each with what tells which of several is in force (the greatest)."""
    version, key_size = text[0], text[1]
    if version != 2:  # noqa: PLR2004 - the only one of the formats that are read here
        raise KopiaError(f"its version is {version}, which is not known here")
    entry_size, count, packs = (int.from_bytes(text[a:b]) for a, b in ((2, 4), (4, 8), (8, 12)))
    formats, base = text[12], int.from_bytes(text[13:_HEADER])
    stride = key_size + entry_size
    packs_at = _HEADER + count * stride
    formats_at = packs_at + packs * _PACK_INFO
    if entry_size < _LEAST_ENTRY or len(text) < formats_at + formats * _FORMAT_INFO:
        raise KopiaError("it is too short")
    names = []
    for number in range(packs):
        at = packs_at + number * _PACK_INFO
        start = int.from_bytes(text[at + 1 : at + _PACK_INFO])
        names.append(text[start : start + text[at]].decode())
    compressions = [
        int.from_bytes(text[at : at + 4]) for at in range(formats_at, formats_at + formats * _FORMAT_INFO, _FORMAT_INFO)
    ]
    for number in range(count):
        at = _HEADER + number * stride
        key, entry = text[at : at + key_size], text[at + key_size : at + stride]
        name = (chr(key[0]) if key[0] else "") + key[1:].hex()
        flags = int.from_bytes(entry[4:8])
        more = entry[16:] + bytes(3)
        pack = names[int.from_bytes(entry[14:16]) | more[1] << 16]
        content = Content(
            id=name,
            pack=pack,
            offset=flags & _OFFSET,
            length=int.from_bytes(entry[11:14]) | (more[2] & 0xF) << 24,
            compression=compressions[more[0]],
        )
        yield (int.from_bytes(entry[0:4]) + base, not flags & _DELETED, pack), content
