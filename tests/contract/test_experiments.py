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
from scenarios.model import BlastRadius

CATALOGUE = Path(experiments.__file__).parent / "catalogue"
EXPERIMENTS = {path.stem: yaml.safe_load(path.read_text()) for path in sorted(CATALOGUE.glob("*.yaml"))}
SHIPPED = {
    "broker-kill",
    "broker-kill-leader",
    "controller-kill",
    "durability-control",
    "emergency-platform-down",
    "runbook-crashloop",
    "runbook-kafka-latency",
    "runbook-pool-exhausted",
    "pause-brokers",
    "rolling-broker-kill",
    "two-brokers-down",
}
SELECTING = {"select", "topic", "workload", "pod", "node", "nodes", "namespace", "selector", "source", "server"} | {
    "table"
}
"""Parameters by which a fault is told what to hit."""
UNSELECTED = {"kill_each_broker"}
"""Faults that hit each of their system by design."""
KAFKA_KILLS = {"kill_broker", "kill_each_broker", "force_unclean_election", "pause_brokers", "flap_broker"}
LIMITS = set(BlastRadius.model_fields)

every_experiment = pytest.mark.parametrize("experiment", EXPERIMENTS.values(), ids=EXPERIMENTS.keys())


def activities(experiment: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Everything the experiment would call."""
    yield from experiment["steady-state-hypothesis"]["probes"]
    yield from experiment["method"]
    yield from experiment["rollbacks"]


def actions(experiment: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The actions of the method."""
    yield from (activity for activity in experiment["method"] if activity["type"] == "action")


def function(activity: dict[str, Any]) -> Any:
    """The function an activity names."""
    provider = activity["provider"]
    return getattr(import_module(provider["module"]), provider["func"])


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
def test_every_action_can_be_planned(experiment: dict[str, Any]) -> None:
    """What an action would do can be asked with the same arguments, and without doing it."""
    for action in actions(experiment):
        module, name = action["provider"]["module"], action["provider"]["func"]
        plan = experiments.planner(module, name)
        assert plan is not None
        if plan.__name__ == f"plan_{name}":
            assert parameters(plan) == parameters(function(action))


@every_experiment
def test_no_fault_without_a_selector(experiment: dict[str, Any]) -> None:
    """A fault is told what to hit, by a required parameter, and how much it may break at most."""
    for action in actions(experiment):
        if action["provider"]["func"].startswith("ensure_"):
            continue
        signature = inspect.signature(function(action)).parameters
        selecting = SELECTING & {name for name, each in signature.items() if each.default is inspect.Parameter.empty}
        assert selecting <= action["provider"]["arguments"].keys()
        assert selecting or action["provider"]["func"] in UNSELECTED
        limits = LIMITS & signature.keys()
        assert limits, f"{action['provider']['func']} has no limit of the blast radius"
        assert limits <= experiment["configuration"].keys()


@every_experiment
def test_steady_state_recovery_and_rollback(experiment: dict[str, Any]) -> None:
    """Each starts from a whole system, ends when it is whole again, and undoes what is left."""
    assert [function(each) for each in experiment["rollbacks"]] == [experiments.undo]
    if any(action["provider"]["func"] in KAFKA_KILLS for action in actions(experiment)):
        probes = {probe["provider"]["func"] for probe in experiment["steady-state-hypothesis"]["probes"]}
        assert probes >= {"all_brokers_live", "isr_full", "offline_partitions"}
        # A kill is over when its action returns, and the brokers are not back by then.
        assert experiment["method"][-1]["provider"]["func"] == "await_recovery"


@every_experiment
def test_every_function_is_documented(experiment: dict[str, Any]) -> None:
    """What is done to a cluster is said in words, with its arguments."""
    for activity in activities(experiment):
        called = function(activity)
        assert called.__doc__
        missing = [name for name in activity["provider"].get("arguments", {}) if f"{name}:" not in called.__doc__]
        assert not missing or "as of `kill_broker`" in called.__doc__


@every_experiment
def test_every_fault_says_what_a_user_must_know(experiment: dict[str, Any]) -> None:
    """How its effect is seen, how it is undone and what it needs: `drill catalogue` makes its row of that."""
    told = [each for each in experiment.get("extensions", []) if each["name"] == "drill"]
    assert len(told) == 1, "give it `extensions: [{name: drill, effect: ..., undo: ..., permissions: ...}]`"
    assert told[0].keys() == {"name", "effect", "undo", "permissions"}
    assert all(isinstance(value, str) and value.strip() for value in told[0].values())
    assert experiment["tags"], "its first tag is the system under which the catalogue lists it"
