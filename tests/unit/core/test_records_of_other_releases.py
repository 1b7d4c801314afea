"""Records of another release: words, fields and lengths that this one does not know cost nothing else."""

from __future__ import annotations

import json
import types
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.snapshots import ago, outcome, promoted, record, rejected
from tests.unit.retraining.world import World, policy
from viridian.api import reasons
from viridian.api.modeldeployment_status import ModelDeploymentStatus
from viridian.api.monitoring_status import MonitoringStatus, ReviewStatus
from viridian.api.names import OUTCOME_ANNOTATION, STAGES_ANNOTATION
from viridian.api.retrainpolicy_status import FinishedRun, RetrainPolicyStatus
from viridian.core.lenient import readable
from viridian.retraining.polled_data import DataNote
from viridian.retraining.records import StageNote
from viridian.retraining.runs import read_runs
from viridian.rollout import records
from viridian.trail.journal import Journal

STORED: tuple[type[msgspec.Struct], ...] = (
    *(FinishedRun, StageNote, DataNote, Journal, ReviewStatus),
    *(MonitoringStatus, ModelDeploymentStatus, RetrainPolicyStatus),
)
"""Everything that is stored and read as a structure: annotations of records, and the status."""
UNKNOWN = "OfALaterRelease"


def example(kind: Any, most: int | None = None) -> Any:
    """A document that fits: one entry in each list, as the stored form has it."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return example(arguments[0])
    if origin in (Union, types.UnionType):
        return example(next(one for one in arguments if one is not type(None)))
    if origin is tuple:
        return [example(arguments[0])] if arguments[1:] == (...,) else [example(one) for one in arguments]
    if origin in (list, frozenset, set):
        return [example(arguments[0])]
    if origin in (dict, Mapping):
        return {"a": example(arguments[1])} if arguments else {}
    if origin is not None:
        return {}
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return {field.encode_name: example(field.type) for field in msgspec.structs.fields(kind)}
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return str(next(iter(kind)))
    return {str: "x", int: 1, float: 0.5, bool: True}.get(kind)


def places(kind: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Each place in such a document, with its type."""
    yield path, kind
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        yield from places(arguments[0], path)
    elif origin in (Union, types.UnionType):
        yield from places(next(one for one in arguments if one is not type(None)), path)
    elif origin is tuple and arguments[1:] == (...,):
        yield from places(arguments[0], (*path, 0))
    elif isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        for field in msgspec.structs.fields(kind):
            yield from places(field.type, (*path, field.encode_name))


