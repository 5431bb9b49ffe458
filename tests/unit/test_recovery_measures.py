"""What a run is compared by, under which conditions, and which checks it will be judged by before it is made."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

import recovery
from drill.errors import RecordIncompleteError
from drill.record import RunRecord
from gate._conditions import conditions, differences
from scenarios import reader
from tests.unit.mixed import build_mixed
from tests.unit.records import FAULT, RECOVERED, build_record


def _of(record: RunRecord) -> dict[str, recovery.Measure]:
    return {each.name + (f" {each.of}" if each.of else ""): each for each in recovery.measures(record)}


def test_each_measure_is_what_was_put_in(tmp_path: Path) -> None:
    """Known outage, known rate; the latency is that of the backlog."""
    found = _of(build_record(tmp_path))
    assert found["rto"].value == pytest.approx(RECOVERED - FAULT, abs=0.05)
    assert found["client_outage"].value == pytest.approx(RECOVERED - FAULT, abs=0.05)
    assert found["throughput commodities"].value == pytest.approx(200, rel=0.01)
    assert found["latency_p99 commodities"].value == pytest.approx(5, abs=1)
    assert found["latency_p99 commodities"].error == pytest.approx(0.05, abs=0.01)


def test_what_was_not_measured_has_a_reason_and_no_value(tmp_path: Path) -> None:
    """No fault took effect: no RTO, and not one of zero. No end was seen: no length, and not that of the record."""
    unproven = _of(build_record(tmp_path / "a", effective=False))
    assert unproven["rto"].value is None
    assert "no fault" in str(unproven["rto"].why)
    open_ended = _of(build_record(tmp_path / "b", outages=((0, 25.0, float("inf")),)))
    assert open_ended["client_outage"].value is None
    assert open_ended["latency_p99 commodities"].value is None
    assert "never acknowledged" in str(open_ended["latency_p99 commodities"].why)


def test_a_run_without_books_has_no_measure_of_its_clients(tmp_path: Path) -> None:
    """The load's folder is gone."""
    found = _of(build_record(tmp_path, omit=["load"]))
    assert {name: each.value for name, each in found.items()} == dict.fromkeys(
        ("rto", "client_outage", "latency_p99", "throughput")
    )


def test_throughput_falls_with_what_is_never_acknowledged(tmp_path: Path) -> None:
    """A partition that is out to the end acknowledges a third less from then on."""
    found = _of(build_record(tmp_path, outages=((0, 25.0, float("inf")),)))
    assert found["throughput commodities"].value == pytest.approx(200 * (1 - 35 / 55 / 3), rel=0.02)


@pytest.mark.parametrize("mixed", [False, True])
def test_what_is_expected_is_what_judges(tmp_path: Path, mixed: bool) -> None:
    """No check judges a run of which nobody knew before it was made."""
    record = build_mixed(tmp_path) if mixed else build_record(tmp_path)
    expected = recovery.expected(record.scenario, record.experiment)
    assert {verdict.check for verdict in recovery.judge(record)} <= set(expected)
    assert "rto" in expected
    other = build_record(tmp_path / "b")
    assert "latency-p99" not in recovery.expected(other.scenario, other.experiment)


def test_without_clients_nothing_is_expected_of_them(tmp_path: Path) -> None:
    """And what the scenario brings along is expected by its name."""
    record = build_record(tmp_path)
    checks = ["recovery._checks_stop.not_stopped", "my.no_alert"]
    expected = recovery.expected({**record.scenario, "load": [], "checks": checks}, record.experiment)
    assert not {"rto", "no-acked-record-lost", "baseline-sane"} & set(expected)
    assert expected[-2:] == ("not-stopped", "no-alert")


@pytest.mark.parametrize(
    ("scenario", "there", "absent"),
    [
        ("broker-kill", "rto", ("loss-found-by-metadata", "lakehouse-", "kafka-")),
        ("restore-drill", "rpo", ("kafka-", "markers-")),
        ("object-store-loss", "loss-found-by-metadata", ("markers-",)),
        ("kafka-loss", "kafka-cluster-kept", ("markers-",)),
    ],
)
def test_a_check_that_is_about_something_else_is_not_expected(
    scenario: str, there: str, absent: tuple[str, ...]
) -> None:
    """Its item would only ever be skipped."""
    drill = reader.read(reader.find(scenario))
    expected = recovery.expected(drill.scenario.model_dump(mode="json"), drill.experiment)
    assert there in expected
    assert [each for each in expected if each.startswith(absent)] == []


def test_what_a_plan_cannot_tell_is_expected() -> None:
    """Its verdict may be there: none may be lost."""

    def untold(run: recovery.Run) -> bool:
        return bool(run.record.events)

    drill = reader.read(reader.find("broker-kill"))
    mine = recovery.check(target="no alert", applies=untold)(lambda _run: recovery.passed("well"))
    with TemporaryDirectory() as folder:
        planned = RunRecord(Path(folder))
        planned.write_text("scenario.yaml", drill.scenario.model_dump_json())
        assert mine.expected(recovery.Run(planned))


def test_the_same_conditions_are_the_same(tmp_path: Path) -> None:
    """Two runs of one scenario on one cluster; the random seed is none of them."""
    one, other = (conditions(build_record(tmp_path / name)) for name in ("a", "b"))
    assert differences(one, other) == {}


def test_each_difference_is_told(tmp_path: Path) -> None:
    """What was done, and with what; a machine's memory may differ by next to nothing."""
    one = conditions(build_record(tmp_path / "a"))
    load = conditions(build_record(tmp_path / "b", rate=400))
    assert set(differences(one, load)) == {"load"}
    other = {**one, "machine": {**one["machine"], "memory": [value * 1.001 for value in one["machine"]["memory"]]}}
    assert differences(one, other) == {}
    other = {**one, "machine": {**one["machine"], "memory": [value * 1.1 for value in one["machine"]["memory"]]}}
    assert set(differences(one, other)) == {"machine"}
    other = {**one, "machine": {**one["machine"], "cpus": [*one["machine"]["cpus"], "2"]}}
    assert set(differences(one, other)) == {"machine"}
    other = {**one, "kubernetes": {**one["kubernetes"], "server": "v1.36.0"}}
    assert differences(one, other) == {"kubernetes": ('kubernetes.server is "v1.35.4", and was "v1.36.0"',)}
    lacking = {**one, "harness": {name: value for name, value in one["harness"].items() if name != "cpus"}}
    assert differences(one, lacking) == {"harness": ("harness.cpus is 2, and was not said",)}


def test_a_record_that_does_not_say_its_conditions_is_not_taken_for_the_same(tmp_path: Path) -> None:
    """Nothing is assumed of what is not there."""
    with pytest.raises(RecordIncompleteError, match=r"manifest\.json"):
        conditions(build_record(tmp_path, omit=["evidence"], killed=40.0))
