"""The account of a run with Argo CD: who has done what, and what commands have printed."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.support.stack.argo_cd.application import GitOpsApplication
from tests.support.stack.argo_cd.installation import ArgoCd
from tests.support.stack.argo_cd.record import ArgoScene, ShownCommand
from tests.support.stack.run_records import AccountLine


@dataclass
class ArgoAccount:
    """It keeps what it is told, scene after scene."""

    scenes: list[ArgoScene] = field(default_factory=list)
    _began: float = 0.0
    _lines: list[AccountLine] = field(default_factory=list)
    _commands: list[ShownCommand] = field(default_factory=list)

    @contextmanager
    def scene(self, title: str) -> Iterator[None]:
        """Everything that is told in the block belongs together; a block that fails leaves nothing."""
        self._began, self._lines, self._commands = time.monotonic(), [], []
        yield
        lines = tuple(sorted(self._lines, key=lambda line: line.at))
        self.scenes.append(ArgoScene(title=title, lines=lines, commands=tuple(self._commands)))

    def tell(self, who: str, what: str) -> None:
        self._keep(time.monotonic(), who, what)

    def tell_states(self, application: GitOpsApplication) -> None:
        """What Argo CD showed of it, once for each change."""
        before = ""
        for state in application.states:
            shown = f"{application.name}: {state.sync}, {state.health}"
            if state.sync and shown != before:
                self._keep(state.at, "Argo CD", shown)
                before = shown

    def show(self, argo: ArgoCd, *arguments: str) -> str:
        """Run a command as a person does, and keep what it prints."""
        printed = argo(*arguments)
        self._commands.append(ShownCommand(shlex.join(("argocd", *arguments)), printed.strip()))
        return printed

    def _keep(self, at: float, who: str, what: str) -> None:
        self._lines.append(AccountLine(at=round(at - self._began, 1), who=who, what=what))
