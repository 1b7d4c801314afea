"""Writes charts/viridian/README.md from the chart's values, their comments and their schema.

python -m docs.scripts.chart_values
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

CHART: Final = Path(__file__).resolve().parents[2] / "charts" / "viridian"
PAGE: Final = CHART / "README.md"
_COMMENT: Final = re.compile(r"^ *# ?(.*)$")
_HEAD: Final = """\
<!-- Written by `python -m docs.scripts.chart_values`: edit values.yaml, values.schema.json or Chart.yaml instead. -->

# Viridian

{description}

```sh
make images REGISTRY=registry.example.com/viridian      # in a checkout: builds and pushes all images
helm install viridian charts/viridian --namespace viridian-system --create-namespace \\
  --set image.registry=registry.example.com/viridian --set mlflow.install=true
```

Kubernetes {kubernetes}. The release installs the kinds `ModelDeployment` and `RetrainPolicy`. It upgrades them, and
leaves them and all objects behind when it is uninstalled: models go on serving. The project's `docs/operations.md`
explains installation, rights, upgrades and what to watch.

## Values

"""


@dataclass(frozen=True, slots=True)
class Value:
    """One value that can be set."""

    path: tuple[str, ...]
    default: object
    kind: str
    comment: str
    """What values.yaml says above it; before the first one of a group also what it says of the group."""

    @property
    def name(self) -> str:
        return ".".join(self.path)


def values() -> list[Value]:
    """All of them, in the order of values.yaml."""
    text = (CHART / "values.yaml").read_text()
    schema = json.loads((CHART / "values.schema.json").read_text())
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if not isinstance(root, yaml.MappingNode):
        raise TypeError("values.yaml holds no map")
    return list(_below(root, (), schema, schema, text.splitlines(), ""))


def _below(
    node: yaml.MappingNode,
    path: tuple[str, ...],
    schema: Mapping[str, Any],
    root: Mapping[str, Any],
    lines: Sequence[str],
    group: str,
) -> Iterator[Value]:
    for key, value in node.value:
        name, known = str(key.value), _resolved(schema.get("properties", {}).get(key.value, {}), root)
        comment = _above(lines, key.start_mark.line)
        own, said = (*path, name), " ".join(filter(None, (group, comment)))
        if isinstance(value, yaml.MappingNode) and known.get("properties") and value.value:
            yield from _below(value, own, known, root, lines, said)
        else:
            default = yaml.safe_load(yaml.serialize(value))
            yield Value(own, default, _kind(known), said)
        group = ""


def _resolved(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = schema.get("$ref", "")
    found: Mapping[str, Any] = root["definitions"][reference.rpartition("/")[2]] if reference else schema
    return found


def _kind(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return ", ".join(f"`{one}`" for one in schema["enum"] if one != "")
    kind = schema.get("type", "")
    return " or ".join(kind) if isinstance(kind, list) else str(kind)


def _above(lines: Sequence[str], line: int) -> str:
    """The comment that ends in the line before this one."""
    found: list[str] = []
    while line > 0 and (match := _COMMENT.match(lines[line - 1])):
        found.insert(0, match[1])
        line -= 1
    return " ".join(found)


def page() -> str:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    head = _HEAD.format(description=chart["description"], kubernetes=chart["kubeVersion"].removesuffix("-0"))
    rows = ["| value | type | default | meaning |\n|---|---|---|---|\n", *map(_row, values())]
    return head + "".join(rows)


def _row(value: Value) -> str:
    default = json.dumps(value.default)
    comment = value.comment.replace("|", "\\|").replace("<", "&lt;")
    return f"| `{value.name}` | {value.kind} | `{default}` | {comment} |\n"


if __name__ == "__main__":
    PAGE.write_text(page())
