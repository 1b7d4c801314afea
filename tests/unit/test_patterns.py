"""Every regular expression of the product takes time in proportion to the text, whoever wrote the text."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.regex_steps import superlinear

ROOT = Path(__file__).resolve().parents[2] / "operator"
FROM_THE_BEGINNING = {"match", "fullmatch"}
USES = FROM_THE_BEGINNING | {"search", "sub", "subn", "split", "findall", "finditer"}


@dataclass(frozen=True)
class Use:
    """A pattern, and the way in which it is used."""

    where: str
    pattern: re.Pattern[str]
    method: str

    def __str__(self) -> str:
        return f"{self.where} {self.method}"


def uses() -> Iterator[Use]:
    for path in sorted((ROOT / "viridian").rglob("*.py")):
        source = path.read_text()
        # Each process of tests reads all modules: those without a pattern are not parsed.
        if "import re\n" in source or "pattern=" in source:
            yield from uses_in(source, ".".join(path.relative_to(ROOT).with_suffix("").parts))


def uses_in(source: str, module: str) -> Iterator[Use]:
    """All uses of `re` in a module: `re.sub(…)` at once, `NAME = re.compile(…)` by the methods of the name."""
    tree = ast.parse(source)
    yield from of_types(tree, module)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and is_re(node.func)]
    names = dict(compiled(tree))
    for call in calls:
        assert isinstance(call.func, ast.Attribute)
        where = f"{module}:{call.lineno}"
        if call.func.attr in USES:
            yield Use(where, pattern_of(call, module), call.func.attr)
        elif call.func.attr == "compile":
            name = names.get(call)
            assert name is not None, f"{where}: give the pattern a name at the top of the module"
            # One that is handed on to a function is used in the ways in which the module uses any.
            methods = set(attributes_of(tree, name)) & USES or set(attributes_of(tree)) & USES
            assert methods, f"{where}: nothing in this module uses {name}"
            pattern = pattern_of(call, module, name)
            yield from (Use(f"{where} {name}", pattern, method) for method in sorted(methods))
        else:
            assert call.func.attr in ("escape",), f"{where}: re.{call.func.attr} is not known here"


def of_types(tree: ast.Module, module: str) -> Iterator[Use]:
    """`Meta(pattern=…)`, which msgspec searches for."""
    for node in (found for found in ast.walk(tree) if isinstance(found, ast.Call)):
        for keyword in node.keywords:
            if keyword.arg == "pattern":
                assert isinstance(keyword.value, ast.Constant), f"{module}:{node.lineno}: write the pattern there"
                yield Use(f"{module}:{node.lineno} pattern", re.compile(str(keyword.value.value)), "search")


def compiled(tree: ast.Module) -> Iterator[tuple[ast.expr, str]]:
    for node in tree.body:
        target = (
            node.targets[0] if isinstance(node, ast.Assign) else node.target if isinstance(node, ast.AnnAssign) else 0
        )
        if isinstance(target, ast.Name) and isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            yield node.value, target.id


def is_re(function: ast.expr) -> bool:
    return isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) and function.value.id == "re"


def attributes_of(tree: ast.Module, name: str = "") -> Iterator[str]:
    """What is asked of a name in the module, or of any."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and name in ("", node.value.id):
            yield node.attr


def pattern_of(call: ast.Call, module: str, name: str = "") -> re.Pattern[str]:
    """The pattern as it is written there, or as the module has made it."""
    text, *flags = call.args
    if isinstance(text, ast.Constant) and not (name and flags):
        return re.compile(str(text.value))
    return re.compile(getattr(importlib.import_module(module), name or getattr(text, "id", "")))


ALL = list(uses())


@pytest.mark.parametrize("use", ALL, ids=str)
def test_a_pattern_takes_time_in_proportion_to_the_text(use: Use) -> None:
    found = superlinear(
        use.pattern, anywhere=use.method not in FROM_THE_BEGINNING, to_the_end=use.method == "fullmatch"
    )
    assert found is None


def test_the_patterns_of_the_product_are_found() -> None:
    assert len(ALL) > 20


@pytest.mark.parametrize(
    ("pattern", "method"),
    [
        (r"\s*\(e\.g\..*?regex used for validation is .*?\)$", "sub"),
        (r"Invalid value: [{\[].*[}\]]: ", "sub"),
        (r"&\{(.*?)\}", "sub"),
        (r"ValidatingAdmissionPolicy .* denied request", "search"),
        (r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", "fullmatch"),
        (r"\s+$", "search"),
        (r"(a+)+b", "match"),
        (r"(a|aa)+", "fullmatch"),
        (r"\w+@\w+", "search"),
        (r"([a-z]+-?)*!", "fullmatch"),
    ],
)
def test_a_bad_pattern_is_found(pattern: str, method: str) -> None:
    assert superlinear(re.compile(pattern), anywhere=method not in FROM_THE_BEGINNING, to_the_end=method == "fullmatch")


def test_a_planted_pattern_is_found_in_a_module() -> None:
    planted = 'import re\n_BAD = re.compile(r"[0-9]+\\.?[0-9]*")\n\ndef f(t):\n    return _BAD.fullmatch(t)\n'
    (use,) = uses_in(planted, "planted")
    assert use.method == "fullmatch"
    assert superlinear(use.pattern, anywhere=False, to_the_end=True)
