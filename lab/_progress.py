"""One line a step, with the time it took, on stderr."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from time import monotonic

import stamina.instrumentation
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

Step = Callable[[str], AbstractContextManager[None]]
"""Opens a step by its title; the step lasts as long as the `with` block. Steps of several threads may overlap."""


@contextmanager
def progress() -> Iterator[Step]:
    """Show steps: live lines on a terminal; elsewhere, or with NO_COLOR, a plain line as each step ends."""
    console = Console(stderr=True, highlight=False)
    with _quiet_retries():
        if not console.is_terminal or console.no_color:
            yield _plain(console)
            return
        columns = (SpinnerColumn(finished_text="[green]✓"), TextColumn("{task.description}"), TimeElapsedColumn())
        with Progress(*columns, console=console) as live:
            yield _live(live)


@contextmanager
def _quiet_retries() -> Iterator[None]:
    """Waiting is what steps are for: that something is not so yet is no warning here."""
    hooks = stamina.instrumentation.get_on_retry_hooks()
    stamina.instrumentation.set_on_retry_hooks(())
    try:
        yield
    finally:
        stamina.instrumentation.set_on_retry_hooks(hooks)


def _plain(console: Console) -> Step:
    began = monotonic()

    @contextmanager
    def step(title: str) -> Iterator[None]:
        start = monotonic()
        try:
            yield
        except BaseException:
            console.print(f"{monotonic() - began:7.1f} s  {title}: failed", soft_wrap=True)
            raise
        console.print(f"{monotonic() - began:7.1f} s  {title} ({monotonic() - start:.1f} s)", soft_wrap=True)

    return step


def _live(live: Progress) -> Step:
    @contextmanager
    def step(title: str) -> Iterator[None]:
        task = live.add_task(title, total=1)
        try:
            yield
        except BaseException:
            live.update(task, description=f"[red]{title}: failed")
            live.stop_task(task)
            raise
        live.update(task, completed=1)

    return step
