"""Read and validate scenario files: every mistake at once, each with its file, line, field and remedy."""

import copy
import difflib
import importlib
import inspect
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import yaml
from chaoslib.exceptions import ChaosException
from chaoslib.experiment import ensure_experiment_is_valid
from pydantic import BaseModel, ValidationError

from drill.errors import InputError, Mistake
from scenarios._locate import Lines
from scenarios.model import CATALOGUE, EXPERIMENTS, Hypothesis, Scenario


@dataclass(frozen=True)
class Drill:
    """A scenario that is ready to run, with the experiment it names."""

    scenario: Scenario
    """Its hypothesis filled in, from the experiment where it has none of its own."""
    experiment: dict[str, Any]
    """The Chaos Toolkit experiment as it will be run: the scenario's hypothesis and configuration put in."""

    def seeded(self, seed: int) -> Self:
        """The same drill with its random choices made by `seed`, where the experiment leaves any to chance."""
        configuration = self.experiment.get("configuration", {})
        if "seed" not in configuration or configuration["seed"] is not None:
            return self
        return replace(self, experiment={**self.experiment, "configuration": {**configuration, "seed": seed}})


def catalogue() -> list[Path]:
    """The scenario files that drill ships."""
    return sorted(CATALOGUE.glob("*.yaml"))


def find(name: str) -> Path:
    """The scenario file that `name` means: a path, or a name in the catalogue.

    Raises:
        InputError: neither a file nor a name in the catalogue.
    """
    path = Path(name)
    if path.is_file():
        return path
    if (shipped := CATALOGUE / f"{name}.yaml").is_file():
        return shipped
    known = [each.stem for each in catalogue()]
    close = difflib.get_close_matches(name, known, n=1)
    remedy = f"Did you mean {close[0]}?" if close else f"`drill list` shows what there is: {', '.join(known)}."
    raise InputError([Mistake(name, None, "scenario", "no such file and no such name in the catalogue", remedy)])


def read(path: Path) -> Drill:
    """Read one scenario and the experiment it names.

    Raises:
        InputError: with every mistake found in both files.
    """
    content, lines = _yaml(path)
    try:
        scenario = Scenario.model_validate(content)
    except ValidationError as error:
        raise InputError(list(_model_mistakes(path, lines, error))) from error

    file = _experiment_file(path, scenario.experiment.file)
    if file is None:
        remedy = f"Give a path beside the scenario, or one of: {', '.join(p.name for p in EXPERIMENTS.glob('*.yaml'))}."
        where = lines.of(("experiment", "file"))
        raise InputError([Mistake(str(path), where, "experiment.file", "no such experiment file", remedy)])

    experiment, experiment_lines = _yaml(file)
    mistakes = [
        *_configuration_mistakes(path, lines, scenario, experiment, file),
        *_probe_mistakes(path, lines, scenario),
    ]
    merged = _merged(scenario, experiment)
    mistakes += _experiment_mistakes(file, experiment_lines, merged)
    if mistakes:
        raise InputError(mistakes)
    steady_state = Hypothesis.model_validate(merged["steady-state-hypothesis"])
    return Drill(scenario.model_copy(update={"hypothesis": steady_state}), merged)


def _yaml(path: Path) -> tuple[dict[str, Any], Lines]:
    text = path.read_text()
    try:
        content = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise InputError(
            [Mistake(str(path), line, "(document)", f"not YAML: {error.problem}", "Mend the syntax at this line.")]
        ) from error
    if not isinstance(content, dict):
        raise InputError([Mistake(str(path), 1, "(document)", "not a mapping", "Start with `name: ...` at the top.")])
    return content, Lines(text)


def _experiment_file(scenario: Path, name: str) -> Path | None:
    """A path beside the scenario wins over the catalogue; a scenario is never its own experiment."""
    candidates = (scenario.parent / name, EXPERIMENTS / name)
    return next((each for each in candidates if each.is_file() and not each.samefile(scenario)), None)


def _model_mistakes(path: Path, lines: Lines, error: ValidationError) -> Iterator[Mistake]:
    for each in error.errors():
        location = [part for part in each["loc"] if isinstance(part, str | int)]
        yield Mistake(
            file=str(path),
            line=lines.of(location),
            field=".".join(str(part) for part in location) or "(document)",
            problem=each["msg"],
            remedy=_remedy(each["type"], location),
        )


