"""Completion for shells is typer's own: it prints, and it knows our commands."""

import os
import subprocess
import sys
from pathlib import Path

DRILL = Path(sys.executable).with_name("drill")


def _asked(*arguments: str, **variables: str) -> str:
    done = subprocess.run(
        [DRILL, *arguments], env={**os.environ, **variables}, capture_output=True, text=True, check=True
    )
    return done.stdout


def test_it_is_printed_for_a_shell() -> None:
    """As the documentation says; the shell is named here, which a terminal's is found by its process."""
    printed = _asked("--show-completion", "bash", _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    assert "complete -o default -F _drill_completion drill" in printed


def test_it_completes_commands() -> None:
    """And nothing that does not begin so."""
    asked = _asked(_DRILL_COMPLETE="complete_bash", COMP_WORDS="drill ab", COMP_CWORD="1")
    assert asked.split() == ["abort"]
    assert _asked(_DRILL_COMPLETE="complete_bash", COMP_WORDS="drill zz", COMP_CWORD="1").split() == []
