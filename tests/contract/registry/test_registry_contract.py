"""What holds for MLflow and for the registry in memory alike: the same tests run against both."""

from __future__ import annotations

import math

import pytest

from tests.contract.registry.world import World
from viridian.api.registry import (
    TAG_DIGEST,
    TAG_MODEL_DEPLOYMENT,
    TAG_MODEL_URI,
    TAG_NAMESPACES,
    TAG_RUN,
    ModelHistory,
    RegisteredModel,
    RunStatus,
    logged_model_id,
)
from viridian.ports.registry import RegistryMissing, RegistryRefused

DIGEST = f"sha256:{'ab' * 32}"
NO_RUN = "0" * 32


async def registered(world: World, name: str, key: str = "r1") -> str:
    run = await world.registry.create_run(name, key, {})
    source = await world.log_model(run)
    return await world.registry.register(name, run.run_id, source, {TAG_DIGEST: DIGEST})


class TestAllModels:
    async def test_every_model_is_on_one_page_with_its_aliases_and_tags(self, world: World, name: str) -> None:
        for number in range(3):
            version = await registered(world, f"{name}-{number}", key=f"r{number}")
            await world.registry.set_alias(f"{name}-{number}", "champion", version)
            await world.tag_model(f"{name}-{number}", TAG_NAMESPACES, "default")
        token, found = "", []
        while True:
            page = await world.registry.models(token)
            found += [model for model in page.models if model.name.startswith(f"{name}-")]
            token = page.next_token
            if not token:
                break
        assert [model.name for model in found] == [f"{name}-{number}" for number in range(3)]
        assert found == [await world.registry.model(model.name) for model in found]
        assert found[0].aliases == {"champion": "1"}
        assert found[0].tags[TAG_NAMESPACES] == "default"

    async def test_a_model_shows_how_far_it_has_come(self, world: World, name: str) -> None:
        """By that a number that is given a second time is known."""
        await registered(world, name)
        first = await _history(world, name)
        assert (first.newest, first.newest_created >= first.created > 0) == (1, True)
        assert first.first_replaced(first) is None
        await registered(world, name, key="r2")
        second = await _history(world, name)
        assert (second.created, second.newest, first.first_replaced(second)) == (first.created, 2, None)
        await world.delete_version(name, "2")
        assert second.first_replaced(await _history(world, name)) == 2
        await world.delete_model(name)
        assert await world.registry.model(name) is None
        await registered(world, name, key="r3")
        assert first.first_replaced(await _history(world, name)) == 1


async def _history(world: World, name: str) -> ModelHistory:
    """As both of the ways to read it have it."""
    alone = await world.registry.model(name)
    token, found = "", list[RegisteredModel]()
    while not found or token:
        page = await world.registry.models(token)
        found += [model for model in page.models if model.name == name]
        token = page.next_token
    assert alone is not None
    assert found == [alone]
    return found[0].history


class TestReadingWhatDoesNotExist:
    async def test_a_model(self, world: World, name: str) -> None:
        assert await world.registry.model(name) is None

    async def test_a_version_of_no_model(self, world: World, name: str) -> None:
        assert await world.registry.version(name, "1") is None

    async def test_a_version_of_a_model(self, world: World, name: str) -> None:
        await registered(world, name)
        assert await world.registry.version(name, "99") is None

    async def test_a_version_that_cannot_exist(self, world: World, name: str) -> None:
        assert await world.registry.version(name, "latest-one") is None

    async def test_the_version_of_a_run(self, world: World, name: str) -> None:
        assert await world.registry.version_of_run(name, NO_RUN) is None

    async def test_the_version_of_no_run_at_all(self, world: World, name: str) -> None:
        await registered(world, name)
        assert await world.registry.version_of_run(name, "") is None

    async def test_a_run_in_no_experiment(self, world: World, name: str) -> None:
        assert await world.registry.find_run(name, "r1") is None

    async def test_a_run_with_another_key(self, world: World, name: str) -> None:
        await world.registry.create_run(name, "r1", {})
        assert await world.registry.find_run(name, "r2") is None

    async def test_a_run(self, world: World) -> None:
        assert await world.registry.run(NO_RUN) is None


