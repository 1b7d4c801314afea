"""Monitors in the operator's passes: asked once for each window, silent at rest, in no rollout's way."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from tests.support.churn import Churn
from tests.support.manifests import retrain_policy
from tests.support.memory_collector import bundle
from tests.support.operator_world import OperatorWorld
from tests.support.watched import REFERENCE, served, window
from viridian.api.feedback import RetentionRules
from viridian.api.names import MODEL_DEPLOYMENT, RETRAIN_POLICY
from viridian.controller.keys import Key
from viridian.core.selectors import parse
from viridian.ports.collector import FeedbackRefused, FeedbackUnavailable

LENGTH = 600.0
MONITORING = {
    "window": "10m",
    "season": "10m",
    "monitors": [
        {
            "name": "age-shift",
            "drift": {"features": ["age"], "statistic": "MeanShift", "threshold": 0.5, "decision": "Point"},
            "action": "Review",
        },
        {"name": "gaps", "drift": {"statistic": "Missing"}},
    ],
}


class Stage(Churn):
    """The model `churn`, watched, in an operator's world."""

    def __init__(self, world: OperatorWorld) -> None:
        super().__init__(world)
        files, self.digest = bundle(REFERENCE)
        world.bundles.files = files

    def serve(self, **parts: Any) -> None:
        """Version 1 is the champion, monitored where nothing else is asked for."""
        version = self.world.registry.add_version("churn", tags={"viridian.digest": self.digest})
        self.point(version)
        self.apply(**(parts or {"monitoring": MONITORING}))
        assert self.world.run(200, until=lambda: self.serves(version))

    def live(self, **parts: Any) -> None:
        """The window that is running now will have looked like that."""
        now = self.world.clock().timestamp()
        revision = self.status["champion"]["revision"]
        self.world.collector.windows_known.append(
            window(now // LENGTH * LENGTH, revision=revision, length=LENGTH, **parts)
        )

    def pass_window(self) -> None:
        """Until the running window was judged."""
        end = (self.world.clock().timestamp() // LENGTH + 1) * LENGTH
        assert self.world.run(
            3 * LENGTH, until=lambda: any(asked[1] == end for asked in self.world.collector.asked), most=60
        )
        self.world.settle_now()

    def verdict(self, kind: str) -> tuple[str, str]:
        found = self.condition(kind)
        return found.get("status", ""), found.get("reason", "")

    def events(self) -> list[str]:
        return [event["reason"] for event in self.cluster.all("Event")]

    def metrics(self) -> str:
        return b"".join(self.world.monitoring.exposition()).decode()


@pytest.fixture
def stage() -> Iterator[Stage]:
    world = OperatorWorld()
    yield Stage(world)
    world.close()


@pytest.fixture
def without_collector(stage: Stage) -> Stage:
    """The operator knows no collector."""
    stage.world.collector = None  # type: ignore[assignment]
    stage.world.restart()
    return stage


def test_an_open_question_outlives_the_status_and_the_operator(stage: Stage) -> None:
    stage.serve()
    stage.pass_window()
    stage.live(shift=0.6)
    stage.pass_window()
    asked = stage.condition("ReviewRequired")["message"]
    before = stage.status["monitoring"]
    stage.wipe_status()
    stage.world.restart()
    stage.world.settle_now()
    stage.live(shift=0.4, seed=2)
    stage.pass_window()
    assert stage.verdict("ReviewRequired") == ("True", "FeatureShift")
    assert stage.condition("ReviewRequired")["message"] == asked
    assert stage.status["monitoring"]["review"] == before["review"]
    assert stage.events().count("ReviewRequired") == 1
    stage.annotate("reviewed", asked.rpartition("=")[2])
    stage.world.settle_now()
    stage.wipe_status()
    stage.world.restart()
    stage.world.settle_now()
    assert stage.verdict("ReviewRequired")[0] == "False"
    stage.world.rest()


def test_what_was_said_of_a_champion_is_forgotten_with_monitoring(stage: Stage) -> None:
    stage.serve()
    stage.live(shift=0.6)
    stage.pass_window()
    stage.apply()
    stage.world.settle_now()
    left = [record["metadata"].get("annotations", {}) for record in stage.cluster.all("ControllerRevision")]
    assert not any("viridian.dev/monitoring" in annotations for annotations in left)


def test_a_shift_asks_for_a_review_until_a_person_has_answered(stage: Stage) -> None:
    stage.serve()
    stage.pass_window()
    assert stage.verdict("DataDrift") == ("Unknown", "InsufficientData")
    stage.live(shift=0.6)
    stage.pass_window()
    assert stage.verdict("ReviewRequired") == ("True", "FeatureShift")
    assert stage.verdict("DataDrift") == ("True", "FeatureShift")
    assert stage.status["monitoring"]["monitors"][0]["figures"][0]["feature"] == "age"
    stage.live(shift=0.4, seed=2)
    stage.pass_window()
    assert stage.verdict("DataDrift") == ("False", "WithinThresholds")
    assert stage.verdict("ReviewRequired") == ("True", "FeatureShift")
    stage.annotate("reviewed", stage.condition("ReviewRequired")["message"].rpartition("=")[2])
    stage.world.settle_now()
    assert stage.verdict("ReviewRequired") == ("False", "NothingToReview")
    assert stage.events().count("ReviewRequired") == 1
    assert [event for event in stage.events() if event != "Promoted"].count("MonitorFired") == 1


def test_of_a_model_without_monitors_the_reconciler_reads_the_object_alone(stage: Stage) -> None:
    stage.serve(server={"replicas": 2})
    stage.cluster.forget_calls()
    stage.world.look("monitoring")
    assert [(call.verb, call.kind) for call in stage.cluster.calls] == [("get", "ModelDeployment")]


def test_each_window_is_asked_for_once_however_many_passes_there_are(stage: Stage) -> None:
    stage.serve()
    stage.pass_window()
    before, passes = len(stage.world.collector.asked), stage.world.passes
    stage.world.run(2 * LENGTH)
    assert len(stage.world.collector.asked) - before == 2
    assert stage.world.passes - passes > 50


def test_nothing_is_written_while_verdicts_stay_and_figures_move(stage: Stage) -> None:
    stage.serve()
    stage.live(shift=0.6)
    stage.pass_window()
    stage.world.settle_now()
    stage.cluster.forget_calls()
    values = set()
    for seed in (2, 3):
        stage.live(shift=0.65, seed=seed)
        stage.pass_window()
        values.add(next(line for line in stage.metrics().splitlines() if line.startswith("viridian_monitor_value")))
    assert [str(call) for call in stage.cluster.writes] == []
    assert len(values) == 2, "the metrics show every window"


def test_windows_are_counted_while_a_trigger_of_a_policy_names_the_monitor(stage: Stage) -> None:
    trigger = {"name": "drifted", "monitors": {"names": ["age-shift"], "windows": 3}}
    stage.cluster.create(retrain_policy("default", triggers=[trigger]))
    stage.serve()
    rows = []
    for shift in (0.6, 0.65, 0.7, 0.0, 0.8):
        stage.live(shift=shift)
        stage.pass_window()
        rows.append([monitor.get("firing", {}).get("windows", 0) for monitor in stage.status["monitoring"]["monitors"]])
    assert rows == [[1, 0], [2, 0], [3, 0], [0, 0], [1, 0]]


def test_a_shift_starts_a_run_with_its_evidence_and_what_goes_on_starts_no_second_one(stage: Stage) -> None:
    """From live traffic to a Job without a human hand, by the passes of both kinds."""
    trigger = {"name": "drifted", "monitors": {"names": ["age-shift"], "windows": 2}}
    stage.cluster.create(retrain_policy("default", triggers=[trigger]))
    stage.world.keys.append(Key(RETRAIN_POLICY, "default", "churn"))
    stage.serve()
    stage.live(shift=0.8)
    stage.pass_window()
    assert stage.cluster.all("Job") == []
    for shift in (0.8, 0.9, 0.7):
        stage.live(shift=shift)
        stage.pass_window()
    (job,) = stage.cluster.all("Job")
    variables = {one["name"]: one.get("value") for one in job["spec"]["template"]["spec"]["containers"][0]["env"]}
    (reason,) = json.loads(variables["VIRIDIAN_REASONS"])
    (monitor,) = reason["evidence"]["monitors"]
    assert (reason["trigger"], monitor["name"], monitor["windows"]) == ("drifted", "age-shift", 2)
    assert monitor["figures"][0]["feature"] == "age"


def test_monitors_count_outcomes_under_the_definition_of_the_label_that_the_deployment_names(stage: Stage) -> None:
    """R25: another definition judges the window anew, and no pod is restarted for it."""
    stage.serve(monitoring=MONITORING, feedback={"labelDefinition": "churned-90d"})
    stage.pass_window()
    assert set(stage.world.collector.labels) == {"churned-90d"}
    revision = stage.status["champion"]["revision"]
    stage.cluster.edit(
        MODEL_DEPLOYMENT, "churn", lambda found: found["spec"]["feedback"].update(labelDefinition="churned-30d")
    )
    stage.world.settle_now()
    assert stage.world.collector.labels[-1] == "churned-30d"
    assert stage.status["champion"]["revision"] == revision


OUTCOMES = {
    "window": "10m",
    "season": "10m",
    "monitors": [
        {
            "name": "accuracy",
            "performance": {"metric": "accuracy", "min": 0.85, "minLabels": 100, "consecutive": 1},
            "action": "Rollback",
        },
        {"name": "likely", "estimatedPerformance": {"metric": "accuracy", "min": 0.1, "consecutive": 1}},
    ],
}


@pytest.mark.parametrize("action", ["Rollback", "Review"])
def test_a_version_that_was_promoted_on_a_proxy_goes_back_or_is_reviewed_once_labels_disagree(
    stage: Stage, action: str
) -> None:
    """R126: outcomes come 20 minutes late. Until then estimates are all there is, and they are fine."""
    monitors = [{**OUTCOMES["monitors"][0], "action": action}, OUTCOMES["monitors"][1]]  # type: ignore[dict-item]
    stage.serve(monitoring={**OUTCOMES, "monitors": monitors}, feedback={"labelMaturity": "20m"})
    version = stage.world.registry.add_version("churn", tags={"viridian.digest": stage.digest})
    stage.point(version)
    assert stage.world.run(600, until=lambda: stage.serves(version))
    stage.live(labels=1000, accuracy=0.7)
    stage.pass_window()
    assert stage.serves(version)
    assert stage.verdict("Decay")[0] != "True", "no label is mature yet"
    if action == "Rollback":
        assert stage.world.run(3600, until=lambda: stage.serves("1"))
        rollback = stage.status["lastRollback"]
        assert (rollback["reason"], rollback["from"]) == ("WorseThanPromised", stage.revision(version))
        stage.world.run(2 * LENGTH)
        assert stage.serves("1"), "it stays back although the alias still names the other version"
    else:
        assert stage.world.run(3600, until=lambda: stage.verdict("ReviewRequired")[0] == "True")
        assert stage.serves(version)


def test_an_operator_that_begins_anew_writes_nothing_either(stage: Stage) -> None:
    stage.serve()
    stage.live(shift=0.6)
    stage.pass_window()
    stage.world.settle_now()
    stage.cluster.forget_calls()
    stage.world.restart()
    stage.world.run(30)
    assert [str(call) for call in stage.cluster.writes] == []


def test_a_deleted_status_comes_back(stage: Stage) -> None:
    stage.serve()
    stage.live(shift=0.6)
    stage.pass_window()
    before = stage.status["monitoring"]
    stage.wipe_status()
    stage.world.run(30)
    assert stage.status["monitoring"] == before


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (FeedbackUnavailable("the collector does not answer"), "CollectorUnavailable"),
        (FeedbackRefused("the collector does not allow it"), "CollectorRefused"),
    ],
    ids=["unavailable", "refused"],
)
def test_a_collector_that_is_away_is_told_and_holds_up_no_rollout(
    stage: Stage, failure: Exception, reason: str
) -> None:
    stage.world.collector.failure = failure  # type: ignore[assignment]
    stage.serve()
    assert stage.verdict("Monitored") == ("Unknown", reason)
    assert stage.verdict("DataDrift") == ("Unknown", "NotJudged")
    stage.publish()
    assert stage.world.run(200, until=lambda: stage.serves("2"))
    stage.world.collector.failure = None
    stage.world.run(130)
    assert stage.verdict("Monitored") == ("True", "WindowsJudged")


