"""What the pipeline of every CI system makes of a release: of a good version, of a bad one, and of a mistake."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.memory_pods import BROKEN

if TYPE_CHECKING:  # a pipeline needs an environment, and which are needed is said by results that know these names
    from tests.support.stack.pipeline import Pipeline, PipelineEnd


class Releases:
    """The tests that a CI system's module takes over, with its own runner."""

    def run(self, pipeline: Pipeline) -> PipelineEnd:
        """The runner of the system, on the default branch of the repository."""
        raise NotImplementedError

    def test_a_good_version_is_checked_planned_applied_and_promoted(self, pipeline: Pipeline) -> None:
        pipeline.commit("2")
        ended = self.run(pipeline)
        assert ended.succeeded, ended.log
        assert "is a new revision" in ended.log, "the plan"
        assert pipeline.model.champion == "2"

    def test_a_rejected_version_fails_the_pipeline_with_the_sentence_of_its_condition(self, pipeline: Pipeline) -> None:
        pipeline.model.behave("2", BROKEN)
        pipeline.commit("2")
        ended = self.run(pipeline)
        assert not ended.succeeded, ended.log
        assert pipeline.stalled in ended.log
        assert pipeline.model.champion == "1"

    def test_a_mistake_in_the_manifest_fails_the_pipeline_before_anything_is_applied(self, pipeline: Pipeline) -> None:
        pipeline.commit("2", rollouts={})
        ended = self.run(pipeline)
        assert not ended.succeeded
        assert "did you mean rollout?" in ended.log, ended.log
        assert pipeline.asked_for == "1"
