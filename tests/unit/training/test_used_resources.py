"""What a container has used, by the accounts of its control group, and that a stage reports it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from viridian.api.stage import StageReport
from viridian.training import stage_exit
from viridian.training.used_resources import IN_A_POD, peak_memory_bytes, used_cpu_seconds

VERSION_2 = {"cpu.stat": "usage_usec 2500000\nuser_usec 2000000\nnr_periods 3\n", "memory.peak": "300000\n"}
VERSION_1 = {"cpuacct/cpuacct.usage": "2500000000\n", "memory/memory.max_usage_in_bytes": "300000\n"}


@pytest.fixture
def pod(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(IN_A_POD, "10.96.0.1")


def accounts(folder: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.mark.usefixtures("pod")
@pytest.mark.parametrize(
    ("sentence", "files", "seconds", "peak"),
    [
        ("control groups of version 2", VERSION_2, 2.5, 300_000),
        ("of version 1", VERSION_1, 2.5, 300_000),
        ("a kernel before 5.19 keeps no peak", {**VERSION_2, "memory.peak": ""}, 2.5, None),
        ("no account of the memory", {"cpu.stat": VERSION_2["cpu.stat"]}, 2.5, None),
        ("accounts of another form", {"cpu.stat": "usage_usec many\n", "memory.peak": "max\n"}, None, None),
        ("no accounts", {}, None, None),
    ],
)
def test_what_the_accounts_say(
    sentence: str, files: Mapping[str, str], seconds: float | None, peak: int | None, tmp_path: Path
) -> None:
    group = accounts(tmp_path, files)
    assert (used_cpu_seconds(group), peak_memory_bytes(group)) == (seconds, peak), sentence


def test_outside_of_a_pod_nothing_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(IN_A_POD, raising=False)
    group = accounts(tmp_path, VERSION_2)
    assert (used_cpu_seconds(group), peak_memory_bytes(group)) == (None, None)


@pytest.mark.usefixtures("pod")
def test_each_report_has_what_was_used_until_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIRIDIAN_TERMINATION_LOG", str(tmp_path / "log"))
    group = accounts(tmp_path, VERSION_2)
    monkeypatch.setattr(stage_exit, "used_cpu_seconds", lambda: used_cpu_seconds(group))
    monkeypatch.setattr(stage_exit, "peak_memory_bytes", lambda: peak_memory_bytes(group))
    stage_exit.write(StageReport(metrics={"auc": 0.9}))
    assert json.loads((tmp_path / "log").read_text())["usage"] == {"cpuSeconds": 2.5, "peakMemoryBytes": 300_000}
