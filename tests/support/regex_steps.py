"""How many steps a regular expression takes: a small backtracking matcher that counts, in the place of a clock.

It follows Python's own parse tree and tries alternatives in the same order, without the shortcuts of the real matcher:
those change factors, not whether the steps grow with the square of the text.
"""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any, Final

SIZES: Final = (200, 400)
"""Characters of the texts that are compared."""
MOST_GROWTH: Final = 2.7
MOST_STEPS: Final = 40_000
"""Beyond it, counting is given up."""
_DEPTH: Final = 20_000
_NOWHERE: Final = "\x00"

Node = tuple[Any, Any]
Then = Callable[[int], bool]


class TooManySteps(Exception):
    """More than any linear pattern takes."""


def superlinear(pattern: re.Pattern[str], *, anywhere: bool, to_the_end: bool = False) -> str | None:
    """A text on which the steps grow faster than its length; None where none was found.

    `anywhere`: the pattern is searched for, rather than matched at the beginning. `to_the_end`: it must match all.
    """
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(_DEPTH)
    try:
        for begin, pump, end in _attacks(pattern):
            few, many = (_steps(pattern, _text(begin, pump, end, size), anywhere, to_the_end) for size in SIZES)
            if many > min(MOST_STEPS, MOST_GROWTH * max(few, SIZES[0])):
                return f"{begin!r} + {pump!r} * n + {end!r}: {few} and {many} steps at {SIZES} characters"
    finally:
        sys.setrecursionlimit(before)
    return None


