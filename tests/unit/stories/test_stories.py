"""The two stories: what they came to when they were told last, and their first days told anew."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import closing

import pytest
import yaml

from docs.scripts import stories as pages
from tests.support.sketches import classified as counted_plainly
from tests.support.stories import story_record
from tests.support.stories.live_rows import OUTCOME, classified, scores_of
from tests.support.stories.stories import STORIES
from tests.support.stories.story_record import EXAMPLES
from tests.support.stories.story_world import StoryWorld
from viridian.api.names import MODEL_DEPLOYMENT, RETRAIN_POLICY, RUN_ANNOTATION
from viridian.cli.manifest_rules import ManifestRules

CODE_LINES = 60
MANIFESTS = sorted(EXAMPLES.rglob("*.yaml"))
each_story = pytest.mark.parametrize("story", STORIES)


@each_story
def test_all_promises_held_when_it_was_told(story: str) -> None:
    told = story_record.read(story)
    assert [one.sentence for one in STORIES[story].promises(told) if not one.holds] == []


@each_story
def test_what_follows_was_computed_from_what_was_recorded(story: str) -> None:
    told = story_record.read(story)
    assert STORIES[story].derived(told) == told, "run `python -m tests.support.stories --figures-alone`"


@each_story
def test_it_was_told_by_the_files_as_they_are(story: str) -> None:
    assert story_record.read(story).files == story_record.digest_of(story), f"run `make stories STORY={story}`"


@each_story
def test_page_and_picture_show_what_was_recorded(story: str) -> None:
    told = story_record.read(story)
    assert (pages.FOLDER / f"{story}.md").read_text() == pages.page(told), "run `python -m docs.scripts.stories`"
    digest = hashlib.sha256(story_record.record_of(story).read_bytes()).hexdigest()[:16]
    picture = (pages.FOLDER / f"{story}.svg").read_text()
    assert f"<desc>record {digest}</desc>" in picture, f"run `make stories STORY={story}`"


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda path: path.relative_to(EXAMPLES).as_posix())
def test_a_manifest_is_of_the_kinds_as_they_are(manifest: object) -> None:
    for one in yaml.safe_load_all(manifest.read_text()):  # type: ignore[attr-defined]
        assert ManifestRules(lambda *_: True).problems(one) == []


def test_code_is_a_screen() -> None:
    assert {path.name for path in EXAMPLES.rglob("*.py") if len(path.read_text().splitlines()) > CODE_LINES} == set()


@pytest.fixture(scope="module")
def shop() -> Iterator[StoryWorld]:
    """Three days of the shop, in the middle of which somebody asks for a run."""
    with closing(StoryWorld(STORIES["shop"].staging())) as world:
        world.launch()
        world.apply("model.yaml")
        world.apply("retrain.yaml")
        world.pass_day()
        world.cluster.annotate(RETRAIN_POLICY, world.staging.name, **{RUN_ANNOTATION: "early"})
        for _ in range(2):
            world.pass_day()
        yield world


def test_users_are_answered_by_the_pods_and_watched_by_the_monitors(shop: StoryWorld) -> None:
    assert (shop.rows.day(0).answered >= 0).all()
    monitors = shop.status(MODEL_DEPLOYMENT)["monitoring"]["monitors"]
    assert {one["name"]: one["verdict"] for one in monitors if one["name"] != "click-through"} == {
        "category": "Quiet",
        "price-sensitivity": "Quiet",
    }


def test_a_run_gets_the_rows_that_the_pods_have_answered(shop: StoryWorld) -> None:
    """Too few for the script of the training stage, which says so by its exit code."""
    (run,) = shop.ended.values()
    assert run["outcome"] == "DataQualityFailed"
    assert "rows of the last four weeks have an outcome" in run["message"]
    assert shop.champion == "1"


def test_rows_are_counted_as_in_the_plain_way(shop: StoryWorld) -> None:
    day, model = shop.rows.day(0), shop.model_of("1")
    says, actual = day.says(model), day.frame[OUTCOME].to_numpy()
    found = classified(model.classes, actual, says.values, scores_of(says))
    plain = counted_plainly(actual.tolist(), says.values.tolist(), model.classes, scores_of(says).tolist())
    assert (found.confusion, found.score_positives, found.score_negatives) == (
        plain.confusion,
        plain.score_positives,
        plain.score_negatives,
    )
    assert found.log_loss == pytest.approx(plain.log_loss)
    assert found.squared_error == pytest.approx(plain.squared_error)
