"""The review of a model: what was asked of a person, what the last review came to, and the figures that it needs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec

from viridian.api import reasons
from viridian.api.modeldeployment_status import Condition
from viridian.api.names import REVIEW_ANNOTATION
from viridian.core.lookup import text
from viridian.monitoring.periodic_review import HeldReview, held_review
from viridian.people.model_summary import summary
from viridian.people.policy_objects import known_status, spec_in_force
from viridian.people.report_section import Section
from viridian.people.review_sections import QUESTIONS, decided_section, image_section, run_sections
from viridian.people.value_sections import policy_worth, quality_section, run_value_section

_ASKING: Final = (reasons.REVIEW_REQUIRED, reasons.REVIEW_DUE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewView:
    """What the page of a review shows."""

    asked: Sequence[Condition]
    """What a person is asked to look at; the messages have the commands that answer."""
    last: HeldReview | None
    questions: Sequence[str]
    sections: Sequence[Section]


def review_view(manifest: Mapping[str, Any], policies: Iterable[Mapping[str, Any]], now: datetime) -> ReviewView:
    """Of a ModelDeployment and the RetrainPolicies of its namespace."""
    model = summary(manifest)
    own = [one for one in policies if text(one, "spec", "modelDeployment") == model.name]
    return ReviewView(
        asked=[one for one in model.status.conditions if one.type in _ASKING and one.status == "True"],
        last=held_review(model.annotations.get(REVIEW_ANNOTATION, ""), now),
        questions=QUESTIONS,
        sections=[
            *decided_section(manifest, own, now),
            *(section for policy in own for section in _of_policy(policy, now)),
        ],
    )


def _of_policy(policy: Mapping[str, Any], now: datetime) -> Iterator[Section]:
    """The sections of one policy; without what its runs are worth where another release has written its spec."""
    name, status = text(policy, "metadata", "name"), known_status(policy)
    yield from run_sections(name, status)
    with contextlib.suppress(msgspec.ValidationError):
        yield from run_value_section(name, policy_worth(spec_in_force(policy), status, None, None))
    yield from quality_section(name, status.quality)
    yield from image_section(name, status.runs, now)
