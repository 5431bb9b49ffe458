"""Kafka's restore is passed when its records are proven: each check passes, fails, and says when it can't tell."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from drill.markers import payload, payload_digest
from drill.record import RunRecord
from drill.verdicts import Outcome, Verdict
from recovery._run import Run
from recovery.restores import CHECKS, OF_KAFKA
from tests.unit.restores_kafka import (
    BACKUP,
    ENDED,
    LATER,
    TOPIC,
    Evidence,
    evidence,
    fingerprint,
    kafka_record,
    sealed,
    written,
)

PASS, FAIL, INCONCLUSIVE = Outcome.PASS, Outcome.FAIL, Outcome.INCONCLUSIVE
Spoil = Callable[[Evidence], None]


def verdicts(record: RunRecord) -> dict[str, Verdict]:
    """Those of the checks of a restore, by name."""
    run = Run(record)
    found = (each(run) for each in CHECKS)
    return {each.check: each for each in found if each is not None}


def test_a_good_restore_passes(tmp_path: Path) -> None:
    """What is Kafka's and what is of every restore; nothing of PostgreSQL is asked for."""
    found = verdicts(kafka_record(tmp_path))
    assert {name: each.outcome for name, each in found.items()} == dict.fromkeys(
        [each.name for each in OF_KAFKA]
        + ["rpo", "data-restored", "services-in-time", "backup-whole", "restore-completed", "volumes-restored"]
        + ["restored-whole"],
        PASS,
    )
    assert found["kafka-records-kept"].actual == "80 of 80 records"
    # 380 were written until the disaster, 80 of them before the backup began and 130 until its copies were made.
    assert found["kafka-records-lost"].actual == "250 of 300 records lost, 25.0 s"
    assert found["kafka-records-lost"].details["lost"] == 250
    assert found["kafka-records-lost"].details["intervals"][0] == {
        "partition": 0,
        "first": 44,
        "last": 126,
        "records": 83,
    }


def test_a_run_that_came_to_no_restore_is_inconclusive_in_everything(tmp_path: Path) -> None:
    """Nothing was seen, so nothing passes."""
    found = verdicts(kafka_record(tmp_path, spoil=dict.clear, proven=False))
    assert {found[each.name].outcome for each in OF_KAFKA} == {INCONCLUSIVE}
    assert not [each.reason for each in found.values() if "itself broke" in each.reason]


def _found(change: Callable[[Any], None]) -> Spoil:
    """A change in the fingerprint of what was restored."""

    def spoil(pieces: Evidence) -> None:
        pieces["kafka-found"]["fingerprint"] = sealed(pieces["kafka-found"]["fingerprint"], change)

    return spoil


def _record(change: Callable[[Any], None], partition: str = "1") -> Spoil:
    """A change in what was read of a partition."""

    def spoil(pieces: Evidence) -> None:
        change(pieces["kafka-found"]["records"][partition])

    return spoil


def _without(offset: int) -> Spoil:
    def change(read: dict[str, list[Any]]) -> None:
        place = read["offsets"].index(offset)
        for values in read.values():
            del values[place]

    return _record(change)


def _cut(number: int) -> Spoil:
    """Only so many records of a partition are there."""

    def change(read: dict[str, list[Any]]) -> None:
        for values in read.values():
            del values[number:]

    return _record(change)


def _tampered(read: dict[str, list[Any]]) -> None:
    read["digests"][3] = "0" * 16


def _strange(read: dict[str, list[Any]]) -> None:
    read["offsets"].append(read["offsets"][-1] + 1)
    read["sequences"].append(None)
    read["digests"].append("0" * 16)


def _swapped(read: dict[str, list[Any]]) -> None:
    for name in ("sequences", "digests"):
        read[name][3], read[name][4] = read[name][4], read[name][3]


def _survived(pieces: Evidence) -> None:
    """Everything that was ever written is there: nothing was restored, because nothing was lost."""
    acked = pieces["kafka-reference"]["acked"]["1"]
    read = pieces["kafka-found"]["records"]["1"]
    from_, run = len(read["offsets"]), pieces["kafka-reference"]["run"]
    read["offsets"] += acked["offsets"][from_:]
    read["sequences"] += acked["sequences"][from_:]
    read["digests"] += [payload_digest(payload(run, each)) for each in acked["sequences"][from_:]]


def _quiet(pieces: Evidence) -> None:
    """Nothing was written after the backup."""
    for partition, written_ in pieces["kafka-reference"]["acked"].items():
        kept = sum(each < ENDED for each in written_["times"])
        pieces["kafka-reference"]["acked"][partition] = {name: each[:kept] for name, each in written_.items()}


def _nothing_before(pieces: Evidence) -> None:
    for each in pieces["kafka-reference"]["acked"].values():
        each["times"] = [time + 100 for time in each["times"]]
    for each in pieces["kafka-found"]["records"].values():
        for values in each.values():
            values.clear()


def _partition(name: str, **changes: Any) -> Callable[[Any], None]:
    def change(content: Any) -> None:
        for each in content["topics"][name]["partitions"].values():
            each.update(changes)

    return change


