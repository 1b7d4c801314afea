"""Writes docs/stack-together.md from what `make stack-together` has recorded.

python -m docs.scripts.stack_together
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.support.stack.together import record
from tests.support.stack.together.record import JointRun, ToldScene

PAGE: Final = Path(__file__).resolve().parents[1] / "stack-together.md"
PICTURES: Final = {
    "stack-airflow": "The DAG runs in Airflow: spring, autumn, and the broken export, which fails",
    "stack-mlflow": "The MLflow run of the new champion, with the name of the DAG run",
    "stack-evidently": "Evidently's report on the broken export, an artifact of the run that it has stopped",
    "stack-dashboard": "The RetrainPolicy on the dashboard: the broken export has paused it",
}


def page(run: JointRun) -> str:
    """The whole page."""
    return "".join(_lines(run))


def _lines(run: JointRun) -> Iterator[str]:
    yield (
        "<!-- Written by `python -m docs.scripts.stack_together` from tests/stack/together.json: run "
        "`make stack-together` instead of editing. -->\n\n"
    )
    versions = ", ".join(f"{name} {version}" for name, version in run.versions.items())
    yield f"""# Five systems together

DVC has the data, Evidently checks them, Feast makes features, MLflow has runs and models, and Airflow starts it all.
They stand in one namespace of one real node, with a ModelDeployment and a RetrainPolicy between them.
[The example](../examples/stack/together/README.md) has the manifests. This is what they did on {run.on}
with {versions}. Each line was shown by the program that it names,
in the second in which the account saw it.

```
make stack-together
```

"""
    for scene in run.scenes:
        yield from _scene(scene)
    yield "## Figures\n\n| what | |\n|---|---|\n"
    for what, figure in run.figures.items():
        yield f"| {what} | {figure} |\n"
    yield "\nMemory is what the processes of a server hold resident, summed up. The computer has two cores.\n"
    yield "\n## Pictures\n"
    for name, what in PICTURES.items():
        yield f"\n{what}:\n\n![{what}](images/{name}.png)\n"


def _scene(scene: ToldScene) -> Iterator[str]:
    yield f"## {scene.title}\n\n{scene.seconds:.0f} seconds.\n\n| second | program | |\n|---|---|---|\n"
    for line in scene.lines:
        yield f"| {line.at:.1f} | {line.who} | {_cell(line.what)} |\n"
    yield "\n"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


if __name__ == "__main__":
    if (recorded := record.read()) is None:
        raise SystemExit("nothing is recorded yet: run `make stack-together`")
    PAGE.write_text(page(recorded))
