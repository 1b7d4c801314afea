"""P4 on the real control plane: killed after every k-th write, the operator ends in the same objects.

A story is told once undisturbed, in a namespace of its own, and its writes are counted. Then it is told again for every
k: the operator of that namespace dies right after its k-th write. At last one operator, which nobody disturbs, takes
over all of these namespaces, and each of them must come to the same end by role, on a way that was safe.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from localcluster.controlplane import ControlPlane
from tests.api.operator.conftest import KILLS
from tests.support import dying_operator
from tests.support.kube import Kube, Object, eventually
from tests.support.kubelet import JobEnd, Kubelet
from tests.support.live_model import LiveModel
from tests.support.live_policy import LivePolicy, environment
from tests.support.live_registry import LiveRegistry
from tests.support.memory_pods import BROKEN
from tests.support.mlflow_server import MlflowServer
from tests.support.operator_process import OperatorProcess, Process
from tests.support.recorder import Recorder, present
from tests.support.roles import by_role, difference
from tests.support.safety import violations

AT_ONCE = 8
"""Dying operators at a time: most of what they do is to wait."""
CALM = 12.0
"""Seconds without any change after which a story is over: longer than connections drain."""
LOOK = 0.5
"""Seconds between two looks at everything there is."""
MUTATING = ("apply", "create", "delete")


@dataclass(frozen=True)
class Story:
    """What people do before, undisturbed, and then the part in which the operator dies."""

    name: str
    before: Callable[[LiveModel], None]
    settled: Callable[[LiveModel], Any]
    begin: Callable[[LiveModel], None]
    over: Callable[[LiveModel], Any]


def first(model: LiveModel) -> None:
    model.apply("1")


def serves_first(model: LiveModel) -> bool:
    return model.serves("1")


def a_good_version(model: LiveModel) -> None:
    model.apply("2")


def a_bad_version(model: LiveModel) -> None:
    model.behave("2", BROKEN)
    model.apply("2")


def is_reverted(model: LiveModel) -> bool:
    return model.rejected == ["2"] and model.condition("Stalled").get("status") == "True"


PROMOTION = Story("promotion", first, serves_first, a_good_version, lambda model: model.serves("2"))
REVERT = Story("revert", first, serves_first, a_bad_version, is_reverted)

REPORT = {"metrics": {"auc": 0.9}, "model": {"uri": "runs:/$MLFLOW_RUN_ID/model", "digest": f"sha256:{'a' * 64}"}}


def policy_of(model: LiveModel) -> LivePolicy:
    return LivePolicy(model.kube, model.kubelet, model.namespace)


def follows_what_is_trained(model: LiveModel) -> None:
    """The registry knows no version yet; the trainer will do its work as soon as it is started."""
    model.apply({"registry": {"name": model.namespace, "alias": "candidate"}})
    policy_of(model).apply(gate={"rule": "Thresholds", "metrics": [{"name": "auc", "min": 0.5}]})
    model.kubelet.end_job(model.namespace, "churn", JobEnd(0, json.dumps(REPORT)))


def waits_for_a_model(model: LiveModel) -> bool:
    ready = policy_of(model).condition("Ready").get("reason") == "Waiting"
    return ready and model.condition("ModelResolved").get("reason") == "ModelNotFound"


def a_run_is_asked_for(model: LiveModel) -> None:
    policy_of(model).ask_for_a_run("now")


def is_trained(model: LiveModel) -> bool:
    outcomes = [run.get("outcome") for run in policy_of(model).status.get("runs", [])]
    return outcomes == ["HandedOver"] and model.serves("1")


TRAINING = Story("training run", follows_what_is_trained, waits_for_a_model, a_run_is_asked_for, is_trained)


class DyingOperator(OperatorProcess):
    """Dies right after its k-th write."""

    def __init__(self, kubeconfig: Path, folder: Path, *flags: str, k: int) -> None:
        super().__init__(kubeconfig, folder, *flags)
        self._k = k

    def _started(self, environment: Mapping[str, str]) -> Process:
        return dying_operator.Dying(self._k, self._flags, self._log, environment)


def uid_of(job: Object) -> str:
    return str(job["metadata"]["uid"])


class Stage:
    """Makes namespaces and operators for a story, and removes them."""

    def __init__(
        self, plane: ControlPlane, kube: Kube, kubelet: Kubelet, mlflow: MlflowServer, prefix: str, folder: Path
    ) -> None:
        self._plane, self._kube, self._kubelet, self._folder = plane, kube, kubelet, folder
        self._registry, self._prefix = LiveRegistry(mlflow.url), prefix
        self._flags = (f"--mlflow-uri={mlflow.url}",)
        self.models: list[LiveModel] = []

    def model(self, number: int) -> LiveModel:
        name = f"{self._prefix}-{number}"
        self._kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        model = LiveModel(self._kube, self._kubelet, name)
        self.models.append(model)
        return model

    def operator(self, models: Sequence[LiveModel]) -> OperatorProcess:
        namespaces = [f"--namespace={model.namespace}" for model in models]
        return OperatorProcess(self._plane.kubeconfig, self._folder, *self._flags, *namespaces)

    def dying(self, model: LiveModel, k: int) -> DyingOperator:
        flags = (*self._flags, f"--namespace={model.namespace}")
        return DyingOperator(self._plane.kubeconfig, self._folder, *flags, k=k)

    def ending(self, model: LiveModel) -> dict[str, Any]:
        """Everything by role, and what the registry holds; runs have the ids that their policy's uid gives them."""
        roles = by_role(present(self._kube, model.namespace))
        registry, name = self._registry, model.namespace
        ids = {"<namespace>": name}
        for job in policy_of(model).jobs():
            told = environment(job)
            run = told["MLFLOW_RUN_ID"]
            ids |= {"<artifacts>": registry.run(run)["info"]["artifact_uri"], "<mlflow-run>": run}
            ids |= {"<run>": told["VIRIDIAN_RUN_ID"], "<uid>": uid_of(job)}
        versions = {version: registry.tags(name, version) for version in registry.versions(name)}
        aliases = registry.aliases(name) if versions else {}
        plain = json.dumps({**roles, "versions": versions, "aliases": aliases})
        for general, special in ids.items():
            plain = plain.replace(special, general)
        ending: dict[str, Any] = json.loads(plain)
        return ending

    def remove(self) -> None:
        for model in self.models:
            metadata = {"name": model.namespace}
            self._kube.delete({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})


