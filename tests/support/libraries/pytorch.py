"""PyTorch from Debian's packages: Python's own index has it with gigabytes for graphics cards alone.

python -m tests.support.libraries.pytorch       installs it; `make pytorch` begins with it
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

from tests.support import debian
from tests.support.libraries.environment import PROGRAMS, run

PYTORCH: Final = debian.Program("torch", "python3-torch", folders="usr/lib/python3/dist-packages")
_PYTHON: Final = Path("/usr/bin/python3")


def exported(folder: Path) -> dict[str, Any]:
    """A network that PyTorch has trained, as `network.onnx` in the folder; its rows, their classes and its answers."""
    run(PROGRAMS / "export_network.py", str(folder), python=_PYTHON)
    report: dict[str, Any] = json.loads((folder / "report.json").read_text())
    return report


if __name__ == "__main__":
    try:
        debian.ensure(PYTORCH)
    except debian.Missing as error:
        sys.exit(str(error))
