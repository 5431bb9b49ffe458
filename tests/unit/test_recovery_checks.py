"""Each recovery check: the good record passes it, a spoiled one does not, and missing data is inconclusive."""

import math
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from drill.objectives import Objectives
from drill.record import RunRecord
from drill.verdicts import Outcome, Verdict, overall
from recovery import judge
from recovery._judge import CHECKS
from recovery.lakehouse import CHECKS as LAKEHOUSE
from recovery.restores import CHECKS as RESTORES
from tests.unit.records import FAULT, RECOVERED, build_record

FAIL, INCONCLUSIVE = Outcome.FAIL, Outcome.INCONCLUSIVE
OF_RUNBOOKS = {"phases-within-budget", "platform-restored"}
"""Held to their own controls in test_recovery_phases."""
OF_RESTORES = {check.name for check in (*RESTORES, *LAKEHOUSE)}
"""Held to their own controls in test_recovery_restores."""
NAMES = {check.name for check in CHECKS} - OF_RUNBOOKS - OF_RESTORES
FOREVER = ((0, FAULT, math.inf),)
EVERYWHERE = tuple((partition, FAULT, RECOVERED) for partition in range(3))
SPARSE: dict[str, Any] = {"rate": 3.0, "outages": ()}

SPOILED: list[tuple[str, dict[str, Any], Outcome, str]] = [
    # check, what is wrong with the run, outcome, words of the reason
    ("no-acked-record-lost", {"lost": range(5001, 5031, 3)}, FAIL, "10 acknowledged records of partition 0"),
    ("no-acked-record-lost", {"lost": [4, 7, 5000]}, FAIL, "partition 1, 2 not found, in 2 intervals"),
    ("no-acked-record-lost", {"lost": [4], "drained": False}, INCONCLUSIVE, "did not end"),
    ("duplicates", {"twice": [17]}, FAIL, "1 record seen more than once"),
    ("duplicates", {"twice": [17, 18], "objectives": {"duplicates": 1}}, FAIL, "2 records"),
    ("duplicates", {"twice": [17], "drained": False}, FAIL, "1 record"),
    ("duplicates", {"drained": False}, INCONCLUSIVE, "Only a part"),
    ("order-kept", {"reordered": 2}, FAIL, "2 records read out of order"),
    ("order-kept", {"drained": False}, INCONCLUSIVE, "Only a part"),
    ("no-corrupt-record", {"corrupt": 1}, FAIL, "1 record with a wrong checksum"),
    ("no-corrupt-record", {"drained": False}, INCONCLUSIVE, "Only a part"),
    ("no-anomaly", {"failed": [8, 9], "failed_seen": [9]}, FAIL, "1 record found in the topic"),
    ("no-anomaly", {"failed": [8, 9], "drained": False}, INCONCLUSIVE, "Only a part"),
    ("client-outage", {"objectives": {"client_outage": 6.0}}, FAIL, "longer than the objective"),
    ("client-outage", {"outages": EVERYWHERE, "objectives": {"min_client_outage": 7.0}}, FAIL, "Writes went on"),
    # Some partitions stopped long enough, and one did not.
    ("client-outage", {"objectives": {"min_client_outage": 1.0}}, FAIL, "had to stop: commodities-1, commodities-2."),
    (
        "client-outage",
        {"outages": (*EVERYWHERE[:2], (2, FAULT, FAULT + 2)), "objectives": {"min_client_outage": 5.0}},
        FAIL,
        "had to stop: commodities-2.",
    ),
    # Out for 6 s in all, but writes went on in the middle of it.
    (
        "client-outage",
        {
            "outages": (*EVERYWHERE[:2], (2, FAULT, FAULT + 2), (2, FAULT + 4, FAULT + 6)),
            "drained_after": 0.1,
            "objectives": {"min_client_outage": 5.0},
        },
        FAIL,
        "had to stop: commodities-2.",
    ),
    ("client-outage", {**SPARSE, "objectives": {"min_client_outage": 2.0}}, INCONCLUSIVE, "stopped is not known"),
    (
        "client-outage",
        {"outages": EVERYWHERE, "lag": 0.4, "objectives": {"min_client_outage": 6.2}},
        INCONCLUSIVE,
        "may have lagged 0.41 s",
    ),
    # At this rate only silence of over 5 s stands out.
    ("client-outage", {**SPARSE, "objectives": {"client_outage": 4.0}}, INCONCLUSIVE, "can't be seen at this rate"),
    (
        "client-outage",
        {"outages": ((1, 10.0, 10.45), (0, FAULT, FAULT + 1)), "objectives": {"client_outage": 2.0}},
        INCONCLUSIVE,
        "commodities-1 was silent for 0.4",
    ),
    # What was found is over the objective, whatever else could not be seen.
    ("client-outage", {"rate": 3.0, "objectives": {"client_outage": 4.0}}, FAIL, "longer than the objective"),
    # The load generator's own stall is not held against the platform.
    ("client-outage", {"lag": 0.4, "objectives": {"client_outage": 6.0}}, INCONCLUSIVE, "load generator may have"),
    ("client-outage", {"outages": (), "objectives": {"min_client_outage": 1.0}}, FAIL, "Writes went on"),
    ("client-outage", {"outages": FOREVER}, FAIL, "longer than the objective"),
    ("client-outage", {"outages": FOREVER, "objectives": {"client_outage": 50.0}}, INCONCLUSIVE, "not seen to end"),
    (
        "client-outage",
        {"outages": FOREVER, "objectives": {"client_outage": None, "recovery_timeout": 30.0}},
        FAIL,
        "no longer awaited",
    ),
    ("client-outage", {"outages": ((0, FAULT, 57),), "objectives": {"client_outage": 50.0}}, INCONCLUSIVE, "5 s when"),
    ("client-outage", {"effective": False}, INCONCLUSIVE, "No fault"),
    ("client-outage", {"baseline": False}, INCONCLUSIVE, "baseline.started"),
    ("rto", {"objectives": {"rto": 6.0}}, FAIL, "later after the fault"),
    ("rto", {"outages": FOREVER}, FAIL, "later after the fault"),
    ("rto", {**SPARSE, "objectives": {"rto": 4.0}}, INCONCLUSIVE, "can't be seen at this rate"),
    ("rto", {"rate": 3.0, "objectives": {"rto": 4.0}}, FAIL, "later after the fault"),
    ("rto", {"lag": 0.4, "objectives": {"rto": 6.0}}, INCONCLUSIVE, "load generator may have"),
    ("rto", {"outages": FOREVER, "objectives": {"rto": 60.0}}, INCONCLUSIVE, "not seen to come back"),
    ("latency-p99", {"objectives": {"latency_p99": 1.0}}, FAIL, "longer than the objective"),
    ("latency-p99", {"timed_out": range(5000, 5200), "objectives": {"latency_p99": 9.0}}, FAIL, "more than 1 %"),
    (
        "cluster-healthy-after",
        {"pod_after": {"ready": False, "waiting": ["CrashLoopBackOff"]}},
        FAIL,
        "CrashLoopBackOff",
    ),
    ("cluster-healthy-after", {"pod_after": {"ready": False, "phase": "Pending"}}, FAIL, "is Pending"),
    ("cluster-healthy-after", {"pod_after": {"terminating": True}}, FAIL, "is Terminating"),
    ("cluster-healthy-after", {"pod_after": {"ready": False}}, FAIL, "is not Ready"),
    ("cluster-healthy-after", {"isr_after": (1, 2)}, FAIL, "commodities-0 has 2 of 3 replicas in sync"),
    ("cluster-healthy-after", {"recovered": False}, FAIL, "not seen to recover"),
    ("cluster-healthy-after", {"recovered": None}, INCONCLUSIVE, "not every fault was seen"),
    ("steady-state", {"steady_state": (True, False)}, FAIL, "not met again"),
    ("steady-state", {"steady_state": (False, None)}, INCONCLUSIVE, "not met before"),
    ("steady-state", {"steady_state": (True, None)}, INCONCLUSIVE, "not looked at after"),
    ("rollback-clean", {"rollback": "failed"}, FAIL, "no such pod"),
    ("rollback-clean", {"rollback": "pending"}, INCONCLUSIVE, "drill rollback"),
    ("not-stopped", {"stopped_by": "error-budget"}, FAIL, "stopped by Prometheus (up): 0"),
    ("not-stopped", {"stopped_by": "abort"}, INCONCLUSIVE, "stopped by"),
    ("not-stopped", {"stopped_by": "deadman"}, INCONCLUSIVE, "stopped by"),
    ("not-stopped", {"stopped_by": "missing"}, INCONCLUSIVE, "stopped by"),
    ("not-stopped", {"stopped_by": "blind"}, INCONCLUSIVE, "could not be watched"),
    (
        "not-stopped",
        {"conditions": {"error_budget": {"share": 0.5}}},
        INCONCLUSIVE,
        "1 of 1 stop condition",
    ),
    ("not-stopped", {"watched": [{"who": "it", "looks": 0}]}, INCONCLUSIVE, "never read"),
    ("not-stopped", {"killed": 30}, INCONCLUSIVE, "did not come to its end"),
    ("fault-effective", {"effective": False}, INCONCLUSIVE, "the pod kept its container"),
    ("fault-effective", {"faults": ()}, INCONCLUSIVE, "No fault was injected"),
    ("baseline-sane", {"baseline": False}, INCONCLUSIVE, "baseline.started"),
    ("baseline-sane", {"outages": ((1, 10.0, 10.6),), "drained_after": 0.1}, INCONCLUSIVE, "was silent for 0.6"),
    ("baseline-sane", {"outages": ((1, 19.5, 22.0),)}, INCONCLUSIVE, "Before the fault"),
    ("baseline-sane", {"outages": ((1, 21.0, 24.0),)}, INCONCLUSIVE, "commodities-1 was out, 4.0 s before it"),
    ("baseline-sane", {"outages": ((0, 1.0, 5.2),)}, INCONCLUSIVE, "of what was offered was acknowledged"),
    ("baseline-sane", {"slow": (8, 12, 1.5)}, INCONCLUSIVE, "latency was too high"),
    ("baseline-sane", {"failed": [2000]}, INCONCLUSIVE, "1 record failed"),
    ("offered-load-achieved", {"achieved": 0.95}, INCONCLUSIVE, "Fewer records"),
    ("offered-load-achieved", {"lag": 0.8}, INCONCLUSIVE, "load generator itself lagged"),
    ("offered-load-achieved", {"load_dies": True}, INCONCLUSIVE, "The load died"),
    ("offered-load-achieved", {"never_sent": range(5000, 5200)}, INCONCLUSIVE, "200 records never left the client"),
    ("achieved-over-offered", {"timed_out": range(5000, 5200)}, FAIL, "0 records failed and 200 had no answer"),
    ("achieved-over-offered", {"failed": range(5000, 5200)}, FAIL, "200 records failed and 0 had no answer"),
    ("achieved-over-offered", {"never_sent": range(5000, 5200)}, FAIL, "200 records failed"),
    ("achieved-over-offered", {"timed_out": [4], "objectives": {"achieved_over_offered": 1}}, FAIL, "1 had no answer"),
    ("achieved-over-offered", {"load_dies": True}, INCONCLUSIVE, "The load died"),
    ("drain-complete", {"drained": False}, INCONCLUSIVE, "did not end"),
    ("accounting-adds-up", {"unbooked": [7]}, INCONCLUSIVE, "do not balance: acknowledged"),
    ("run-complete", {"interrupted": True}, INCONCLUSIVE, "interrupted by SIGINT"),
    ("run-complete", {"action": "failed"}, INCONCLUSIVE, "kill-each-broker did not succeed: chaoslib.exceptions."),
    ("run-complete", {"action": "failed"}, INCONCLUSIVE, "RefusedError: 2 of 3 brokers would be down."),
    ("run-complete", {"action": "aborted"}, INCONCLUSIVE, "its status is 'aborted'"),
    ("run-complete", {"action": None}, INCONCLUSIVE, "Only 0 of 1 activities of the method"),
    ("run-complete", {"undo_action": "failed"}, INCONCLUSIVE, "undo-what-is-left did not succeed"),
    ("run-complete", {"undo_action": None}, INCONCLUSIVE, "activities of the rollbacks"),
    ("run-complete", {"killed": 30}, INCONCLUSIVE, "before it came to"),
    ("record-intact", {"altered": True}, INCONCLUSIVE, "experiment.json"),
    ("record-intact", {"killed": 30}, INCONCLUSIVE, "manifest.json"),
]

