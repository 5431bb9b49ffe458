"""A mistake in a scenario file is told with file, line, field and remedy; all of them at once; nothing is touched."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from drill.errors import InputError, Mistake
from scenarios import reader
from scenarios._locate import Document

GOOD = reader.CATALOGUE / "broker-kill-leader.yaml"
STEADY_STATE = {
    "title": "Nothing is offline",
    "probes": [
        {
            "name": "offline",
            "type": "probe",
            "tolerance": 0,
            "provider": {"type": "python", "module": "experiments.kafka", "func": "offline_partitions"},
        }
    ],
}


def _mistakes(path: Path) -> list[Mistake]:
    with pytest.raises(InputError) as caught:
        reader.read(path)
    return list(caught.value.mistakes)


def _changed(tmp_path: Path, **changes: Any) -> Path:
    content = yaml.safe_load(GOOD.read_text()) | {"hypothesis": copy.deepcopy(STEADY_STATE)}
    for dotted, value in changes.items():
        *parents, last = dotted.split("__")
        node = content
        for parent in parents:
            node = node[parent]
        if value is None:
            del node[last]
        else:
            node[last] = value
    path = tmp_path / "scenario.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


def test_the_experiment_carries_the_scenarios_configuration_and_steady_state(tmp_path: Path) -> None:
    """What runs is what the scenario says."""
    drill = reader.read(_changed(tmp_path, experiment__configuration__partition=2))
    assert drill.experiment["configuration"]["partition"] == 2
    assert drill.experiment["steady-state-hypothesis"] == STEADY_STATE


def test_without_a_steady_state_of_its_own_it_has_the_experiments() -> None:
    """No scenario runs without one."""
    drill = reader.read(GOOD)
    assert drill.scenario.hypothesis is not None
    assert drill.scenario.hypothesis.title == drill.experiment["steady-state-hypothesis"]["title"]


def test_a_drill_names_the_systems_that_it_needs() -> None:
    """Its loads', and those whose functions it calls: a restore is of PostgreSQL's namespace and by Velero."""
    assert {"velero", "platform"} == reader.read(reader.find("data-loss")).systems
    assert "kafka" in reader.read(GOOD).systems
    assert "velero" not in reader.read(GOOD).systems


def test_a_seed_fills_only_what_was_left_to_chance() -> None:
    """A choice that the scenario made stays."""
    assert reader.read(reader.find("broker-kill")).seeded(7).experiment["configuration"]["seed"] == 7
    leader = reader.read(GOOD)
    assert leader.seeded(7) is leader


@pytest.mark.parametrize(
    ("changes", "field", "remedy"),
    [
        ({"owner": None}, "owner", "Add `owner`"),
        ({"ownr": "me"}, "ownr", "Did you mean `owner`?"),
        ({"name": "Broker Kill"}, "name", "kebab-case"),
        ({"load__rate": "fast"}, "load.rate", "Change the value"),
        ({"load__rte": 5}, "load.rte", "Did you mean `rate`?"),
        ({"objectives__rto": -3}, "objectives.rto", "recovery time objective"),
        ({"objectives__client_outage": 1, "objectives__min_client_outage": 2}, "objectives", "Change the value"),
        ({"target__namespaces": []}, "target.namespaces", "namespaces that the experiment touches"),
        ({"hypothesis__probes": []}, "hypothesis.probes", "tolerance"),
        ({"experiment__file": "zzz.yaml"}, "experiment.file", "broker-kill-leader.yaml"),
        ({"experiment__configuration__partitoin": 1}, "experiment.configuration.partitoin", "mean `partition`?"),
        ({"blast_radius__max_brokers_down": -1}, "blast_radius.max_brokers_down", "brokers that may be down"),
    ],
)
def test_each_mistake_names_its_field_and_what_to_do(
    tmp_path: Path, changes: dict[str, Any], field: str, remedy: str
) -> None:
    """And the file and a line in it."""
    path = _changed(tmp_path, **changes)
    (mistake,) = _mistakes(path)
    assert (mistake.file, mistake.field) == (str(path), field)
    assert remedy in mistake.remedy
    assert mistake.line is not None


@pytest.mark.parametrize(
    ("experiment", "configuration", "value", "said"),
    [
        ("broker-kill-leader", "method", "explode", "Input should be 'delete' or 'sigkill'"),
        ("broker-kill-leader", "grace_period", 0, "greater than or equal to 1"),
        ("kafka-broker-flapping", "times", 0, "greater than or equal to 1"),
        ("emergency-platform-down", "crashes", 0, "greater than or equal to 1"),
        ("network-delay", "latency_ms", 5000, "less than or equal to 2000"),
        ("network-loss", "loss_percent", 0, "greater than or equal to 1"),
        ("postgres-pool-exhausted", "share", 1.5, "less than or equal to 1"),
        ("cpu-pressure", "workers", 0, "greater than or equal to 1"),
    ],
)
def test_a_value_that_a_fault_would_refuse_is_a_mistake_in_the_file(
    experiment: str, configuration: str, value: Any, said: str, tmp_path: Path
) -> None:
    """It is told by `validate`, at its line, and not first by a cluster's preflight."""
    content = yaml.safe_load(reader.find("broker-kill-leader").read_text())
    content["experiment"] = {"file": f"{experiment}.yaml", "configuration": {configuration: value}}
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(InputError) as told:
        reader.read(path)
    (mistake,) = told.value.mistakes
    assert mistake.field == f"experiment.configuration.{configuration}"
    assert said in mistake.problem


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    """Not one after another, a run each."""
    path = _changed(tmp_path, owner=None, load__rate=-1, objectives__rto="soon")
    assert {mistake.field for mistake in _mistakes(path)} == {"owner", "load.rate", "objectives.rto"}