class TestWritingAboutWhatDoesNotExist:
    async def test_an_alias_to_no_model(self, world: World, name: str) -> None:
        with pytest.raises(RegistryMissing):
            await world.registry.set_alias(name, "champion", "1")

    async def test_an_alias_to_no_version(self, world: World, name: str) -> None:
        await registered(world, name)
        with pytest.raises(RegistryMissing):
            await world.registry.set_alias(name, "champion", "99")

    async def test_deleting_an_alias_of_no_model(self, world: World, name: str) -> None:
        await world.registry.delete_alias(name, "champion")
        assert await world.registry.model(name) is None

    async def test_a_tag_on_no_version(self, world: World, name: str) -> None:
        with pytest.raises(RegistryMissing):
            await world.registry.tag_version(name, "1", {"a": "b"})

    async def test_a_tag_on_no_run(self, world: World) -> None:
        with pytest.raises(RegistryMissing):
            await world.registry.tag_run(NO_RUN, {"a": "b"})

    async def test_the_end_of_no_run(self, world: World) -> None:
        with pytest.raises(RegistryMissing):
            await world.registry.finish_run(NO_RUN, RunStatus.FINISHED)


class TestAliases:
    async def test_all_come_with_the_model(self, world: World, name: str) -> None:
        first, second = await registered(world, name, "r1"), await registered(world, name, "r2")
        await world.registry.set_alias(name, "champion", first)
        await world.registry.set_alias(name, "candidate", second)
        model = await world.registry.model(name)
        assert model is not None
        assert (model.name, dict(model.aliases)) == (name, {"champion": "1", "candidate": "2"})

    async def test_a_model_may_have_none(self, world: World, name: str) -> None:
        await registered(world, name)
        model = await world.registry.model(name)
        assert model is not None
        assert dict(model.aliases) == {}

    async def test_one_moves_whatever_it_pointed_at(self, world: World, name: str) -> None:
        first, second = await registered(world, name, "r1"), await registered(world, name, "r2")
        await world.registry.set_alias(name, "champion", first)
        await world.registry.set_alias(name, "champion", second)
        await world.registry.set_alias(name, "champion", second)
        model = await world.registry.model(name)
        assert model is not None
        assert dict(model.aliases) == {"champion": second}

    async def test_one_is_deleted_twice(self, world: World, name: str) -> None:
        await world.registry.set_alias(name, "candidate", await registered(world, name))
        await world.registry.delete_alias(name, "candidate")
        await world.registry.delete_alias(name, "candidate")
        model = await world.registry.model(name)
        assert model is not None
        assert dict(model.aliases) == {}

    async def test_one_vanishes_with_its_version(self, world: World, name: str) -> None:
        version = await registered(world, name)
        await world.registry.set_alias(name, "champion", version)
        await world.delete_version(name, version)
        model = await world.registry.model(name)
        assert model is not None
        assert dict(model.aliases) == {}
        assert await world.registry.version(name, version) is None

    @pytest.mark.parametrize("alias", ["latest", "Latest", "v2", "a.b", "a/b", ""])
    async def test_some_names_are_refused(self, world: World, name: str, alias: str) -> None:
        name = name.replace("/", "-")
        version = await registered(world, name)
        with pytest.raises(RegistryRefused):
            await world.registry.set_alias(name, alias, version)


