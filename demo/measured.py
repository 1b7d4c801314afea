"""The figures that the end of the account shows."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Measured:
    """What the end of the account tells."""

    lines: list[tuple[str, str]] = field(default_factory=list)

    def add(self, what: str, figure: str) -> None:
        self.lines.append((what, figure))

    def show(self) -> None:
        width = max(len(what) for what, _ in self.lines)
        for what, figure in self.lines:
            print(f"  {what:<{width}}  {figure}")
