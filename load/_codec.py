"""The bytes of a record: a fixed-width accounting header inside valid JSON, coded and decoded thousands at a time.

    {"drill":"<64 hex digits>","timestamp":"2026-11-23T14:00:00.123Z","symbol":"XAU",...}

The digits are CRC-32 of all that follows them, run tag, producer id, sequence and due time (ns since the epoch). All
records of a run have one length, so that a batch of them is one matrix of bytes.
"""

import hashlib
import itertools
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
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
    """

    def __init__(self, values: Sequence[bytes], size: int) -> None:
        self._wire = _on_the_wire(values, size)
        self.marked = self._wire["prefix"] == PREFIX
        # The digits are compared, not what they decode to: what is no digit must not pass for one.
        digits = _hex(_crcs(self._wire["checked"].tolist()).astype(">u4")).view("S8")[:, 0]
        self.intact = self.marked & (self._wire["crc"] == digits)

    def by(self, run_id: str, producer_id: int) -> npt.NDArray[np.bool_]:
        """Which of them are one producer's, as far as their headers can be believed."""
        run, producer = b"%016x" % run_tag(run_id), b"%08x" % producer_id
        mine: npt.NDArray[np.bool_] = (self._wire["run"] == run) & (self._wire["producer"] == producer)
        return mine

    @property
    def sequences(self) -> npt.NDArray[np.int64]:
        """The sequence numbers, meaningful where intact."""
        return _numbers(self._wire["sequence"])

    @property
    def due(self) -> npt.NDArray[np.int64]:
        """When they were due, ns since the epoch, meaningful where intact."""
        return _numbers(self._wire["due"])


def sequences_of(values: Sequence[bytes], size: int) -> npt.NDArray[np.int64]:
    """The sequence numbers of a producer's own records, which no network has touched: no checksum is looked at."""
    return _numbers(_on_the_wire(values, size)["sequence"])


def _on_the_wire(values: Sequence[bytes], size: int) -> npt.NDArray[Any]:
    return np.frombuffer(b"".join(values), dtype=_layout(size))


@cache
def _layout(size: int) -> np.dtype[Any]:
    """A record as text fields, and the same bytes once more as what the checksum covers."""
    names = _FIELDS.names or ()
    widths = [2 * _FIELDS[name].itemsize for name in names]
    return np.dtype(
        {
            "names": ["prefix", *names, "checked"],
            "formats": [f"S{len(PREFIX)}", *(f"S{width}" for width in widths), f"V{size - _CRC_END}"],
            "offsets": [0, *itertools.accumulate(widths[:-1], initial=len(PREFIX)), _CRC_END],
            "itemsize": size,
        }
    )


def _numbers(digits: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """What 16 hex digits each mean; what is no digit counts as 0."""
    nibbles: Bytes = _NIBBLE.take(np.ascontiguousarray(digits).view(np.uint8).reshape(-1, 16))
    octets = (nibbles[:, ::2] << np.uint8(4)) | nibbles[:, 1::2]
    return octets.view(">u8")[:, 0].astype(np.int64)


def _crcs(contents: Sequence[bytes]) -> npt.NDArray[np.uint32]:
    return np.fromiter(map(crc32, contents), dtype=np.uint32, count=len(contents))


def _rows(matrix: Bytes) -> list[bytes]:
    # A list of opaque items is the fastest way to many small byte strings.
    rows: list[bytes] = np.ascontiguousarray(matrix).view(f"V{matrix.shape[1]}")[:, 0].tolist()
    return rows


def _hex(fields: npt.NDArray[Any]) -> Bytes:
    octets = np.ascontiguousarray(fields).view(np.uint8)
    return _HEX.take(octets, axis=0).reshape(len(fields), -1)