class TestVersions:
    async def test_one_carries_all_that_a_rollout_needs(self, world: World, name: str) -> None:
        run = await world.registry.create_run(name, "r1", {})
        source = await world.log_model(run)
        made = await world.registry.register(name, run.run_id, source, {TAG_DIGEST: DIGEST, "team": "growth"})
        version = await world.registry.version(name, made)
        assert version is not None
        assert (version.name, version.version, version.run_id) == (name, "1", run.run_id)
        assert version.digest == DIGEST
        assert version.tags["team"] == "growth"
        assert version.source == source
        assert version.uri.startswith("mlflow-artifacts:/")
        assert version.uri.endswith(f"/models/{source.removeprefix('models:/')}/artifacts")

    async def test_one_without_digest(self, world: World, name: str) -> None:
        run = await world.registry.create_run(name, "r1", {})
        made = await world.registry.register(name, run.run_id, await world.log_model(run), {})
        version = await world.registry.version(name, made)
        assert version is not None
        assert version.digest is None

    async def test_one_from_elsewhere(self, world: World, name: str) -> None:
        made = await world.registry.register(name, "", "s3://models/churn/7", {})
        version = await world.registry.version(name, made)
        assert version is not None
        assert (version.run_id, version.source, version.uri) == (None, "s3://models/churn/7", "s3://models/churn/7")

    async def test_a_run_is_registered_once(self, world: World, name: str) -> None:
        run = await world.registry.create_run(name, "r1", {})
        source = await world.log_model(run)
        first = await world.registry.register(name, run.run_id, source, {})
        assert await world.registry.register(name, run.run_id, source, {"again": "yes"}) == first
        assert await world.registry.version_of_run(name, run.run_id) == first
        assert await world.registry.version(name, "2") is None

    async def test_each_run_has_its_own(self, world: World, name: str) -> None:
        assert [await registered(world, name, "r1"), await registered(world, name, "r2")] == ["1", "2"]

    async def test_numbers_are_not_used_again(self, world: World, name: str) -> None:
        """A number given out twice would let a pinned version change under its users."""
        await registered(world, name, "r1")
        await world.delete_version(name, await registered(world, name, "r2"))
        assert await registered(world, name, "r3") == "3"

    async def test_tags_are_added_and_replaced(self, world: World, name: str) -> None:
        made = await registered(world, name)
        await world.registry.tag_version(name, made, {"viridian.outcome": "Trial", "viridian.reason": "it's new"})
        await world.registry.tag_version(name, made, {"viridian.outcome": "Rejected"})
        version = await world.registry.version(name, made)
        assert version is not None
        assert version.digest == DIGEST
        assert version.tags["viridian.outcome"] == "Rejected"
        assert version.tags["viridian.reason"] == "it's new"


class TestRuns:
    async def test_one_is_created_once_for_a_key(self, world: World, name: str) -> None:
        first = await world.registry.create_run(name, "r1", {"viridian.retrain-policy": "ml/churn"})
        again = await world.registry.create_run(name, "r1", {})
        found = await world.registry.find_run(name, "r1")
        assert found is not None
        assert first.run_id == again.run_id == found.run_id
        assert (found.key, found.status, found.model_uri) == ("r1", RunStatus.RUNNING, None)
        assert found.tags["viridian.retrain-policy"] == "ml/churn"

    async def test_another_experiment_has_its_own(self, world: World, name: str) -> None:
        first = await world.registry.create_run(name, "r1", {})
        assert (await world.registry.create_run(f"{name}-b", "r1", {})).run_id != first.run_id

    async def test_what_a_trainer_logged_is_read_back(self, world: World, name: str) -> None:
        run = await world.registry.create_run(name, "r1", {})
        await world.log(run, {"auc": 0.5, "champion.auc": 1.0}, {"C": "0.1"})
        source = await world.log_model(run)
        read = await world.registry.run(run.run_id)
        assert read is not None
        assert (dict(read.metrics), dict(read.params)) == ({"auc": 0.5, "champion.auc": 1.0}, {"C": "0.1"})
        assert read.model_uri == source

    async def test_the_last_value_of_a_metric_counts(self, world: World, name: str) -> None:
        run = await world.registry.create_run(name, "r1", {})
        await world.log(run, {"auc": 0.5}, {})
        await world.log(run, {"auc": 0.75}, {})
        read = await world.registry.run(run.run_id)
        assert read is not None
        assert dict(read.metrics) == {"auc": 0.75}

    async def test_a_metric_may_be_no_number(self, world: World, name: str) -> None:
        run = await world.registry.create_run(name, "r1", {})
        await world.log(run, {"auc": math.nan}, {})
        read = await world.registry.run(run.run_id)
        assert read is not None
        assert math.isnan(read.metrics["auc"])

    async def test_tags_are_added(self, world: World, name: str) -> None:
        run = await world.registry.create_run(name, "r1", {"a": "1"})
        await world.registry.tag_run(run.run_id, {"b": "2"})
        read = await world.registry.run(run.run_id)
        assert read is not None
        assert (read.tags["a"], read.tags["b"], read.tags[TAG_RUN]) == ("1", "2", "r1")

    async def test_a_tag_names_the_model_when_the_trainer_says_so(self, world: World, name: str) -> None:
        run = await world.registry.create_run(name, "r1", {})
        await world.log_model(run)
        await world.registry.tag_run(run.run_id, {TAG_MODEL_URI: "s3://models/churn/8"})
        read = await world.registry.run(run.run_id)
        assert read is not None
        assert read.model_uri == "s3://models/churn/8"

    @pytest.mark.parametrize("status", [RunStatus.FINISHED, RunStatus.FAILED, RunStatus.KILLED])
    async def test_one_ends(self, world: World, name: str, status: RunStatus) -> None:
        run = await world.registry.create_run(name, "r1", {})
        await world.registry.finish_run(run.run_id, status)
        await world.registry.finish_run(run.run_id, status)
        found = await world.registry.find_run(name, "r1")
        assert found is not None
        assert found.status is status


