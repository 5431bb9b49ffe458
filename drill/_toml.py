"""Where in a TOML text something is said: `tomllib` keeps no lines."""

import re
from collections.abc import Sequence

_TABLE = re.compile(r"\s*\[\[?\s*(?P<path>[^\]]+?)\s*\]")
_KEY = re.compile(r"\s*(?P<path>[\w.\"'-]+)\s*=")
_PART = re.compile(r"\"[^\"]*\"|'[^']*'|[^.\s]+")


def line(text: str, place: Sequence[str | int]) -> int | None:
    """The line (from 1) of the table or the key at `place`, or of its nearest parent that has one; None: no parent has.

    It goes by the lines' beginnings, which is enough to send an editor to the right one.
    """
    wanted = tuple(map(str, place))
    table: tuple[str, ...] = ()
    best, found = 0, None
    for number, content in enumerate(text.splitlines(), 1):
        if head := _TABLE.match(content):
            path = table = _parts(head["path"])
        elif key := _KEY.match(content):
            path = (*table, *_parts(key["path"]))
        else:
            continue
        if best < len(path) <= len(wanted) and wanted[: len(path)] == path:
            best, found = len(path), number
    return found


def _parts(path: str) -> tuple[str, ...]:
    return tuple(part.strip("\"'") for part in _PART.findall(path))
