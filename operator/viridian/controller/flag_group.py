"""Flags that can be given as environment variables instead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

PREFIX: Final = "VIRIDIAN_"


class FlagGroup:
    """Flags whose default comes from the environment, and whose help says both."""

    def __init__(self, group: Any, environment: Mapping[str, str]) -> None:
        self._group = group
        self._environment = environment

    def add(self, flag: str, help_: str, *, default: Any = None, variables: Sequence[str] = (), **more: Any) -> None:
        names = [f"{PREFIX}{flag.lstrip('-').replace('-', '_').upper()}", *variables]
        value = next((self._environment[name] for name in names if self._environment.get(name)), None)
        shown = f"; default {default}" if default is not None else ""
        # argparse runs a textual default through `type`, and so refuses a wrong variable like a wrong flag.
        self._group.add_argument(
            flag, help=f"{help_} [{' or '.join(names)}{shown}]", default=default if value is None else value, **more
        )

    def repeated(self, flag: str, help_: str, **more: Any) -> None:
        self._group.add_argument(flag, action="append", help=help_, **more)
