"""What a ModelDeployment tells MLflow, and to whose models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.support.snapshots import NOW, SETTINGS, outcome, record, slot, snapshot
from viridian.api import reasons
from viridian.api.names import Slot
from viridian.api.registry import TAG_MODEL_DEPLOYMENT
from viridian.core.model_owners import OwnerRule, Owners, OwnersUnknown
from viridian.core.plan import Annotate, ClaimModel, Plan, RegistryAction, SetAlias, TagVersion
from viridian.core.times import parse_time
from viridian.rollout.decide import decide
from viridian.rollout.input import RolloutInput
from viridian.rollout.traffic.record import Traffic

UNTOLD = replace(record("1", outcome(reasons.PROMOTED, 60)), told="")


def world(owners: Mapping[str, Owners | OwnersUnknown], **more: Any) -> RolloutInput:
    """Version 1 has been promoted, and the registry has not been told."""
    traffic = Traffic(champion=Slot.BLUE, revision=UNTOLD.revision, since=parse_time(UNTOLD.outcomes[-1].at))
    return snapshot(traffic=traffic, slots=[slot(Slot.BLUE, "1")], known=[UNTOLD], aliases={}, owners=owners, **more)


def writes(plan: Plan) -> list[RegistryAction]:
    return [action for action in plan.actions if isinstance(action, RegistryAction)]


def told(plan: Plan) -> list[Annotate]:
    return [a for a in plan.actions if isinstance(a, Annotate) and a.once_registered and not a.held]


def condition(plan: Plan) -> tuple[str, str]:
    assert plan.status is not None
    found = next((c for c in plan.status["conditions"] if c["type"] == reasons.REGISTRY_TOLD), None)
    return (found["reason"], found["message"]) if found else ("", "")


def test_an_own_model_is_told() -> None:
    plan = decide(world({"churn": Owners(claim="default/churn")}), NOW)
    (tags, alias) = writes(plan)
    assert isinstance(tags, TagVersion)
    assert tags.tags[TAG_MODEL_DEPLOYMENT] == "default/churn"
    assert alias == SetAlias("churn", "champion", "1")
    assert len(told(plan)) == 1
    assert condition(plan) == ("", "")


def test_another_model_deployment_of_the_namespace_goes_on_with_its_claim() -> None:
    plan = decide(world({"churn": Owners(claim="default/one-that-is-gone")}), NOW)
    assert {type(action) for action in writes(plan)} == {TagVersion, SetAlias}


@pytest.mark.parametrize("owners", [Owners(), Owners(former="default/churn")], ids=["nobody's", "by former tags"])
def test_a_model_without_a_claim_is_claimed_first_and_looked_at_again_at_once(owners: Owners) -> None:
    plan = decide(world({"churn": owners}), NOW)
    assert writes(plan) == [ClaimModel("churn", "default/churn")]
    assert told(plan) == []
    assert plan.wake == NOW
    assert condition(plan) == ("", "")


@pytest.mark.parametrize(
    ("owners", "rules"),
    [
        (Owners(claim="sec-b/bank"), ()),
        (Owners(former="sec-b/bank"), ()),
        (Owners(namespaces="sec-b"), ()),
        (Owners(claim="default/churn"), (OwnerRule("sec-b", "*"),)),
        (Owners(), (OwnerRule("", "*"),)),
    ],
)
def test_a_model_of_others_is_not_written_to(owners: Owners, rules: tuple[OwnerRule, ...]) -> None:
    found = world({"churn": owners})
    plan = decide(replace(found, settings=replace(SETTINGS, registry_models=rules)), NOW)
    assert writes(plan) == []
    assert told(plan) == []
    reason, message = condition(plan)
    assert reason == reasons.NOT_YOURS
    assert "belongs to" in message
    assert "the version is served all the same, and nothing is written to the registry" in message
    assert [(event.reason, event.message.partition(":")[0]) for event in plan.news if "Registry" in event.reason] == [
        (reasons.EVENT_REGISTRY_NOT_TOLD, reasons.NOT_YOURS)
    ]
    assert plan.wake is not None
    assert plan.wake - NOW <= timedelta(seconds=15), "what the administrator changes is seen soon"


def test_it_is_said_once() -> None:
    first = decide(world({"churn": Owners(claim="sec-b/bank")}), NOW)
    again = decide(world({"churn": Owners(claim="sec-b/bank")}, status=first.status), NOW)
    assert [event for event in again.news if "Registry" in event.reason] == []
    assert again.status == first.status


def test_where_there_is_nothing_to_tell_nothing_is_said() -> None:
    """Serving another team's model is fine."""
    found = world({"churn": Owners(claim="sec-b/bank")})
    quiet = replace(UNTOLD, told=UNTOLD.outcomes[-1].at)
    plan = decide(replace(found, records={quiet.revision: quiet}), NOW)
    assert condition(plan) == ("", "")
    assert writes(plan) == []


@pytest.mark.parametrize("owners", [{}, {"churn": OwnersUnknown("RegistryUnavailable", "silent")}])
def test_as_long_as_the_owner_is_not_known_nothing_is_written(owners: Mapping[str, Owners | OwnersUnknown]) -> None:
    plan = decide(world(owners), NOW)
    assert writes(plan) == []
    assert told(plan) == []
    assert condition(plan)[0] == reasons.REGISTRY_UNAVAILABLE


def test_the_model_of_the_record_counts_and_not_the_one_of_the_spec() -> None:
    """A spec that names an own model afterwards must not open another team's."""
    record_of_b = replace(UNTOLD, model=replace(UNTOLD.model, name="bank"))
    found = world({"churn": Owners(claim="default/churn"), "bank": Owners(claim="sec-b/bank")})
    plan = decide(replace(found, records={record_of_b.revision: record_of_b}), NOW)
    assert writes(plan) == []
    assert condition(plan)[0] == reasons.NOT_YOURS
