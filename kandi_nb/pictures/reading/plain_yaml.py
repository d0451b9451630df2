"""YAML as tables hold it: decimal numbers alone are numbers, and no tag runs code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

# YAML 1.1 also reads 010 as 8, 1:30 as 90, 1_0 as 10 and 0x10 as 16; here they stay text.
_NUMBERS = {
    "tag:yaml.org,2002:int": (int, re.compile(r"[-+]?(0|[1-9][0-9]*)")),
    "tag:yaml.org,2002:float": (
        float,
        re.compile(r"[-+]?(([0-9]+\.[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+)"),
    ),
}
_LIST = (None, "!", "tag:yaml.org,2002:seq")  # the tags of a list that is just one


class PlainLoader(yaml.SafeLoader):
    """Load plain data, PyYAML's safe constructors, with decimal numbers alone."""

    yaml_implicit_resolvers = {  # noqa: RUF012 (PyYAML copies it for each subclass)
        first: [(tag, form) for tag, form in known if tag not in _NUMBERS]
        for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def number(self, node: Any) -> float:
        """Return the number of a node, whose tag may have been given; raise YAMLError."""
        reading, form = _NUMBERS[node.tag]
        text = self.construct_scalar(node)
        if not form.fullmatch(text):
            raise yaml.constructor.ConstructorError(problem=f"{text} is no decimal number")
        return reading(text)


for _tag, (_, _form) in _NUMBERS.items():
    PlainLoader.add_implicit_resolver(
        _tag, re.compile(f"(?:{_form.pattern})$"), list("-+.0123456789")
    )
    PlainLoader.add_constructor(_tag, PlainLoader.number)


def check_tag(event: Any) -> None:
    """Raise YAMLError when the list that an event begins has a tag of its own."""
    if event.tag not in _LIST:
        raise yaml.constructor.ConstructorError(problem=f"the list has the tag {event.tag}")


class Stream:
    """Give lines as a file that is read in pieces, as PyYAML wants it."""

    def __init__(self, lines: Iterator[tuple[int, str]]) -> None:
        self._lines, self._left = lines, ""

    def read(self, size: int = -1) -> str:
        """Return the next `size` letters, fewer at the end."""
        while len(self._left) < size:
            line = next(self._lines, None)
            if line is None:
                break
            self._left += line[1]
        piece, self._left = self._left[:size], self._left[size:]
        return piece
