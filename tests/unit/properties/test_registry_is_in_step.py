"""Whatever fails or is killed in between: in the end the registry has the last decision about each version.

Decisions come one after the other, as the rollout records them; passes of registry-sync come in between, or do not.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.churn import NAME
from tests.support.churn import manifest as churn_manifest
from tests.support.cluster.faults import Fault
from tests.support.memory_cluster import Killed
from tests.support.operator_world import OperatorWorld
from tests.support.snapshots import outcome, record, revision, snapshot
from viridian.api import reasons
from viridian.api.names import MODEL_DEPLOYMENT, OUTCOME_ANNOTATION, Slot, revision_record
from viridian.api.registry import TAG_MODEL_DEPLOYMENT, TAG_OUTCOME, TAG_REASON
from viridian.core.model_owners import Owners
from viridian.core.plan import SetAlias, TagVersion
from viridian.registry_sync.decide import decide
from viridian.registry_sync.input import SyncInput
from viridian.rollout import records
from viridian.rollout.input import parse_records
from viridian.rollout.records import RevisionOutcome
from viridian.rollout.traffic.record import Traffic
from viridian.rollout.traffic.service import SERVICE, record_of

VERSIONS = ("1", "2", "3")
WORDS = (reasons.PROMOTED, reasons.REJECTED, reasons.ROLLED_BACK)


class Stage:
    """Three versions with their records; version 1 is the champion, which no registry knows yet."""

    def __init__(self) -> None:
        self.world = OperatorWorld()
        self.cluster, self.registry = self.world.cluster, self.world.registry
        self.uid = str(self.cluster.create(churn_manifest())["metadata"]["uid"])
        self.outcomes: dict[str, list[RevisionOutcome]] = {version: [] for version in VERSIONS}
        for version in VERSIONS:
            self.registry.add_version(NAME)
            self._create(record(version).manifest)
        self.decided = 0
        self.decide_about("1", reasons.PROMOTED)

    def decide_about(self, version: str, word: str) -> None:
        """As the rollout does: the traffic first, then the outcome."""
        self.decided += 1
        if word == reasons.PROMOTED:
            self._serve(version)
        found = outcome(word, 100_000 - self.decided, reason="Test", message=f"decision {self.decided}")
        self.outcomes[version].append(found)
        text = records.dump(tuple(self.outcomes[version]))
        self.cluster.annotate(
            "ControllerRevision", revision_record(NAME, revision(version)), **{OUTCOME_ANNOTATION: text}
        )

    def look(self, passes: int) -> None:
        for _ in range(passes):
            self.world.look("registry-sync")
            self.world.clock.advance(61)

    def heal(self) -> None:
        self.registry.unavailable, self.registry.after_write = False, None
        self.registry.refusals.clear()
        self.cluster.faults.clear()

    def last_desired(self) -> tuple[dict[str, Any], dict[str, str]]:
        """Tags of versions and aliases, as the last decisions want them of a registry that knows nothing."""
        known = parse_records(self.cluster.all("ControllerRevision"))
        unsynced = {name: replace(one, synced="") for name, one in known.items()}
        traffic = record_of(self.cluster.find("Service", NAME))
        owners = {NAME: Owners(claim=f"default/{NAME}")}
        inputs = SyncInput(name=NAME, namespace="default", records=unsynced, traffic=traffic, owners=owners)
        actions = decide(inputs, self.world.clock()).actions
        tags = {action.version: dict(action.tags) for action in actions if isinstance(action, TagVersion)}
        return tags, {action.alias: action.version for action in actions if isinstance(action, SetAlias)}

    def stands(self) -> tuple[dict[str, Any], dict[str, str]]:
        """What the registry has."""
        ours = (TAG_OUTCOME, TAG_REASON, TAG_MODEL_DEPLOYMENT)
        tags = {
            version: {tag: found.tags[tag] for tag in ours if tag in found.tags}
            for version, found in self.registry.versions(NAME).items()
        }
        return {version: found for version, found in tags.items() if found}, dict(self.registry.aliases(NAME))

    def _serve(self, version: str) -> None:
        before = record_of(self.cluster.find("Service", NAME))
        former = before.revision if before is not None and before.revision != revision(version) else ""
        inputs = snapshot(traffic=Traffic(Slot.BLUE, revision(version), former=former))
        assert inputs.traffic is not None
        self._create(SERVICE.objects(inputs, 8080, inputs.traffic)[0])

    def _create(self, intent: Any) -> None:
        manifest = json.loads(json.dumps(intent).replace("churn-uid", self.uid))
        manifest["metadata"].pop("uid", None)
        self.cluster.create(manifest)


def silence(stage: Stage, _: int) -> None:
    stage.registry.unavailable = True


def refusal(stage: Stage, which: int) -> None:
    stage.registry.refusals[("claim", "tag_version", "set_alias")[which % 3]] = "no"


def lost_answer(stage: Stage, which: int) -> None:
    stage.registry.lose_answer_of(("claim", "tag_version", "set_alias")[which % 3])


def death_after_a_write_to_the_registry(stage: Stage, which: int) -> None:
    left = which

    def strike(_: str) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise Killed("the operator died after the registry's write took effect")

    stage.registry.after_write = strike


def death_at_the_mark(stage: Stage, which: int) -> None:
    fault = Fault.KILL_BEFORE if which % 2 else Fault.KILL_AFTER
    stage.cluster.faults.on(lambda call: call.mutating and call.kind == "ControllerRevision", fault)


def refusal_of_the_mark(stage: Stage, which: int) -> None:
    stage.cluster.faults.on(lambda call: call.mutating and call.kind == "ControllerRevision", Fault.REFUSED, which)


TROUBLES: tuple[Callable[[Stage, int], None], ...] = (
    silence,
    refusal,
    lost_answer,
    death_after_a_write_to_the_registry,
    death_at_the_mark,
    refusal_of_the_mark,
    lambda stage, _: stage.heal(),
)
STEP = st.tuples(
    st.sampled_from(VERSIONS), st.sampled_from(WORDS), st.sampled_from(TROUBLES), st.integers(1, 6), st.integers(0, 3)
)


@settings(max_examples=40)
@given(st.lists(STEP, min_size=1, max_size=8))
def test_the_last_decision_stands_at_every_place(
    story: Sequence[tuple[str, str, Callable[[Stage, int], None], int, int]],
) -> None:
    stage = Stage()
    with closing(stage.world):
        for version, word, trouble, which, passes in story:
            trouble(stage, which)
            stage.decide_about(version, word)
            stage.look(passes)
        stage.heal()
        stage.look(6)
        tags, aliases = stage.last_desired()
        found_tags, found_aliases = stage.stands()
        assert found_tags == tags
        assert set(tags) == {version for version, known in stage.outcomes.items() if known}
        assert {alias: found_aliases.get(alias) for alias in aliases} == aliases
        stage.cluster.forget_calls()
        stage.registry.writes.clear()
        stage.look(3)
        assert (stage.registry.writes, stage.cluster.writes) == ([], []), "in step means silent"
        assert stage.cluster.find(MODEL_DEPLOYMENT, NAME) is not None