def test_a_breach_is_reverted_while_the_collector_is_away(stage: Stage) -> None:
    stage.serve()
    stage.world.collector.failure = FeedbackUnavailable("the collector does not answer")
    stage.publish(errors=0.5)
    assert stage.world.run(100, until=lambda: stage.rejected == ["2"])


def test_what_may_be_kept_is_told_and_told_again_when_it_changes(stage: Stage) -> None:
    stage.serve(feedback={"retention": "30d", "columns": {"deny": ["email"]}})
    kept = stage.world.collector.kept["default", "churn"]
    assert kept == RetentionRules(deny=("email",), retention_seconds=30 * 86400.0)
    stage.cluster.edit("ModelDeployment", "churn", lambda found: found["spec"]["feedback"].update(retention="7d"))
    stage.world.run(30)
    assert stage.world.collector.kept["default", "churn"].retention_seconds == 7 * 86400.0
    assert stage.world.collector.asked == []


def test_of_what_is_only_monitored_the_collector_is_told_too(stage: Stage) -> None:
    stage.serve(monitoring={})
    assert stage.world.collector.kept["default", "churn"] == RetentionRules()


@pytest.mark.parametrize("away", [False, True], ids=["the collector answers", "the collector is away"])
def test_that_a_model_is_gone_is_told_once(stage: Stage, away: bool) -> None:
    stage.serve(feedback={}, monitoring={})
    assert ("default", "churn") in stage.world.collector.kept
    stage.world.collector.failure = FeedbackUnavailable("the collector does not answer") if away else None
    stage.cluster.remove("ModelDeployment", "churn")
    stage.world.run(60)
    assert (("default", "churn") in stage.world.collector.kept) is away


