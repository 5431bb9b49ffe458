"""A Kafka cluster is passed when it is what it was, and what it lost since the backup is counted: pure judgements."""

from typing import Any

import pytest

from drill.fingerprints import CHUNK, KafkaFingerprint, KafkaSelection
from drill.verdicts import Outcome, Verdict, overall
from experiments.fingerprints.kafka import chunked
from recovery.fingerprints import judge_kafka, measured_rpo, not_verified
from tests.unit.fingerprints import chunks, kafka, partition, topic


def _judged(before: KafkaFingerprint, after: KafkaFingerprint, **rules: Any) -> dict[str, Verdict]:
    return {verdict.check: verdict for verdict in judge_kafka(before, after, **rules)}


def _ends(*ends: int, begin: int = 0) -> KafkaFingerprint:
    return kafka(topics={"commodities": topic(*(partition(begin, end) for end in ends))})


def test_equal_passes() -> None:
    """In every check."""
    verdicts = judge_kafka(kafka(), kafka())
    assert {each.outcome for each in verdicts} == {Outcome.PASS}
    assert {each.check for each in verdicts} == {"kafka-cluster-id", "kafka-topics", "kafka-records", "kafka-consumers"}
    assert measured_rpo(verdicts) == 0


def test_another_cluster_fails() -> None:
    """A new one in the old one's place has its topics, and another id."""
    assert _judged(kafka(), kafka(cluster_id="new"))["kafka-cluster-id"].outcome is Outcome.FAIL


@pytest.mark.parametrize(
    ("after", "said"),
    [
        ({}, "commodities: the topic is missing"),
        ({"commodities": topic(), "new": topic()}, "new: the topic was not there before"),
        ({"commodities": topic(partition(), partition(0, 0))}, "2 partitions, was 1"),
        ({"commodities": topic(replication_factor=1)}, "replication factor 1, was 3"),
        (
            {"commodities": topic(config={"retention.ms": "1", "cleanup.policy": "delete"})},
            "retention.ms is 1, was 604800000",
        ),
        ({"commodities": topic(config={"cleanup.policy": "delete"})}, "retention.ms is not set, was 604800000"),
    ],
)
def test_another_topic_fails(after: dict[str, Any], said: str) -> None:
    """By its name."""
    verdict = _judged(kafka(), kafka(topics=after))["kafka-topics"]
    assert verdict.outcome is Outcome.FAIL
    assert said in verdict.reason


def test_a_default_that_a_new_version_brings_is_no_difference() -> None:
    """But a setting that the topic now sets itself is."""
    config = {**topic().config, "new.setting": "1"}
    assert _judged(kafka(), kafka(topics={"commodities": topic(config=config)}))["kafka-topics"].outcome is Outcome.PASS
    sets = kafka(topics={"commodities": topic(config=config, overridden=("new.setting",))})
    assert _judged(kafka(), sets)["kafka-topics"].outcome is Outcome.FAIL


def test_what_is_missing_at_the_ends_is_the_measured_rpo() -> None:
    """Not one may be, unless as many are allowed."""
    before, after = _ends(1000, 500), _ends(990, 500)
    after = after.model_copy(update={"groups": before.groups})
    verdict = _judged(before, after)["kafka-records"]
    assert verdict.outcome is Outcome.FAIL
    assert verdict.reason == "commodities-0: 10 records at the end are missing."
    assert measured_rpo([verdict]) == 10
    assert _judged(before, after, rpo_records=9)["kafka-records"].outcome is Outcome.FAIL
    allowed = _judged(before, after, rpo_records=10)["kafka-records"]
    assert allowed.outcome is Outcome.PASS
    assert allowed.actual == "10 of 1,500 records lost"


def test_all_of_a_missing_topic_is_lost() -> None:
    """It is counted, too."""
    assert measured_rpo(judge_kafka(_ends(1000), kafka(topics={}))) == 1000


def test_growth_is_a_difference_unless_allowed() -> None:
    """After the restore clients may have gone on."""
    assert _judged(_ends(1000), _ends(1005))["kafka-records"].outcome is Outcome.FAIL
    allowed = _judged(_ends(1000), _ends(1005), allow_growth=True)["kafka-records"]
    assert allowed.outcome is Outcome.PASS
    assert "5 records have come since" in allowed.reason


