"""What a Chaos Toolkit experiment must hold before a drill runs it.

Chaos Toolkit runs anything; a drill runs only what can be planned, bounded and undone: Python functions, faults with a
`plan_` sibling, probes that only read.
"""

import difflib
import inspect
import math
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import Any, get_type_hints

from chaoslib import substitute
from chaoslib.activity import ensure_activity_is_valid
from chaoslib.configuration import load_configuration
from chaoslib.exceptions import ChaosException
from chaoslib.experiment import ensure_experiment_is_valid
from chaoslib.hypothesis import ensure_hypothesis_tolerance_is_valid
from pydantic import ConfigDict, ValidationError, create_model

from drill.errors import Mistake
from experiments import planner
from scenarios._locate import Location

_KEYS = frozenset(
    {
        *("version", "title", "description", "tags", "configuration", "secrets", "extensions", "contributions"),
        *("steady-state-hypothesis", "method", "rollbacks", "controls", "runtime"),
    }
)
"""Of an experiment: https://chaostoolkit.org/reference/api/experiment/."""

_FUNCTION = "Name a module and a function that exist; to a module of your own, PYTHONPATH must lead."

Tell = Callable[[Location, str, str], Mistake]
"""Makes a mistake of a place in the experiment, a problem and a remedy: its reader knows which file said it."""


def mistakes_in(experiment: dict[str, Any], tell: Tell) -> list[Mistake]:
    """All that keeps `experiment` from being run."""
    if found := list(_shape_mistakes(experiment, tell)):
        return found  # what is no list can't be gone through
    found = [
        mistake
        for place, activity in activities(experiment)
        for mistake in _mistakes(tell, experiment, place, activity)
    ]
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


def _shape_mistakes(experiment: dict[str, Any], tell: Tell) -> Iterator[Mistake]:
    """What is not where Chaos Toolkit looks for it, or not of the kind that it takes."""
    for key in ("title", "description"):
        if not isinstance(experiment.get(key), str) or not experiment[key].strip():
            yield tell((key,), f"no {key}", f"Add `{key}:` with a few words.")
    state = experiment.get("steady-state-hypothesis")
    if not isinstance(state, dict):
        remedy = "Add `steady-state-hypothesis:` with a title and probes, or `hypothesis:` in the scenario."
        yield tell(("steady-state-hypothesis",), "no steady state to hold against", remedy)
    elif not isinstance(state.get("probes"), list) or not state["probes"]:
        remedy = "Make it a list of probes, each with a tolerance."
        yield tell(("steady-state-hypothesis", "probes"), "not a list of probes", remedy)
    if not isinstance(experiment.get("method"), list) or not experiment["method"]:
        yield tell(("method",), "not a list of actions and probes", "Add `method:` with at least the fault's action.")
    if not isinstance(experiment.get("rollbacks") or [], list):
        yield tell(("rollbacks",), "not a list of actions", "Make it a list; `experiments.undo` is enough.")
    if not isinstance(experiment.get("configuration") or {}, dict):
        yield tell(("configuration",), "not a mapping", "Write each value as `name: value`.")
    for key in sorted(map(str, experiment.keys() - _KEYS)):
        close = difflib.get_close_matches(key, _KEYS, n=1)
        remedy = f"Did you mean `{close[0]}`?" if close else f"Remove it; known here: {', '.join(sorted(_KEYS))}."
        yield tell((key,), "Chaos Toolkit does not know this key", remedy)


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
        yield tell((*place, "provider"), f"no function {name}{_why_none(provider)}", _FUNCTION)
        return
    for key in ("background", "controls"):
        if activity.get(key):
            remedy = f"Remove `{key}`: a fault is on exactly while its action runs."
            yield tell((*place, key), f"{key} is not run in a drill", remedy)
    if not isinstance(provider.get("arguments") or {}, dict):
        remedy = "Write each argument as `name: value`."
        yield tell((*place, "provider", "arguments"), "not a mapping", remedy)
        return
    found = list(_kind_mistakes(tell, place, activity, function, name))
    found = found or list(_argument_mistakes(tell, experiment, place, provider, function))
    yield from found or _form_mistakes(tell, place, activity)


