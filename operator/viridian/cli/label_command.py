"""`labels`: a person answers what the model was asked, one row at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum
from math import isfinite
from pathlib import Path
from typing import Annotated

import typer

from viridian.api.feedback import TOKEN_AUDIENCE, AskedRow
from viridian.cli.cluster_client import ClusterChoice, ClusterClient
from viridian.cli.collector_way import way_of
from viridian.cli.files import file_bytes
from viridian.cli.model_commands import As, ContextName, Kubeconfig, Name, Namespace, problems_as_sentences
from viridian.cli.review_queue import ReviewQueue, sender
from viridian.cli.text_tables import table
from viridian.people.report_texts import ABSENT


class WithoutAnswer(Enum):
    """What a person may type in the place of an answer."""

    SKIP = "s"
    END = "q"


def work_the_queue(
    name: Name,
    collector: Annotated[
        str,
        typer.Option(
            "--collector",
            metavar="URL",
            help="Address of the collector. Left out: that of the model's servers, by a port-forward.",
            envvar="VIRIDIAN_COLLECTOR",
        ),
    ] = "",
    service_account: Annotated[
        str, typer.Option("--service-account", help="Service account that labels; its token is made for an hour.")
    ] = "default",
    token_file: Annotated[
        Path | None, typer.Option("--token-file", metavar="FILE", help="A token that you have, in place of that.")
    ] = None,
    namespace: Namespace = "",
    kubeconfig: Kubeconfig = "",
    context: ContextName = "",
    impersonate: As = "",
) -> None:
    """Work the review queue of a model: say what is right for the predictions that the collector has drawn.

    The service account needs the verbs `list` and `update` on modeldeployments/feedback. You need the right to make its
    tokens, and those of `kubectl port-forward` in the namespace of the collector.
    """
    with problems_as_sentences():
        client = ClusterClient(ClusterChoice(kubeconfig, context, namespace, impersonate))
        token = (
            file_bytes(token_file).decode(errors="replace").strip()
            if token_file is not None
            else client.token(service_account, TOKEN_AUDIENCE)
        )
        queue = ReviewQueue(sender(way_of(client, collector, name), token), client.namespace, name)
        for sentence in labelled(queue, lambda question: str(typer.prompt(question))):
            typer.echo(sentence)


def labelled(queue: ReviewQueue, ask: Callable[[str], str]) -> Iterator[str]:
    """Asks about one row after the other until nothing waits or the person ends; what is printed meanwhile."""
    answered = 0
    while (asked := queue.next()) is not None:
        yield _row(asked)
        outcome = _outcome(asked, ask)
        if outcome is WithoutAnswer.END:
            break
        if outcome is WithoutAnswer.SKIP:
            queue.skip(asked)
        else:
            queue.answer(asked, outcome)
            answered += 1
    else:
        yield "Nothing waits for you." if not queue.skipped else "Nothing else waits; what was skipped comes back."
    yield f"{answered} answers are stored, {len(queue.skipped)} rows were skipped."


def _row(asked: AskedRow) -> str:
    """What the model was asked, by the names of the columns."""
    values = [
        (_printable(name), ABSENT if value is None else _printable(str(value)))
        for name, value in sorted(asked.features.items())
    ]
    return table(("column", "value"), values)


def _printable(text: str) -> str:
    """Without what would steer the terminal: users of the model have written it."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def _outcome(asked: AskedRow, ask: Callable[[str], str]) -> str | float | WithoutAnswer:
    """What a person says; asked again until it is an answer or one of the keys that stand for none."""
    keys = {one.value: one for one in WithoutAnswer}
    numbered = {str(number): one for number, one in enumerate(asked.classes, start=1)}
    choices = {**{one: one for one in asked.classes}, **numbered}
    shown = ", ".join(f"{number} {_printable(one)}" for number, one in numbered.items()) or "a number"
    question = f"What is right? {shown}, {WithoutAnswer.SKIP.value} to skip, {WithoutAnswer.END.value} to end"
    while True:
        typed = ask(question).strip()
        if typed in keys:
            return keys[typed]
        found: str | float | None = choices.get(typed) if choices else _number(typed)
        if found is not None:
            return found


def _number(typed: str) -> float | None:
    try:
        value = float(typed)
    except ValueError:
        return None
    return value if isfinite(value) else None
