"""Read and validate scenario files: every mistake at once, each with its file, line, field and remedy."""

import copy
import difflib
import inspect
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ValidationError

from drill.errors import InputError, Mistake
from scenarios import _experiment
from scenarios._locate import Document, Location
from scenarios.model import CATALOGUE, EXPERIMENTS, Hypothesis, Scenario


@dataclass(frozen=True)
class Drill:
    """A scenario that is ready to run, with the experiment it names."""

    scenario: Scenario
    """Its hypothesis filled in, from the experiment where it has none of its own."""
    experiment: dict[str, Any]
    """The Chaos Toolkit experiment as it will be run: the scenario's hypothesis, configuration and bounds put in."""

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
    document = Document(path)
    scenario: Scenario | None = None
    mistakes: list[Mistake] = []
    try:
        scenario = Scenario.model_validate(document.content)
    except ValidationError as error:
        mistakes += _model_mistakes(document, error)

    experiment = _experiment_document(document)
    if isinstance(experiment, Mistake):
        raise InputError([*mistakes, experiment] if scenario else mistakes)
    merged = copy.deepcopy(experiment.content)
    if scenario is not None:
        mistakes += _configuration_mistakes(document, scenario, experiment)
        _merge(scenario, merged)
    mistakes += _experiment.mistakes_in(merged, _teller(document, experiment))
    if mistakes or scenario is None:
        raise InputError(mistakes)
    _experiment.bound(merged, scenario.blast_radius.model_dump())
    steady_state = Hypothesis.model_validate(merged["steady-state-hypothesis"])
    return Drill(scenario.model_copy(update={"hypothesis": steady_state}), merged)


def _experiment_document(scenario: Document) -> Document | Mistake:
    """The experiment's file: a path beside the scenario wins over the catalogue; a scenario is never its own."""
    named = scenario.content.get("experiment")
    name = named.get("file") if isinstance(named, dict) else None
    candidates = (scenario.path.parent / name, EXPERIMENTS / name) if isinstance(name, str) else ()
    for each in candidates:
        if each.is_file() and not each.samefile(scenario.path):
            return Document(each)
    known = ", ".join(sorted(path.name for path in EXPERIMENTS.glob("*.yaml")))
    remedy = f"Give a path beside the scenario, or one of: {known}."
    return scenario.mistake(("experiment", "file"), "no such experiment file", remedy)


def _teller(scenario: Document, experiment: Document) -> _experiment.Tell:
    """Mistakes in what the scenario brought to the experiment are the scenario's; the rest is the experiment's own."""

    def tell(place: Location, problem: str, remedy: str) -> Mistake:
        if place[0:1] == ("steady-state-hypothesis",) and scenario.content.get("hypothesis"):
            return scenario.mistake(("hypothesis", *place[1:]), problem, remedy)
        brought = ((scenario.content.get("experiment") or {}).get("configuration") or {}) if place else {}
        if place[0:1] == ("configuration",) and place[1] in brought:
            return scenario.mistake(("experiment", *place), problem, remedy)
        return experiment.mistake(place, problem, remedy)

    return tell


def _merge(scenario: Scenario, experiment: dict[str, Any]) -> None:
    """Put the scenario's configuration and steady state in place of the experiment's own."""
    if configured := scenario.experiment.configuration:
        experiment["configuration"] = {**(experiment.get("configuration") or {}), **configured}
    if scenario.hypothesis is not None:
        experiment["steady-state-hypothesis"] = scenario.hypothesis.model_dump(mode="json")


def _model_mistakes(document: Document, error: ValidationError) -> Iterator[Mistake]:
    for each in error.errors():
        place = tuple(part for part in each["loc"] if isinstance(part, str | int))
        yield document.mistake(place, each["msg"], _remedy(each["type"], place))


def _remedy(kind: str, place: Location) -> str:
    model = _model_at(place[:-1])
    field = model.model_fields.get(str(place[-1])) if model and place else None
    meaning = field.description if field is not None and field.description else None
    match kind:
        case "missing":
            return f"Add `{place[-1]}:`{f' ({meaning})' if meaning else ''}."
        case "extra_forbidden":
            known = list(model.model_fields) if model else []
            close = difflib.get_close_matches(str(place[-1]), known, n=1)
            return f"Did you mean `{close[0]}`?" if close else f"Remove it; known here: {', '.join(known)}."
        case _:
            return f"Change the value.{f' {place[-1]} is: {meaning}.' if meaning else ''}"


def _model_at(place: Location) -> type[BaseModel] | None:
    model: type[BaseModel] = Scenario
    for step in place:
        field = model.model_fields.get(str(step))
        if field is None:
            return None
        kinds = (field.annotation, *getattr(field.annotation, "__args__", ()))
        nested = next((kind for kind in kinds if inspect.isclass(kind) and issubclass(kind, BaseModel)), None)
        if nested is None:
            return None
        model = nested
    return model


def _configuration_mistakes(document: Document, scenario: Scenario, experiment: Document) -> Iterator[Mistake]:
    known = list(experiment.content.get("configuration") or {})
    for name in scenario.experiment.configuration:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            remedy = f"Did you mean `{close[0]}`?" if close else f"Known there: {', '.join(known) or 'nothing'}."
            place = ("experiment", "configuration", name)
            yield document.mistake(place, f"{experiment.path.name} has no such configuration", remedy)