def _remedy(kind: str, location: list[str | int]) -> str:
    model = _model_at(location[:-1])
    match kind:
        case "missing":
            field = model.model_fields.get(str(location[-1])) if model else None
            meaning = f" ({field.description})" if field is not None and field.description else ""
            return f"Add `{location[-1]}:`{meaning}."
        case "extra_forbidden":
            known = list(model.model_fields) if model else []
            close = difflib.get_close_matches(str(location[-1]), known, n=1)
            return f"Did you mean `{close[0]}`?" if close else f"Remove it; known here: {', '.join(known)}."
        case _:
            field = model.model_fields.get(str(location[-1])) if model and location else None
            meaning = f" {location[-1]} is: {field.description}." if field is not None and field.description else ""
            return f"Change the value.{meaning}"


def _model_at(location: list[str | int]) -> type[BaseModel] | None:
    model: type[BaseModel] = Scenario
    for step in location:
        field = model.model_fields.get(str(step))
        if field is None:
            return None
        kinds = (field.annotation, *getattr(field.annotation, "__args__", ()))
        nested = next((kind for kind in kinds if inspect.isclass(kind) and issubclass(kind, BaseModel)), None)
        if nested is None:
            return None
        model = nested
    return model


def _configuration_mistakes(
    path: Path, lines: Lines, scenario: Scenario, experiment: dict[str, Any], file: Path
) -> Iterator[Mistake]:
    known = list(experiment.get("configuration", {}))
    for name in scenario.experiment.configuration:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"Did you mean `{close[0]}`?" if close else f"Known there: {', '.join(known) or 'nothing'}."
            yield Mistake(
                file=str(path),
                line=lines.of(("experiment", "configuration", name)),
                field=f"experiment.configuration.{name}",
                problem=f"{file.name} has no such configuration",
                remedy=hint,
            )


def _probe_mistakes(path: Path, lines: Lines, scenario: Scenario) -> Iterator[Mistake]:
    if scenario.hypothesis is None:
        return
    for index, probe in enumerate(scenario.hypothesis.probes):
        if "tolerance" not in probe:
            yield Mistake(
                file=str(path),
                line=lines.of(("hypothesis", "probes", index)),
                field=f"hypothesis.probes.{index}.tolerance",
                problem="a steady state without a tolerance can't be missed, so it proves nothing",
                remedy="Add `tolerance:` (a value, a list, a range or a jsonpath; Chaos Toolkit's own forms).",
            )


def _merged(scenario: Scenario, experiment: dict[str, Any]) -> dict[str, Any]:
    """The experiment with the scenario's steady state, configuration and blast radius in place of its own."""
    merged = copy.deepcopy(experiment)
    configuration = merged.setdefault("configuration", {})
    configuration |= scenario.experiment.configuration
    if "max_brokers_down" in configuration:
        configuration["max_brokers_down"] = scenario.blast_radius.max_brokers_down
    if scenario.hypothesis is not None:
        merged["steady-state-hypothesis"] = scenario.hypothesis.model_dump(mode="json")
    return merged


def _experiment_mistakes(file: Path, lines: Lines, experiment: dict[str, Any]) -> Iterator[Mistake]:
    broken = list(_provider_mistakes(file, lines, experiment))
    yield from broken
    if broken:
        return  # Chaos Toolkit would only say the same again, less clearly
    try:
        ensure_experiment_is_valid(experiment)
    except ChaosException as error:
        yield Mistake(str(file), 1, "(experiment)", str(error), "See Chaos Toolkit's experiment reference.")


def _provider_mistakes(file: Path, lines: Lines, experiment: dict[str, Any]) -> Iterator[Mistake]:
    for location, activity in activities(experiment):
        provider = activity.get("provider", {})
        if provider.get("type") != "python":
            continue
        name = f"{provider.get('module')}.{provider.get('func')}"
        line = lines.of((*location, "provider"))
        try:
            function = getattr(importlib.import_module(provider["module"]), provider["func"])
            accepted = inspect.signature(function).parameters
        except (KeyError, ImportError, AttributeError) as error:
            yield Mistake(
                file=str(file),
                line=line,
                field=".".join(map(str, location)),
                problem=f"no function {name} ({error})",
                remedy="Name a module and a function that exist.",
            )
            continue
        for argument in provider.get("arguments", {}):
            if argument not in accepted:
                yield Mistake(
                    file=str(file),
                    line=lines.of((*location, "provider", "arguments", argument)),
                    field=".".join(map(str, (*location, "provider", "arguments", argument))),
                    problem=f"{name} takes no such argument",
                    remedy=f"It takes: {', '.join(accepted)}.",
                )


def activities(experiment: dict[str, Any]) -> Iterator[tuple[tuple[str | int, ...], dict[str, Any]]]:
    """Every probe and action of an experiment, with its place in the document."""
    for index, probe in enumerate(experiment.get("steady-state-hypothesis", {}).get("probes", [])):
        yield ("steady-state-hypothesis", "probes", index), probe
    for part in ("method", "rollbacks"):
        for index, activity in enumerate(experiment.get(part, [])):
            yield (part, index), activity
