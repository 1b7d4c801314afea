"""What `--output` may be: each command has one of these."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer


class TableFormat(StrEnum):
    TABLE = "table"
    JSON = "json"


class TextFormat(StrEnum):
    TEXT = "text"
    JSON = "json"


class PageFormat(StrEnum):
    MARKDOWN = "markdown"
    HTML = "html"


class ObjectFormat(StrEnum):
    """Of what the cluster holds."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"


TableOrJson = Annotated[TableFormat, typer.Option("--output", "-o", help="What is printed.")]
TextOrJson = Annotated[TextFormat, typer.Option("--output", "-o", help="What is printed.")]