def _emptied(content: Any) -> None:
    """The user's topic is there with its offsets, and holds nothing."""
    _partition("commodities", begin=100, end=100, chunks=[])(content)


def _keeps_all(spoil: Spoil) -> Spoil:
    """In a topic that retention takes nothing from."""

    def keep(content: Any) -> None:
        content["topics"]["commodities"]["config"] |= {"retention.ms": "-1", "retention.bytes": "-1"}

    def kept(pieces: Evidence) -> None:
        spoil(pieces)
        _found(keep)(pieces)
        for name in ("before", "after"):
            pieces["kafka-reference"][name] = sealed(pieces["kafka-reference"][name], keep)

    return kept


def _shortened_meanwhile(begin: int) -> Spoil:
    """Retention took so much while the backup was made; of a topic with two chunks, so that one is compared."""

    def chunked(content: Any) -> None:
        whole = {"start": 0, "end": 50, "records": 50, "sha256": "a"}, {"start": 50, "end": 100, "records": 50}
        chunks = [each | {"sha256": "a"} for each in whole if content["started"] < BACKUP or each["start"]]
        content["topics"]["commodities"]["partitions"]["0"]["chunks"] = chunks

    def spoil(pieces: Evidence) -> None:
        def shortened(content: Any) -> None:
            chunked(content)
            content["topics"]["commodities"]["partitions"]["0"]["begin"] = begin

        pieces["kafka-reference"]["before"] = sealed(pieces["kafka-reference"]["before"], chunked)
        pieces["kafka-reference"]["after"] = sealed(pieces["kafka-reference"]["after"], shortened)
        _found(shortened)(pieces)

    return spoil


def _led(**changes: Any) -> Spoil:
    def spoil(pieces: Evidence) -> None:
        pieces["kafka-reference"]["led"]["after"][f"{TOPIC}-2"].update(changes)

    return spoil


def _reference(name: str, value: Any) -> Spoil:
    def spoil(pieces: Evidence) -> None:
        pieces["kafka-reference"][name] = value

    return spoil


def _setting(content: Any) -> None:
    content["topics"][TOPIC]["config"]["retention.ms"] = "43200000"


def _setting_changed_meanwhile(pieces: Evidence) -> None:
    _found(_setting)(pieces)
    pieces["kafka-reference"]["after"] = sealed(pieces["kafka-reference"]["after"], _setting)


def _topic_gone(content: Any) -> None:
    del content["topics"]["commodities"]


def _later_topic(content: Any) -> None:
    content["topics"][LATER] = content["topics"][TOPIC]


def _chunk(content: Any) -> None:
    content["topics"]["commodities"]["partitions"]["0"]["chunks"][0]["sha256"] = "z"


def _position(group: str, label: str, value: int | None) -> Callable[[Any], None]:
    def change(content: Any) -> None:
        if value is None:
            del content["groups"][group][label]
        else:
            content["groups"][group][label] = value

    return change


def _no_groups(pieces: Evidence) -> None:
    for name in ("before", "after"):
        pieces["kafka-reference"][name] = sealed(pieces["kafka-reference"][name], lambda each: each["groups"].clear())


def _moved_beyond(pieces: Evidence) -> None:
    """A group that went on while the backup was made, and whose position is of a later moment than its records."""
    after = sealed(pieces["kafka-reference"]["after"], _position("shop", "commodities-0", 120))
    pieces["kafka-reference"]["after"] = after
    _found(_position("shop", "commodities-0", 110))(pieces)


