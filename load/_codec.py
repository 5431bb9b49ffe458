"""The bytes of a record: a fixed-width accounting header inside valid JSON, coded and decoded thousands at a time.

    {"drill":"<64 hex digits>","timestamp":"2026-11-23T14:00:00.123Z","symbol":"XAU",...}

The digits are CRC-32 of all that follows them, run tag, producer id, sequence and due time (ns since the epoch). All
records of a run have one length, so that a batch of them is one matrix of bytes.
"""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from zlib import crc32

import numpy as np
import numpy.typing as npt

from load._prices import payloads

PREFIX = b'{"drill":"'
_FIELDS = np.dtype([("crc", ">u4"), ("run", ">u8"), ("producer", ">u4"), ("sequence", ">u8"), ("due", ">i8")])
_CRC_END = len(PREFIX) + 8
_FIELDS_END = len(PREFIX) + 2 * _FIELDS.itemsize
_AFTER_FIELDS = b'","timestamp":"'
_STAMP_START = _FIELDS_END + len(_AFTER_FIELDS)
_STAMP_END = _STAMP_START + len("2026-11-23T14:00:00.123Z")
_AFTER_STAMP = b'",'
HEADER_BYTES = _FIELDS_END + len('",')
_PAYLOADS = 1009
"""How many different payloads: a prime, so that each one visits every partition."""

Bytes = npt.NDArray[np.uint8]
_HEX = np.frombuffer(b"".join(b"%02x" % byte for byte in range(256)), dtype=np.uint8).reshape(256, 2)
_NIBBLE = np.zeros(256, dtype=np.uint8)
_NIBBLE[np.frombuffer(b"0123456789abcdef", dtype=np.uint8)] = np.arange(16)


def run_tag(run_id: str) -> int:
    """The 64 bits by which records of a run are told from any others."""
    return int.from_bytes(hashlib.blake2b(run_id.encode(), digest_size=8).digest(), "big")


class Encoder:
    """Makes the records of one producer of one run; `record_bytes` without the accounting header."""

    def __init__(self, run_id: str, producer_id: int, record_bytes: int) -> None:
        self.size = HEADER_BYTES + record_bytes
        tails = payloads(run_id, self.size - _STAMP_END - len(_AFTER_STAMP), _PAYLOADS)
        head = PREFIX + bytes(2 * _FIELDS.itemsize) + _AFTER_FIELDS + bytes(_STAMP_END - _STAMP_START) + _AFTER_STAMP
        self._templates = np.frombuffer(b"".join(head + tail for tail in tails), dtype=np.uint8).reshape(-1, self.size)
        self._constant = np.zeros(1, dtype=_FIELDS)
        self._constant["run"], self._constant["producer"] = run_tag(run_id), producer_id

    def encode(self, sequences: npt.NDArray[np.int64], due: npt.NDArray[np.float64]) -> list[bytes]:
        """The records `sequences`, due at `due` (epoch seconds, rising); all carry the first one's time as text."""
        count = len(sequences)
        matrix = self._templates.take(sequences % _PAYLOADS, axis=0)
        fields = np.repeat(self._constant, count)
        fields["sequence"], fields["due"] = sequences, due * 1e9
        matrix[:, len(PREFIX) : _FIELDS_END] = _hex(fields)
        stamp = datetime.fromtimestamp(due[0], UTC).isoformat(timespec="milliseconds")
        matrix[:, _STAMP_START:_STAMP_END] = np.frombuffer(stamp.replace("+00:00", "Z").encode(), dtype=np.uint8)
        fields["crc"] = _crcs(_rows(matrix[:, _CRC_END:]))
        matrix[:, len(PREFIX) : _CRC_END] = _hex(fields["crc"])
        return _rows(matrix)


class Decoded:
    """A batch of records of one length, read; one element each.

    Attributes:
        marked: whether it carries a drill header at all (of any run).
        intact: whether it does and its checksum is right.
        fields: run, producer, sequence and due of each, meaningful where intact.
    """

    def __init__(self, values: Sequence[bytes], size: int) -> None:
        matrix = np.frombuffer(b"".join(values), dtype=np.uint8).reshape(len(values), size)
        self.marked = (matrix[:, : len(PREFIX)] == np.frombuffer(PREFIX, dtype=np.uint8)).all(axis=1)
        self.fields = _unhex(matrix[:, len(PREFIX) : _FIELDS_END]).view(_FIELDS)[:, 0]
        # The digits are compared, not what they decode to: what is no digit must not pass for one.
        digits = _hex(_crcs([value[_CRC_END:] for value in values]).astype(">u4"))
        self.intact = self.marked & (matrix[:, len(PREFIX) : _CRC_END] == digits).all(axis=1)


def sequences_of(values: Sequence[bytes], size: int) -> npt.NDArray[np.int64]:
    """The sequence numbers of a producer's own records, which no network has touched: no checksum is looked at."""
    matrix = np.frombuffer(b"".join(values), dtype=np.uint8).reshape(len(values), size)
    start = len(PREFIX) + 2 * _FIELDS.fields["sequence"][1]  # type: ignore[index]
    sequences: npt.NDArray[np.int64] = _unhex(matrix[:, start : start + 16]).view(">u8")[:, 0].astype(np.int64)
    return sequences


def _crcs(contents: Sequence[bytes]) -> npt.NDArray[np.uint32]:
    return np.fromiter(map(crc32, contents), dtype=np.uint32, count=len(contents))


def _rows(matrix: Bytes) -> list[bytes]:
    count, width = matrix.shape
    content = matrix.tobytes()
    return [content[at : at + width] for at in range(0, count * width, width)]


def _hex(fields: npt.NDArray[Any]) -> Bytes:
    octets = np.ascontiguousarray(fields).view(np.uint8)
    return _HEX.take(octets, axis=0).reshape(len(fields), -1)


def _unhex(digits: Bytes) -> Bytes:
    nibbles: Bytes = _NIBBLE.take(digits)
    return (nibbles[:, ::2] << np.uint8(4)) | nibbles[:, 1::2]