def changed(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    copy = list(document) if isinstance(document, list) else dict(document)
    copy[path[0]] = changed(copy[path[0]], path[1:], value)
    return copy


CLOSED_SETS = [
    pytest.param(kind, path, id=f"{kind.__name__}.{'.'.join(map(str, path))}")
    for kind in STORED
    for path, place in places(kind)
    if isinstance(place, type) and issubclass(place, StrEnum)
]


@pytest.mark.parametrize("kind", STORED)
def test_what_this_release_writes_it_reads(kind: type[msgspec.Struct]) -> None:
    assert readable(example(kind), kind) == msgspec.convert(example(kind), kind)


@pytest.mark.parametrize(("kind", "path"), CLOSED_SETS)
def test_a_word_that_is_none_here_costs_its_own_part_alone(kind: type[msgspec.Struct], path: tuple[Any, ...]) -> None:
    whole = example(kind)
    found = readable(changed(whole, path, UNKNOWN), kind)
    assert found is not None
    others = [name for name in whole if name != path[0]]
    before = msgspec.to_builtins(msgspec.convert(whole, kind))
    after = msgspec.to_builtins(found)
    assert {name: after.get(name) for name in others} == {name: before.get(name) for name in others}


@given(data=st.data())
@pytest.mark.parametrize("kind", STORED)
def test_any_change_is_read_without_an_error_and_can_be_written_again(kind: type[msgspec.Struct], data: Any) -> None:
    inside = [path for path, _ in places(kind) if path]
    document = example(kind)
    for path in data.draw(st.lists(st.sampled_from(inside), max_size=3, unique=True)):
        value = data.draw(st.sampled_from([UNKNOWN, None, 7, -1, [], {}, [UNKNOWN] * 200, {"later": UNKNOWN}]))
        try:
            document = changed(document, path, value)
        except (TypeError, ValueError, KeyError, IndexError):
            continue  # a change before has taken that place away
    document = {**document, "later": {"nested": [UNKNOWN]}}
    found = readable(document, kind)
    if found is not None:
        assert msgspec.json.decode(msgspec.json.encode(found), type=kind) == found, "within all bounds of this release"


@pytest.mark.parametrize("document", [None, [], "text", 7, {}])
def test_what_is_no_such_document_is_none(document: Any) -> None:
    assert readable(document, FinishedRun) is None


# ---- runs


def handed_over(**spec: Any) -> World:
    world = World(policy=policy(**spec))
    world.ask_by_hand("first").settle()
    world.train(auc=0.9).settle()
    assert world.last_run["outcome"] == "HandedOver"
    return world


def edit(world: World, annotation: str, **fields: Any) -> World:
    """What a later release has noted beside or instead of that."""
    (run,) = (one for one in world.records.values() if annotation in one["metadata"].get("annotations", {}))
    run["metadata"]["annotations"][annotation] = json.dumps(
        {**json.loads(run["metadata"]["annotations"][annotation]), **fields}
    )
    return world


def test_a_run_whose_record_names_more_parts_than_are_known_is_still_what_it_was() -> None:
    """`changed` had five parts at most once, and six later: an operator of before called such a run failed."""
    parts = ["data", "features", "code", "image", "parameters", "model", "weather"]
    world = edit(handed_over(), OUTCOME_ANNOTATION, changed=parts, later={"a": 1}).later(minutes=5)
    world.settle()
    assert (world.last_run["outcome"], world.last_run["version"]) == ("HandedOver", "1")
    assert world.last_run["changed"] == parts[:6], "as many as the API server takes"


@pytest.mark.parametrize("fields", [{"outcome": UNKNOWN}, {"changed": "all"}, {"metrics": {"auc": "good"}}])
def test_a_finished_run_of_a_later_release_starts_none_and_writes_nothing(fields: dict[str, Any]) -> None:
    world = edit(handed_over(), OUTCOME_ANNOTATION, **fields)
    world.settle()
    before, runs = world.writes, len(read_runs(world.observe().facts))
    world.later(days=2).settle()
    assert (world.writes, len(read_runs(world.observe().facts))) == (before, runs)


def test_how_a_stage_ended_is_looked_at_again_where_the_word_for_it_is_unknown() -> None:
    world = World(policy=policy())
    world.ask_by_hand("first").settle()
    (stage,) = json.loads(
        next(
            text
            for one in world.records.values()
            if (text := one["metadata"].get("annotations", {}).get(STAGES_ANNOTATION))
        )
    ).items()
    edit(world, STAGES_ANNOTATION, **{stage[0]: {**stage[1], "ending": {"state": UNKNOWN}}})
    jobs = len(world.jobs)
    world.train(auc=0.9).settle()
    assert (world.last_run["outcome"], len(world.jobs)) == ("HandedOver", jobs), "the work is not done twice"


# ---- revisions


def test_a_word_about_a_revision_that_is_unknown_takes_no_decision_back() -> None:
    later = outcome(UNKNOWN, 1)
    for known, stands in ((rejected(), True), (promoted(), False)):
        found = record("1", known, later)
        assert (found.rejected is not None, found.decision) == (stands, known)
    again = record("1", rejected(), outcome(records.RETRIED, 30), later)
    assert again.rejected is None
    assert record("1", later).decision is None
    assert record("1", outcome(reasons.REINSTATED, 5), later).promoted_at == ago(5)
