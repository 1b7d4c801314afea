"""The page for users names what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from viridian.api.rejections import ModelRejection
from viridian.serving import server_settings
from viridian.serving.errors import Rejection
from viridian.serving.fetch import main as fetch_main
from viridian.serving.server_settings import DEFAULT_BODY_LIMIT

PAGE = (Path(__file__).parents[3] / "docs" / "model-server.md").read_text()


def variables(parse: object, capsys: pytest.CaptureFixture[str]) -> set[str]:
    assert callable(parse)
    with pytest.raises(SystemExit):
        parse(["--help"], {})
    return set(re.findall(r"\[([A-Z_]+),\s+now", capsys.readouterr().out))


def test_every_reason_and_every_variable_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    named = {reason.value for reason in (*Rejection, *ModelRejection)}
    named |= variables(server_settings.parse, capsys) | variables(fetch_main.parse, capsys)
    assert {name for name in named if f"`{name}`" not in PAGE} == set()
    assert f"`{DEFAULT_BODY_LIMIT}`" in PAGE