def test_the_line_is_the_one_of_the_field(tmp_path: Path) -> None:
    """An editor can jump there."""
    path = _changed(tmp_path, load__rate=-1)
    (mistake,) = _mistakes(path)
    assert mistake.line is not None
    assert "rate: -1" in path.read_text().splitlines()[mistake.line - 1]


def test_a_probe_without_a_tolerance_is_refused(tmp_path: Path) -> None:
    """A steady state that can't be missed proves nothing."""
    steady_state = copy.deepcopy(STEADY_STATE)
    del steady_state["probes"][0]["tolerance"]  # type: ignore[index]
    mistakes = _mistakes(_changed(tmp_path, hypothesis=steady_state))
    assert any(mistake.field == "hypothesis.probes.0.tolerance" for mistake in mistakes)


def test_a_function_that_is_not_there_is_named(tmp_path: Path) -> None:
    """Also in the scenario's own probes."""
    steady_state = copy.deepcopy(STEADY_STATE)
    steady_state["probes"][0]["provider"]["func"] = "under_replicatd"  # type: ignore[index]
    (mistake,) = _mistakes(_changed(tmp_path, hypothesis=steady_state))
    assert "experiments.kafka.under_replicatd" in mistake.problem


@pytest.mark.parametrize("name", ["restore-drill", "data-loss", "kafka-loss", "cluster-loss"])
def test_a_restore_without_an_rpo_is_refused(tmp_path: Path, name: str) -> None:
    """With clients, too: they can't tell what came back."""
    content = yaml.safe_load(reader.find(name).read_text())
    content["load"] = {"profile": "postgres_transactions", "rate": 50, "warm_up": 10, "baseline": 10, "duration": 180}
    path = tmp_path / "scenario.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    assert reader.read(path).scenario.load
    del content["objectives"]["rpo"]
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    (mistake,) = _mistakes(path)
    assert (mistake.file, mistake.field) == (str(path), "objectives.rpo")
    assert "restores a backup" in mistake.problem
    assert mistake.remedy.startswith("Add `rpo` (how much time of data a restore from backup may cost")
    assert mistake.line is not None