MISSING: list[tuple[str, str]] = [
    ("no-acked-record-lost", "evidence/drain.json"),
    ("no-acked-record-lost", "load"),
    ("duplicates", "load"),
    ("order-kept", "evidence/drain.json"),
    ("no-corrupt-record", "evidence/drain.json"),
    ("no-anomaly", "load/1/seen.bits"),
    ("client-outage", "load/1/rates.u32"),
    ("client-outage", "load/1/lag.u32"),
    ("rto", "load/1/lag.u32"),
    ("rto", "events.jsonl"),
    ("latency-p99", "load/1/intended.u32"),
    ("cluster-healthy-after", "evidence/cluster-after.json"),
    ("cluster-healthy-after", "evidence/cluster-before.json"),
    ("steady-state", "events.jsonl"),
    ("rollback-clean", "rollback.jsonl"),
    ("not-stopped", "events.jsonl"),
    ("fault-effective", "events.jsonl"),
    ("baseline-sane", "load/1/rates.u32"),
    ("offered-load-achieved", "load/1/lag.u32"),
    ("achieved-over-offered", "load"),
    ("achieved-over-offered", "load/1/acked.bits"),
    ("drain-complete", "evidence/drain.json"),
    ("accounting-adds-up", "load/1/twice.bits"),
    ("run-complete", "journal.json"),
    ("record-intact", "manifest.json"),
]


