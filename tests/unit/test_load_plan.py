"""The load plan, and the command and environment that it becomes."""

from argparse import Namespace
from pathlib import Path

import pytest
import yaml
from configargparse import ArgumentParser  # type: ignore[import-untyped]
from pydantic import TypeAdapter, ValidationError

from drill.record import RECORD_VARIABLE, RunRecord
from drill.settings import Settings
from load import _session
from load.plan import PROFILES, LoadPlan, Loads
from load.process import command


def _options(environment: dict[str, str], *arguments: str) -> Namespace:
    parser = ArgumentParser()
    _session.add_arguments(parser)
    options: Namespace = parser.parse_args(list(arguments), env_vars=environment)
    return options


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        ({"acks": "1"}, "needs acks"),
        ({"warm_up": 30, "baseline": 30, "duration": 60}, "no time for the fault"),
        ({"rate": 0}, "greater than 0"),
        ({"speed": 1}, "Extra inputs"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(plan: dict[str, object], message: str) -> None:
    """Each mistake is named."""
    with pytest.raises(ValidationError, match=message):
        LoadPlan.model_validate(plan)


MIX = [{"profile": "commodity_prices", "topic": "x"}, {"profile": "postgres_transactions", "rate": 7}]


def test_one_load_need_not_be_a_list() -> None:
    """As every scenario's was before there could be several, and as it is written down again."""
    loads = TypeAdapter(Loads)
    one = loads.validate_python({"topic": "x"})
    assert one == loads.validate_python([{"profile": "commodity_prices", "topic": "x"}])
    assert isinstance(one[0], LoadPlan)
    assert loads.dump_python(one)["topic"] == "x"
    assert [each["profile"] for each in loads.dump_python(loads.validate_python(MIX))] == list(PROFILES)[:2]


@pytest.mark.parametrize(
    ("loads", "message"),
    [
        ([], "at least one load"),
        ([*MIX, MIX[1]], "several of: postgres_transactions"),
        ([MIX[0], MIX[1] | {"baseline": 9}], r"same value in each \(it is 9, 15 s\)"),
        ([{"profile": "web"}], "'web'"),
        ([{"profile": "postgres_transactions", "topic": "x"}], "Extra inputs"),
        ([{"profile": "dolphinscheduler_api", "starts": 1}], "less than 1"),
    ],
)
def test_a_mix_that_makes_no_sense_is_refused(loads: list[dict[str, object]], message: str) -> None:
    """The loads of a scenario are of different profiles, and share one schedule."""
    with pytest.raises(ValidationError, match=message):
        TypeAdapter(Loads).validate_python(loads)


@pytest.mark.parametrize("profile", PROFILES)
def test_each_profile_has_its_locust_file_and_its_options(profile: str, tmp_path: Path) -> None:
    """What the runner's plan says is what the Locust file reads from the environment."""
    kind = PROFILES[profile]
    plan = kind.model_validate({"profile": profile, "rate": 12.5})
    argv, environment = command(plan, RunRecord(tmp_path), Settings(), "the-run")
    parser = ArgumentParser()
    _session.add_arguments(parser, kind)
    options = parser.parse_args([], env_vars=environment)
    assert _session.plan_of(kind, options) == plan
    assert Path(argv[argv.index("-f") + 1]).is_file()


def test_the_plan_reaches_the_locust_file(tmp_path: Path) -> None:
    """What the runner's plan says of producing is what the Locust file reads from the environment."""
    plan = LoadPlan(rate=123.5, topic="x", acks="1", idempotence=False, linger_ms=0.5, delivery_timeout=7, workers=2)
    argv, environment = command(plan, RunRecord(tmp_path), Settings(), "the-run")
    options = _options(environment)
    read = _session.plan(options)
    assert read == LoadPlan.model_validate(plan.model_dump(include=set(_session.ours(LoadPlan))))
    assert options.run_id == "the-run"
    assert environment[RECORD_VARIABLE] == str(tmp_path)
    assert argv[argv.index("--users") + 1] == "2"
    assert Path(argv[argv.index("-f") + 1]).is_file()


def test_a_flag_beats_the_environment() -> None:
    """By hand, a flag has the last word."""
    assert _session.plan(_options({"DRILL_LOAD_RATE": "5"}, "--rate", "6")).rate == 6
    assert _session.plan(_options({"DRILL_LOAD_RATE": "5"})).rate == 5
    assert _session.plan(_options({})) == LoadPlan()


def test_a_run_by_hand_begins_its_own_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a record the load makes one that readers open."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(RECORD_VARIABLE, raising=False)
    options = _options({})
    options.num_users = 3
    _session.begin_record(options)
    record = RunRecord.open(Path(options.record))
    assert record.path.parent == tmp_path / "runs" / "locust"
    assert LoadPlan.model_validate(record.scenario["load"]) == LoadPlan()
    assert yaml.safe_load((record.path / "scenario.yaml").read_text())["name"] == "locust"
    assert options.producers == 3


def test_a_run_in_a_record_uses_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Inside a run the environment names the record."""
    monkeypatch.setenv(RECORD_VARIABLE, str(tmp_path))
    options = _options({})
    options.num_users = None
    _session.begin_record(options)
    assert (options.record, options.producers) == (str(tmp_path), 1)