@pytest.fixture
def stage(
    control_plane: ControlPlane, kube: Kube, kubelet: Kubelet, mlflow: MlflowServer, namespace: str, tmp_path: Path
) -> Iterator[Stage]:
    made = Stage(control_plane, kube, kubelet, mlflow, namespace, tmp_path)
    yield made
    made.remove()


@pytest.mark.parametrize("story", [PROMOTION, REVERT, TRAINING], ids=lambda story: story.name)
def test_killed_after_every_write(
    stage: Stage, recorder: Recorder, story: Story, record_property: Callable[[str, object], None]
) -> None:
    expected, writes = undisturbed(stage, story)
    ks = range(1, writes + 1)
    models = begun(stage, story, ks)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        deaths = sum(pool.map(lambda model, k: dies(stage, story, model, k), models, ks))
    with stage.operator(models) as operator:
        for model, k in zip(models, ks, strict=True):
            until_same(stage, model, expected, f"killed after write {k}")
        assert [k for model, k in zip(models, ks, strict=True) if stage.ending(model) != expected] == []
        assert "a mistake in the operator" not in operator.log()
    assert all(len(policy_of(model).jobs()) == (story is TRAINING) for model in models), "one Job per run"
    for worlds in recorder.histories([model.namespace for model in models]).values():
        assert violations(worlds) == []
    # How many entries of the trail, and how many looks at the traffic, go with one write depends on who comes first.
    assert deaths >= writes * 3 // 4, "some writes of a story may fall together, the most do not"
    record_property(KILLS, f"{story.name}: {deaths} ks of {writes} writes")


def undisturbed(stage: Stage, story: Story) -> tuple[dict[str, Any], int]:
    """The end of the story by role, and how many writes it takes."""
    (model,) = begun(stage, story, [0])
    with stage.operator([model]) as operator:
        model.until(story.over, story.name)
        expected = calm(lambda: stage.ending(model))
        return expected, int(sum(operator.total("viridian_api_requests_total", verb=verb) for verb in MUTATING))


def begun(stage: Stage, story: Story, numbers: Sequence[int]) -> list[LiveModel]:
    """Models that one operator has led to where the story begins; it has ended, and the story's first word is said."""
    models = [stage.model(number) for number in numbers]
    for model in models:
        story.before(model)
    with stage.operator(models):
        for model in models:
            model.until(story.settled, f"what comes before the {story.name}")
    for model in models:
        story.begin(model)
    return models


def dies(stage: Stage, story: Story, model: LiveModel, k: int) -> bool:
    """Whether the operator died; the last writes of a story are not always needed."""
    with stage.dying(model, k) as operator:
        eventually(lambda: not operator.running or story.over(model), what=f"death after write {k}", timeout=90)
        if operator.running:
            eventually(lambda: not operator.running or is_calm(model), what=f"death after write {k}, or calm")
        return not operator.running and operator.ended() == dying_operator.DIED


def is_calm(model: LiveModel) -> bool:
    calm(lambda: model.kube.read(model.identity))
    return True


def calm(look: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What is seen once it has been the same for a while."""
    seen, since = look(), time.monotonic()

    def unchanged() -> bool:
        nonlocal seen, since
        now = look()
        if now != seen:
            seen, since = now, time.monotonic()
        return time.monotonic() - since >= CALM

    eventually(unchanged, what="calm", timeout=90, every=LOOK)
    return seen


def until_same(stage: Stage, model: LiveModel, expected: dict[str, Any], what: str) -> None:
    try:
        eventually(lambda: stage.ending(model) == expected, what=f"the same end, {what}", timeout=90, every=LOOK)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{difference(expected, stage.ending(model))}\n{model.story()}") from error
