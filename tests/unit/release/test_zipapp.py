"""`kubectl viridian` as one file: what krew is told about it, and that it runs without anything beside it."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from release.zipapp import PLATFORMS, build, krew_manifest, platform_tags
from tests.support.manifests import model_deployment


def test_krew_gets_each_platform_with_its_digest(tmp_path: Path) -> None:
    archives = {}
    for system, processor in PLATFORMS:
        archives[system, processor] = tmp_path / f"kubectl-viridian-{system}-{processor}.tar.gz"
        archives[system, processor].write_text(system + processor)
    manifest = krew_manifest(archives, "https://releases.example.com/v0.1.0/", "0.1.0")
    assert manifest["metadata"]["name"] == "viridian"
    assert manifest["spec"]["version"] == "v0.1.0"
    first = manifest["spec"]["platforms"][0]
    assert first["uri"] == "https://releases.example.com/v0.1.0/kubectl-viridian-linux-amd64.tar.gz"
    assert first["sha256"] == hashlib.sha256(b"linuxamd64").hexdigest()
    assert [one["selector"]["matchLabels"]["os"] for one in manifest["spec"]["platforms"]] == [
        "linux",
        "linux",
        "darwin",
    ]


def test_a_file_serves_all_pythons_of_its_platform() -> None:
    assert platform_tags("linux", "amd64")[0] == "manylinux2014_x86_64-cp-311-cp311"
    assert len(platform_tags("darwin", "arm64")) == 4


@pytest.mark.needs_programs
def test_one_file_runs_on_a_python_that_has_nothing_else(tmp_path: Path) -> None:
    file = build(tmp_path / "kubectl-viridian")
    # A home without packages, no settings, and no environment of ours.
    clean = {"HOME": str(tmp_path), "PATH": f"{Path(sys.base_prefix) / 'bin'}:/usr/bin:/bin"}
    wrong = json.dumps(model_deployment("ml", rollout={"steps": [{"weight": 50}, {"weight": 10}]}))
    command = [str(file), "lint", "-f", "-"]
    done = subprocess.run(command, input=wrong, env=clean, capture_output=True, text=True, timeout=300)
    assert done.returncode == 3, done.stderr
    assert "each weight must be above the one before it" in done.stdout
