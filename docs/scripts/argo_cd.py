"""Writes docs/argocd.md from what `make argocd` has recorded.

python -m docs.scripts.argo_cd
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.support.stack.argo_cd import record
from tests.support.stack.argo_cd.record import ArgoRun, ArgoScene

PAGE: Final = Path(__file__).resolve().parents[1] / "argocd.md"


def page(run: ArgoRun) -> str:
    """The whole page."""
    return "".join(_lines(run)).rstrip("\n") + "\n"


def _lines(run: ArgoRun) -> Iterator[str]:
    yield (
        "<!-- Written by `python -m docs.scripts.argo_cd` from tests/stack/argo-cd.json: run `make argocd` instead of "
        "editing. -->\n\n"
    )
    yield f"""# Argo CD at work

What a real Argo CD {run.version} showed and did on {run.on},
with [its health checks and actions](gitops.md#argo-cd) for models.
Its server, its repo server and both of its controllers ran as processes, built from its Go module. Each of them had
the service account that Argo CD's own manifests give it. Kubernetes had an API server and no node: the operator was
real, and a script played the pods.

```
make argocd
```

The run asks Argo CD to compare whenever a model or a policy changes, in whichever field. Between a commit, or an edit
by a person, and the next sync, cluster and Git differ, and Argo CD says `OutOfSync`. It never says so otherwise.

"""
    for scene in run.scenes:
        yield from _scene(scene)


def _scene(scene: ArgoScene) -> Iterator[str]:
    yield f"## {scene.title}\n\n| second | who | |\n|---|---|---|\n"
    for line in scene.lines:
        yield f"| {line.at:.1f} | {line.who} | {line.what} |\n"
    for shown in scene.commands:
        output = "".join(f"{line.rstrip()}\n" for line in shown.output.splitlines())
        yield f"\n```console\n$ {shown.command}\n{output}```\n"
    yield "\n"


if __name__ == "__main__":
    if (recorded := record.read()) is None:
        raise SystemExit("nothing is recorded yet: run `make argocd`")
    PAGE.write_text(page(recorded))
