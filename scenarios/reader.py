"""Read and validate scenario files: every mistake at once, each with its file, line, field and remedy."""

import copy
import difflib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from drill._remedies import remedy
from drill.errors import InputError, Mistake, UsageError
from drill.objectives import needs_rpo
from scenarios import _experiment
from scenarios._locate import Document, Location
from scenarios._validated import validated
from scenarios.model import CATALOGUE, EXPERIMENTS, Hypothesis, Scenario

YAML = (".yaml", ".yml")
KINDS = ("experiment", "objectives", "target", "blast_radius")
"""A YAML file that has one of these at its top is meant as a scenario, be it whole or not."""


@dataclass(frozen=True)
class Drill:
    """A scenario that is ready to run, with the experiment it names."""

    scenario: Scenario
    """Its hypothesis filled in, from the experiment where it has none of its own."""
    experiment: dict[str, Any]
    """The Chaos Toolkit experiment as it will be run: the scenario's hypothesis, configuration and bounds put in."""

    @property
    def systems(self) -> frozenset[str]:
        """What has to run beside what is in the target's namespaces, by the names of the experiments' own packages.

        That is what a load sends to, what stop conditions ask, and whose functions the experiment calls: one that calls
        `experiments.velero` needs Velero.
        """
        modules = (activity["provider"]["module"].split(".") for _, activity in _experiment.activities(self.experiment))
        called = {each[1] for each in modules if len(each) > 1 and each[0] == "experiments"}
        asked = {"monitoring"} if self.scenario.stop.promql else set()
        return frozenset(called | asked | {load.system for load in self.scenario.load})

    def seeded(self, seed: int) -> Self:
        """The same drill with its random choices made by `seed`, where the experiment leaves any to chance."""
        configuration = self.experiment.get("configuration", {})
        if "seed" not in configuration or configuration["seed"] is not None:
            return self
        return replace(self, experiment={**self.experiment, "configuration": {**configuration, "seed": seed}})


def catalogue() -> list[Path]:
    """The scenario files that drill ships."""
    return sorted(CATALOGUE.glob("*.yaml"))


def below(folder: Path) -> list[Path]:
    """The YAML files of a folder, at any depth, that are meant as scenarios; so is a broken one, that it be told."""
    return [path for path in sorted(folder.rglob("*")) if path.suffix in YAML and path.is_file() and _is_meant(path)]


def _is_meant(path: Path) -> bool:
    try:
        content = Document(path).content
    except InputError:
        return True
    return "scenarios" not in content and any(each in content for each in KINDS)


def find(name: str) -> Path:
    """The scenario file that `name` means: a path, or a name in the catalogue.

    Raises:
        InputError: neither a file nor a name in the catalogue.
    """
    path = Path(name)
    if _is_file(path):
        return path
    if _is_file(shipped := CATALOGUE / f"{name}.yaml"):
        return shipped
    if _is_folder(path):
        raise InputError(
            [Mistake(name, None, "scenario", "is a folder", "Give a scenario file, or a name of `drill list`.")]
        )
    known = [each.stem for each in catalogue()]
    close = difflib.get_close_matches(name, known, n=1)
    cure = f"Did you mean {close[0]}?" if close else f"`drill list` shows what there is: {', '.join(known)}."
    raise InputError([Mistake(name, None, "scenario", "no such file and no such name in the catalogue", cure)])


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that no file can have
        return False


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False


def read(path: Path) -> Drill:
    """Read one scenario and the experiment it names.

    Raises:
        InputError: with every mistake found in both files.
    """
    document = Document(path)
    scenario, mistakes = validated(Scenario, document)
    experiment = _experiment_document(document)
    if isinstance(experiment, Mistake):
        told = any(each.field.split(".")[0] == "experiment" for each in mistakes)
        raise InputError(mistakes if told else [*mistakes, experiment])
    merged = copy.deepcopy(experiment.content)
    if scenario is not None:
        mistakes += _configuration_mistakes(document, scenario, experiment)
        mistakes += _check_mistakes(document, scenario)
        _merge(scenario, merged)
    if malformed := _experiment.mistakes_in(merged, _teller(document, experiment)):
        mistakes += malformed
    elif scenario is not None:
        mistakes += _unjudged(document, scenario, merged)
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
        if _is_file(each) and not each.samefile(scenario.path):
            return Document(each)
    known = sorted(path.name for path in EXPERIMENTS.glob("*.yaml"))
    close = difflib.get_close_matches(str(name), known, n=1)
    cure = f"Did you mean {close[0]}?" if close else f"Give a path beside the scenario, or one of: {', '.join(known)}."
    return scenario.mistake(("experiment", "file"), "no such experiment file", cure)


def _teller(scenario: Document, experiment: Document) -> _experiment.Tell:
    """Mistakes in what the scenario brought to the experiment are the scenario's; the rest is the experiment's own."""

    def tell(place: Location, problem: str, remedy: str) -> Mistake:
        if place[0:1] == ("steady-state-hypothesis",) and scenario.content.get("hypothesis"):
            return scenario.mistake(("hypothesis", *place[1:]), problem, remedy)
        brought = ((scenario.content.get("experiment") or {}).get("configuration") or {}) if place else {}
        if place[0:1] == ("configuration",) and len(place) > 1 and place[1] in brought:
            return scenario.mistake(("experiment", *place), problem, remedy)
        return experiment.mistake(place, problem, remedy)

    return tell


def _merge(scenario: Scenario, experiment: dict[str, Any]) -> None:
    """Put the scenario's configuration and steady state in place of the experiment's own."""
    if configured := scenario.experiment.configuration:
        experiment["configuration"] = {**(experiment.get("configuration") or {}), **configured}
    if scenario.hypothesis is not None:
        experiment["steady-state-hypothesis"] = scenario.hypothesis.model_dump(mode="json")


def _configuration_mistakes(document: Document, scenario: Scenario, experiment: Document) -> Iterator[Mistake]:
    known = list(experiment.content.get("configuration") or {})
    for name in scenario.experiment.configuration:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            cure = f"Did you mean `{close[0]}`?" if close else f"Known there: {', '.join(known) or 'nothing'}."
            place = ("experiment", "configuration", name)
            yield document.mistake(place, f"{experiment.path.name} has no such configuration", cure)


def _unjudged(document: Document, scenario: Scenario, experiment: dict[str, Any]) -> Iterator[Mistake]:
    """A restore without an RPO: clients can't tell what came back, and no check of a restore would be asked."""
    if scenario.objectives.rpo is None and needs_rpo(experiment):
        place = "objectives", "rpo"
        problem = "the experiment restores a backup, and nothing would judge what came back"
        yield document.mistake(place, problem, remedy(Scenario, "missing", place))


def _check_mistakes(document: Document, scenario: Scenario) -> Iterator[Mistake]:
    """A check of the scenario's own must be there, and must not be taken for one of drill's."""
    if not scenario.checks:
        return
    from recovery import _judge, _own  # noqa: PLC0415 - who brings no check of their own waits for none

    shipped = {each.name for each in _judge.CHECKS}
    for index, name in enumerate(scenario.checks):
        place = ("checks", index)
        try:
            check = _own.find(name)
        except UsageError as error:
            remedy = "Set PYTHONPATH to the module's folder; `drill new check NAME` writes an example."
            yield document.mistake(place, str(error), remedy)
            continue
        if check.name in shipped:
            yield document.mistake(place, f"drill has a check {check.name!r} of its own", "Give yours another name.")