def test_who_keeps_nothing_any_more_and_watches_nothing_is_forgotten(stage: Stage) -> None:
    stage.serve(feedback={}, monitoring={})
    for name in ("feedback", "monitoring"):
        assert ("default", "churn") in stage.world.collector.kept
        stage.cluster.edit("ModelDeployment", "churn", partial(without, name))
        stage.world.run(60)
    assert stage.world.collector.kept == {}


def test_an_object_that_changes_hands_keeps_the_rules_that_its_next_operator_has_sent(stage: Stage) -> None:
    stage.serve(feedback={}, monitoring={})
    served_by(stage, "team!=ads")
    stage.cluster.edit("ModelDeployment", "churn", belongs_to_ads)
    stage.world.run(60)
    assert ("default", "churn") in stage.world.collector.kept
    served_by(stage, "team=ads")
    stage.cluster.remove("ModelDeployment", "churn")
    stage.world.run(60)
    assert stage.world.collector.kept == {}


def test_an_object_that_changes_hands_and_keeps_nothing_any_more_is_forgotten(stage: Stage) -> None:
    stage.serve(feedback={})
    served_by(stage, "team!=ads")

    def change(found: Any) -> None:
        belongs_to_ads(found)
        without("feedback", found)

    stage.cluster.edit("ModelDeployment", "churn", change)
    stage.world.run(60)
    assert stage.world.collector.kept == {}


