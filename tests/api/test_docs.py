"""docs/kubectl.md shows what kubectl prints."""

from __future__ import annotations

from docs.scripts import kubectl_output
from tests.support.kube import Kubectl


def test_the_page_shows_what_kubectl_prints(kubectl: Kubectl, namespace: str) -> None:
    written = kubectl_output.PAGE.read_text()
    alone = kubectl_output.without_operator(kubectl, namespace)
    assert written == kubectl_output.page(alone, None, written), "run `python -m docs.scripts.kubectl_output`"
