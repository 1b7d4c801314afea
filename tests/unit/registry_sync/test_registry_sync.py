"""What registry-sync writes to MLflow about a ModelDeployment, and to whose models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.support.snapshots import NOW, ago_time, outcome, record
from viridian.api import reasons
from viridian.api.names import FORMER_SYNCED_ANNOTATION, OUTCOME_ANNOTATION, SYNCED_ANNOTATION, Slot
from viridian.api.registry import TAG_MODEL_DEPLOYMENT, TAG_OUTCOME, TAG_TICKET
from viridian.core.model_owners import OwnerRule, Owners, OwnersUnknown
from viridian.core.obstacles import Obstacles, RegistryObstacle
from viridian.core.plan import Annotate, ClaimModel, Plan, RegistryAction, SetAlias, TagVersion
from viridian.core.times import parse_time
from viridian.registry_sync.decide import LOOK_AGAIN, decide
from viridian.registry_sync.input import SyncInput, models_to_write
from viridian.rollout import records
from viridian.rollout.records import RevisionRecord
from viridian.rollout.traffic.record import Reverted, Traffic

OWN = {"churn": Owners(claim="default/churn")}
ONE, TWO = record("1", outcome(reasons.PROMOTED, 7200)), record("2", outcome(reasons.PROMOTED, 60))
UNSYNCED = replace(TWO, synced="")


def traffic(champion: RevisionRecord, former: RevisionRecord | None = None, **more: Any) -> Traffic:
    since = parse_time(champion.outcomes[-1].at) if champion.outcomes else ago_time(60)
    return Traffic(Slot.BLUE, champion.revision, since, former.revision if former else "", **more)


def world(
    *known: RevisionRecord,
    owners: Mapping[str, Owners | OwnersUnknown] = OWN,
    serves: Traffic | None = None,
    **more: Any,
) -> SyncInput:
    """Version 2 was promoted in the place of version 1, and the registry does not know it."""
    found = {one.revision: one for one in known or (ONE, UNSYNCED)}
    given = {"aliases": {"churn": {}}, **more}
    return SyncInput(
        name="churn", namespace="default", records=found, traffic=serves or traffic(TWO, ONE), owners=owners, **given
    )


def writes(plan: Plan) -> list[RegistryAction]:
    return [action for action in plan.actions if isinstance(action, RegistryAction)]


def marks(plan: Plan) -> list[Annotate]:
    """Those that are tried where the registry takes everything."""
    written = {action.target for action in writes(plan)}
    return [action for action in plan.actions if isinstance(action, Annotate) and written.issuperset(action.confirms)]


def refused(message: str) -> Obstacles:
    """The registry has just refused the tags of version 2."""
    kind, name = "ModelVersion", "churn/2"
    return {(kind, name): RegistryObstacle(kind, name, message, refused=True, reason=reasons.REGISTRY_REFUSED)}


def condition(plan: Plan) -> tuple[str, str]:
    assert plan.status is not None
    found = next((c for c in plan.status.get("conditions", ()) if c["type"] == reasons.REGISTRY_SYNCED), None)
    return (found["reason"], found["message"]) if found else ("", "")


def test_each_decision_is_written_and_then_marked() -> None:
    plan = decide(world(), NOW)
    tags, *aliases = writes(plan)
    assert isinstance(tags, TagVersion)
    assert (tags.version, tags.tags[TAG_OUTCOME], tags.tags[TAG_MODEL_DEPLOYMENT]) == ("2", "Promoted", "default/churn")
    assert aliases == [SetAlias("churn", "champion", "2"), SetAlias("churn", "previous", "1")]
    (mark,) = marks(plan)
    assert mark is plan.actions[-1]
    assert mark.confirms == tuple(action.target for action in writes(plan)), "only once all of it is written"
    assert mark.annotations == {SYNCED_ANNOTATION: UNSYNCED.outcomes[-1].at}
    assert condition(plan) == ("", "")


@pytest.mark.parametrize("serves", [None, traffic(ONE)], ids=["none", "the former"])
def test_a_champion_that_the_service_does_not_know_yet_waits(serves: Traffic | None) -> None:
    """Both are read at once: the Service before a switch, and the records after it. The aliases are not lost."""
    plan = decide(replace(world(), traffic=serves), NOW)
    assert (plan.actions, plan.wake) == ((), NOW + LOOK_AGAIN)
    again = decide(replace(world(), traffic=traffic(TWO, ONE)), NOW)
    assert {(write.alias, write.version) for write in writes(again) if isinstance(write, SetAlias)} == {
        ("champion", "2"),
        ("previous", "1"),
    }


def test_a_champion_that_was_followed_by_another_one_does_not_wait() -> None:
    """Its record is marked late, because the registry was away."""
    late = replace(ONE, synced="")
    plan = decide(world(late, TWO), NOW)
    assert [mark.name for mark in marks(plan)] == [late.manifest["metadata"]["name"]]


def test_the_ticket_of_the_model_is_a_tag_of_its_versions() -> None:
    with_ticket, without = (writes(decide(found, NOW))[0] for found in (world(ticket="ML-42"), world()))
    assert isinstance(with_ticket, TagVersion)
    assert isinstance(without, TagVersion)
    assert with_ticket.tags[TAG_TICKET] == "ML-42"
    assert TAG_TICKET not in without.tags


def test_at_rest_there_is_nothing_to_do_and_no_model_to_read() -> None:
    at_rest = world(ONE, TWO, aliases={"churn": {"champion": "1"}})
    plan = decide(at_rest, NOW)
    assert (plan.actions, plan.status, plan.wake) == ((), {}, None), "what people do to the aliases is theirs"
    assert models_to_write(at_rest.records) == frozenset()


def test_where_another_version_has_the_number_by_now_nothing_is_written_and_that_is_told_once() -> None:
    plan = decide(world(replaced=frozenset({UNSYNCED.revision})), NOW)
    assert writes(plan) == []
    assert [mark.confirms for mark in marks(plan)] == [()], "so that the registry is not read again and again"
    (told,) = plan.news
    assert "VersionReplaced: the registry has begun anew, and another model has the number of version 2" in told.message
    _, *aliases = writes(decide(world(replaced=frozenset({ONE.revision})), NOW))
    assert aliases == [SetAlias("churn", "champion", "2")], "no alias is set on what was never here"


@pytest.mark.parametrize("annotation", [SYNCED_ANNOTATION, FORMER_SYNCED_ANNOTATION])
def test_a_mark_of_an_older_release_counts(annotation: str) -> None:
    metadata = {**TWO.manifest["metadata"], "annotations": {OUTCOME_ANNOTATION: records.dump(TWO.outcomes)}}
    metadata["annotations"][annotation] = TWO.outcomes[-1].at
    parsed = records.parse({**TWO.manifest, "metadata": metadata})
    assert parsed is not None
    assert decide(world(ONE, parsed), NOW).actions == ()


def test_a_new_outcome_makes_a_marked_record_unsynced() -> None:
    more = replace(TWO, outcomes=(*TWO.outcomes, outcome(reasons.ROLLED_BACK, 1, reason="MetricBreach", message="bad")))
    serves = traffic(ONE, reverted=Reverted(TWO.revision, reasons.ROLLED_BACK, "MetricBreach", "bad", ago_time(1)))
    plan = decide(world(ONE, more, serves=serves, aliases={"churn": {"champion": "2", "previous": "1"}}), NOW)
    tags, alias = writes(plan)
    assert isinstance(tags, TagVersion)
    assert (tags.version, tags.tags[TAG_OUTCOME]) == ("2", reasons.ROLLED_BACK)
    assert alias == SetAlias("churn", "champion", "1")


def test_previous_is_the_newest_champion_that_was_not_rejected() -> None:
    zero = record("9", outcome(reasons.PROMOTED, 9000))
    bad = replace(ONE, outcomes=(*ONE.outcomes, outcome(reasons.ROLLED_BACK, 100)))
    bad = replace(bad, synced=bad.outcomes[-1].at)
    assert SetAlias("churn", "previous", "9") in writes(decide(world(zero, bad, UNSYNCED), NOW))


def test_another_model_deployment_of_the_namespace_goes_on_with_its_claim() -> None:
    plan = decide(world(owners={"churn": Owners(claim="default/one-that-is-gone")}), NOW)
    assert {type(action) for action in writes(plan)} == {TagVersion, SetAlias}


@pytest.mark.parametrize("owners", [Owners(), Owners(former="default/churn")], ids=["nobody's", "by former tags"])
def test_a_model_without_a_claim_is_claimed_first_and_looked_at_again_at_once(owners: Owners) -> None:
    plan = decide(world(owners={"churn": owners}), NOW)
    assert writes(plan) == [ClaimModel("churn", "default/churn")]
    assert marks(plan) == []
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
    plan = decide(world(owners={"churn": owners}, rules=rules), NOW)
    assert writes(plan) == []
    assert marks(plan) == []
    reason, message = condition(plan)
    assert reason == reasons.NOT_YOURS
    assert "belongs to" in message
    assert "the version is served all the same, and nothing is written to the registry" in message
    assert [(event.reason, event.message.partition(":")[0]) for event in plan.news] == [
        (reasons.EVENT_REGISTRY_NOT_SYNCED, reasons.NOT_YOURS)
    ]
    assert plan.wake is not None
    assert plan.wake - NOW <= timedelta(seconds=15), "what the administrator changes is seen soon"


def test_it_is_said_once() -> None:
    foreign = {"churn": Owners(claim="sec-b/bank")}
    first = decide(world(owners=foreign), NOW)
    again = decide(world(owners=foreign, status=first.status), NOW)
    assert again.news == ()
    assert again.status == first.status


def test_where_there_is_nothing_to_write_nothing_is_said() -> None:
    """Serving another team's model is fine."""
    plan = decide(world(ONE, TWO, owners={"churn": Owners(claim="sec-b/bank")}), NOW)
    assert condition(plan) == ("", "")
    assert writes(plan) == []


