"""The table of tools: each statement has its date, and the page in docs is what the table says."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from docs.scripts import tools
from viridian.cli.known_tools import CHECK_AGAIN_AFTER, KNOWN_TOOLS, KnownTool, ToolState, tools_named_in


def test_the_page_is_what_the_table_says() -> None:
    assert tools.PAGE.read_text() == tools.page(), "run `python -m docs.scripts.tools`"


@pytest.mark.parametrize("tool", KNOWN_TOOLS, ids=lambda tool: tool.name)
def test_each_row_has_a_date_and_a_way_out_where_one_is_needed(tool: KnownTool) -> None:
    assert date(2026, 11, 23) <= tool.checked <= date.today()  # noqa: DTZ011 (the day on which it was checked)
    assert bool(tool.advice) is (tool.state in (ToolState.CLOSED, ToolState.AGEING))
    assert all(mark == mark.lower() for mark in tool.marks)


def test_no_tool_stands_there_twice() -> None:
    assert len({tool.name for tool in KNOWN_TOOLS}) == len(KNOWN_TOOLS)


def test_a_statement_that_is_a_quarter_old_is_to_be_checked_again() -> None:
    (mlflow,) = tools_named_in(["http://mlflow:5000"])
    assert mlflow.finding(mlflow.checked) == ""
    later = mlflow.checked + CHECK_AGAIN_AFTER
    assert mlflow.finding(later - timedelta(days=1)) == ""
    assert mlflow.finding(later) == "checked on 2026-11-23: see whether it is still maintained"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("ghcr.io/acme/train-WandB:1", ["Weights & Biases"]),
        ("ray.io/v1", ["KubeRay"]),
        ("dvc+https://github.com/acme/data//train.csv", ["DVC"]),
        ("ghcr.io/acme/churn-train:1.4", []),
    ],
)
def test_a_tool_is_known_by_images_addresses_and_kinds(text: str, names: list[str]) -> None:
    assert [tool.name for tool in tools_named_in([text])] == names
