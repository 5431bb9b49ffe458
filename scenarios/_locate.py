"""A YAML document with the line of every place in it."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from drill.errors import InputError, Mistake

Location = tuple[str | int, ...]


class Document:
    """One YAML file that holds a mapping.

    Raises:
        InputError: it can't be read, is not YAML, not a mapping, or says the same key twice.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            text = path.read_text(encoding="utf-8")
            self._root = yaml.compose(text, Loader=yaml.SafeLoader)
            content = yaml.safe_load(text)
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else None
            raise self._broken(line, f"not YAML: {error.problem}") from error
        except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
            raise self._broken(None, f"not a YAML text: {error}") from error
        if not isinstance(content, dict):
            raise InputError(
                [Mistake(str(path), 1, "(document)", "not a mapping", "Start with `name: ...` at the top.")]
            )
        self.content: dict[str, Any] = content
        if twice := [self.mistake(place, "said twice", "Keep one of the two.") for place in _repeated(self._root, ())]:
            raise InputError(twice)

    def mistake(self, place: Sequence[str | int], problem: str, remedy: str) -> Mistake:
        """A mistake at a place of this document."""
        return Mistake(str(self.path), self.line(place), ".".join(map(str, place)) or "(document)", problem, remedy)

    def line(self, place: Sequence[str | int]) -> int | None:
        """The line (from 1) of the node at `place`, or of its nearest parent that exists."""
        node = self._root
        line = node.start_mark.line + 1 if node is not None else None
        for step in place:
            child: yaml.Node | None = None
            if isinstance(node, yaml.MappingNode):
                for key, value in node.value:
                    if key.value == str(step):
                        line, child = key.start_mark.line + 1, value
            elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
                child = node.value[step]
                line = child.start_mark.line + 1
            if child is None:
                break
            node = child
        return line

    def _broken(self, line: int | None, problem: str) -> InputError:
        return InputError([Mistake(str(self.path), line, "(document)", problem, "Mend the text at this line.")])


def _repeated(node: yaml.Node | None, place: Location) -> Iterator[Location]:
    """The places of keys that a mapping has twice; YAML would quietly keep the last."""
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                yield (*place, key.value)
            seen.add(key.value)
            yield from _repeated(value, (*place, key.value))
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield from _repeated(value, (*place, index))
