"""The page of the tutorial shows the files of its example, and a transcript is compared without what changes."""

from __future__ import annotations

import re

import pytest

from docs.scripts.tutorial import PAGE, lasting, transcript

EXAMPLES = PAGE.parents[1] / "examples" / "tutorial"


@pytest.mark.parametrize("name", ["model", "retrain"])
def test_a_manifest_on_the_page_is_the_file(name: str) -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    assert (EXAMPLES / f"{name}.yaml").read_text() in blocks


def test_each_command_of_a_block_gets_what_it_prints_now() -> None:
    page = "a\n\n```console\n$ one\nold\n$ two\n```\n\nb\n"
    assert transcript(page, lambda command: f"{command} now  \n\n") == (
        "a\n\n```console\n$ one\none now\n$ two\ntwo now\n```\n\nb\n"
    )


def test_ids_times_and_figures_may_differ_and_words_and_versions_may_not() -> None:
    before = lasting("version 2 (70feecd8) at 2026-11-22T06:00:00Z: 0.25, 1.7e-14, 28.6 % of 42 requests   | ━━━ |")
    assert before == lasting("version 2 (0badcafe) at 2027-01-02T06:00:00.123Z: 10.5, 2e-09, 30 % of 7 requests | ━ |")
    assert before != lasting("version 3 (70feecd8) at 2026-11-22T06:00:00Z: 0.25, 1.7e-14, 28.6 % of 42 requests | ━ |")