def served_by(stage: Stage, selector: str) -> None:
    """From now on by an operator that serves these labels alone, and has sent the rules of what it serves."""
    stage.world.selector = parse(selector)
    stage.world.restart()
    stage.world.run(60)


def belongs_to_ads(found: Any) -> None:
    found["metadata"].setdefault("labels", {})["team"] = "ads"


def without(name: str, found: Any) -> None:
    del found["spec"][name]


def test_without_a_reference_profile_the_sentence_says_what_to_do(stage: Stage) -> None:
    stage.world.bundles.files, stage.digest = bundle(None)
    stage.serve()
    stage.live(shift=0.6)
    stage.pass_window()
    assert stage.verdict("DataDrift") == ("Unknown", "InsufficientData")
    assert "bundle it with viridian's trainer library" in stage.condition("DataDrift")["message"]


def test_the_profile_is_fetched_once_for_each_version(stage: Stage) -> None:
    stage.serve()
    for _ in range(3):
        stage.pass_window()
    assert [path for _, path in stage.world.bundles.asked] == ["viridian/manifest.json", "viridian/profile.json"]


def test_every_figure_is_a_metric_and_gone_with_its_object(stage: Stage) -> None:
    stage.serve()
    stage.live(shift=0.6)
    stage.pass_window()
    text = stage.metrics()
    where = 'name="churn",namespace="default"'
    assert f'viridian_monitor_verdict{{monitor="age-shift",{where},verdict="Fired"}} 1.0' in text
    figure = f'{{feature="age",measure="MeanShift",monitor="age-shift",{where}}}'
    assert f"viridian_monitor_threshold{figure} 0.5" in text
    assert f"viridian_monitor_samples{figure} 2000.0" in text
    assert f'viridian_feature_missing_share{{feature="plan name",{where},of="training"}} 0.0' in text
    mean = served(shift=0.6).features["age"].mean  # type: ignore[union-attr]
    assert f'viridian_feature_mean{{feature="age",{where},of="window"}} {mean}' in text
    stage.cluster.edit("ModelDeployment", "churn", lambda found: found["spec"].pop("monitoring"))
    stage.world.run(5)
    assert "churn" not in stage.metrics()
    assert stage.condition("DataDrift") == {}
    assert "monitoring" not in stage.status


