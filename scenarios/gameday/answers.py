"""Who answers the prompts of a game day: a person on the terminal, or a file where nobody sits (CI, a rehearsal).

A file of answers is YAML: by a prompt's key one line, or a list of lines, exactly as a person would type them; the last
one ends the prompt. A line that begins with `+90 ` is said after 90 s. `drill gameday answers FILE` writes a draft.
"""

import difflib
import select
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import yaml

from drill.errors import InputError, Mistake, UsageError
from scenarios._locate import Document
from scenarios.gameday import words
from scenarios.gameday.reader import Agenda
from scenarios.gameday.words import Answer, Kept, Line, Prompt, SayingError

_PERIOD = 0.2


class ClosedError(Exception):
    """There is nobody any more who could answer."""


class Answers(Protocol):
    """Where the lines come from."""

    attended: bool
    """Whether a person types them."""

    def line(self, prompt: Prompt, place: int, stop: threading.Event | None = None) -> Line | None:
        """The `place`-th line (from 0) at a prompt, understood; None: `stop` was set before there was one.

        Raises:
            ClosedError: there is none, and there will be none.
        """


class FromTerminal:
    """A person's lines; one that can't be meant is asked for again."""

    attended = True

    def __init__(self, agenda: Agenda, say: Callable[[str], None]) -> None:
        self._day, self._say = agenda.day, say

    def line(self, prompt: Prompt, place: int, stop: threading.Event | None = None) -> Line | None:
        """What is typed next."""
        if place == 0:
            self._say(f"[{prompt.words}{' - Enter is ' + prompt.good if prompt.silent else ''}]")
        while stop is None or not stop.is_set():
            if not select.select([sys.stdin], [], [], _PERIOD)[0]:
                continue
            typed = sys.stdin.readline()
            if not typed:
                raise ClosedError("the terminal was closed")
            try:
                return words.understand(prompt, typed.strip(), self._day)
            except SayingError as error:
                self._say(str(error))
        return None


class FromFile:
    """A file's lines, all of them understood before the day begins."""

    attended = False

    def __init__(self, lines: Mapping[str, Sequence[Line]], operators: Mapping[str, Sequence[str]]) -> None:
        self._lines = lines
        self.operators = operators
        """An operator's answers to a runbook, by the prompt's key."""

    def line(self, prompt: Prompt, place: int, stop: threading.Event | None = None) -> Line | None:
        """The next one of the file, in its time."""
        said = self._lines.get(prompt.key, (Line(Answer(prompt.good)),) if prompt.optional else ())
        if place >= len(said):
            raise ClosedError(f"the file of answers has none left for {prompt.key}")
        line = said[place]
        if stop is None:
            time.sleep(line.later)
        elif stop.wait(line.later):
            return None
        return line


def from_terminal(agenda: Agenda, say: Callable[[str], None]) -> FromTerminal:
    """The person in front of this process.

    Raises:
        UsageError: there is none.
    """
    if sys.stdin is None or not sys.stdin.isatty():
        raise UsageError("a game day asks people, and there is no terminal to ask on: give --answers FILE")
    return FromTerminal(agenda, say)


def from_file(path: Path, agenda: Agenda) -> FromFile:
    """Read a file of answers, and hold it against what the day will ask.

    Raises:
        InputError: a prompt has no answer, an answer no prompt, or a line can't be meant.
    """
    document = Document(path)
    asked = {each.key: each for each in words.prompts(agenda)}
    mistakes: list[Mistake] = []
    lines: dict[str, list[Line]] = {}
    operators: dict[str, list[str]] = {}
    for key, value in document.content.items():
        said = value if isinstance(value, list) else [value]
        if key not in asked:
            mistakes.append(document.mistake((key,), "nothing is asked by this name", _meant(str(key), asked)))
        elif wrong := [each for each in said if not isinstance(each, str)]:
            problem = f"{wrong[0]!r} is not a line of text"
            mistakes.append(document.mistake((key,), problem, "Write it in quotes, or a list of such lines."))
        elif not asked[key].good:
            operators[key] = said
        else:
            lines[key], more = _understood(document, asked[key], said, agenda)
            mistakes += more
    for key, prompt in asked.items():
        if key not in document.content and not prompt.optional:
            what = prompt.words or "one line a phase of the runbook"
            mistakes.append(
                document.mistake((key,), "it will be asked and has no answer", f"Add `{key}: ...` ({what}).")
            )
    if mistakes:
        raise InputError(mistakes)
    return FromFile(lines, operators)


def draft(agenda: Agenda) -> str:
    """A file of answers that says yes to everything, to be edited."""
    said = {each.key: each.good or ["what was found or done"] for each in words.prompts(agenda) if not each.optional}
    return yaml.safe_dump(said, sort_keys=False, allow_unicode=True)


def _understood(
    document: Document, prompt: Prompt, said: Sequence[str], agenda: Agenda
) -> tuple[list[Line], list[Mistake]]:
    lines: list[Line] = []
    mistakes: list[Mistake] = []
    for place, text in enumerate(said):
        where = (prompt.key, place) if len(said) > 1 else (prompt.key,)
        try:
            line = words.understand(prompt, text, agenda.day)
        except SayingError as error:
            mistakes.append(document.mistake(where, str(error), "Say it as a person would at this prompt."))
            continue
        lines.append(line)
        last = place == len(said) - 1
        if isinstance(line.means, Kept) and last:
            problem = "it does not end the prompt"
            mistakes.append(document.mistake(where, problem, f"End with one of: {prompt.words}."))
        elif isinstance(line.means, Answer) and not last:
            mistakes.append(document.mistake(where, "nothing after it is heard", "Put it last."))
    if not said:
        mistakes.append(document.mistake((prompt.key,), "an empty list", f"End with one of: {prompt.words}."))
    return lines, mistakes


def _meant(key: str, asked: Mapping[str, Prompt]) -> str:
    close = difflib.get_close_matches(key, list(asked), n=1)
    return f"Did you mean `{close[0]}`?" if close else f"Asked are: {', '.join(asked)}."
