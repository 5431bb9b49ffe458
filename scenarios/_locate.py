"""A YAML document with the line of every place in it."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from drill.errors import InputError, Mistake

Location = tuple[str | int, ...]

_MOST = 10_000
_PATH = "Give the path of a YAML file."
_UNREADABLE = "Save it as UTF-8 text in YAML, with quotes around whatever is meant as text."


class Document:
    """One YAML file that holds a mapping.

    Raises:
        InputError: it can't be read, is not YAML, not a mapping, or says the same key twice.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._root: yaml.Node | None = None
        try:
            content = self._read()
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else None
            raise self._broken(line, f"not YAML: {error.problem}") from error
        except FileNotFoundError as error:
            raise self._broken(None, "no such file", _PATH) from error
        except IsADirectoryError as error:
            raise self._broken(None, "is a folder", _PATH) from error
        except (yaml.YAMLError, ValueError, OSError) as error:  # ValueError: not UTF-8, or 30 February
            reason = str(error).splitlines()[0]
            raise self._broken(_line_of(error), f"not a YAML text: {reason}", _UNREADABLE) from error
        except RecursionError as error:
            remedy = "Write it flatter: a scenario is four levels deep."
            raise self._broken(None, "nested too deeply", remedy) from error
        if not isinstance(content, dict):
            raise InputError(
                [Mistake(str(path), 1, "(document)", "not a mapping", "Start with `name: ...` at the top.")]
            )
        self.content: dict[str, Any] = content

    def _read(self) -> Any:
        loader = yaml.SafeLoader(self.path.read_text(encoding="utf-8"))
        try:
            self._root = loader.get_single_node()
            if not _bounded(self._root):
                remedy = "Write the values out: an alias here contains itself, or multiplies what it stands for."
                raise self._broken(None, f"unfolds to more than {_MOST:,} values", remedy)
            if twice := list(_repeated(self._root, ())):
                raise InputError([self.mistake(place, "said twice", "Keep one of the two.") for place in twice])
            return None if self._root is None else loader.construct_document(self._root)
        finally:
            loader.dispose()

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

    def has(self, place: Sequence[str | int]) -> bool:
        """Whether the document says something at `place`."""
        node: Any = self.content
        for step in place:
            there = step in node if isinstance(node, dict) else isinstance(step, int) and step < _length(node)
            if not there:
                return False
            node = node[step]
        return True

    def _broken(self, line: int | None, problem: str, remedy: str = "Mend the text at this line.") -> InputError:
        return InputError([Mistake(str(self.path), line, "(document)", problem, remedy)])


def _line_of(error: Exception) -> int | None:
    return error.object.count(b"\n", 0, error.start) + 1 if isinstance(error, UnicodeDecodeError) else None


def _length(node: Any) -> int:
    return len(node) if isinstance(node, list) else 0


def _bounded(root: yaml.Node | None) -> bool:
    """Whether it has a size that a person can have written, with every alias unfolded."""
    waiting, seen = [root], 0
    while waiting:
        seen += 1
        if seen > _MOST:
            return False
        match waiting.pop():
            case yaml.MappingNode(value=pairs):
                waiting += [each for pair in pairs for each in pair]
            case yaml.SequenceNode(value=values):
                waiting += values
            case _:
                pass
    return True


def _repeated(node: yaml.Node | None, place: Location) -> Iterator[Location]:
    """The places of keys that a mapping has twice; YAML would quietly keep the last."""
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            name = str(key.value)
            if name in seen:
                yield (*place, name)
            seen.add(name)
            yield from _repeated(value, (*place, name))
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield from _repeated(value, (*place, index))
