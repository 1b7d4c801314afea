"""What holds for the project as a whole: its layout, its wheel, its locks, and that the README's commands exist."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from localcluster.binaries import program

ROOT = Path(__file__).resolve().parents[2]
LOCKS = sorted((*(ROOT / "locks").rglob("*.txt"), *(ROOT / "examples" / "stack").glob("*/lock.txt")))

# Every package of the operator's image. A new one needs a reason that a reviewer accepts.
OPERATOR_PACKAGES = {
    "aiohappyeyeballs", "aiohttp", "aiosignal", "attrs", "cffi", "click", "croniter", "cryptography", "frozenlist",
    "idna", "iso8601", "jsonpatch", "jsonpointer", "kopf", "msgspec", "multidict", "prometheus-client", "propcache",
    "pycparser", "python-dateutil", "python-json-logger", "pyyaml", "typing-extensions", "tzdata", "yarl",
}  # fmt: skip


def test_the_source_root_is_no_package_which_would_shadow_pythons_operator_module() -> None:
    assert not (ROOT / "operator" / "__init__.py").exists()


def test_the_wheel_imports_from_a_foreign_directory(tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    target = tmp_path / "installed"
    install = ["install", "--no-deps", "--no-build-isolation", "--no-index", "--target", str(target), str(ROOT)]
    subprocess.run([*pip, *install], check=True, capture_output=True, cwd=tmp_path)
    program_text = "import operator, viridian.controller.main as m; print(operator.__name__, m.__file__)"
    environment = {**os.environ, "PYTHONPATH": str(target)}
    done = subprocess.run(
        [sys.executable, "-c", program_text], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == f"operator {target / 'viridian' / 'controller' / 'main.py'}"


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_lock_pins_everything_with_hashes_and_names_no_address(lock: Path) -> None:
    text = lock.read_text()
    pins = [line for line in text.splitlines() if re.match(r"^[a-z0-9]", line)]
    assert pins
    assert all("==" in pin and pin.endswith("\\") for pin in pins)
    assert "://" not in text
    assert text.count("--hash=sha256:") >= len(pins)


def test_the_operators_image_holds_only_what_was_agreed_on() -> None:
    text = (ROOT / "locks" / "operator.txt").read_text()
    assert {line.partition("==")[0] for line in text.splitlines() if re.match(r"^[a-z0-9]", line)} <= OPERATOR_PACKAGES


# ---- the README ----

README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```bash\n(.*?)```", README, flags=re.S)
COMMANDS = [
    shlex.split(line, comments=True)
    for block in BLOCKS
    for line in block.replace("\\\n", " ").splitlines()
    if line.partition("#")[0].strip()
]


def test_the_readme_begins_with_the_two_commands() -> None:
    assert [command[:2] for command in COMMANDS[:2]] == [["make", "demo"], ["make", "test"]]


@pytest.mark.needs_programs
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_command_of_the_readme_can_be_run(command: list[str], tmp_path: Path) -> None:
    match command:
        case ["make", target, *_]:
            assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), flags=re.M)
        case ["kubectl", "apply", "-k", folder]:
            assert "kind: Deployment" in _output([program("kubectl"), "kustomize", folder])
        case ["helm", "install", name, chart, *flags]:
            assert "kind: Deployment" in _output([program("helm"), "template", name, chart, *flags], home=tmp_path)
        case ["kubectl", "annotate", "md" | "rp", _, annotation]:
            names = (ROOT / "operator" / "viridian" / "api" / "names.py").read_text()
            assert f'"{{GROUP}}{annotation.removeprefix("viridian.dev").partition("=")[0]}"' in names.replace('f"', '"')
        case _:
            pytest.fail(f"nothing here knows how to check {' '.join(command)}")


def _output(command: list[str], home: Path | None = None) -> str:
    environment = {**os.environ, **({"HOME": str(home)} if home else {})}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout
