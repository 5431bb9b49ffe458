"""The time line of a run: measured where it can be, and a reason where it can't."""

from pathlib import Path

import numpy as np
import pytest

from recovery import Timeline, timeline
from tests.unit.records import BROKER_BACK, END, FAULT, RECOVERED, START, build_record


def _after_start(line: Timeline, name: str) -> float:
    value = getattr(line, name)
    assert value is not None, line.unmeasured.get(name)
    return float(value) - START


def test_instants_of_a_leader_kill(tmp_path: Path) -> None:
    """t0 to t6 of the synthetic run are where it puts them, to 100 ms and better."""
    line = timeline(build_record(tmp_path))
    for name, expected in (
        ("t0", FAULT),
        ("t1", FAULT),
        ("t4", BROKER_BACK),
        ("t5", RECOVERED),
        ("t6", RECOVERED + 1.5),
    ):
        assert _after_start(line, name) == pytest.approx(expected, abs=0.05), name
    assert line.outage == pytest.approx(6.3, abs=0.03)
    assert line.rto == pytest.approx(6.3, abs=0.03)
    assert line.hidden == pytest.approx(RECOVERED - BROKER_BACK, abs=0.03)
    assert line.error == pytest.approx(0.0102, abs=1e-5)
    assert line.recovered
    assert [outage.path for outage in line.outages] == ["commodities-0"]
    assert [outage.silence for outage in line.outages] == [pytest.approx(6.3, abs=0.03)]


def test_what_was_not_measured_has_a_reason(tmp_path: Path) -> None:
    """Without an alert, an operator and a loss there is no t2, t3 and RPO, and it says why."""
    line = timeline(build_record(tmp_path))
    unknown = {name for name in Timeline.model_fields if getattr(line, name) is None}
    assert unknown == {"t2", "t3", "rpo"} == set(line.unmeasured)


def test_no_outage_is_zero(tmp_path: Path) -> None:
    """When no path falls silent, the outage is 0 and t5 is t0."""
    line = timeline(build_record(tmp_path, outages=()))
    assert (line.outage, line.rto, line.outage_total) == (0, 0, 0)
    assert line.t5 == line.t0
    assert line.t1 is None
    assert line.recovered


def test_rolling_kill_lists_every_outage(tmp_path: Path) -> None:
    """Each outage is held against its own fault; the longest counts, and the sum is told."""
    record = build_record(tmp_path, faults=(15, 35), outages=((0, 15, 18), (1, 35.5, 41)))
    line = timeline(record)
    assert [outage.path for outage in line.outages] == ["commodities-0", "commodities-1"]
    assert [outage.t0 for outage in line.outages] == [START + 15, START + 35]
    assert line.outage == pytest.approx(5.5, abs=0.03)
    assert line.rto == pytest.approx(6.0, abs=0.03)
    assert line.outage_total == pytest.approx(8.5, abs=0.06)
    assert _after_start(line, "t0") == 35


def test_fault_that_is_proven_late_still_ends_before_the_next(tmp_path: Path) -> None:
    """A proof that comes after the recovery does not make one episode of two."""
    outages = ((0, 15, 18), (1, 35.5, 41))
    line = timeline(build_record(tmp_path, faults=(15, 35), outages=outages, proven_after=14.5))
    assert line.rto == pytest.approx(6.0, abs=0.03)


def test_overlapping_faults_are_one_episode(tmp_path: Path) -> None:
    """Two brokers down at once: the outage counts from the first of the faults."""
    line = timeline(build_record(tmp_path, faults=(25, 30), outages=((0, 30.2, 41), (1, 30.2, 40.5))))
    assert _after_start(line, "t0") == 25
    assert line.outage == pytest.approx(10.8, abs=0.03)
    assert line.rto == pytest.approx(16, abs=0.03)
    assert line.outage_total == pytest.approx(10.8, abs=0.03)


@pytest.mark.parametrize(("until", "at_least"), [(np.inf, END - FAULT), (57.0, 57 - FAULT)])
def test_outage_without_an_end_has_only_a_lower_bound(tmp_path: Path, until: float, at_least: float) -> None:
    """What was not seen to be good for long enough is never shown as measured."""
    line = timeline(build_record(tmp_path, outages=((0, FAULT, until),)))
    assert (line.outage, line.rto, line.t5, line.hidden, line.outage_total) == (None,) * 5
    assert line.outage_at_least == pytest.approx(at_least, abs=0.05)
    assert line.rto_at_least == pytest.approx(at_least, abs=0.05)
    assert "had not been good for 5 s" in line.unmeasured["outage"]
    assert not line.recovered


def test_backlog_that_stays_is_no_t6(tmp_path: Path) -> None:
    """A path that never comes back has no t6."""
    line = timeline(build_record(tmp_path, outages=((0, FAULT, np.inf),)))
    assert line.t6 is None
    assert "commodities-0" in line.unmeasured["t6"]


def test_backlog_without_an_outage_is_seen(tmp_path: Path) -> None:
    """A slow path that never falls silent has its t6 when it has caught up."""
    line = timeline(build_record(tmp_path, outages=(), slow=(27, 33, 0.2)))
    assert line.outage == 0
    assert _after_start(line, "t6") == pytest.approx(33.1, abs=0.2)


def test_pods_that_stay_away_are_no_t4(tmp_path: Path) -> None:
    """Without all pods Ready again there is no t4 and nothing that the control plane hid."""
    line = timeline(build_record(tmp_path, recovered=False))
    assert line.t4 is None
    assert line.hidden is None
    assert line.t5 is not None


def test_rpo_reaches_back_to_the_oldest_lost_record(tmp_path: Path) -> None:
    """Records due from 24 s on were lost, and the fault was at 25 s: one second of data."""
    line = timeline(build_record(tmp_path, lost=range(4800, 5100, 3)))
    assert line.rpo == pytest.approx(1.0, abs=0.001)


def test_rpo_is_unknown_when_the_topic_was_not_read_to_its_end(tmp_path: Path) -> None:
    """What was not read is not lost."""
    line = timeline(build_record(tmp_path, lost=range(4800, 5100, 3), drained=False))
    assert line.rpo is None
    assert "not read to its end" in line.unmeasured["rpo"]


@pytest.mark.parametrize(
    ("missing", "unknown"),
    [
        ("load", {"t1", "t5", "t6", "outage", "rto", "hidden", "error"}),
        ("events.jsonl", {"t0", "t1", "t4", "t5", "t6", "outage", "rto", "hidden"}),
    ],
)
def test_missing_data_is_told_not_raised(tmp_path: Path, missing: str, unknown: set[str]) -> None:
    """A record that lacks something has a time line that says so, with no path of this machine in it."""
    line = timeline(build_record(tmp_path, omit=[missing]))
    for name in unknown:
        assert getattr(line, name) is None, name
        assert str(tmp_path) not in line.unmeasured[name]
    assert not line.recovered


def test_without_an_effective_fault_there_is_no_outage_of_it(tmp_path: Path) -> None:
    """Silence that no fault precedes is listed for its path, and is nobody's recovery time."""
    line = timeline(build_record(tmp_path, effective=False))
    assert (line.t0, line.outage, line.rto) == (None, None, None)
    assert [outage.t0 for outage in line.paths[0].outages] == [None]


def test_live_record_is_not_recovered_during_the_outage(tmp_path: Path) -> None:
    """The runner asks while the load runs: five seconds into the outage, and long after a kill of the harness."""
    assert not timeline(build_record(tmp_path / "during", killed=30)).recovered
    assert not timeline(build_record(tmp_path / "soon", killed=33)).recovered
    assert timeline(build_record(tmp_path / "after", killed=39)).recovered


def test_several_workers_are_one_client(tmp_path: Path) -> None:
    """Two load workers give the time line of one."""
    line = timeline(build_record(tmp_path, producers=2))
    assert line.outage == pytest.approx(6.3, abs=0.06)
