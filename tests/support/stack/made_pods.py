"""The pod templates that the operator makes of an example's manifests: of its training, and of its servers."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.support.churn import NAME, Churn
from tests.support.operator_world import OperatorWorld
from tests.support.stack.stage_run import StackRun
from tests.support.stack.systems import StackSystem


@dataclass(frozen=True)
class MadePod:
    """A pod template, and the container in it that does the work."""

    template: Mapping[str, Any]
    container: str

    @property
    def account(self) -> str:
        return str(self.template["spec"].get("serviceAccountName", ""))

    @property
    def annotations(self) -> Mapping[str, str]:
        return dict(self.template["metadata"].get("annotations") or {})

    @property
    def variables(self) -> Mapping[str, Any]:
        """Name to value, or to where the value comes from."""
        (working,) = (one for one in self.template["spec"]["containers"] if one["name"] == self.container)
        return {one["name"]: one.get("value", one.get("valueFrom")) for one in working["env"]}


def job_of(system: StackSystem, folder: Path) -> MadePod:
    """Of the training that the example's RetrainPolicy starts."""
    run = StackRun(system, folder)
    run.world.deployment = {**written(system, "deployment.yaml"), "status": {}}
    run.world.ask_by_hand("r1").settle()
    template = run.world.job["spec"]["template"]
    return MadePod(template, template["spec"]["containers"][0]["name"])


def server_of(system: StackSystem) -> MadePod:
    """Of the servers of the example's ModelDeployment."""
    with closing(OperatorWorld()) as world:
        churn = Churn(world)
        churn.publish()
        manifest = written(system, "deployment.yaml")
        world.cluster.create({**manifest, "metadata": {"name": NAME, "namespace": "default"}})
        assert world.run(60, until=lambda: churn.serves("1"))
        return MadePod(world.cluster.all("Deployment")[0]["spec"]["template"], "server")


def written(system: StackSystem, name: str) -> dict[str, Any]:
    """A manifest in the example's folder."""
    found: dict[str, Any] = yaml.safe_load((system.folder / name).read_text())
    return found