CONTROLS: list[tuple[str, Spoil, Outcome, str]] = [
    ("kafka-records-kept", _without(3), FAIL, "before the backup and is gone"),
    ("kafka-records-kept", _without(30), FAIL, "is gone, and later ones of its partition are there"),
    ("kafka-records-kept", _cut(20), FAIL, "before the backup and is gone, and so are 6 more"),
    ("kafka-records-kept", _record(_tampered), FAIL, "The record at offset 3 of partition 1 is not what was written"),
    ("kafka-records-kept", _record(_strange), FAIL, "has another in its place"),
    ("kafka-records-kept", _record(_swapped), FAIL, "has another in its place"),
    ("kafka-records-kept", lambda p: p["kafka-found"].update(records=None), FAIL, "and so are 79 more"),
    ("kafka-records-kept", _found(_partition("commodities", end=99)), FAIL, "1 records at the end are missing"),
    ("kafka-records-kept", _found(_partition("commodities", end=101)), FAIL, "commodities-0 holds more than"),
    ("kafka-records-kept", _found(_emptied), INCONCLUSIVE, "commodities-0 begins at 100, and at 0 right after the"),
    ("kafka-records-kept", _keeps_all(_found(_emptied)), FAIL, "its topic keeps all, so that they are lost"),
    ("kafka-records-kept", _found(_partition("commodities", begin=1)), INCONCLUSIVE, "by retention since, or lost"),
    ("kafka-records-kept", _found(_partition("commodities", chunks=[])), INCONCLUSIVE, "none of them could be"),
    ("kafka-records-kept", _shortened_meanwhile(100), INCONCLUSIVE, "all of its 100 records are gone at the front"),
    ("kafka-records-kept", _found(_chunk), FAIL, "Of all topics"),
    ("kafka-records-kept", _nothing_before, INCONCLUSIVE, "No record was acknowledged before"),
    ("kafka-records-kept", _led(leader=0), INCONCLUSIVE, "another broker came to lead"),
    ("kafka-records-kept", _led(isr=[0, 1]), INCONCLUSIVE, "was out of sync"),
    ("kafka-records-kept", _reference("led", {"before": {}}), INCONCLUSIVE, "who led was not seen"),
    ("kafka-records-kept", _reference("after", None), INCONCLUSIVE, "does not say its after"),
    ("kafka-records-lost", _survived, FAIL, "after the backup, and is there"),
    ("kafka-records-lost", _quiet, INCONCLUSIVE, "nothing shows where the others are from"),
    ("kafka-records-lost", lambda p: p["backup"].update(completed=None), INCONCLUSIVE, "does not say its completed"),
    ("kafka-topics-kept", _found(_setting), FAIL, "retention.ms is 43200000, was 86400000"),
    ("kafka-topics-kept", _found(_topic_gone), FAIL, "commodities"),
    ("kafka-topics-kept", _found(_later_topic), FAIL, "was made after the backup, and is there"),
    ("kafka-topics-kept", _setting_changed_meanwhile, INCONCLUSIVE, "changed while the backup was made"),
    ("kafka-topics-kept", _reference("mutated", []), INCONCLUSIVE, "Nothing was changed after the backup"),
    ("kafka-positions-kept", _found(_position(TOPIC, f"{TOPIC}-1", 21)), FAIL, "is at 21 in"),
    ("kafka-positions-kept", _found(_position("shop", "commodities-0", None)), FAIL, "has no position"),
    ("kafka-positions-kept", _moved_beyond, FAIL, "it would skip records"),
    ("kafka-positions-kept", _no_groups, INCONCLUSIVE, "No consumer group"),
    ("kafka-cluster-kept", _found(lambda each: each.update(cluster_id="other")), FAIL, "other, was cluster"),
    ("kafka-cluster-kept", _found(lambda each: each.update(brokers=(0, 1))), FAIL, "Brokers [0, 1] are there"),
]


@pytest.mark.parametrize(
    ("check", "spoil", "outcome", "says"), CONTROLS, ids=[f"{each[0]}: {each[3]}" for each in CONTROLS]
)
def test_negative_control(tmp_path: Path, check: str, spoil: Spoil, outcome: Outcome, says: str) -> None:
    """Evidence that falls short in one thing has this verdict of the check, and the reason names it."""
    found = verdicts(kafka_record(tmp_path, spoil=spoil))[check]
    assert (found.outcome, says in found.reason) == (outcome, True), found.reason


def test_every_check_has_a_negative_control() -> None:
    """None that can't fail."""
    assert {check for check, _, outcome, _ in CONTROLS if outcome is FAIL} == {each.name for each in OF_KAFKA}


def test_a_position_that_moved_meanwhile_is_held_to_both_ends(tmp_path: Path) -> None:
    """Between what it had before the backup and after it, anything is right."""

    def moved(pieces: Evidence) -> None:
        after = sealed(pieces["kafka-reference"]["after"], _position("shop", "commodities-0", 98))
        pieces["kafka-reference"]["after"] = after
        _found(_position("shop", "commodities-0", 95))(pieces)

    found = verdicts(kafka_record(tmp_path, spoil=moved))["kafka-positions-kept"]
    assert (found.outcome, "1 of them moved" in found.reason) == (PASS, True)


def test_what_retention_took_while_the_backup_was_made_is_counted(tmp_path: Path) -> None:
    """It is not called there; and what was there right after the backup must be."""
    found = verdicts(kafka_record(tmp_path, spoil=_shortened_meanwhile(50)))["kafka-records-kept"]
    assert (found.outcome, found.details["gone"]) == (PASS, 50)
    assert "and 50 at the front were gone right after the backup already" in found.reason


def test_what_nobody_acknowledged_may_be_there(tmp_path: Path) -> None:
    """A record whose acknowledgement was lost is no stranger: the drill wrote it."""

    def unacked(pieces: Evidence) -> None:
        written_ = pieces["kafka-reference"]["acked"]["1"]
        pieces["kafka-reference"]["acked"]["1"] = {name: [*each[:5], *each[6:]] for name, each in written_.items()}

    assert verdicts(kafka_record(tmp_path, spoil=unacked))["kafka-records-kept"].outcome is PASS


def test_the_record_is_as_the_tests_say() -> None:
    """Its own figures, on which the controls rest."""
    pieces = evidence()
    assert [len(each) for each in written(ENDED).values()] == [67, 67, 66]
    assert len(pieces["kafka-found"]["records"]["1"]["offsets"]) == 43
    assert fingerprint(0, ENDED, later=True)["fingerprint"]["topics"].keys() == {"commodities", TOPIC, LATER}
