"""Read and validate a game-day file with the scenarios that it names: every mistake at once, with its place."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import yaml

from drill.errors import InputError, Mistake
from scenarios import reader
from scenarios._locate import Document
from scenarios._validated import validated
from scenarios.gameday.model import GameDay, Step
from scenarios.reader import Drill


@dataclass(frozen=True)
class Agenda:
    """A game day that is ready to be led, with its drills in their order."""

    day: GameDay
    """Every step has its name."""
    drills: tuple[Drill, ...]

    @property
    def steps(self) -> tuple[tuple[Step, Drill], ...]:
        """Each step with its drill."""
        return tuple(zip(self.day.scenarios, self.drills, strict=True))

    def text(self) -> str:
        """The file with every default filled in, as the record keeps it."""
        return yaml.safe_dump(self.day.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def asks_an_operator(drill: Drill) -> bool:
    """Whether a person follows a runbook in this drill."""
    return (drill.experiment.get("configuration") or {}).get("mode") == "operator"


def read(path: Path) -> Agenda:
    """Read a game day and all its scenarios.

    Raises:
        InputError: with every mistake that was found in all of the files.
    """
    document = Document(path)
    day, mistakes = validated(GameDay, document)
    if day is None:
        raise InputError(mistakes)
    drills: list[Drill] = []
    steps: list[Step] = []
    for place, step in enumerate(day.scenarios):
        try:
            drill = reader.read(_find(path, step.scenario))
        except InputError as error:
            mistakes += [_at(document, place, each) for each in error.mistakes]
            continue
        drills.append(drill)
        steps.append(step.model_copy(update={"name": step.name or drill.scenario.name}))
    names = Counter(each.name for each in steps)
    for place, step in enumerate(steps):
        if names[step.name] > 1 and len(steps) == len(day.scenarios):
            remedy = "Give each a `name` of its own."
            mistakes.append(document.mistake(("scenarios", place), f"two scenarios are called {step.name}", remedy))
    if mistakes:
        raise InputError(mistakes)
    return Agenda(day.model_copy(update={"scenarios": tuple(steps)}), tuple(drills))


def _find(day: Path, scenario: str) -> Path:
    """A path beside the game day's file wins over a name in the catalogue."""
    beside = day.parent / scenario
    return beside if beside.is_file() else reader.find(scenario)


def _at(document: Document, place: int, mistake: Mistake) -> Mistake:
    """A scenario that is not there is a mistake of this file; what is wrong in one that is there is its own."""
    if mistake.field != "scenario":
        return mistake
    return document.mistake(("scenarios", place, "scenario"), f"{mistake.file}: {mistake.problem}", mistake.remedy)
