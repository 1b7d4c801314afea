"""Writes docs/stack.md from the results that the tests of `make stack` have written: `python -m docs.scripts.stack`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from textwrap import TextWrapper
from typing import Final

from tests.support.stack import results
from tests.support.stack.results import ShownSystem
from tests.support.stack.systems import CATEGORIES, SYSTEMS, StackSystem
from viridian.cli.known_tools import KnownTool, ToolConnection, ToolState

PAGE: Final = Path(__file__).resolve().parents[1] / "stack.md"
NOT_YET: Final = "not yet shown"
NOBODY: Final = "nobody can run it"
_HEAD: Final = """\
<!-- Written by `python -m docs.scripts.stack` from tests/stack/results: run `make stack` instead of editing. -->

# The stack around it

Teams keep the systems that they have. Each of these has, or gets, a worked example that `make stack` runs against
the real software. The page is written from what ran. A system whose example has not run yet stands here as *not yet
shown*, whatever [tools](tools.md) says of its connection.

```
make stack                  # all that have an example
make stack SYSTEM=whylogs   # one, by the name of its folder in examples/stack
make stack SYSTEM=changed   # those with other files than in their last good run
make stack-together         # five of them in one namespace of a real node
```

DVC, Evidently, Feast, MLflow and Airflow also stand [together](stack-together.md), from new data to a new champion.

* **State** is that of the product, on the day that [tools](tools.md) names.
* **Ran here** has the version that was installed when the tests of the example passed. *Changed since* marks an example
  whose files are others now. *In part*: a part of the software did not run. *Interface only*: requests and files were
  held to what the product publishes, and nothing of its server ran. *Contract only*: what every container is given
  reached this one, and nothing of the product ran.
* **Did not run** says what no test has run, and why. It is empty where the whole software ran.
* **Seconds** are those of the tests, without the installation, on two cores that other work may have shared.
* `make test`, and so CI, runs pytest and Great Expectations each time, and each example whose files have changed, or
  whose resolver or adapter among ours.
* Each example has an environment of its own, made by uv and npm from the locks in its folder. Nothing of these systems
  is in the operator's environment.
"""
_TABLE: Final = """\
| system | state | how it is joined | ran here | seconds | did not run |
|---|---|---|---|---|---|
"""
_SHOWN: Final = """
## What was shown

Each line is a test that passed. It ran against the software itself, but for what *did not run*.
"""
_EXTENT: Final = {ToolConnection.SHAPE_TESTED: "interface only", ToolConnection.NOT_TESTED: "contract only"}
_PROSE: Final = TextWrapper(width=160, break_long_words=False, break_on_hyphens=False)


def page() -> str:
    """The whole page."""
    found = {system: results.read(system) for system in SYSTEMS}
    shown = "".join(line for system, result in found.items() if result for line in _shown(system, result))
    return (
        _HEAD
        + "".join(_category(name, systems, found) for name, systems in CATEGORIES.items())
        + (_SHOWN + shown if shown else "")
    )


def _category(name: str, systems: tuple[str, ...], found: dict[StackSystem, ShownSystem | None]) -> str:
    rows = (_row(system, result) for system, result in found.items() if system.name in systems)
    return f"\n## {name}\n\n{_TABLE}{''.join(rows)}"


def _row(system: StackSystem, result: ShownSystem | None) -> str:
    tool = system.tool
    named = f"[{system.name}](#{system.slug})" if result else system.name
    shown, seconds = (ran(tool, result), f"{result.seconds:g}") if result else (not_run(tool), "")
    if result and not result.failed and result.files != system.digest():
        shown += ", changed since"
    return f"| {named} | {tool.state} | {tool.way_in} | {shown} | {seconds} | {tool.untried} |\n"


def not_run(tool: KnownTool) -> str:
    """What stands in the place of a version and a day before the first run."""
    return NOBODY if tool.state is ToolState.CLOSED and tool.untried else NOT_YET


def ran(tool: KnownTool, result: ShownSystem) -> str:
    """Which version ran on which day, and how much of it."""
    if result.failed:
        return f"failed on {result.on}"
    extent = _EXTENT.get(tool.connection, "in part" if tool.untried else "")
    return f"{', '.join(part for part in (result.product, extent) if part)} on {result.on}"


def _shown(system: StackSystem, result: ShownSystem) -> Iterator[str]:
    versions = ", ".join(f"{name} {version}" for name, version in {**result.versions, **result.programs}.items())
    ran = f"ran with {versions}" if versions else "was held to the contract of containers"
    sentence = f"[The example](../examples/stack/{system.slug}/README.md) {ran}."
    yield f"\n### {system.slug}\n\n{_PROSE.fill(sentence)}\n"
    yield f"Did not run: {system.tool.untried}.\n\n" if system.tool.untried else "\n"
    for name in result.passed:
        yield f"* {_sentence(name)}\n"
    for name in result.failed:
        yield f"* **failed**: {_sentence(name)}\n"


def _sentence(test: str) -> str:
    return test.removeprefix("test_").replace("_", " ")


if __name__ == "__main__":
    PAGE.write_text(page())
