"""Nothing that Viridian loads reports to anybody unless a user asks for it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

MODULES = {
    "viridian.serving.runtimes.onnx_runtime": ("onnxruntime", "ORT_DISABLE_TELEMETRY"),
    "viridian.training.tracking": ("mlflow", "MLFLOW_DISABLE_TELEMETRY"),
}

# The variable is looked at just when the library begins to load, which is when the library looks at it.
SCRIPT = """
import importlib, os, sys
module, library, variable = sys.argv[1:]
class Watch:
    def find_spec(self, name, path=None, target=None):
        if name == library:
            print(os.environ.get(variable))
sys.meta_path.insert(0, Watch())
importlib.import_module(module)
"""


@pytest.mark.parametrize("module", MODULES)
def test_reports_are_off_before_the_library_is_loaded(module: str, tmp_path: Path) -> None:
    library, variable = MODULES[module]
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_TELEMETRY")}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, module, library, variable],
        env=environment | {"HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split()[0] in ("1", "true")
    assert list(tmp_path.iterdir()) == []
