"""What a Chaos Toolkit experiment must hold before a drill runs it.

Chaos Toolkit runs anything; a drill runs only what can be planned, bounded and undone: Python functions, faults with a
`plan_` sibling, probes that only read.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import Any, get_type_hints

from chaoslib import substitute
from chaoslib.configuration import load_configuration
from chaoslib.exceptions import ChaosException
from chaoslib.experiment import ensure_experiment_is_valid
from pydantic import ConfigDict, ValidationError, create_model

from drill.errors import Mistake
from experiments import planner
from scenarios._locate import Location

Tell = Callable[[Location, str, str], Mistake]
"""Makes a mistake of a place in the experiment, a problem and a remedy: its reader knows which file said it."""


def mistakes_in(experiment: dict[str, Any], tell: Tell) -> list[Mistake]:
    """All that keeps `experiment` from being run."""
    found = [
        mistake
        for place, activity in activities(experiment)
        for mistake in _mistakes(tell, experiment, place, activity)
    ]
    if not isinstance(experiment.get("steady-state-hypothesis"), dict):
        remedy = "Add `steady-state-hypothesis:` with a title and probes, or `hypothesis:` in the scenario."
        found.append(tell(("steady-state-hypothesis",), "no steady state to hold against", remedy))
    if experiment.get("controls"):
        remedy = "Remove `controls`: they run code beside the experiment that no plan shows."
        found.append(tell(("controls",), "controls are not run in a drill", remedy))
    if found:
        return found  # Chaos Toolkit would only say the same again, less clearly
    try:
        ensure_experiment_is_valid(experiment)
    except ChaosException as error:
        return [tell((), str(error), "See Chaos Toolkit's experiment reference.")]
    return []


def activities(experiment: dict[str, Any]) -> Iterator[tuple[Location, Any]]:
    """Every probe and action of an experiment, with its place in the document."""
    state = experiment.get("steady-state-hypothesis")
    parts = {"method": experiment.get("method"), "rollbacks": experiment.get("rollbacks")}
    for index, probe in enumerate((state.get("probes") or []) if isinstance(state, dict) else []):
        yield ("steady-state-hypothesis", "probes", index), probe
    for part, listed in parts.items():
        for index, activity in enumerate(listed or []):
            yield (part, index), activity


def bound(experiment: dict[str, Any], blast_radius: Mapping[str, int | str]) -> None:
    """Put each limit of the scenario's blast radius into every activity that knows it, whatever the file says."""
    for _, activity in activities(experiment):
        function = _function(activity.get("provider", {})) if isinstance(activity, dict) else None
        parameters = inspect.signature(function).parameters if function is not None else {}
        if known := {name: limit for name, limit in blast_radius.items() if name in parameters}:
            activity["provider"].setdefault("arguments", {}).update(known)


def _mistakes(tell: Tell, experiment: dict[str, Any], place: Location, activity: Any) -> Iterator[Mistake]:
    provider = activity.get("provider") if isinstance(activity, dict) else None
    if not isinstance(provider, dict) or provider.get("type") != "python":
        remedy = (
            "Give it `provider: {type: python, module: ..., func: ...}`: only functions can be planned and bounded."
        )
        yield tell((*place, "provider"), "not a Python function", remedy)
        return
    name = f"{provider.get('module')}.{provider.get('func')}"
    function = _function(provider)
    if function is None:
        yield tell((*place, "provider"), f"no function {name}", "Name a module and a function that exist.")
        return
    for key in ("background", "controls"):
        if activity.get(key):
            remedy = f"Remove `{key}`: a fault is on exactly while its action runs."
            yield tell((*place, key), f"{key} is not run in a drill", remedy)
    yield from _kind_mistakes(tell, place, activity, function, name)
    yield from _argument_mistakes(tell, experiment, place, provider, function)


def _kind_mistakes(
    tell: Tell, place: Location, activity: dict[str, Any], function: Any, name: str
) -> Iterator[Mistake]:
    """An action must be one that can be planned, or the undo; a probe must be one that only reads."""
    module = import_module(activity["provider"]["module"])
    if activity.get("type") == "probe":
        if function.__module__.rpartition(".")[2] != "probes":
            remedy = "Read by a function of a module named `probes`; whatever changes something is an action."
            yield tell((*place, "provider"), f"{name} is not known to only read", remedy)
        if place[0] == "steady-state-hypothesis" and "tolerance" not in activity:
            remedy = "Add `tolerance:` (a value, a list, a range or a jsonpath; Chaos Toolkit's own forms)."
            problem = "a steady state without a tolerance can't be missed, so it proves nothing"
            yield tell((*place, "tolerance"), problem, remedy)
    elif name != "experiments.undo" and planner(module.__name__, activity["provider"]["func"]) is None:
        remedy = "Make it with `@fault` (experiments/__init__.py has the conventions), or use one that is."
        yield tell((*place, "provider"), f"{name} can't be planned, so nothing bounds what it hits", remedy)


def _argument_mistakes(
    tell: Tell, experiment: dict[str, Any], place: Location, provider: dict[str, Any], function: Any
) -> Iterator[Mistake]:
    """The arguments as they will be passed, against the function's own types: before it does half of its work."""
    arguments = provider.get("arguments") or {}
    configuration = experiment.get("configuration") or {}
    hints, parameters = get_type_hints(function), inspect.signature(function).parameters
    fields: Mapping[str, Any] = {
        name: (hints.get(name, Any), ... if each.default is inspect.Parameter.empty else each.default)
        for name, each in parameters.items()
    }
    model = create_model("Arguments", __config__=ConfigDict(extra="forbid", strict=True, allow_inf_nan=False), **fields)
    try:
        model.model_validate(substitute(arguments, load_configuration(configuration), {}))
    except ValidationError as error:
        for each in error.errors():
            argument = str(each["loc"][0])
            given = arguments.get(argument)
            where: Location = (*place, "provider", "arguments", argument)
            if isinstance(given, str) and given.startswith("${") and given[2:-1] in configuration:
                where = ("configuration", given[2:-1])
            takes = f"{function.__name__} takes: {', '.join(f'{key}: {hints.get(key)}' for key in parameters)}."
            remedy = takes if each["type"] in {"extra_forbidden", "missing"} else f"Change the value of `{argument}`."
            yield tell(where, each["msg"], remedy)


def _function(provider: Any) -> Any:
    try:
        return getattr(import_module(provider["module"]), provider["func"])
    except (KeyError, TypeError, ImportError, AttributeError, ValueError):
        return None
