"""Writes what is made from the alerts: the plain rules for Prometheus, and the table of docs/alerts.md.

python -m docs.scripts.alerts
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).resolve().parents[2]
SOURCE: Final = ROOT / "manifests" / "components" / "alerts" / "prometheusrule.yaml"
PLAIN: Final = SOURCE.with_name("viridian.rules.yaml")
PAGE: Final = ROOT / "docs" / "alerts.md"
_BEGIN: Final = (
    "<!-- Written by `python -m docs.scripts.alerts` from manifests/components/alerts/prometheusrule.yaml. -->\n"
)
_END: Final = "<!-- The end of what is written. -->\n"
_HEAD: Final = """\
# The alerts of Viridian for a Prometheus without an operator: name this file in `rule_files`.
# Written by `python -m docs.scripts.alerts` from prometheusrule.yaml.
"""


def groups() -> list[dict[str, Any]]:
    """The groups of rules, as Prometheus has them."""
    found: list[dict[str, Any]] = yaml.safe_load(SOURCE.read_text())["spec"]["groups"]
    return found


def rules() -> list[dict[str, Any]]:
    """All alerts."""
    return [rule for group in groups() for rule in group["rules"]]


def plain() -> str:
    """The file of rules."""
    return _HEAD + yaml.safe_dump({"groups": groups()}, sort_keys=False, width=1000)


def page(written: str) -> str:
    """The page with the table as it should be."""
    before, _, rest = written.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return f"{before}{_BEGIN}\n{_table()}\n{_END}{after}"


def _table() -> str:
    head = "| alert | severity | fires when | for |\n|---|---|---|---|\n"
    return head + "".join(map(_row, rules()))


def _row(rule: dict[str, Any]) -> str:
    name, when = rule["alert"], rule["expr"].replace("|", "\\|")
    link = f"[{name}](runbooks.md#{name.lower()})"
    return f"| {link} | {rule['labels']['severity']} | `{when}` | {rule.get('for', '')} |\n"


if __name__ == "__main__":
    PLAIN.write_text(plain())
    PAGE.write_text(page(PAGE.read_text()))
