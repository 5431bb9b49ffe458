"""Where the operator of a drill sits: prompts on the terminal, or a file of answers where nobody is there (CI).

The experiment writes its questions into the record (`experiments.runbooks.operator`); here they are put to a person,
and the answers are written beside them. An answer is one line: what was found or done. A line that begins with `!` says
that it could not be done; in a file, one that begins with `+90 ` is given after 90 s, as a person takes their time.
"""

import re
import select
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from drill.record import RunRecord
from drill.settings import Settings
from experiments.runbooks import operator

_PERIOD = 0.25
_UNABLE = "!"
_LATER = re.compile(r"\+(\d+)\s+")


class Desk:
    """Answers questions in a thread of its own, from entering to leaving the context."""

    def __init__(self, record: RunRecord, settings: Settings, say: Callable[[str], None]) -> None:
        self._path, self._say = record.path / operator.FILE, say
        self._lines = None if settings.answers is None else lines(settings.answers)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="operator", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()

    def _serve(self) -> None:
        while not self._done.wait(_PERIOD):
            for question in operator.open_questions(self._path):
                self._put(question)

    def _put(self, question: operator.Question) -> None:
        minutes = f"{question.budget / 60:g} min"
        self._say(f"OPERATOR, {question.phase} ({minutes}): {question.instruction}")
        line = self._terminal() if self._lines is None else self._filed(self._lines)
        if line is not None:
            note = line.removeprefix(_UNABLE).strip()
            self._say(f"operator, {question.phase}: {note or '(no note)'}")
            operator.answer(self._path, question, note, ok=not line.startswith(_UNABLE))

    def _filed(self, answers: Iterator[str]) -> str | None:
        """The file's next answer, when its time has come; None: the run is over before."""
        line = next(answers, f"{_UNABLE}the file has no more answers")
        if (late := _LATER.match(line)) is None:
            return line
        return None if self._done.wait(float(late[1])) else line[late.end() :]

    def _terminal(self) -> str | None:
        """One line; None: the run is over and nobody has answered."""
        self._say(f"Enter ends the phase; what you type before it is kept as a note ({_UNABLE} first: not done).")
        while not self._done.is_set():
            if select.select([sys.stdin], [], [], _PERIOD)[0]:
                line = sys.stdin.readline()
                return line.strip() if line else f"{_UNABLE}the terminal was closed"
        return None


def trouble(experiment: dict[str, Any], settings: Settings) -> str | None:
    """Why a drill that an operator acts in can't ask one; None: it can, or needs none."""
    if (experiment.get("configuration") or {}).get("mode") != "operator":
        return None
    if settings.answers is not None:
        return None if settings.answers.is_file() else f"no such file of answers: {settings.answers}"
    if sys.stdin is not None and sys.stdin.isatty():
        return None
    return "an operator acts in this drill, and there is no terminal to ask on: give --answers FILE, one line a phase"


def lines(path: Path) -> Iterator[str]:
    """The answers of a file, one a line; empty lines and comments are none."""
    text = path.read_text(encoding="utf-8").splitlines()
    return iter([line.strip() for line in text if line.strip() and not line.lstrip().startswith("#")])
