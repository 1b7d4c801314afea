"""The surroundings of a model, as its team describes them: from these answers follows how to work on it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec

from viridian.api.schema import Struct, doc, prose, word


class DataStability(StrEnum):
    """How fast the data and the business change."""

    STABLE = "Stable"
    MODERATE = "Moderate"
    CHANGING = "Changing"


class Maturity(StrEnum):
    """How well the team knows this kind of work."""

    NEW = "New"
    EXPERIENCED = "Experienced"


class FailureCost(StrEnum):
    """What a wrong prediction costs."""

    LOW = "Low"
    HIGH = "High"


class ResponseTime(StrEnum):
    """Within what time a change in the world has to be answered."""

    DAYS = "Days"
    WEEKS = "Weeks"


class Resources(StrEnum):
    """What people and computers the team has."""

    LIMITED = "Limited"
    MODERATE = "Moderate"
    AMPLE = "Ample"


class Purpose(StrEnum):
    """What the model is for."""

    CORE = "Core"
    EXPERIMENTAL = "Experimental"


class Context(Struct, frozen=True, kw_only=True):
    """Answers about the surroundings of a model. Each may be left out."""

    data_stability: Annotated[DataStability, doc("How fast data and business change.")] | None = None
    models: Annotated[int, doc("How many models the team runs.", ge=1, le=100_000)] | None = None
    maturity: Annotated[Maturity, doc("Whether the team is new to operating models.")] | None = None
    failure_cost: Annotated[FailureCost, doc("What a wrong prediction costs.")] | None = None
    response_time: Annotated[ResponseTime, doc("Within what time a change has to be answered.")] | None = None
    resources: Annotated[Resources, doc("What people and computers there are.")] | None = None
    team_size: Annotated[int, doc("How many people work on the model.", ge=1, le=10_000)] | None = None
    purpose: (
        Annotated[Purpose, doc("Core: the business depends on the model. Experimental: it is being tried.")] | None
    ) = None


class AdviceStatus(Struct, frozen=True, kw_only=True):
    """What follows from the context of the ModelDeployment."""

    workflow: Annotated[str, word("The workflow to choose: Linear, Iterative or Agile.")]
    next: Annotated[str, word("The workflow to grow into; absent where this one is enough.")] | None = None
    reasons: Annotated[
        tuple[Annotated[str, msgspec.Meta(max_length=512)], ...], doc("One sentence for each answer.", max_length=20)
    ] = ()
    message: Annotated[str, prose("The advice for people.")] = ""
