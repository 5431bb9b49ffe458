"""Working examples that `drill new` copies under a name of yours: a scenario, a fault, a check, each with its test."""

import keyword
import os
import re
from importlib.util import find_spec
from pathlib import Path

from drill.errors import UsageError

_HERE = Path(__file__).parent
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


def copy(kind: str, name: str, folder: Path) -> list[Path]:
    """Write the example of a kind (`scenario`, `fault`, `check`) under a name into a folder; returns the files.

    Raises:
        UsageError: the name can't be one, `folder` is no folder and can't become one, or a file of it is there:
            nothing is overwritten, and nothing is written.
    """
    module = name.replace("-", "_")
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} can't be a name: give lower-case words joined by hyphens, such as lost-node")
    if kind != "scenario" and (keyword.iskeyword(module) or find_spec(module) is not None):
        raise UsageError(f"{name!r} is the name of a module that Python has already: give it another one")
    if kind == "check" and name in _shipped():
        raise UsageError(f"{name!r} is the name of a check that drill has already: give yours another one")
    texts = {
        folder / source.name.replace("example-name", name).replace("example_name", module): source.read_text()
        for source in sorted((_HERE / kind).iterdir())
        if source.suffix in (".py", ".yaml")
    }
    if there := [path for path in texts if path.exists()]:
        raise UsageError(f"{there[0]} is there, and is not overwritten: give another NAME, or a folder by --to")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--to {folder}: can't be a folder: {error.strerror}: name another one") from error
    if not os.access(folder, os.W_OK):
        raise UsageError(f"--to {folder}: can't be written to: name another folder")
    for path, text in texts.items():
        path.write_text(text.replace("example-name", name).replace("example_name", module), encoding="utf-8")
    return list(texts)


def _shipped() -> set[str]:
    """The names of drill's own checks."""
    from recovery._judge import CHECKS  # noqa: PLC0415 - only who makes a check waits for numpy

    return {each.name for each in CHECKS}
