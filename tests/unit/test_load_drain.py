"""The tally of a partition: ours, foreign, corrupt, repeated and out of order, batch by batch."""

import numpy as np
import numpy.typing as npt

from load._codec import Encoder
from load._drain_partition import Job, Sightings, Tally, Writer, tally_batch

PARTITIONS, PARTITION, ATTEMPTED = 3, 1, 300
WRITERS = (
    Writer(producer_id=0, run_id="run", attempted=ATTEMPTED),
    Writer(producer_id=5, run_id="run", attempted=ATTEMPTED),
)


def _values(sequences: list[int], producer_id: int = 0, run_id: str = "run") -> list[bytes]:
    numbers = np.array(sequences)
    return Encoder(run_id, producer_id, 200).encode(numbers, 1e9 + numbers / 100)


SIZE = len(_values([1])[0])


def _tally(*batches: list[bytes]) -> tuple[Tally, list[Sightings]]:
    job = Job(
        connection={},
        topic="t",
        partition=PARTITION,
        partitions=PARTITIONS,
        start=0,
        end=0,
        deadline=0,
        record_size=SIZE,
        parent=0,
        writers=WRITERS,
    )
    tally, sightings = Tally(start=0, end=0, reached=0), [Sightings(each, PARTITION, PARTITIONS) for each in WRITERS]
    for batch in batches:
        tally_batch(batch, job, tally, sightings)
    return tally, sightings


def _counts(tally: Tally) -> dict[str, int]:
    return {name: n for name, n in tally.model_dump(exclude={"start", "end", "reached"}).items() if n}


def _numbers(bits: npt.NDArray[np.uint8]) -> list[int]:
    return np.flatnonzero(np.unpackbits(bits, bitorder="little")).tolist()


def test_clean_records_are_ours() -> None:
    """Records of two producers in rising order are seen once each."""
    tally, (first, second) = _tally(_values([1, 4, 7]) + _values([1, 4], producer_id=5), _values([10]))
    assert _counts(tally) == {"read": 6, "ours": 6}
    assert _numbers(first.at_least(1)) == [1, 4, 7, 10]
    assert _numbers(second.at_least(1)) == [1, 4]
    assert _numbers(first.at_least(2)) == []


def test_a_repetition_is_a_duplicate_and_no_reordering() -> None:
    """A record seen again, in the same batch or a later one, is a duplicate only."""
    tally, (first, _) = _tally(_values([1, 4, 1, 7]), _values([4, 10, 4]))
    assert _counts(tally) == {"read": 7, "ours": 7, "duplicates": 3}
    assert _numbers(first.at_least(2)) == [1, 4]


def test_a_late_record_is_reordered() -> None:
    """A first sighting after a higher number is out of order, within a batch and across batches."""
    tally, _ = _tally(_values([1, 7, 4, 10]), _values([13, 16]), _values([19, 22]))
    assert _counts(tally) == {"read": 8, "ours": 8, "reordered": 1}
    tally, _ = _tally(_values([1, 10]), _values([4, 7, 13]))
    assert _counts(tally) == {"read": 5, "ours": 5, "reordered": 2}


def test_a_damaged_record_is_corrupt_and_not_seen() -> None:
    """A wrong checksum is counted, and the record it may have been stays unseen."""
    (value,) = _values([4])
    tally, (first, _) = _tally([value[:150] + b"!" + value[151:], value[:-1], value + b" "])
    assert _counts(tally) == {"read": 3, "corrupt": 3}
    assert _numbers(first.at_least(1)) == []


def test_what_is_not_of_this_run_is_foreign() -> None:
    """Other runs, other producers, other sizes and other content are no business of ours."""
    longer = Encoder("run", 0, 300).encode(np.array([4]), np.array([1e9]))
    tally, (first, _) = _tally(
        _values([4], run_id="other") + _values([4], producer_id=9) + longer + [b"", b"x", b"x" * SIZE, b"x" * 2 * SIZE]
    )
    assert _counts(tally) == {"read": 7, "foreign": 7}
    assert _numbers(first.at_least(1)) == []


def test_a_record_that_can_not_be_here_is_corrupt() -> None:
    """An intact record of another partition, or beyond the last one attempted, is an error and not seen."""
    tally, (first, _) = _tally(_values([2, 4, ATTEMPTED + 1]))
    assert _counts(tally) == {"read": 3, "ours": 1, "corrupt": 2}
    assert _numbers(first.at_least(1)) == [4]


def test_nothing_is_nothing() -> None:
    """An empty batch changes nothing."""
    assert _counts(_tally([])[0]) == {}
