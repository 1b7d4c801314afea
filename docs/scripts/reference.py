"""Writes docs/reference/ from the types of the two kinds: `python -m docs.scripts.reference`.

One page per kind with every field, and one with every rule. A test fails when the pages differ from what this writes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from viridian.api import crd
from viridian.api.names import API_VERSION
from viridian.api.schema import INT_OR_STRING, PRESERVE_UNKNOWN, VALIDATIONS

Schema = dict[str, Any]

FOLDER: Final = Path(__file__).resolve().parents[1] / "reference"
WRITTEN: Final = (
    "<!-- Written by `python -m docs.scripts.reference`: edit the types in operator/viridian/api instead. -->"
)


def pages() -> dict[str, str]:
    """The text of every page by file name."""
    kinds = {f"{kind.name.lower()}.md": kind_page(kind) for kind in crd.DEFINITIONS}
    return {**kinds, "rules.md": rules_page()}


def kind_page(kind: crd.CustomKind) -> str:
    schema = crd.root_schema(kind)["properties"]
    parts = [
        WRITTEN,
        f"# {kind.name}",
        kind.description,
        f"`apiVersion: {API_VERSION}`, short name `{kind.short_name}`. What is refused and why stands in "
        "[rules.md](rules.md); `kubectl explain` shows the same fields.",
        *(part for section in ("spec", "status") if section in schema for part in _sections(section, schema[section])),
        "## Columns",
        "What `kubectl get` shows; the wide ones with `-o wide`.",
        _table(("column", "from", "meaning"), (_column(column) for column in kind.columns)),
    ]
    return "\n\n".join(parts) + "\n"


def rules_page() -> str:
    parts = [
        WRITTEN,
        "# Rules",
        "What the API server checks beyond types and bounds, and what it answers. Each rule is an expression of the "
        "[Common Expression Language](https://kubernetes.io/docs/reference/using-api/cel/), with `self` for the field. "
        "Whatever depends on other objects is answered by a condition instead.",
    ]
    for kind in crd.DEFINITIONS:
        parts.append(f"## {kind.name}")
        for path, schema in _nodes("", crd.root_schema(kind)):
            if rules := schema.get(VALIDATIONS, ()):
                parts.append(f"### `{path.lstrip('.')}`" if path else "### the whole object")
                parts += [_rule(rule) for rule in rules]
    return "\n\n".join(parts) + "\n"


def _sections(path: str, schema: Schema) -> Iterator[str]:
    """The fields of an object as a table, then those of the objects inside it."""
    yield f"## {path}"
    yield schema["description"]
    required = set(schema.get("required", ()))
    rows = (_field(path, name, inner, name in required) for name, inner in schema["properties"].items())
    yield _table(("field", "type", "meaning"), rows)
    if schema.get(PRESERVE_UNKNOWN):
        yield "Other fields are passed on as they are."
    for name, inner in schema["properties"].items():
        deeper = inner.get("items", inner)
        if "properties" in deeper:
            suffix = "[]" if "items" in inner else ""
            yield from _sections(f"{path}.{name}{suffix}", {"description": inner["description"], **deeper})


def _field(path: str, name: str, schema: Schema, required: bool) -> tuple[str, str, str]:
    suffix = "[]" if "items" in schema else ""
    linked = "properties" in schema.get("items", schema)
    shown = f"[`{name}`](#{anchor(f'{path}.{name}{suffix}')})" if linked else f"`{name}`"
    return shown, _type(schema), schema["description"] + (" **Required.**" if required else "")


def _type(schema: Schema) -> str:
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if schema.get(INT_OR_STRING):
        return f"integer, {schema['minimum']} to {schema['maximum']}, or text"
    if schema["type"] == "array":
        return f"list of {_type(schema['items'])}, at most {schema['maxItems']}"
    if "additionalProperties" in schema:
        return f"map to {_type(schema['additionalProperties'])}, at most {schema['maxProperties']}"
    if schema.get("format") == "date-time":
        return "time"
    least, most = schema.get("minimum"), schema.get("maximum")
    if least is not None:
        return f"{schema['type']}, {least} to {most}" if most is not None else f"{schema['type']}, at least {least}"
    return str(schema["type"])


def _column(column: crd.PrinterColumn) -> tuple[str, str, str]:
    return column.name + (" (wide)" if column.wide else ""), f"`{column.path}`", column.description


def _rule(rule: dict[str, str]) -> str:
    # Where an expression makes the message, it says more than the message does.
    said = rule.get("messageExpression")
    answer = f"The answer:\n\n```cel\n{said}\n```" if said else f"> {rule['message']}"
    return f"```cel\n{rule['rule']}\n```\n\n{answer}"


def _nodes(path: str, schema: Schema) -> Iterator[tuple[str, Schema]]:
    yield path, schema
    for name, inner in schema.get("properties", {}).items():
        yield from _nodes(f"{path}.{name}", inner)
    if "items" in schema:
        yield from _nodes(f"{path}[]", schema["items"])


def _table(headings: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    lines = [headings, tuple("---" for _ in headings), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def anchor(heading: str) -> str:
    """How a page's address names a heading: lower case, without punctuation."""
    return "".join(letter for letter in heading.lower() if letter.isalnum() or letter in "-_ ").replace(" ", "-")


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, text in pages().items():
        (FOLDER / name).write_text(text)


if __name__ == "__main__":
    main()
