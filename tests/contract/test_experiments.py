"""What every experiment of the catalogue, and every function it names, has to hold."""

import inspect
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml
from chaoslib.configuration import load_configuration
from chaoslib.experiment import ensure_experiment_is_valid

import experiments

CATALOGUE = Path(experiments.__file__).parent / "catalogue"
EXPERIMENTS = {path.stem: yaml.safe_load(path.read_text()) for path in sorted(CATALOGUE.glob("*.yaml"))}
SHIPPED = {
    "broker-kill",
    "broker-kill-leader",
    "controller-kill",
    "durability-control",
    "pause-brokers",
    "rolling-broker-kill",
    "two-brokers-down",
}
SELECTING = {"select", "topic"}
"""Parameters by which a fault is told what to hit; one that has neither hits each broker in turn by design."""

every_experiment = pytest.mark.parametrize("experiment", EXPERIMENTS.values(), ids=EXPERIMENTS.keys())


def activities(experiment: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Everything the experiment would call."""
    yield from experiment["steady-state-hypothesis"]["probes"]
    yield from experiment["method"]
    yield from experiment["rollbacks"]


def actions(experiment: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The actions of the method."""
    yield from (activity for activity in experiment["method"] if activity["type"] == "action")


def function(activity: dict[str, Any], prefix: str = "") -> Any:
    """The function an activity names, or its sibling of that prefix."""
    provider = activity["provider"]
    return getattr(import_module(provider["module"]), f"{prefix}{provider['func']}")


def parameters(of: Any) -> list[tuple[str, Any, Any]]:
    """Names, defaults and kinds."""
    return [(each.name, each.default, each.kind) for each in inspect.signature(of).parameters.values()]


def test_the_catalogue_is_there() -> None:
    """The shipped experiments are all found."""
    assert EXPERIMENTS.keys() >= SHIPPED


@every_experiment
def test_chaos_toolkit_accepts_it(experiment: dict[str, Any]) -> None:
    """`chaos validate` finds nothing: functions exist and their arguments match."""
    ensure_experiment_is_valid(experiment)


def test_chaos_toolkit_refuses_a_wrong_argument() -> None:
    """The check above can fail."""
    experiment = yaml.safe_load((CATALOGUE / "broker-kill.yaml").read_text())
    experiment["method"][0]["provider"]["arguments"]["selector"] = "everything"
    with pytest.raises(Exception, match="'selector' is not part of the function signature"):
        ensure_experiment_is_valid(experiment)


@every_experiment
def test_every_argument_has_its_default_in_the_configuration(experiment: dict[str, Any]) -> None:
    """Whatever an activity takes from the configuration is there, so that `chaos run` works by itself."""
    configuration = load_configuration(experiment["configuration"])
    used = {
        value[2:-1]
        for activity in activities(experiment)
        for value in activity["provider"].get("arguments", {}).values()
        if isinstance(value, str) and value.startswith("${")
    }
    assert used == configuration.keys()


@every_experiment
def test_every_action_has_a_plan_sibling(experiment: dict[str, Any]) -> None:
    """What an action would do can be asked with the same arguments, and without doing it."""
    for action in actions(experiment):
        assert parameters(function(action, "plan_")) == parameters(function(action))


@every_experiment
def test_no_fault_without_a_selector(experiment: dict[str, Any]) -> None:
    """A fault is told what to hit, by a required parameter, and how many brokers may be down at most."""
    for action in actions(experiment):
        if action["provider"]["func"].startswith("ensure_"):
            continue
        signature = inspect.signature(function(action)).parameters
        selecting = SELECTING & {name for name, each in signature.items() if each.default is inspect.Parameter.empty}
        assert selecting <= action["provider"]["arguments"].keys()
        assert selecting or action["provider"]["func"] == "kill_each_broker"
        assert signature["max_brokers_down"].default == 1
        assert "max_brokers_down" in experiment["configuration"]


@every_experiment
def test_steady_state_recovery_and_rollback(experiment: dict[str, Any]) -> None:
    """Each starts from a whole cluster, ends when it is whole again, and undoes what is left."""
    probes = {probe["provider"]["func"] for probe in experiment["steady-state-hypothesis"]["probes"]}
    assert probes >= {"all_brokers_live", "isr_full", "offline_partitions"}
    assert experiment["method"][-1]["provider"]["func"] == "await_recovery"
    assert [function(each) for each in experiment["rollbacks"]] == [experiments.undo]


@every_experiment
def test_every_function_is_documented(experiment: dict[str, Any]) -> None:
    """What is done to a cluster is said in words, with its arguments."""
    for activity in activities(experiment):
        called = function(activity)
        assert called.__doc__
        missing = [name for name in activity["provider"].get("arguments", {}) if f"{name}:" not in called.__doc__]
        assert not missing or "as of `kill_broker`" in called.__doc__


def test_only_actions_are_planned() -> None:
    """A probe has no plan sibling: it needs none, since it changes nothing."""
    module = import_module("experiments.kafka")
    planned = {name.removeprefix("plan_") for name in module.__all__ if name.startswith("plan_")}
    named = {
        activity["provider"]["func"]
        for experiment in EXPERIMENTS.values()
        for activity in activities(experiment)
        if activity["provider"]["module"] == "experiments.kafka"
    }
    faults = {action["provider"]["func"] for experiment in EXPERIMENTS.values() for action in actions(experiment)}
    assert planned == faults
    assert named <= set(module.__all__)
