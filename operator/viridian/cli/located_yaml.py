"""YAML documents that know in which line each of their fields stands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

Step = str | int
"""A field of a mapping, or a place in a list."""
MAX_VALUES: Final = 200_000
"""In one document. An object that the API server takes is much smaller."""
_TIMESTAMP: Final = "tag:yaml.org,2002:timestamp"


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """What is wrong with a field of a document."""

    path: tuple[Step, ...]
    message: str


class _Loader(yaml.SafeLoader):
    """Leaves times as text, as kubectl does."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != _TIMESTAMP]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@dataclass(frozen=True, slots=True)
class LocatedDocument:
    """One document, or one item of a `List`."""

    value: Any = field(repr=False)
    node: yaml.Node = field(repr=False)
    repeated: tuple[tuple[int, str], ...] = ()
    """Line and name of each field that its mapping has already: the API server would take the last one."""

    def line(self, path: Sequence[Step]) -> int:
        """The line of a field, or of the innermost part that is there; the first line is 1."""
        node = self.node
        line = node.start_mark.line
        for step in path:
            found = _entry(node, step)
            if found is None:
                break
            line, node = found
        return int(line) + 1

    def items(self) -> list[LocatedDocument]:
        """The items of a `List`; of every other document, the document itself."""
        kind = self.value.get("kind") if isinstance(self.value, dict) else None
        if not isinstance(kind, str) or not kind.endswith("List") or not isinstance(self.value.get("items"), list):
            return [self]
        found = _entry(self.node, "items")
        nodes = found[1].value if found is not None else []
        values = zip(self.value["items"], nodes, strict=True)
        return [LocatedDocument(value, node, self._repeated_in(node)) for value, node in values]

    def _repeated_in(self, node: yaml.Node) -> tuple[tuple[int, str], ...]:
        lines = range(node.start_mark.line + 1, node.end_mark.line + 2)
        return tuple(one for one in self.repeated if one[0] in lines)


def located_documents(text: bytes) -> list[LocatedDocument]:
    """All documents of a file that hold anything.

    Raises yaml.YAMLError or RecursionError for what is no YAML, and ValueError for what aliases make too large.
    """
    loader = _Loader(text)
    found = []
    try:
        while loader.check_node():
            if (node := loader.get_node()) is not None:
                _check_size(node, {})
                # The loader puts what is merged into the nodes, so keys are looked at before.
                repeated = tuple(_repeated_keys(node, set()))
                found.append(LocatedDocument(loader.construct_document(node), node, repeated))
    finally:
        loader.dispose()
    return [item for one in found if one.value is not None for item in one.items()]


def _check_size(node: yaml.Node, known: dict[int, int]) -> int:
    """How many values the node stands for once its aliases are followed."""
    if id(node) in known:
        return known[id(node)]
    known[id(node)] = MAX_VALUES + 1  # a node that holds itself would have no end
    size = 1 + sum(_check_size(inner, known) for inner in _inside(node))
    if size > MAX_VALUES:
        raise ValueError(f"the document stands for more than {MAX_VALUES} values, by its aliases or by its length")
    known[id(node)] = size
    return size


def _repeated_keys(node: yaml.Node, seen: set[int]) -> Iterator[tuple[int, str]]:
    if id(node) in seen:
        return
    seen.add(id(node))
    names: set[str] = set()
    for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
        name = str(key.value)
        if name in names and name != "<<":
            yield key.start_mark.line + 1, name
        names.add(name)
    for inner in _inside(node):
        yield from _repeated_keys(inner, seen)


def _inside(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [value for _, value in node.value]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _entry(node: yaml.Node, step: Step) -> tuple[int, yaml.Node] | None:
    """The line of an entry, and its value."""
    if isinstance(node, yaml.MappingNode):
        return next(
            ((key.start_mark.line, value) for key, value in reversed(node.value) if str(key.value) == step), None
        )
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        value = node.value[step]
        return value.start_mark.line, value
    return None
