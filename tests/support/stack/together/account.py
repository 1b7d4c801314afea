"""The account of the five systems: each line is something that a program has shown, and by whom."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from demo.account import BLOCKS, Account, headline
from tests.support.stack.run_records import AccountLine
from tests.support.stack.together.record import ToldScene

_OF_THE_OPERATOR: Final = ("●", "▲")


@dataclass
class JointAccount(Account):
    """The live account of the demo, with the name of a program on each line; it keeps what it has told."""

    scenes: list[ToldScene] = field(default_factory=list)
    _lines: list[AccountLine] = field(default_factory=list)

    def tell(self, who: str, what: str) -> None:
        self.say(f"{who:<10} {what}", "✓")
        self._keep(who, what)

    def say(self, text: str, mark: str = " ") -> None:
        super().say(text, mark)
        if mark in _OF_THE_OPERATOR:
            self._keep("Viridian", text)
        elif mark == "│" and text.count(" %  ") > 1:  # while more than one version answers
            self._keep("users", text.lstrip(f"{BLOCKS} "))

    def _keep(self, who: str, what: str) -> None:
        self._lines.append(AccountLine(at=round(time.time() - self.started, 1), who=who, what=what))

    @contextmanager
    def scene(self, title: str) -> Iterator[None]:
        """Everything that is told in the block belongs together."""
        headline(title)
        began = time.time()
        yield
        self.scenes.append(ToldScene(title=title, lines=tuple(self._lines), seconds=round(time.time() - began, 1)))
        self._lines.clear()
