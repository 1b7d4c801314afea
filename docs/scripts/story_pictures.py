"""Draws docs/stories/<story>.svg from the record of a story: `python -m docs.scripts.story_pictures shop`.

It runs in an environment of its own, locks/stories.txt, and reads nothing but the record. Colours are names in the
file: a reader's browser chooses light or dark ones.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from html import escape
from io import StringIO
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib import dates
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

RECORDS: Final = Path(__file__).resolve().parents[1] / "stories"
COLOURS: Final = {
    # Name: what matplotlib writes, and the colour in light and in dark surroundings.
    "paper": ("#fefefe", "#ffffff", "#14181d"),
    "ink": ("#010101", "#1f2328", "#e6e9ec"),
    "quiet": ("#020202", "#6b7480", "#9aa4af"),
    "grid": ("#030303", "#e3e6ea", "#2c333b"),
    "with": ("#040404", "#00796b", "#4db6ac"),
    "without": ("#050505", "#c2410c", "#fb923c"),
    "third": ("#060606", "#5b5bd6", "#a5a5ff"),
    "limit": ("#070707", "#b42318", "#f97066"),
}
INK, PAPER, QUIET, GRID, WITH, WITHOUT, THIRD, LIMIT = (
    COLOURS[name][0] for name in ("ink", "paper", "quiet", "grid", "with", "without", "third", "limit")
)
_SETTINGS: Final = {
    "svg.fonttype": "none",
    "svg.hashsalt": "viridian",
    "font.family": ["sans-serif"],
    "font.sans-serif": ["Arial", "Helvetica", "DejaVu Sans"],
    "font.size": 11,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": QUIET,
    "axes.titlecolor": INK,
    "axes.facecolor": PAPER,
    "figure.facecolor": PAPER,
    "savefig.facecolor": PAPER,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "grid.color": GRID,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
}

Record = dict[str, Any]


class Panel:
    """One of the charts of a picture, over the days of the story."""

    def __init__(self, axes: Axes, told: Record, title: str, unit: str) -> None:
        self.axes, self.told = axes, told
        self.begin = datetime.fromisoformat(told["begin"])
        axes.set_title(title, loc="left", fontsize=12, fontweight="bold", pad=26)
        axes.set_ylabel(unit)
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        axes.grid(axis="y", linewidth=0.8)
        axes.xaxis.set_major_locator(dates.MonthLocator())
        axes.xaxis.set_major_formatter(dates.DateFormatter("%B"))
        axes.set_xlim(self.at(0), self.at(told["days"]))

    def at(self, day: float) -> Any:
        return dates.date2num(self.begin + timedelta(days=day))

    def line(self, name: str, values: Sequence[float | None], colour: str, days: int = 1, style: str = "-") -> None:
        """The mean of so many days up to each."""
        smooth = [_mean(values[max(0, day + 1 - days) : day + 1]) for day in range(len(values))]
        known = [(self.at(day + 0.5), value) for day, value in enumerate(smooth) if value is not None]
        self.axes.plot(*zip(*known, strict=True), color=colour, linewidth=2, linestyle=style, label=name)

    def limit(self, value: float, text: str, colour: str = LIMIT) -> None:
        """A bound, named beside the chart."""
        self.axes.axhline(value, color=colour, linewidth=1.2, linestyle=(0, (4, 3)))
        place = {"xy": (1.0, value), "xycoords": ("axes fraction", "data"), "xytext": (5, -3)}
        self.axes.annotate(text, **place, textcoords="offset points", color=colour, fontsize=9, annotation_clip=False)

    def event(self, day: float, text: str, row: int = 0) -> None:
        """A moment, named above the chart."""
        self.axes.axvline(self.at(day), color=QUIET, linewidth=1)
        place = {"xy": (self.at(day), 1.0), "xycoords": ("data", "axes fraction"), "xytext": (3, 3 + 11 * row)}
        self.axes.annotate(text, **place, textcoords="offset points", color=QUIET, fontsize=9, annotation_clip=False)

    def promotions(self) -> None:
        """A mark for each version that became the champion."""
        told = (one for one in self.told["told"] if one["reason"] == "Promoted")
        at = [dates.date2num(datetime.fromisoformat(one["at"])) for one in told]
        low, high = self.axes.get_ylim()
        place = [low + 0.03 * (high - low)] * len(at)
        self.axes.plot(
            at, place, "^", color=INK, markersize=6, linestyle="none", label="a version becomes the champion"
        )
        self.axes.set_ylim(low, high)

    def legend(self, where: str, columns: int = 1) -> None:
        self.axes.legend(loc=where, frameon=False, fontsize=9, labelcolor=INK, ncols=columns)


def shop(told: Record) -> tuple[str, Figure]:
    """Click-through with and without weekly runs, and the drift that comes before."""
    at, of, series = told["milestones"], told["figures"], told["series"]
    figure, upper, lower = _two_panels(
        told,
        ("Click-through of the strips that the model puts on top (mean of 7 days)", "share that is opened"),
        ("Distance of the inputs from the champion's training data (by day)", "distance"),
    )
    upper.line("with Viridian: weekly runs from the alarm on", series["with weekly runs"], WITH, 7)
    upper.line("without: version 1 for ever", series["without"], WITHOUT, 7)
    upper.line("all strips, whatever the model says", series["unsorted"], QUIET, 7, ":")
    upper.limit(of["launch"], "launch", QUIET)
    upper.limit(of["launch"] * 0.92, "8 % below")
    upper.axes.set_ylim(0.35, 0.8)
    upper.promotions()
    upper.event(at["click-through"], "alarm: the policy is applied", 1)
    upper.event(at["recovered"], "recovered", 0)
    upper.legend("lower left")
    for monitor, name, colour in (
        ("category", "category (total variation)", WITH),
        ("price-sensitivity", "price sensitivity (Kolmogorov-Smirnov)", THIRD),
    ):
        lower.line(name, _found(told, monitor), colour)
        lower.event(at[monitor], f"{monitor.replace('-', ' ')} has drifted", 0 if monitor == "category" else 1)
    lower.limit(0.05, "threshold,\nbeyond chance")
    lower.axes.set_ylim(0, None)
    lower.legend("upper right")
    return "A shop whose recommendations decay with the season", figure


def bank(told: Record) -> tuple[str, Figure]:
    """False alarms until the goal is reached, and thefts of a new kind."""
    at, of, series = told["milestones"], told["figures"], told["series"]
    figure, upper, lower = _two_panels(
        told,
        ("False alarms: genuine payments that the model stops (mean of 3 days)", "share of genuine payments"),
        ("Thefts that the model finds (mean of 3 days)", "share of thefts"),
    )
    upper.line("with Viridian", series["false alarms"], WITH, 3)
    upper.line("without: version 1 for ever", series["false alarms, without"], WITHOUT, 3)
    upper.limit(of["false alarms at first"] * 0.8, "goal: a\nfifth fewer")
    upper.axes.set_ylim(0, None)
    upper.promotions()
    upper.event(at["fingerprint"], "payments bring a device fingerprint", 1)
    upper.event(at["goal reached"], "goal reached", 0)
    upper.legend("lower left")
    lower.line("all thefts, with Viridian", series["found"], WITH, 3)
    lower.line("all thefts, without", series["found, without"], WITHOUT, 3)
    lower.line("thefts of the new kind, with Viridian", series["new kind found"], THIRD)
    lower.axes.set_ylim(0, 1)
    lower.event(at["new pattern"], "new kind begins", 1)
    lower.event(at["caught"], "caught", 0)
    lower.legend("lower left")
    return "A bank whose fraud changes", figure


STORIES: Final[dict[str, Callable[[Record], tuple[str, Figure]]]] = {"shop": shop, "bank": bank}


def drawn(story: str) -> str:
    """The picture as SVG, which names the record that it shows."""
    record = (RECORDS / f"{story}.json").read_bytes()
    with mpl.rc_context(_SETTINGS):
        title, figure = STORIES[story](json.loads(record))
        written = StringIO()
        figure.savefig(written, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return _named(written.getvalue(), title, hashlib.sha256(record).hexdigest()[:16])


def _named(svg: str, title: str, record: str) -> str:
    """With names in place of colours, and a title for those who do not see."""
    for name, (written, _, _) in COLOURS.items():
        svg = svg.replace(written, f"var(--{name})")
    light, dark = ("".join(f"--{name}:{c[kind]};" for name, c in COLOURS.items()) for kind in (1, 2))
    style = f"<style>:root{{{light}}}@media (prefers-color-scheme:dark){{:root{{{dark}}}}}</style>"
    head = f"<title>{escape(title)}</title><desc>record {record}</desc>{style}"
    before, _, after = svg[svg.index("<svg") :].partition(">")
    lines = f'{before} role="img">\n{head}{after}'.splitlines()
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _two_panels(told: Record, first: tuple[str, str], second: tuple[str, str]) -> tuple[Figure, Panel, Panel]:
    figure = Figure(figsize=(9.5, 7.6), layout="constrained")
    upper, lower = figure.subplots(2, 1, height_ratios=[3, 2])
    figure.get_layout_engine().set(hspace=0.09)
    return figure, Panel(upper, told, *first), Panel(lower, told, *second)


def _found(told: Record, monitor: str) -> list[float | None]:
    """The value of a monitor by the last day of its window."""
    found: list[float | None] = [None] * told["days"]
    for one in told["findings"]:
        if one["monitor"] == monitor and one["value"] is not None and 1 <= one["day"] <= told["days"]:
            found[one["day"] - 1] = one["value"]
    return found


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


if __name__ == "__main__":
    for named in sys.argv[1:] or STORIES:
        (RECORDS / f"{named}.svg").write_text(drawn(named))