def test_a_restore_is_known_without_its_tags(tmp_path: Path) -> None:
    """By what its method calls; and lost objects, whose checks are others, need no RPO."""
    experiment = yaml.safe_load((reader.EXPERIMENTS / "restore-drill.yaml").read_text())
    (tmp_path / "own.yaml").write_text(yaml.safe_dump({**experiment, "tags": []}))
    content = yaml.safe_load(reader.find("restore-drill").read_text())
    content["experiment"]["file"] = "own.yaml"
    content["load"] = {"profile": "postgres_transactions", "rate": 50, "warm_up": 10, "baseline": 10, "duration": 180}
    del content["objectives"]["rpo"]
    (tmp_path / "scenario.yaml").write_text(yaml.safe_dump(content))
    assert [each.field for each in _mistakes(tmp_path / "scenario.yaml")] == ["objectives.rpo"]
    assert reader.read(reader.find("object-store-loss")).scenario.objectives.rpo is None


def test_broken_yaml_has_a_line(tmp_path: Path) -> None:
    """Not a traceback."""
    path = tmp_path / "scenario.yaml"
    path.write_text("name: x\nload: [1, 2\nowner: y\n")
    (mistake,) = _mistakes(path)
    assert mistake.line is not None
    assert "not YAML" in mistake.problem


def test_an_unknown_name_suggests_the_nearest() -> None:
    """A typing error costs one look."""
    with pytest.raises(InputError, match="Did you mean broker-kill-leader"):
        reader.find("broker-kil-leader")


MIX = [{"profile": "commodity_prices"}, {"profile": "postgres_transactions", "rate": 5}]


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"load": [MIX[0], MIX[1] | {"rate": "fast"}]}, "load.1.rate", "transactions/s"),
        ({"load": [MIX[0], MIX[1] | {"conections": 3}]}, "load.1.conections", "Did you mean `connections`?"),
        ({"load": [MIX[0], MIX[1] | {"profile": "postgres"}]}, "load.1", "'postgres'"),
        ({"load": MIX[1] | {"rate": 0}}, "load.rate", "transactions/s"),
        ({"load": [*MIX, MIX[1]]}, "load", "only one load a profile"),
        ({"load": [MIX[0], MIX[1] | {"baseline": 4}]}, "load", "same value"),
        ({"load": []}, "load", "at least one load"),
        ({"load": [MIX[0] | {"warm_up": 60}]}, "load.0", "no time for the fault"),
        ({"objectives__services": {"postgres": {"rto": 3}}}, "(document)", "no load of the scenario measures"),
        ({"objectives__services": {"kafka": {"rtto": 3}}}, "objectives.services.kafka.rtto", "Did you mean `rto`?"),
        ({"objectives__services": {"kafca": {}}}, "objectives.services.kafca", "Did you mean `kafka`?"),
        ({"objectives__services": {"kafka": {"rto": 999}}}, "objectives", "recovery_timeout"),
    ],
)
def test_a_mistake_in_a_mix_names_its_load(tmp_path: Path, changes: dict[str, Any], field: str, said: str) -> None:
    """By its place in the list; a load that is no list has none."""
    (mistake,) = _mistakes(_changed(tmp_path, **changes))
    assert mistake.field == field
    assert said in f"{mistake.problem} {mistake.remedy}"
    assert mistake.line is not None


def test_a_mix_is_read(tmp_path: Path) -> None:
    """Each load as its profile says."""
    assert [plan.system for plan in reader.read(_changed(tmp_path, load=MIX)).scenario.load] == ["kafka", "postgres"]


def test_a_name_that_no_file_can_have_is_unknown() -> None:
    """Not an error of the file system."""
    with pytest.raises(InputError, match="no such file and no such name"):
        reader.find("x" * 5000)


def test_a_folder_is_no_scenario(tmp_path: Path) -> None:
    """It is said to be one, by its name and where a file of one is read (`--details`)."""
    with pytest.raises(InputError, match=r"is a folder\. Give a scenario file"):
        reader.find(str(tmp_path))
    with pytest.raises(InputError, match=r"is a folder\. Give the path of a YAML file"):
        Document(tmp_path)
    with pytest.raises(InputError, match=r"no such file\. Give the path of a YAML file"):
        Document(tmp_path / "none.yaml")
