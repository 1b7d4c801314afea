"""A report as Markdown or as one HTML file: headings, sentences, tables, and a plot that needs no library."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

from viridian.people.report_section import Plot, Section

_WIDTH: Final = 900
_HEIGHT: Final = 240
_EDGE: Final = 45
_STYLE: Final = (
    "body{font:15px/1.5 sans-serif;max-width:960px;margin:2em auto;padding:0 1em}table{border-collapse:collapse}"
    "td,th{border:1px solid #bbb;padding:.3em .6em;text-align:left}svg{max-width:100%;height:auto}"
)


def markdown(title: str, sections: Sequence[Section]) -> str:
    """The report as Markdown; plots are in the HTML alone."""
    return "\n\n".join((f"# {title}", *(part for section in sections for part in _markdown(section))))


def _markdown(section: Section) -> Iterator[str]:
    yield f"## {section.title}"
    yield from section.text
    if section.rows:
        lines = [section.headings, ["---"] * len(section.headings), *section.rows]
        yield "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)


def html(title: str, sections: Sequence[Section]) -> str:
    """The report as one HTML file without scripts and without anything from elsewhere."""
    body = "\n".join(part for section in sections for part in _html(section))
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style>'
    return (
        f'<!doctype html>\n<html lang="en"><head>{head}</head><body>\n<h1>{escape(title)}</h1>\n{body}\n</body></html>'
    )


def _html(section: Section) -> Iterator[str]:
    yield f"<h2>{escape(section.title)}</h2>"
    yield from (f"<p>{escape(sentence)}</p>" for sentence in section.text)
    if section.plot is not None and len(section.plot.points) > 1:
        yield _svg(section.plot)
    if section.rows:
        head = "".join(f"<th>{escape(cell)}</th>" for cell in section.headings)
        rows = ("".join(f"<td>{escape(cell)}</td>" for cell in row) for row in section.rows)
        yield f"<table><tr>{head}</tr>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"


def _svg(plot: Plot) -> str:
    times, values = [at for at, _ in plot.points], [value for _, value in plot.points]
    start, end, low, high = min(times), max(times), min(values), max(values)

    def x(at: float) -> float:
        part = (min(max(at, start), end) - start) / (end - start or 1.0)
        return round(_EDGE + part * (_WIDTH - 2 * _EDGE), 1)

    def y(value: float) -> float:
        return round(_HEIGHT - _EDGE - (value - low) / (high - low or 1.0) * (_HEIGHT - 2 * _EDGE), 1)

    parts = [f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img"><title>{escape(plot.title)}</title>']
    for begin, stop, label in plot.spans:
        width = max(2.0, x(stop) - x(begin))
        parts.append(
            f'<rect x="{x(begin)}" y="{_EDGE}" width="{width}" height="{_HEIGHT - 2 * _EDGE}" fill="#f6d5c6"/>'
        )
        parts.append(f'<text x="{x(begin)}" y="{_EDGE - 5}" font-size="11">{escape(label)}</text>')
    for at, label in plot.marks:
        parts.append(f'<line x1="{x(at)}" x2="{x(at)}" y1="{_EDGE}" y2="{_HEIGHT - _EDGE}" stroke="#888"/>')
        parts.append(f'<text x="{x(at) + 3}" y="{_HEIGHT - _EDGE + 14}" font-size="11">{escape(label)}</text>')
    line = " ".join(f"{x(at)},{y(value)}" for at, value in plot.points)
    parts.append(f'<polyline points="{line}" fill="none" stroke="#0b6e75" stroke-width="2"/>')
    for value in (low, high):
        parts.append(f'<text x="2" y="{y(value) + 4}" font-size="11">{value:.3g}</text>')
    return "".join((*parts, "</svg>"))