def _text(begin: str, pump: str, end: str, size: int) -> str:
    return begin + pump * (size // len(pump)) + end


def _attacks(pattern: re.Pattern[str]) -> Iterator[tuple[str, str, str]]:
    """Beginnings, what is repeated, and ends that keep the whole from matching."""
    tree = list(parser.parse(pattern.pattern, pattern.flags & ~re.UNICODE))
    words = dict.fromkeys(word for word in _words(tree) if word)
    whole = _sample(tree)
    prefixes = dict.fromkeys(["", *_prefixes(tree, "")])
    pumps = dict.fromkeys([*words, *(prefix for prefix in prefixes if prefix), *([whole] if whole else []), " "])
    for pump in pumps:
        for begin in prefixes:
            for end in (_NOWHERE, ""):
                yield begin, pump, end


def _words(tree: Sequence[Node]) -> Iterator[str]:
    """What the parts of a pattern match, as examples."""
    for code, value in tree:
        yield from _letters(code, value)
        for inner in _inside(code, value):
            yield _sample(inner)
            yield from _words(inner)


def _prefixes(tree: Sequence[Node], before: str) -> Iterator[str]:
    """What may stand before each repeat."""
    for code, value in tree:
        if code in (op.MAX_REPEAT, op.MIN_REPEAT):
            yield before
        for inner in _inside(code, value):
            yield from _prefixes(inner, before)
        before += _sample([(code, value)])


def _inside(code: Any, value: Any) -> list[list[Node]]:
    if code in (op.MAX_REPEAT, op.MIN_REPEAT):
        return [list(value[2])]
    if code is op.SUBPATTERN:
        return [list(value[3])]
    if code is op.BRANCH:
        return [list(branch) for branch in value[1]]
    return []


def _sample(tree: Sequence[Node]) -> str:
    """One text that the pattern matches."""
    found = ""
    for code, value in tree:
        inside = _inside(code, value)
        if inside:
            times = max(1, value[0]) if code in (op.MAX_REPEAT, op.MIN_REPEAT) else 1
            found += _sample(inside[0]) * times
        else:
            found += next(_letters(code, value), "")
    return found


def _letters(code: Any, value: Any) -> Iterator[str]:
    """Characters that a single-character part matches."""
    if code in (op.LITERAL, op.ANY, op.NOT_LITERAL, op.IN):
        named = [chr(value)] if code is op.LITERAL else _named(value) if code is op.IN else []
        yield from (letter for letter in [*named, "a", "0", " ", "-"] if _fits(code, value, letter))


def _named(items: Sequence[Node]) -> list[str]:
    return [chr(item[0] if kind is op.RANGE else item) for kind, item in items if kind in (op.LITERAL, op.RANGE)]


def _fits(code: Any, value: Any, letter: str) -> bool:
    if code is op.ANY:
        return letter != "\n"
    if code is op.LITERAL:
        return bool(ord(letter) == value)
    if code is op.NOT_LITERAL:
        return bool(ord(letter) != value)
    negated = bool(value) and value[0][0] is op.NEGATE
    return any(_is_in(kind, item, letter) for kind, item in value if kind is not op.NEGATE) != negated


def _is_in(kind: Any, item: Any, letter: str) -> bool:
    if kind is op.LITERAL:
        return bool(ord(letter) == item)
    if kind is op.RANGE:
        return bool(item[0] <= ord(letter) <= item[1])
    assert kind is op.CATEGORY, kind
    return {
        op.CATEGORY_DIGIT: letter.isdigit(),
        op.CATEGORY_SPACE: letter.isspace(),
        op.CATEGORY_WORD: letter.isalnum() or letter == "_",
        op.CATEGORY_NOT_DIGIT: not letter.isdigit(),
        op.CATEGORY_NOT_SPACE: not letter.isspace(),
        op.CATEGORY_NOT_WORD: not (letter.isalnum() or letter == "_"),
    }[item]


def _steps(pattern: re.Pattern[str], text: str, anywhere: bool, to_the_end: bool) -> int:
    tree = list(parser.parse(pattern.pattern, pattern.flags & ~re.UNICODE))
    matcher = _Matcher(text, ignore_case=bool(pattern.flags & re.IGNORECASE))
    at = 0
    with contextlib.suppress(TooManySteps):
        while at <= len(text):
            end = matcher.match(tree, at, to_the_end)
            if not anywhere:
                break
            at = max(at + 1, end or 0)
    return matcher.steps


class _Matcher:
    def __init__(self, text: str, *, ignore_case: bool) -> None:
        self._text = text.lower() if ignore_case else text
        self.steps = 0

    def match(self, tree: Sequence[Node], at: int, to_the_end: bool) -> int | None:
        """Where the match that begins there ends."""
        ends: list[int] = []

        def done(end: int) -> bool:
            if to_the_end and end != len(self._text):
                return False
            ends.append(end)
            return True

        return ends[0] if self._all(tree, 0, at, done) else None

    def _step(self) -> None:
        self.steps += 1
        if self.steps > MOST_STEPS:
            raise TooManySteps

    def _all(self, tree: Sequence[Node], index: int, at: int, then: Then) -> bool:
        self._step()
        if index == len(tree):
            return then(at)
        code, value = tree[index]

        def rest(end: int) -> bool:
            return self._all(tree, index + 1, end, then)

        if code in (op.LITERAL, op.NOT_LITERAL, op.ANY, op.IN):
            return at < len(self._text) and _fits(code, value, self._text[at]) and rest(at + 1)
        if code is op.AT:
            return self._is_at(value, at) and rest(at)
        if code is op.BRANCH:
            return any(self._all(list(branch), 0, at, rest) for branch in value[1])
        if code is op.SUBPATTERN:
            return self._all(list(value[3]), 0, at, rest)
        assert code in (op.MAX_REPEAT, op.MIN_REPEAT), f"the steps of {code} are not counted: add it here"
        least, most, inner = value
        if len(inner) == 1 and inner[0][0] in (op.LITERAL, op.NOT_LITERAL, op.ANY, op.IN):
            return self._run(inner[0], least, most, code is op.MAX_REPEAT, at, rest)
        return self._again(list(inner), least, most, code is op.MAX_REPEAT, at, rest, 0)

    def _is_at(self, where: Any, at: int) -> bool:
        if where in (op.AT_BEGINNING, op.AT_BEGINNING_STRING):
            return at == 0
        if where is op.AT_BOUNDARY:
            around = self._text[max(0, at - 1) : at], self._text[at : at + 1]
            return len({letter.isalnum() for letter in around}) == 2
        assert where in (op.AT_END, op.AT_END_STRING), where
        return at == len(self._text)

    def _run(self, part: Node, least: int, most: int, greedy: bool, at: int, rest: Then) -> bool:
        """Repeats of one character, without recursion."""
        longest = 0
        while longest < most and at + longest < len(self._text) and _fits(*part, self._text[at + longest]):
            self._step()
            longest += 1
            if not greedy and longest > least and rest(at + longest - 1):
                return True
        lengths = range(longest, least - 1, -1) if greedy else range(longest, max(least, longest) + 1)
        return longest >= least and any(rest(at + length) for length in lengths)

    def _again(
        self, inner: Sequence[Node], least: int, most: int, greedy: bool, at: int, rest: Then, done: int
    ) -> bool:
        """Repeats of more than one character."""

        def more() -> bool:
            return done < most and self._all(
                inner,
                0,
                at,
                lambda end: end > at and self._again(inner, least, most, greedy, end, rest, done + 1),
            )

        if done < least:
            return more()
        return (more() or rest(at)) if greedy else (rest(at) or more())