def _form_mistakes(tell: Tell, place: Location, activity: dict[str, Any]) -> Iterator[Mistake]:
    """What Chaos Toolkit itself has against one activity, at its place."""
    try:
        ensure_activity_is_valid(activity)
    except ChaosException as error:
        yield tell(place, str(error), "See https://chaostoolkit.org/reference/api/experiment/.")
    if "tolerance" in activity:
        try:
            ensure_hypothesis_tolerance_is_valid(activity["tolerance"])
        except ChaosException as error:
            remedy = "Give a value, a list, a range or a jsonpath; Chaos Toolkit's own forms."
            yield tell((*place, "tolerance"), str(error), remedy)
    pauses = activity.get("pauses")
    for key, seconds in pauses.items() if isinstance(pauses, dict) else ():
        if isinstance(seconds, int | float) and not 0 <= seconds < math.inf:
            yield tell((*place, "pauses", key), f"{seconds} s can't be waited", "Give 0 or more seconds.")


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
    elif (
        activity.get("type") == "action"
        and name != "experiments.undo"
        and planner(module.__name__, activity["provider"]["func"]) is None
    ):
        remedy = "Make it with `@fault` (experiments/__init__.py has the conventions), or use one that is."
        yield tell((*place, "provider"), f"{name} can't be planned, so nothing bounds what it hits", remedy)


def _argument_mistakes(
    tell: Tell, experiment: dict[str, Any], place: Location, provider: dict[str, Any], function: Any
) -> Iterator[Mistake]:
    """The arguments as they will be passed, against the function's own types: before it does half of its work."""
    arguments = provider.get("arguments") or {}
    configuration = experiment.get("configuration") or {}
    hints, parameters = get_type_hints(function, include_extras=True), inspect.signature(function).parameters
    fields: Mapping[str, Any] = {
        name: (hints.get(name, Any), ... if each.default is inspect.Parameter.empty else each.default)
        for name, each in parameters.items()
    }
    model = create_model("Arguments", __config__=ConfigDict(extra="forbid", strict=True, allow_inf_nan=False), **fields)
    unset = {
        name: each[2:-1]
        for name, each in arguments.items()
        if isinstance(each, str) and each.startswith("${") and each[2:-1] not in configuration
    }
    for name, variable in unset.items():
        remedy = f"Add `{variable}:` with its default to `configuration`."
        yield tell((*place, "provider", "arguments", name), f"no configuration {variable!r}", remedy)
    try:
        model.model_validate(substitute(arguments, load_configuration(configuration), {}))
    except ValidationError as error:
        problems: dict[str, list[str]] = {}  # a choice of types has something to say for each of them
        unfit = False
        for each in error.errors():
            problems.setdefault(str(each["loc"][0]), []).append(each["msg"])
            unfit = unfit or each["type"] in {"extra_forbidden", "missing"}
        plain = get_type_hints(function)
        kinds = (f"{key}: {inspect.formatannotation(plain.get(key, Any))}" for key in parameters)
        takes = f"{function.__name__} takes: {', '.join(kinds) or 'nothing'}."
        for argument, said in problems.items():
            given = arguments.get(argument)
            where: Location = (*place, "provider", "arguments", argument)
            if isinstance(given, str) and given.startswith("${"):
                where = ("configuration", given[2:-1])
            if argument not in unset:
                yield tell(where, " or ".join(said), takes if unfit else f"Change the value of `{argument}`.")


def _why_none(provider: dict[str, Any]) -> str:
    """Why the module of a function can't be had; empty where that is not what is missing."""
    try:
        import_module(provider["module"])
    except ImportError as error:
        return f": {error}"
    except (KeyError, TypeError, AttributeError, ValueError):  # no name of a module, which the problem shows
        return ""
    return ""


def _function(provider: Any) -> Any:
    try:
        found = getattr(import_module(provider["module"]), provider["func"])
    except (KeyError, TypeError, ImportError, AttributeError, ValueError):
        return None
    return found if callable(found) else None