class TestOwners:
    async def test_a_model_has_tags_of_its_own(self, world: World, name: str) -> None:
        await registered(world, name)
        await world.tag_model(name, TAG_NAMESPACES, "sec-b, sec-c")
        model = await world.registry.model(name)
        assert model is not None
        assert dict(model.tags) == {TAG_NAMESPACES: "sec-b, sec-c"}

    async def test_one_that_nobody_has_claimed_is_claimed_once(self, world: World, name: str) -> None:
        await registered(world, name)
        assert await world.registry.claim(name, "sec-b/bank") == "sec-b/bank"
        assert await world.registry.claim(name, "sec-a/thief") == "sec-b/bank"
        assert await world.registry.claim(name, "sec-b/other") == "sec-b/bank"
        model = await world.registry.model(name)
        assert model is not None
        assert model.tags[TAG_MODEL_DEPLOYMENT] == "sec-b/bank"

    async def test_an_empty_claim_is_none(self, world: World, name: str) -> None:
        await registered(world, name)
        await world.tag_model(name, TAG_MODEL_DEPLOYMENT, "")
        assert await world.registry.claim(name, "sec-b/bank") == "sec-b/bank"

    async def test_a_claim_leaves_the_versions_alone(self, world: World, name: str) -> None:
        made = await registered(world, name)
        await world.registry.claim(name, "sec-b/bank")
        version = await world.registry.version(name, made)
        assert version is not None
        assert dict(version.tags) == {TAG_DIGEST: DIGEST}

    async def test_what_does_not_exist_cannot_be_claimed(self, world: World, name: str) -> None:
        with pytest.raises(RegistryMissing):
            await world.registry.claim(name, "sec-b/bank")

    async def test_whoever_creates_it_has_claimed_it(self, world: World, name: str) -> None:
        run = await world.registry.create_run(name, "r1", {})
        await world.registry.register(name, run.run_id, await world.log_model(run), {}, owner="sec-b/bank")
        assert await world.registry.claim(name, "sec-a/thief") == "sec-b/bank"

    async def test_whoever_only_adds_a_version_has_not(self, world: World, name: str) -> None:
        await registered(world, name)
        run = await world.registry.create_run(name, "r2", {})
        await world.registry.register(name, run.run_id, await world.log_model(run), {}, owner="sec-b/bank")
        model = await world.registry.model(name)
        assert model is not None
        assert TAG_MODEL_DEPLOYMENT not in model.tags


class TestLoggedModels:
    async def test_one_says_which_run_logged_it(self, world: World, name: str) -> None:
        run = await world.registry.create_run(name, "r1", {})
        model_id = logged_model_id(await world.log_model(run))
        assert model_id is not None
        logged = await world.registry.logged_model(model_id)
        assert logged is not None
        assert (logged.model_id, logged.run_id) == (model_id, run.run_id)
        assert logged.artifact_uri.endswith(f"/models/{model_id}/artifacts")

    async def test_one_that_does_not_exist(self, world: World) -> None:
        assert await world.registry.logged_model(f"m-{NO_RUN}") is None

    async def test_a_run_has_a_place_of_its_own(self, world: World, name: str) -> None:
        run = await world.registry.create_run(name, "r1", {})
        again = await world.registry.run(run.run_id)
        assert again is not None
        assert again.artifact_uri == run.artifact_uri
        assert run.artifact_uri.endswith(f"/{run.run_id}/artifacts")

    async def test_an_artifact_of_a_run_is_registered_by_its_address(self, world: World, name: str) -> None:
        run = await world.registry.create_run(name, "r1", {})
        source = f"runs:/{run.run_id}/model"
        made = await world.registry.register(name, run.run_id, source, {})
        version = await world.registry.version(name, made)
        assert version is not None
        assert version.source == source
        assert version.uri == f"{run.artifact_uri}/model"
