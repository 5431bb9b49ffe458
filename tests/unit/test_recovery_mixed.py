"""A run under several loads: each stream and each service is judged by itself, the platform by its slowest service."""

import math
from pathlib import Path
from typing import Any

import pytest

from drill.ledger import streams
from drill.record import RunRecord
from drill.verdicts import Outcome, Verdict
from recovery import judge, timeline
from tests.unit.mixed import BACK, build_mixed
from tests.unit.records import FAULT, START

LENIENT = {"achieved_over_offered": 0.5}


def _judged(record: RunRecord) -> dict[str, Verdict]:
    return {verdict.check: verdict for verdict in judge(record)}


def _mixed(tmp_path: Path, objectives: dict[str, Any] | None = None, **more: Any) -> RunRecord:
    return build_mixed(tmp_path, objectives={**LENIENT, **(objectives or {})}, **more)


def test_a_good_mix_passes_every_check(tmp_path: Path) -> None:
    """Four streams, three services, one verdict a check."""
    verdicts = _judged(_mixed(tmp_path))
    assert {each.outcome for each in verdicts.values()} == {Outcome.PASS}
    assert "postgres: 0 of 2,801 acknowledged" in str(verdicts["no-acked-record-lost"].actual)


def test_a_run_without_kafka_passes_too(tmp_path: Path) -> None:
    """It has no topic, no replicas and no order to keep."""
    verdicts = _judged(_mixed(tmp_path, kafka=False, only=["postgres"]))
    assert {each.outcome for each in verdicts.values()} == {Outcome.PASS}
    assert "order-kept" not in verdicts
    assert verdicts["no-acked-record-lost"].target == "<= 0 transactions"
    assert "replicas" not in str(verdicts["cluster-healthy-after"].target)


def test_streams_have_their_paths(tmp_path: Path) -> None:
    """Partitions of a topic, and one for whatever has none."""
    found = streams(_mixed(tmp_path))
    assert [path for stream in found for path in stream.paths] == [
        "commodities-0",
        "commodities-1",
        "commodities-2",
        "postgres",
        "dolphinscheduler-api",
        "workflows",
    ]


def test_the_platform_is_as_late_as_its_slowest_service(tmp_path: Path) -> None:
    """Each service has a time of its own; a rare path a threshold that fits its pace, and an error of that pace."""
    line = timeline(_mixed(tmp_path))
    services = {service.name: service for service in line.services}
    assert list(services) == ["kafka", "postgres", "dolphinscheduler"]
    for name, path in (("postgres", "postgres"), ("dolphinscheduler", "workflows")):
        assert services[name].rto == pytest.approx(BACK[path] - FAULT, abs=0.02)
        assert services[name].t5 == pytest.approx(START + BACK[path], abs=0.02)
    assert line.rto == services["dolphinscheduler"].rto
    assert line.t5 == services["dolphinscheduler"].t5
    paths = {path.name: path for path in line.paths}
    assert paths["workflows"].threshold > paths["postgres"].threshold == paths["commodities-0"].threshold
    assert paths["workflows"].sustained == 2 * paths["workflows"].threshold
    assert services["dolphinscheduler"].error == pytest.approx(1.01, abs=0.01)
    assert line.recovered


def test_an_optional_service_is_not_the_platforms(tmp_path: Path) -> None:
    """Measured all the same, and awaited by the runner, but in no objective of the platform."""
    optional = {"rto": 7.0, "services": {"dolphinscheduler": {"mandatory": False}}}
    record = _mixed(tmp_path, optional, back={"workflows": math.inf})
    line, verdicts = timeline(record), _judged(record)
    assert line.rto == pytest.approx(6.3, abs=0.02)
    assert not line.recovered
    assert verdicts["rto"].outcome is verdicts["client-outage"].outcome is Outcome.PASS
    assert "dolphinscheduler" not in str(verdicts["rto"].actual)


