"""What goes on beside a run of a game day: the screen, the injects in their time, and what people type meanwhile."""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from drill import clock
from drill.record import RunRecord
from scenarios.gameday import _screen, words
from scenarios.gameday._live import Live
from scenarios.gameday._screen import Screen
from scenarios.gameday.answers import ClosedError
from scenarios.gameday.model import GameDay, Inject, Step
from scenarios.gameday.words import Answer, Kept, Prompt, SayingError
from scenarios.reader import Drill

if TYPE_CHECKING:
    from scenarios.gameday.answers import Answers

Keep = Callable[[str, Kept], None]
"""Writes down what was said, at the prompt of this key."""
Ended = Callable[[Inject, Answer], None]
"""Writes down what became of an inject."""


class Watch:
    """A witness of one run, in threads of its own; never raises into the run.

    Args:
        day: whose escalation levels are called by the time.
        step: of which this is the run; its injects that are done already are left out.
        drill: what is run.
        screen: where it is shown.
        answers: where lines come from.
        typing: whether a person may type lines while it runs (nobody may where the runbook's operator does).
        keep: for what is said.
        ended: for what became of each inject.
        opened: told of the run's record.
    """

    def __init__(
        self,
        day: GameDay,
        step: Step,
        drill: Drill,
        screen: Screen,
        answers: "Answers",
        *,
        typing: bool,
        keep: Keep,
        ended: Ended,
        opened: Callable[[RunRecord], None],
    ) -> None:
        self._day, self._step, self._drill, self._screen, self._answers = day, step, drill, screen, answers
        self._typing, self._keep, self._ended, self._told = typing, keep, ended, opened
        self._done = threading.Event()
        self._live: Live | None = None
        self._threads: list[threading.Thread] = []
        self.trouble: str | None = None
        """What broke beside the run; it has not touched it."""

    def opened(self, record: RunRecord) -> None:
        """Begin to show the run."""
        self._told(record)
        self._live = Live(record, self._drill.scenario, self._day.escalation)
        work = [self._show, *([self._speak] if self._step.injects or self._typing else [])]
        self._threads = [threading.Thread(target=self._safely, args=(each,), daemon=True) for each in work]
        for thread in self._threads:
            thread.start()

    def closing(self) -> None:
        """The run is over: nothing is asked any more."""
        self.end()

    def end(self) -> None:
        """End the threads; what was not brought in is told."""
        self._done.set()
        for thread in self._threads:
            thread.join()
        self._threads = []

    def _safely(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - told at the prompt after the run; a run is never ended by its screen
            self.trouble = f"{type(error).__name__}: {error}"

    def _show(self) -> None:
        title = f"{self._day.title}: {self._step.name}"
        while True:
            last = self._done.is_set()
            if self._live is not None:
                self._screen.show(title, self._live.look())
            if last:
                return
            self._done.wait(_screen.PERIOD)

    def _speak(self) -> None:
        """Injects in the order of their time, and between them what is typed."""
        for inject in self._step.injects:
            if not self._await(inject):
                self._ended(inject, Answer("not-done", "the run was over before its time", good=False))
                continue
            self._screen.say(f"INJECT {inject.name}, for {inject.to}: {inject.text}")
            self._ended(inject, self._asked(words.inject(self._step, inject.name)))
        while self._typing and not self._done.is_set():
            self._line(Prompt(f"{self._step.name}.during", "ok"), self._done)

    def _await(self, inject: Inject) -> bool:
        """Whether the time of an inject came while the run went on; until then, what is typed is kept."""
        while not self._done.is_set():
            if (live := self._live) is not None and live.t0 is not None and clock.now() >= live.t0 + inject.after:
                return True
            due = threading.Event()
            timer = threading.Timer(_screen.PERIOD, due.set)
            timer.start()
            if self._typing:
                self._line(Prompt(f"{self._step.name}.during", "ok"), due)
            due.wait()
        return False

    def _asked(self, prompt: Prompt) -> Answer:
        """The answer at a prompt; lines that are kept come before it."""
        place = 0
        while not self._done.is_set():
            if self._answers.attended:
                line = self._line(prompt, self._done)
                if isinstance(line, Answer):
                    return line
                continue
            try:
                said = self._answers.line(prompt, place, self._done)
            except ClosedError as error:
                return Answer("not-done", str(error), good=False)
            if said is None:
                break
            if isinstance(said.means, Answer):
                return said.means
            self._keep(prompt.key, said.means)
            place += 1
        return Answer("not-done", "the run was over before anybody said so", good=False)

    def _line(self, prompt: Prompt, stop: threading.Event) -> Answer | None:
        """One typed line: kept, or the answer."""
        if self._screen.plain:
            try:
                line = self._answers.line(prompt, 1, stop)
            except ClosedError:
                self._done.wait()
                return None
            means = None if line is None else line.means
        else:
            text = _screen.typed_line(stop, self._screen.type)
            if not text:
                return Answer(prompt.good) if text == "" else None
            try:
                means = words.understand(prompt, text, self._day).means
            except SayingError as error:
                self._screen.say(str(error))
                return None
        if isinstance(means, Kept):
            self._keep(prompt.key, means)
            self._screen.say(f"kept: {means.kind}")
            return None
        return means