def _verdict(record: RunRecord, name: str) -> Verdict:
    [verdict] = [each for each in judge(record) if each.check == name]
    return verdict


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Verdict]:
    """The verdicts on a run in which all is well, every objective set."""
    objectives = {"latency_p99": 10.0}
    record = build_record(tmp_path_factory.mktemp("good"), objectives=objectives)
    return {verdict.check: verdict for verdict in judge(record)}


def test_each_check_has_negative_controls() -> None:
    """No check is without a record that it does not pass, and one that lacks what it needs."""
    assert {name for name, *_ in SPOILED} == NAMES
    assert {name for name, _ in MISSING} == NAMES


@pytest.mark.parametrize("name", sorted(NAMES))
def test_good_run_passes(good: dict[str, Verdict], name: str) -> None:
    """With a target, what was measured, the files it rests on, and one sentence."""
    verdict = good[name]
    assert verdict.outcome is Outcome.PASS, verdict.reason
    assert verdict.target
    assert verdict.actual
    assert verdict.evidence
    assert verdict.reason.endswith(".")


@pytest.mark.parametrize(("name", "wrong", "outcome", "words"), SPOILED, ids=lambda value: str(value)[:40])
def test_spoiled_run_does_not_pass(
    tmp_path: Path, name: str, wrong: dict[str, Any], outcome: Outcome, words: str
) -> None:
    """What is wrong is told apart from what is not known, and the reason names it."""
    verdict = _verdict(build_record(tmp_path, **wrong), name)
    assert verdict.outcome is outcome, verdict.reason
    assert words in verdict.reason


