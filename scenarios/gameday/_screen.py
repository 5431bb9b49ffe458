"""The screen of a game day: a live panel on a terminal; elsewhere one plain line a change, for logs and screen readers.

Either way each change is also a line of the record's screen.log.
"""

import os
import select
import sys
import termios
import threading
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.live import Live as Panel
from rich.table import Table
from rich.text import Text

from drill import clock
from scenarios.gameday._live import Status

PERIOD = 1.0
_TONES = {"served": "green", "DEGRADED": "yellow", "OUT": "bold red"}
_ERASE = {"\x7f", "\b"}


class Screen:
    """Shows statuses and says lines.

    Args:
        log: the file that gets every line.
        say: says a plain line to a person, on stderr.
        plain: no panel, whatever the terminal can do.
    """

    def __init__(self, log: Path, say: Callable[[str], None], *, plain: bool) -> None:
        self._log, self._say = log, say
        self._console = Console(stderr=True, highlight=False)
        self.plain = plain or not self._console.is_terminal or "NO_COLOR" in os.environ
        """Whether lines are all there is."""
        self._panel: Panel | None = None
        self._last: tuple[str, ...] = ()
        self._typed = ""
        self._lock = threading.Lock()

    def say(self, line: str) -> None:
        """One line, on the screen and in the log."""
        self._write(line)
        with self._lock:
            if self._panel is None:
                self._say(line)
            else:
                self._panel.console.print(Text(line))

    def show(self, title: str, status: Status) -> None:
        """A run as it is now; a line only where something changed that is worth one."""
        changed, self._last = status.coarse != self._last, status.coarse
        if changed:
            self._write(status.line)
        with self._lock:
            if self._panel is not None:
                self._panel.update(_table(title, status, self._typed), refresh=True)
            elif changed:
                self._say(f"{_time()} {status.line}")

    @contextmanager
    def live(self, *, panel: bool) -> Iterator[None]:
        """The panel is on the screen, if there is to be one; statuses of another run are told anew."""
        self._last = ()
        if self.plain or not panel:
            yield
            return
        shown = Panel(Text("waiting for the run"), console=self._console, auto_refresh=False, transient=True)
        with shown:
            self._panel = shown
            try:
                yield
            finally:
                with self._lock:
                    self._panel = None

    def type(self, text: str) -> None:
        """What a person is typing, shown in the panel."""
        self._typed = text

    def _write(self, line: str) -> None:
        with self._log.open("a", encoding="utf-8") as log:
            log.write(f"{_time()} {line}\n")


@contextmanager
def keys() -> Iterator[None]:
    """The terminal gives each key at once and does not show it: the panel does."""
    before = termios.tcgetattr(sys.stdin)
    try:
        tty.setcbreak(sys.stdin)
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def typed_line(stop: threading.Event, show: Callable[[str], None]) -> str | None:
    """One line, key by key; None: `stop` was set before it was ended."""
    text = ""
    while not stop.is_set():
        if not select.select([sys.stdin], [], [], PERIOD / 5)[0]:
            continue
        for key in os.read(sys.stdin.fileno(), 1024).decode(errors="ignore"):
            if key in "\r\n":
                show("")
                return text
            text = text[:-1] if key in _ERASE else text + key if key.isprintable() else text
        show(text)
    show("")
    return None


def _table(title: str, status: Status, typed: str) -> Table:
    table = Table(title=title, show_header=False, expand=True, title_justify="left")
    table.add_column("what", no_wrap=True)
    table.add_column("now", ratio=1)
    table.add_row("Phase", status.phase)
    table.add_row("Fault", Text(status.fault, style="bold red" if status.on else ""))
    for each in status.clients:
        table.add_row("Clients", Text(each.words, style=_TONES.get(each.state, "")))
    table.add_row("Time left", Text(status.time_left, style="bold red" if (status.left or 0) < 0 else ""))
    if status.call:
        table.add_row("Call", Text(status.call, style="bold yellow"))
    hint = "(note TEXT, decision TEXT, finding ..., escalate L2: TEXT; Ctrl-C undoes)"
    table.add_row("Type", Text(f"{typed}_   {hint}"))
    return table


def _time() -> str:
    return datetime.fromtimestamp(clock.now(), UTC).strftime("%H:%M:%S")
