"""`make demo`, as the first screen of README has it: from no cluster to its last scene, and the cluster down again."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from localcluster import clusters
from localcluster.paths import REPOSITORY

pytestmark = pytest.mark.needs_node
LAST_LINES = 60


def test_the_demo_goes_through_all_its_scenes(tmp_path: Path) -> None:
    named = os.environ.get(clusters.KUBECONFIG_VARIABLE)
    # Nobody can load images into a cluster that the user has named.
    told = _make("demo", tmp_path / "demo.log", *(["DEMO=--images-loaded"] if named else []))
    if not named:
        _make("down", tmp_path / "down.log")
    assert re.findall(r"^── (\d+) ", told, re.MULTILINE) == [str(scene) for scene in range(8)]
    assert re.search(r"^ *[\d.]+s ● churn: Promoted: ", told, re.MULTILINE)
    measured = dict(re.findall(r"^ *(\S.*?\S)  +(\S[^\n]*)$", told.partition("── What was measured")[2], re.MULTILINE))
    assert measured["failed requests during the promotion"] == "0"
    for bad in ("a version that fails on 30 % of the rows", "a slow version"):
        assert re.fullmatch(r"\d+\.\d\d s", measured[f"{bad}: first breaching sample until no traffic"])
    assert int(measured["requests answered in all"]) > 0


def without_calm(told: str) -> list[str]:
    """The lines, but those of moments in which one version answered everybody well."""
    return [line for line in told.splitlines() if not re.search(r"│ █+ .* 100 %  failed 0 ", line)]


def _make(target: str, log: Path, *options: str) -> str:
    """What `make` has said; AssertionError with the end of it where it fails."""
    # Settings of the `make` that runs these tests are not those of a person.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    command = ["make", target, *options]
    with log.open("w") as out:
        done = subprocess.run(command, cwd=REPOSITORY, env=environment, stdout=out, stderr=out, check=False)
    told = log.read_text()
    assert done.returncode == 0, "\n".join(without_calm(told)[-LAST_LINES:])
    return told