@pytest.mark.parametrize(
    ("objectives", "check", "outcome", "said"),
    [
        ({"rto": 20.0, "services": {"postgres": {"rto": 3.0}}}, "rto", Outcome.FAIL, "postgres:"),
        ({"rto": 3.0, "services": {"kafka": {"rto": 20.0}}}, "rto", Outcome.FAIL, "dolphinscheduler:"),
        ({"rto": 7.0, "services": {"dolphinscheduler": {"rto": 20.0}}}, "rto", Outcome.PASS, "kafka:"),
        ({"rto": 8.5}, "rto", Outcome.INCONCLUSIVE, "dolphinscheduler:"),
        ({"services": {"postgres": {"client_outage": 1.0}}}, "client-outage", Outcome.FAIL, "postgres:"),
        ({"services": {"kafka": {"min_client_outage": 3.0}}}, "client-outage", Outcome.FAIL, "commodities-1"),
        ({"services": {"postgres": {"min_client_outage": 3.0}}}, "client-outage", Outcome.PASS, "postgres:"),
        (
            {"services": {"postgres": {"latency_p99": 0.001}}},
            "latency-p99",
            Outcome.FAIL,
            "no p99",
        ),
    ],
)
def test_a_service_is_held_to_its_own_objectives(
    tmp_path: Path, objectives: dict[str, Any], check: str, outcome: Outcome, said: str
) -> None:
    """Its own come before the platform's; another's do not matter to it."""
    verdict = _judged(_mixed(tmp_path, objectives))[check]
    assert verdict.outcome is outcome
    assert said in f"{verdict.reason} {verdict.actual}"


@pytest.mark.parametrize(
    ("spoilt", "check", "outcome", "said"),
    [
        (
            {"lost": {"postgres": [5, 6]}},
            "no-acked-record-lost",
            Outcome.FAIL,
            "postgres: 2 acknowledged transactions",
        ),
        ({"lost": {"workflows": [3]}}, "no-acked-record-lost", Outcome.FAIL, "workflows: 1 acknowledged workflow not"),
        ({"twice": {"workflows": [3]}}, "duplicates", Outcome.FAIL, "workflows: 1 workflow seen more than once"),
        ({"unread": ["workflows"]}, "no-acked-record-lost", Outcome.INCONCLUSIVE, "workflows: Whether workflows were"),
        ({"unread": ["postgres"]}, "drain-complete", Outcome.INCONCLUSIVE, "postgres: The table was not read back"),
        ({"back": {"postgres": math.inf}}, "rto", Outcome.FAIL, "postgres:"),
        ({"corrupt": 2}, "no-corrupt-record", Outcome.FAIL, "commodities: 2 records"),
        ({"achieved": 0.9}, "offered-load-achieved", Outcome.INCONCLUSIVE, "commodities: Fewer records"),
    ],
)
def test_what_one_stream_lacks_is_told_of_it(
    tmp_path: Path, spoilt: dict[str, Any], check: str, outcome: Outcome, said: str
) -> None:
    """By name, and the others do not hide it."""
    verdict = _judged(_mixed(tmp_path, **spoilt))[check]
    assert (verdict.outcome, said in verdict.reason) == (outcome, True), verdict.reason


def test_a_failure_beats_the_doubt_about_another_stream(tmp_path: Path) -> None:
    """What is known to be lost is lost, whatever was not read elsewhere."""
    verdict = _judged(_mixed(tmp_path, lost={"postgres": [5]}, unread=["workflows"]))["no-acked-record-lost"]
    assert verdict.outcome is Outcome.FAIL
    assert verdict.reason.startswith("postgres: 1 acknowledged transaction")
    assert verdict.details["parts"]["workflows"]["outcome"] == "inconclusive"


def test_reads_are_never_lost(tmp_path: Path) -> None:
    """Nothing of them can be found, and nothing has to."""
    verdicts = _judged(_mixed(tmp_path, only=["dolphinscheduler-api"], kafka=False))
    for check in ("no-acked-record-lost", "duplicates", "accounting-adds-up"):
        assert verdicts[check].outcome is Outcome.INCONCLUSIVE
    assert verdicts["client-outage"].outcome is Outcome.PASS


def test_no_answer_is_neither_failed_nor_lost(tmp_path: Path) -> None:
    """The books still balance."""
    verdicts = _judged(_mixed(tmp_path, indeterminate=True))
    assert verdicts["no-acked-record-lost"].outcome is verdicts["accounting-adds-up"].outcome is Outcome.PASS
    assert "postgres: 3,001 = 2,801 + 0 + 200" in str(verdicts["accounting-adds-up"].actual)


def test_a_service_that_is_not_whole_after_the_drill_is_told(tmp_path: Path) -> None:
    """By its own word, or inconclusive where it gave none."""
    record = _mixed(tmp_path)
    after = record.evidence("cluster-after")
    record.write_evidence("cluster-after", after | {"dolphinscheduler": {"status": "DOWN"}})
    assert "health is DOWN" in _judged(record)["cluster-healthy-after"].reason
    del after["postgres"]
    record.write_evidence("cluster-after", after | {"error": "postgres: connection refused"})
    verdict = _judged(record)["cluster-healthy-after"]
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "connection refused" in verdict.reason
