"""A champion that outcomes prove to be worse than it promised goes back to the fallback, by its record alone."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec

from tests.support.snapshots import NOW, SILENT, ago_time, outcome, promoted, record, slot, snapshot, spec
from tests.unit.rollout.cases import (
    BLUE,
    FIRST_STEP,
    GREEN,
    KNOWN,
    TWO_KNOWN,
    TWO_PROBATION,
    TWO_STEADY,
    TWO_WARM,
    V1,
    V2,
    V3,
    Case,
    check,
    move_of,
    on_trial,
    table,
    trial_world,
)
from viridian.api import reasons
from viridian.api.modeldeployment import ModelDeploymentSpec
from viridian.api.names import MONITORING_ANNOTATION
from viridian.api.samples import Idle
from viridian.core.times import format_time
from viridian.rollout.records import RevisionRecord
from viridian.rollout.traffic.record import ChampionCause

WARM: dict[str, Any] = {**TWO_WARM, "wanted": SILENT}
SENTENCE = "auc is 0.7 on the 900 of 1000 rows with a label, below 0.8 in 3 of 3 windows in a row"


def watched(action: str = "Rollback", **parts: Any) -> ModelDeploymentSpec:
    monitor = {"name": "auc", "performance": {"metric": "auc", "min": 0.8}, "action": action}
    return spec(monitoring={"window": "1h", "monitors": [monitor]}, feedback={}, **parts)


def judged(
    known: RevisionRecord, *, verdict: str = "Fired", seconds_ago: float = 600, of: str | None = None, name: str = "auc"
) -> RevisionRecord:
    """The record with what monitors found in the window that ended so long ago."""
    end = NOW - timedelta(seconds=seconds_ago)
    found = {
        "revision": known.revision if of is None else of,
        "start": format_time(end - timedelta(hours=1)),
        "end": format_time(end),
        "monitors": [{"name": name, "verdict": verdict, "message": SENTENCE}],
    }
    manifest = json.loads(json.dumps(known.manifest))
    manifest["metadata"]["annotations"][MONITORING_ANNOTATION] = json.dumps(found)
    return replace(known, manifest=manifest)


def world(of: ModelDeploymentSpec | None = None, **more: Any) -> Any:
    """Version 2 serves since an hour ago, version 1 is warm; what the monitors found is on the record of version 2."""
    found: dict[str, Any] = {
        key: more.pop(key) for key in ("verdict", "seconds_ago", "of_revision", "name") if key in more
    }
    if "of_revision" in found:
        found["of"] = found.pop("of_revision")
    one, two = more.pop("known", TWO_KNOWN)
    # With monitoring a spec renders other revisions than those of these worlds: what is desired does not matter here.
    return snapshot(of=of or watched(), **{**WARM, "known": (one, judged(two, **found)), **more})


def goes_back(sentence: str, shown: Any) -> Case:
    return Case(
        sentence,
        shown,
        reasons.WORSE_THAN_PROMISED,
        SENTENCE,
        champion=V1,
        reverted=V2,
        events=("RolledBack",),
        close=((GREEN,), Idle.CLOSE),
    )


def stays(sentence: str, shown: Any, reason: str = reasons.SERVING, waiting: str = "", **more: Any) -> Case:
    return Case(sentence, shown, reason, waiting, champion=V2, **more)


CASES = [
    goes_back("a champion whose outcomes fall below its limit goes back to the fallback", world()),
    goes_back(
        "in probation too, though every canary metric passes",
        world(traffic=replace(TWO_PROBATION, since=ago_time(900)), slots=(slot(BLUE, "1", 2), slot(GREEN, "2"))),
    ),
    goes_back(
        "however old the finding is", world(traffic=replace(TWO_STEADY, since=ago_time(900_000)), seconds_ago=800_000)
    ),
    stays("a finding of another action moves no traffic", world(watched("Review"))),
    stays("nor does a monitor that is quiet", world(verdict="Quiet")),
    stays("nor one that could not judge", world(verdict="InsufficientData")),
    stays("nor one that is not in the spec any more", world(name="accuracy")),
    stays("nor what was found before it became the champion", world(seconds_ago=7200)),
    stays("nor what was found of another revision", world(of_revision=V3)),
    stays("nor anything where monitoring was removed", world(spec())),
    stays(
        "a champion that got the traffic by a rollback keeps it",
        world(traffic=replace(TWO_STEADY, cause=ChampionCause.ROLLED_BACK)),
    ),
    stays(
        "a fallback that is not ready is waited for",
        world(slots=(slot(BLUE, "1", 1, ready=0), slot(GREEN, "2"))),
        reasons.FALLBACK_UNAVAILABLE,
        "not ready to take over",
    ),
    stays(
        "a fallback without pods is not",
        world(watched(fallback={"replicas": 0}), slots=(slot(BLUE, "1", 0), slot(GREEN, "2"))),
    ),
    stays(
        "where the version before was rejected there is nothing to go back to",
        world(
            known=(record("1", promoted(7200), outcome(reasons.ROLLED_BACK, 5000)), record("2", promoted())),
            slots=(slot(GREEN, "2"),),
        ),
    ),
]


@table(*CASES)
def test_what_monitors_prove(case: Case) -> None:
    check(case)


def test_a_trial_goes_on_whatever_monitors_find_of_the_champion() -> None:
    one, two = KNOWN
    shown = trial_world(FIRST_STEP, whole=watched(), wanted=SILENT, known=(judged(one), two))
    decision = move_of(shown)
    assert decision.traffic is not None
    assert (decision.traffic.trial is not None, decision.traffic.revision) == (True, on_trial(FIRST_STEP).revision)


def test_once_back_the_revision_is_rejected_and_stays_back() -> None:
    decision = move_of(world())
    assert decision.traffic is not None
    lost = decision.traffic.reverted
    assert lost is not None
    assert (lost.revision, lost.outcome, lost.reason) == (V2, reasons.ROLLED_BACK, reasons.WORSE_THAN_PROMISED)
    assert lost.breach_at == ago_time(600).replace(microsecond=0)
    after = replace(world(), live=snapshot(of=watched(), **{**WARM, "traffic": decision.traffic}).live)
    settled = move_of(after)
    assert settled.traffic is not None
    assert (settled.traffic.revision, settled.change) == (V1, None)


def test_a_note_that_makes_no_sense_moves_nothing() -> None:
    for junk in ("", "{", "[]", "null", '{"revision": 7}', '{"monitors": [{"name": "auc", "verdict": "Fired"}]}'):
        one, two = TWO_KNOWN
        manifest = json.loads(json.dumps(two.manifest))
        manifest["metadata"]["annotations"][MONITORING_ANNOTATION] = junk
        shown = snapshot(of=watched(), **{**WARM, "known": (one, replace(two, manifest=manifest))})
        assert move_of(shown).change is None
    assert msgspec.to_builtins(watched())["monitoring"]["monitors"][0]["action"] == "Rollback"