@pytest.mark.parametrize("known_by", ["tags", "method", "evidence"])
def test_a_restore_that_nothing_holds_to_its_data_never_passes(tmp_path: Path, known_by: str) -> None:
    """However well its clients were served; with an RPO, the checks of a restore are asked as well."""
    provider = {"type": "python", "module": "experiments.velero", "func": "restore_into_scratch"}
    experiments = {
        "tags": {"tags": ["velero", "restore"], "method": []},
        "method": {"method": [{"type": "action", "name": "restore", "provider": provider}]},
    }
    for number, rpo in enumerate((None, 900)):
        record = build_record(tmp_path / str(number), objectives={"rpo": rpo})
        if known_by == "evidence":
            record.write_evidence("restore-found", {})
        else:
            record.write_json("experiment.json", experiments[known_by])
        verdicts = {each.check: each for each in judge(RunRecord.open(record.path))}
        assert overall([each for each in verdicts.values() if each.check != "record-intact"]) is INCONCLUSIVE
        assert ("tables-as-backed-up" in verdicts) is (rpo is not None)
        assert ("nothing judged what came back" in verdicts["run-complete"].reason) is (rpo is None)


@pytest.mark.parametrize(("name", "path"), MISSING)
def test_missing_data_is_inconclusive(tmp_path: Path, name: str, path: str) -> None:
    """Never a pass, and the reason names no path of this machine."""
    record = build_record(tmp_path, objectives={"latency_p99": 10.0})
    left_out = record.path / path
    left_out.rename(tmp_path / "left-out")
    verdict = _verdict(RunRecord.open(record.path), name)
    assert verdict.outcome is INCONCLUSIVE, verdict.reason
    assert str(tmp_path) not in verdict.reason
    assert "broke" not in verdict.reason


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("no-acked-record-lost", {"lost": [4, 7], "objectives": {"lost_records": 2}}),
        ("duplicates", {"twice": [4], "objectives": {"duplicates": 1}}),
        ("no-anomaly", {"failed": [4]}),
        ("no-acked-record-lost", {"timed_out": [4], "timed_out_seen": []}),
        ("no-anomaly", {"timed_out": [4], "timed_out_seen": [4]}),
        ("accounting-adds-up", {"failed": [4], "timed_out": [7, 9], "timed_out_seen": [9], "twice": [11]}),
        ("client-outage", {"outages": ()}),
        ("rto", {"outages": ()}),
        ("client-outage", {"faults": (15, 35), "outages": ((0, 15, 18), (1, 35, 41))}),
        ("rollback-clean", {"rollback": "none"}),
        ("baseline-sane", {"rate": 3.0}),
        ("offered-load-achieved", {"producers": 2}),
        ("client-outage", {"rate": 3.0, "outages": ()}),
        ("client-outage", {"outages": EVERYWHERE, "objectives": {"min_client_outage": 6.0}}),
        ("achieved-over-offered", {"timed_out": [4, 7], "failed": [9], "producers": 2}),
        ("offered-load-achieved", {"never_sent": [5000]}),
        ("offered-load-achieved", {"timed_out": range(5000, 5200), "objectives": {"achieved_over_offered": 1}}),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_allowed_passes(tmp_path: Path, name: str, allowed: dict[str, Any]) -> None:
    """What the objectives or the contract of the accounting allow is no fault of the platform."""
    verdict = _verdict(build_record(tmp_path, **allowed), name)
    assert verdict.outcome is Outcome.PASS, verdict.reason


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"started": 0.0}, "after the load's last flush"),
        ({"partitions": {"0": {"end": 9000}}}, "offsets were not reached"),
        ({"partitions": {"0": {"end": 9000, "reached": 9000}}}, "offsets were skipped"),
        ({"partitions": {"2": None}}, "partition 2 was not read"),
    ],
)
def test_drain_that_contradicts_itself_is_not_complete(tmp_path: Path, wrong: dict[str, Any], words: str) -> None:
    """That the drain says that it is complete is not enough, for it nor for what rests on it."""
    record = build_record(tmp_path)
    drain = record.evidence("drain")
    for partition, different in wrong.pop("partitions", {}).items():
        drain["partitions"][partition] = different and drain["partitions"][partition] | different
    drain |= wrong
    drain["partitions"] = {partition: each for partition, each in drain["partitions"].items() if each}
    record.write_evidence("drain", drain)
    for name in ("drain-complete", "no-acked-record-lost", "duplicates", "order-kept"):
        verdict = _verdict(record, name)
        assert verdict.outcome is INCONCLUSIVE, name
        assert words in verdict.reason


