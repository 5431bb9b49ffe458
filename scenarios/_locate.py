"""From a path inside a YAML document to the line that holds it."""

from collections.abc import Sequence

import yaml


class Lines:
    """The lines of one YAML document's nodes."""

    def __init__(self, text: str) -> None:
        self._root = yaml.compose(text, Loader=yaml.SafeLoader)

    def of(self, location: Sequence[str | int]) -> int | None:
        """The line (from 1) of the node at `location`, or of its nearest parent that exists."""
        node = self._root
        line = node.start_mark.line + 1 if node is not None else None
        for step in location:
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
