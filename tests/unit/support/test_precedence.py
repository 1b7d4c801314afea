"""Tests that only compute let those go first that are judged by the clock."""

from __future__ import annotations

import os

import pytest

from tests.support import precedence


class _Item:
    def __init__(self, *markers: str) -> None:
        self._markers = markers

    def get_closest_marker(self, name: str) -> object | None:
        return name if name in self._markers else None


def test_what_needs_nothing_but_python_is_nicer(monkeypatch: pytest.MonkeyPatch) -> None:
    nice = [3]
    monkeypatch.setattr(precedence, "_BASE", 3)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("PYTEST_XDIST_WORKER", "gw0")
    monkeypatch.setattr(os, "getpriority", lambda *_: nice[0])
    monkeypatch.setattr(os, "setpriority", lambda _which, _who, wanted: nice.__setitem__(0, wanted))
    nicer = 3 + precedence.GIVES_WAY
    for item, expected in ((_Item("unit"), nicer), (_Item("unit", "quick"), nicer), (_Item("needs_node"), 3)):
        precedence.give_way(item)  # type: ignore[arg-type]
        assert nice == [expected]