def test_undo_that_failed_after_the_run_is_seen_in_its_log(tmp_path: Path) -> None:
    """`drill rollback` of a killed run writes the log only."""
    record = build_record(tmp_path, rollback="pending")
    with (record.path / "rollback.jsonl").open("a") as log:
        log.write('{"op": "failed", "id": "r0", "error": "no such pod", "t": 1.0}\n')
    verdict = _verdict(record, "rollback-clean")
    assert (verdict.outcome, "no such pod" in verdict.reason) == (FAIL, True)


def test_rollback_log_that_could_not_be_used_is_a_failure(tmp_path: Path) -> None:
    """An undo that was not even tried is one that failed."""
    record = build_record(tmp_path)
    record.emit("rollback", "rollback.failed", id=None, error="not a line of a rollback log")
    verdict = _verdict(RunRecord.open(record.path), "rollback-clean")
    assert (verdict.outcome, "the rollback log" in verdict.reason) == (FAIL, True)


def test_losses_are_listed(tmp_path: Path) -> None:
    """With partition, sequence numbers and times, and how far back they reach."""
    details = _verdict(build_record(tmp_path, lost=range(4800, 4830, 3)), "no-acked-record-lost").details
    [interval] = details["intervals"]
    assert (interval["partition"], interval["first_seq"], interval["count"]) == (0, 4800, 10)
    assert details["rpo"] == pytest.approx(1.0)


