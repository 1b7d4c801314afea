"""What `watch` shows, and how it follows a cluster that does not always answer."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console

from tests.unit.cli.test_model_commands import model, waiting
from viridian.cli.watch_screen import change_line, model_tree

METRIC = {"name": "error-rate", "verdict": "Pass", "message": "0.4 % of 1 %"}


def drawn(*models: Any) -> str:
    console = Console(file=io.StringIO(), width=100, color_system=None)
    console.print(model_tree(models))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_tree_has_a_bar_for_each_share_and_what_would_move_it_on() -> None:
    shown = drawn(model(challenger={**waiting("Approval"), "weight": 25, "metrics": [METRIC]}))
    champion, challenger = (line for line in shown.splitlines() if " %" in line and "█" in line)
    assert (champion.count("█"), champion.endswith("75 %")) == (18, True)
    assert (challenger.count("█"), challenger.count("░"), challenger.endswith("25 %")) == (6, 18, True)
    for part in ("step few", "error-rate Pass  0.4 % of 1 %", "waits for something", "approve churn -n ml"):
        assert part in shown


def test_of_several_models_the_well_ones_take_a_line_each() -> None:
    shown = drawn(model("busy", challenger=waiting("StepDuration")), model("calm"))
    assert [line for line in shown.splitlines() if "calm" in line] == ["ml/calm  well  champion 1"]
    assert "champion" in drawn(model("calm")).splitlines()[1], "alone it is shown whole"


def test_a_line_changes_with_what_people_watch_for() -> None:
    on_trial = model(challenger={**waiting("StepDuration"), "metrics": [METRIC]})
    assert change_line(on_trial) == (
        "ml/churn; rolling out; champion 1 95 %; challenger 2 5 %; step few; error-rate Pass; waits for something"
    )
    assert change_line(model()) == "ml/churn; well; champion 1 100 %; Serving"