@pytest.mark.parametrize("owners", [{}, {"churn": OwnersUnknown("RegistryUnavailable", "silent")}])
def test_as_long_as_the_owner_is_not_known_nothing_is_written(owners: Mapping[str, Owners | OwnersUnknown]) -> None:
    plan = decide(world(owners=owners), NOW)
    assert writes(plan) == []
    assert marks(plan) == []
    assert condition(plan)[0] == reasons.REGISTRY_UNAVAILABLE


def test_the_model_of_the_record_counts_and_not_the_one_of_the_spec() -> None:
    """A spec that names an own model afterwards must not open another team's."""
    of_b = replace(UNSYNCED, model=replace(UNSYNCED.model, name="bank"))
    plan = decide(world(of_b, owners={**OWN, "bank": Owners(claim="sec-b/bank")}), NOW)
    assert writes(plan) == []
    assert condition(plan)[0] == reasons.NOT_YOURS


def test_what_the_registry_does_not_take_is_said_until_it_does() -> None:
    plan = decide(world(obstacles=refused("tags of churn version 2: no permission")), NOW)
    (event,) = plan.news
    assert event.reason == "RegistryNotSynced"
    assert event.message.startswith("RegistryRefused: tags of churn version 2: no permission; users are served")
    assert condition(plan)[0] == reasons.REGISTRY_REFUSED
    after = world(status=plan.status)
    assert decide(replace(after, obstacles=refused("the same with other words")), NOW).news == ()
    assert condition(decide(after, NOW))[0] == reasons.REGISTRY_REFUSED, "no answer yet"
    assert condition(decide(world(ONE, TWO, status=plan.status), NOW)) == ("", "")
