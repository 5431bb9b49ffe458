"""The bytes of a record: what goes in comes out, it is JSON to everyone else, and no damage goes unnoticed."""

import json

import numpy as np
import pytest

from load._codec import HEADER_BYTES, Decoded, Encoder, sequences_of

DUE = 1_763_906_400.123


def _encode(count: int = 50, first: int = 0, run_id: str = "run", producer_id: int = 3) -> list[bytes]:
    sequences = np.arange(first, first + count)
    return Encoder(run_id, producer_id, 200).encode(sequences, DUE + sequences / 1000)


def test_fields_come_back() -> None:
    """Run, producer, sequence and due time survive the trip."""
    values = _encode(first=2**40)
    decoded = Decoded(values, len(values[0]))
    assert decoded.intact.all()
    assert decoded.by("run", 3).all()
    assert not decoded.by("run", 4).any()
    assert not decoded.by("ruin", 3).any()
    assert decoded.sequences.tolist() == list(range(2**40, 2**40 + 50))
    assert decoded.due / 1e9 == pytest.approx(DUE + np.arange(2**40, 2**40 + 50) / 1000, abs=1e-6)
    assert sequences_of(values, len(values[0])).tolist() == decoded.sequences.tolist()


def test_a_record_is_json_with_a_price() -> None:
    """Other consumers of the topic read ordinary JSON."""
    content = json.loads(_encode()[7])
    assert content.keys() >= {"drill", "timestamp", "symbol", "price", "currency", "exchange"}
    assert content["timestamp"] == "2025-11-23T14:00:00.123Z"


def test_all_records_have_the_size_asked_for() -> None:
    """One length for all: the accounting header and the record itself."""
    assert {len(value) for value in _encode(3000)} == {HEADER_BYTES + 200}


def test_the_same_run_makes_the_same_records() -> None:
    """Payloads depend on the run's identity alone."""
    assert _encode() == _encode()
    assert _encode()[0] != _encode(run_id="other")[0]


@pytest.mark.parametrize("bit", range(8))
def test_no_flipped_bit_goes_unnoticed(bit: int) -> None:
    """Damage anywhere, in header or payload, leaves the record unmarked or not intact."""
    (value,) = _encode(1)
    damaged = [value[:at] + bytes([value[at] ^ 1 << bit]) + value[at + 1 :] for at in range(len(value))]
    assert not Decoded(damaged, len(value)).intact.any()


def test_swapped_payloads_go_noticed() -> None:
    """A header before another record's payload is no intact record."""
    one, two = _encode(2)
    assert not Decoded([one[:HEADER_BYTES] + two[HEADER_BYTES:]], len(one)).intact[0]


def test_others_records_are_not_marked() -> None:
    """Bytes that are not ours are neither marked nor intact, whatever they are."""
    size = HEADER_BYTES + 200
    decoded = Decoded([bytes(size), b"\xff" * size, b'{"drill":'.ljust(size)], size)
    assert not decoded.marked.any()
    assert not decoded.intact.any()


def test_a_record_too_small_for_a_price_is_refused() -> None:
    """A size that can't hold the content is a mistake, not a cut record."""
    with pytest.raises(ValueError, match="bytes"):
        Encoder("run", 0, 60)
