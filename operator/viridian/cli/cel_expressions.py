"""CEL on this computer: the library of the extra `cli`, with those functions of the API server that it lacks.

A test holds it to the API server: the tables of wrong manifests have the same answers here and there.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from viridian.cli.files import UnusableFile

_ESCAPED: Final = re.compile(r"\.__([a-z]+)__\b")
"""A field with the name of a reserved word, as rules for the API server have it. The library takes the word itself."""


class CelExpressions:
    """Evaluates expressions; each is compiled once."""

    def __init__(self) -> None:
        try:
            self._cel = importlib.import_module("cel")
            self._standard = importlib.import_module("cel.stdlib")
        except ImportError as error:
            raise UnusableFile("the evaluator of CEL is missing: install `viridian[cli]`") from error
        self._programs: dict[str, Any] = {}

    def evaluate(self, expression: str, variables: Mapping[str, Any]) -> Any:
        """The value of the expression; raises ValueError, RuntimeError or TypeError where it has none."""
        program = self._programs.get(expression)
        if program is None:
            program = self._programs[expression] = self._cel.compile(_ESCAPED.sub(r".\1", expression))
        context = self._cel.Context(dict(variables))
        self._standard.add_stdlib_to_context(context)
        context.add_function("isSorted", _is_sorted)
        context.add_function("indexOf", _index_of)
        return program.execute(context)


def _is_sorted(items: Sequence[Any]) -> bool:
    return all(before <= after for before, after in pairwise(items))


def _index_of(where: str | Sequence[Any], what: Any) -> int:
    """Of a text and of a list: the library knows that of a text."""
    if isinstance(where, str):
        return where.find(what)
    return where.index(what) if what in where else -1