def test_growth_of_one_partition_does_not_hide_the_loss_of_another() -> None:
    """Each is counted by itself."""
    verdict = _judged(_ends(1000, 1000), _ends(1500, 999), allow_growth=True)["kafka-records"]
    assert verdict.outcome is Outcome.FAIL
    assert verdict.details["lost"] == 1


def test_records_gone_from_the_front_fail_unless_retention_is_allowed() -> None:
    """Retention and loss look the same."""
    before, after = _ends(1000), _ends(1000, begin=100)
    assert "the first 100 records are gone" in _judged(before, after)["kafka-records"].reason
    allowed = _judged(before, after, allow_retention=True)["kafka-records"]
    assert allowed.outcome is Outcome.PASS
    assert (
        allowed.reason == "900 of 1,000 records are there. 100 records at the front are gone, as retention takes them."
    )
    assert (allowed.actual, allowed.details["gone"]) == ("0 of 1,000 records lost, 100 gone at the front", 100)


def test_a_topic_that_retention_left_nothing_of_is_a_doubt() -> None:
    """Nothing of it was seen, whatever is there of another."""
    whole = {"commodities": topic(partition(0, 1000)), "shop": topic(partition(0, 100))}
    before, after = kafka(topics=whole), kafka(topics={**whole, "shop": topic(partition(100, 130))})
    verdict = _judged(before, after, allow_retention=True, allow_growth=True)["kafka-records"]
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "shop: all of its 100 records are gone at the front, by retention or lost" in verdict.reason


def test_offsets_that_nobody_knows_are_a_doubt() -> None:
    """A partition without a leader is not passed."""
    dark = kafka(topics={"commodities": topic(partition(None, None, problem="no leader"))})
    for before, after in ((kafka(), dark), (dark, kafka()), (dark, dark)):
        verdict = _judged(before, after)["kafka-records"]
        assert verdict.outcome is Outcome.INCONCLUSIVE
        assert measured_rpo([verdict]) is None


@pytest.mark.parametrize(
    ("groups", "rules", "outcome"),
    [
        ({}, {}, Outcome.FAIL),
        ({"trino": {}}, {}, Outcome.FAIL),
        ({"trino": {"commodities-0": 890}}, {}, Outcome.FAIL),
        ({"trino": {"commodities-0": 890}}, {"rpo_records": 9}, Outcome.FAIL),
        ({"trino": {"commodities-0": 890}}, {"rpo_records": 10}, Outcome.PASS),
        ({"trino": {"commodities-0": 910}}, {}, Outcome.FAIL),
        ({"trino": {"commodities-0": 910}}, {"allow_growth": True}, Outcome.PASS),
        ({"trino": {"commodities-0": 1001}}, {"allow_growth": True}, Outcome.FAIL),  # beyond the end
        ({"trino": {"commodities-0": 900}, "new": {"commodities-0": 1}}, {}, Outcome.FAIL),
    ],
)
def test_positions_of_consumers(groups: dict[str, dict[str, int]], rules: dict[str, Any], outcome: Outcome) -> None:
    """Back: read again. Ahead: skipped. Beyond the end: whatever the consumer's reset policy makes of it."""
    assert _judged(kafka(), kafka(groups=groups), **rules)["kafka-consumers"].outcome is outcome


def _read(upto: int = 300, *, other: int | None = None, **more: Any) -> KafkaFingerprint:
    held = topic(partition(0, upto, chunks=chunks(upto, other=other)), **more)
    return kafka(selection=KafkaSelection(content_records=300), topics={"commodities": held}, groups={})


def test_other_contents_fail_by_their_offsets() -> None:
    """Though every offset is as it was."""
    verdict = _judged(_read(), _read(other=100))["kafka-content"]
    assert verdict.outcome is Outcome.FAIL
    assert "commodities-0: offsets 100 to 199: other contents" in verdict.reason
    assert _judged(_read(), _read())["kafka-content"].outcome is Outcome.PASS


