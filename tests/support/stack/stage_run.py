"""A stage of an example as the operator would have it run: the example's policy in the world in memory.

The operator's decisions make the Job, and read what the container has left. In between, the command of the Job runs in
the environment of the example with the variables of the Job; only paths are others than in a pod.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from localcluster.paths import REPOSITORY
from tests.support.stack.environment import environment
from tests.support.stack.systems import StackSystem
from tests.unit.retraining.world import World, main_container, policy
from viridian.api.stage import StageReport, parse_report

SECONDS: Final = 900
_PASSED_ON: Final = ("HOME", "LANG", "SSL_CERT_FILE")


def policy_of(system: StackSystem, name: str = "policy.yaml") -> dict[str, Any]:
    """The RetrainPolicy in the example's folder, as the API server would hand it out."""
    found: dict[str, Any] = yaml.safe_load((system.folder / name).read_text())
    made = policy(**found["spec"])
    return {**made, "metadata": {**made["metadata"], **found["metadata"]}}


@dataclass(frozen=True)
class StageEnd:
    """How the container ended."""

    code: int
    message: str
    """The termination message."""
    log: str

    @property
    def report(self) -> StageReport:
        return parse_report(self.message)


@dataclass
class StackRun:
    """A run of the example's policy, from its first stage on."""

    system: StackSystem
    folder: Path
    """Where volumes and termination messages stand in the place of a pod's."""
    spec: Mapping[str, Any] = field(default_factory=dict)
    """What is another one here than in the example's policy, such as addresses."""
    manifest: str = "policy.yaml"
    world: World = field(init=False)

    def __post_init__(self) -> None:
        # As in an image: no file of this repository lies above those of the example.
        shutil.copytree(self.system.folder, self._app, ignore=shutil.ignore_patterns("__pycache__"))
        made = policy_of(self.system, self.manifest)
        self.world = World(policy={**made, "spec": {**made["spec"], **self.spec}})
        self.world.settle()

    @property
    def _app(self) -> Path:
        return self.folder / "app"

    def begin(self, request: str, data: Path) -> StackRun:
        """A person asks for a run on these rows."""
        self.world.edit(data={"uri": data.as_uri(), "revision": request}).ask_by_hand(request).settle()
        return self

    @property
    def at_work(self) -> str:
        """The stage whose Job is the newest."""
        return self.world.variables["VIRIDIAN_STAGE"]

    def work(self, **variables: str) -> StageEnd:
        """The newest Job's container runs to its end, and the operator reads what it has left."""
        ended = self.container(**variables)
        self.world.end(ended.code, ended.message).settle()
        return ended

    def container(self, **variables: str) -> StageEnd:
        """The container alone, with its own command."""
        container: Mapping[str, Any] = main_container(self.world)
        command: list[str] = [*container.get("command", ()), *container.get("args", ())]
        assert command[0] == "python", "the image's python is that of the example's environment"
        shipped = container["image"].startswith("viridian/trainer:")
        return self._ended(command[1:], variables, Path(sys.executable).parent if shipped else environment(self.system))

    def python(self, text: str) -> StageEnd:
        """The container with other lines than those of its command."""
        return self._ended(["-c", text], {}, environment(self.system))

    def _ended(self, arguments: Sequence[str], variables: Mapping[str, str], programs: Path) -> StageEnd:
        stage = self.folder / f"{len(self.world.made)}-{self.at_work}"
        (stage / "out").mkdir(parents=True, exist_ok=True)
        given = {
            **{name: value for name in _PASSED_ON if (value := os.environ.get(name))},
            **self.world.variables,
            "VIRIDIAN_OUT_DIR": str(stage / "out"),
            "VIRIDIAN_TERMINATION_LOG": str(stage / "termination-log"),
            "PATH": f"{programs}:{os.environ['PATH']}",
            "PYTHONPATH": str(REPOSITORY / "operator"),
            **variables,
        }
        done = subprocess.run(
            [str(programs / "python"), *arguments],
            cwd=self._app,
            env=given,
            timeout=SECONDS,
            capture_output=True,
            text=True,
            check=False,
        )
        report = stage / "termination-log"
        message = report.read_text() if report.exists() else ""
        return StageEnd(done.returncode, message, done.stdout + done.stderr)