def test_what_only_outcomes_are_asked_of_comes_without_profiles(stage: Stage) -> None:
    decay = {"name": "decay", "decay": {"metric": "accuracy", "perWindow": -0.01, "windows": 14}}
    stage.serve(feedback={}, monitoring={"window": "10m", "season": "10m", "monitors": [decay]})
    stage.pass_window()
    end = max(asked[1] for asked in stage.world.collector.asked)
    revision = stage.status["champion"]["revision"]
    newest = [asked[:1] + asked[2:] for asked in stage.world.collector.asked if asked[1] == end]
    assert newest == [(end - 14 * LENGTH, revision, False), (end - LENGTH, revision, True)]


# ---- an operator without a collector


@pytest.mark.parametrize(
    ("parts", "remove"),
    [
        ({"feedback": {}}, "remove spec.feedback"),
        ({"monitoring": {}}, "remove spec.monitoring"),
        ({"feedback": {}, "monitoring": {}}, "remove spec.feedback and spec.monitoring"),
    ],
    ids=str,
)
def test_where_no_collector_is_known_who_asks_for_one_is_told(
    without_collector: Stage, parts: dict[str, Any], remove: str
) -> None:
    without_collector.serve(**parts)
    monitored = without_collector.condition("Monitored")
    assert (monitored["status"], monitored["reason"]) == ("False", "NoCollector")
    assert monitored["message"].endswith(f"or name one (--collector-url), or {remove}")
    assert "monitoring" not in without_collector.status


def test_who_asks_for_none_is_not_told(without_collector: Stage) -> None:
    without_collector.serve(server={"replicas": 2})
    assert without_collector.condition("Monitored") == {}