def test_what_is_lost_is_not_said_to_be_compared() -> None:
    """The chunk that was cut off can't be."""
    verdict = _judged(_read(), _read(250), rpo_records=50)["kafka-content"]
    assert verdict.outcome is Outcome.PASS
    assert verdict.actual == "200 of 300 records"
    assert "100 records could not be compared" in verdict.reason


def test_a_topic_of_which_nothing_was_compared_is_a_doubt() -> None:
    """However much was compared of another; but what is known to be lost at its end is not asked for."""

    def two(begin: int, upto: int) -> KafkaFingerprint:
        held = topic(partition(0, 300, chunks=chunks(300)))
        shop = topic(partition(begin, upto, chunks=chunks(upto) if begin == 0 else ()))
        return kafka(
            selection=KafkaSelection(content_records=300), topics={"commodities": held, "shop": shop}, groups={}
        )

    verdict = _judged(two(0, 100), two(100, 100), allow_retention=True)["kafka-content"]
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "shop: it held records, and none of them could be compared" in verdict.reason
    assert _judged(two(0, 100), two(0, 0), rpo_records=100)["kafka-content"].outcome is Outcome.PASS
    assert _judged(two(0, 100), two(0, 100))["kafka-content"].outcome is Outcome.PASS


def test_contents_of_which_nothing_is_there_are_inconclusive() -> None:
    """Nothing was compared."""
    assert _judged(_read(), _read(0), rpo_records=300)["kafka-content"].outcome is Outcome.INCONCLUSIVE


def test_a_comparison_of_nothing_is_inconclusive() -> None:
    """No topic, or no record."""
    none = kafka(topics={}, groups={})
    assert overall(judge_kafka(none, none)) is Outcome.INCONCLUSIVE
    empty = _ends(0).model_copy(update={"groups": {}})
    assert _judged(empty, empty)["kafka-records"].outcome is Outcome.INCONCLUSIVE
    assert any("no group had committed" in limit for limit in not_verified(empty, empty))


def test_other_selections_are_not_compared() -> None:
    """A part can't vouch for the whole."""
    (verdict,) = judge_kafka(kafka(), kafka(selection=KafkaSelection(topics=("commodities",))))
    assert verdict.outcome is Outcome.INCONCLUSIVE


class _Record:
    def __init__(self, offset: int, value: bytes | None = b"v", key: bytes | None = b"k", headers: Any = None) -> None:
        self._parts = offset, key, value, headers

    def offset(self) -> int:
        return self._parts[0]

    def timestamp(self) -> tuple[int, int]:
        return 1, 1000 + self._parts[0]

    def key(self) -> bytes | None:
        return self._parts[1]

    def value(self) -> bytes | None:
        return self._parts[2]

    def headers(self) -> Any:
        return self._parts[3]


def test_chunks_cover_the_range_whatever_is_in_it() -> None:
    """Bounds are the same for whoever reads them; offsets without a record count none."""
    found = chunked([_Record(offset) for offset in (CHUNK + 1, CHUNK + 5, 2 * CHUNK)], CHUNK - 5, 3 * CHUNK - 1)
    assert [(each.start, each.end, each.records) for each in found] == [
        (CHUNK - 5, CHUNK, 0),
        (CHUNK, 2 * CHUNK, 2),
        (2 * CHUNK, 3 * CHUNK - 1, 1),
    ]


@pytest.mark.parametrize(
    "other",
    [
        _Record(0, value=b"w"),
        _Record(0, value=b""),
        _Record(0, value=None),
        _Record(0, key=None),
        _Record(0, key=b""),
        _Record(0, key=b"kv", value=b""),
        _Record(0, headers=[("a", b"b")]),
        _Record(0, headers=[("a", None)]),
        _Record(1),
    ],
)
def test_each_part_of_a_record_counts(other: _Record) -> None:
    """A missing part is not an empty one, and none runs into the next."""
    assert chunked([_Record(0)], 0, 10) == chunked([_Record(0)], 0, 10)
    assert chunked([_Record(0)], 0, 10)[0].sha256 != chunked([other], 0, 10)[0].sha256
