"""The champion, judged on the rows that the candidate is judged on."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from viridian.api.address import Address, shown
from viridian.api.evaluation import HoldoutEvaluation
from viridian.api.metric_names import CHAMPION_PREFIX
from viridian.api.stage import shortened
from viridian.training import evaluation_request, isolated_call, tracking
from viridian.training.evaluation_request import EvaluationRequest
from viridian.training.holdout import Holdout
from viridian.training.paired_evidence import evaluation_of
from viridian.training.scores import Predicted, scores
from viridian.training.served_answers import ServedAnswers, served_answers
from viridian.training.time_limits import seconds_for


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedChampion:
    """The champion on the rows of the holdout."""

    answers: ServedAnswers | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    """As `champion.auc`."""
    problem: str = ""
    """Why it could not be judged. No champion is no problem."""


def champion_on(rows: Holdout, *, classifier: bool, timed: bool = False) -> JudgedChampion:
    """The champion that the environment names, judged. One that cannot be judged loses nothing of the candidate."""
    uri = os.environ.get("VIRIDIAN_CHAMPION_URI", "")
    if not uri:
        return JudgedChampion()
    try:
        answers = _answers(uri, rows, timed=timed)
        found = scores(rows.target, answers.predicted, classifier=classifier)
    except Exception as error:
        # Whatever is wrong with the old model must not lose the new one; the gate says what a missing number means.
        why = Address(uri).concealed_in(str(error)) or type(error).__name__
        problem = shortened(f"the champion {shown(uri)} could not be judged: {why}")
        sys.stderr.write(f"{problem}\n")
        return JudgedChampion(problem=problem)
    named = {f"{CHAMPION_PREFIX}{name}": value for name, value in found.items()}
    return JudgedChampion(answers=answers, metrics=named)


def evaluation_asked_for(
    rows: Holdout,
    candidate: Predicted,
    champion: JudgedChampion,
    *,
    classifier: bool,
    but: Collection[str] = (),
) -> HoldoutEvaluation | None:
    """Candidate and champion beside each other; None where there is no champion, and nobody asks for anything else.

    `but` are metrics that the script itself computes under the same name: they are other ones.
    """
    if champion.answers is None and evaluation_request.requested() is None:
        return None
    beside = champion.answers.predicted if champion.answers else None
    found = evaluation_beside(rows, candidate, beside, classifier=classifier)
    return replace(found, metrics={name: one for name, one in found.metrics.items() if name not in but})


def evaluation_beside(
    rows: Holdout, candidate: Predicted, champion: Predicted | None, *, classifier: bool
) -> HoldoutEvaluation:
    """Candidate and champion beside each other, with what the environment asks for."""
    asked = evaluation_request.requested() or EvaluationRequest()
    try:
        return evaluation_of(
            rows.target,
            candidate,
            champion,
            classifier=classifier,
            holdout=rows.digest,
            rows=rows.rows,
            slices=asked.slices,
            constant_baseline=asked.constant_baseline,
        )
    except (ValueError, TypeError, ArithmeticError) as error:
        # Labels of the two models may be of types that cannot be compared.
        problem = shortened(f"the two cannot be compared row by row: {type(error).__name__}: {error}")
        return HoldoutEvaluation(holdout=rows.digest, rows=len(rows.target), problems=(problem,))


def _answers(uri: str, rows: Holdout, *, timed: bool) -> ServedAnswers:
    """By the server's own rules, in a process of its own."""
    with tempfile.TemporaryDirectory() as scratch:
        champion = tracking.download(uri, Path(scratch))
        ask = partial(served_answers, timed=timed)
        return isolated_call.call(ask, champion, rows.rows, seconds=seconds_for(len(rows.rows)))