def test_lower_bound_is_shown_as_one(tmp_path: Path) -> None:
    """An outage without an end reads `at least`."""
    assert _verdict(build_record(tmp_path, outages=FOREVER), "client-outage").actual == "at least 35.01 s"


def test_path_that_went_on_is_what_was_measured(tmp_path: Path) -> None:
    """Where writes had to stop on every path, the least silent one is the measure, not the worst."""
    outages = (*EVERYWHERE[:2], (2, FAULT, FAULT + 2))
    verdict = _verdict(build_record(tmp_path, outages=outages, objectives={"min_client_outage": 5.0}), "client-outage")
    assert verdict.actual is not None
    assert verdict.actual.endswith(" s on commodities-2")
    assert float(verdict.actual.split()[0]) == pytest.approx(2.0, abs=0.05)
    assert verdict.details["silences"]["commodities-0"] == pytest.approx(6.3, abs=0.05)


def test_producer_that_does_not_say_what_it_never_sent_is_inconclusive(tmp_path: Path) -> None:
    """Without its last word, what was attempted is not known to have been sent."""
    record = build_record(tmp_path)
    events = record.path / "events.jsonl"
    events.write_text(events.read_text().replace('"refusals"', '"others"'))
    verdict = _verdict(RunRecord.open(record.path), "offered-load-achieved")
    assert (verdict.outcome, "whether producer 1 sent" in verdict.reason.lower()) == (INCONCLUSIVE, True)


@pytest.mark.parametrize("name", Objectives.model_fields)
@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_objective_is_a_finite_number(name: str, value: float) -> None:
    """An infinite objective is one that cannot fail."""
    with pytest.raises(ValidationError):
        Objectives.model_validate({name: value})


def test_every_injected_fault_must_prove_itself(tmp_path: Path) -> None:
    """A turn of a rolling kill whose effect nobody saw, nor its absence, leaves the run undecided."""
    record = build_record(tmp_path, faults=(15, 35), outages=())
    assert _verdict(record, "fault-effective").outcome is Outcome.PASS
    target = {"kind": "pod", "name": "datahub-kafka-kafka-pool-2"}
    record.emit("experiment", "fault.injected", fault="kill_each_broker", target=target, method="sigkill")
    verdict = _verdict(RunRecord.open(record.path), "fault-effective")
    assert (verdict.outcome, verdict.actual) == (INCONCLUSIVE, "2 of 3")
