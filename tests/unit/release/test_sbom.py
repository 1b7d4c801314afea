"""A bill of materials lists what the lock of the image pins, and is valid CycloneDX."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from localcluster.paths import cache_root
from release.pins import IMAGES, of_image
from release.sbom import bill, licences, main

VALIDATE = """
import sys
from pathlib import Path
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
for name in sys.argv[1:]:
    wrong = JsonStrictValidator(SchemaVersion.V1_6).validate_str(Path(name).read_text())
    if wrong is not None:
        sys.exit(f"{name}: {wrong.data.message}")
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("sbom")
    assert main([str(folder), "--environment", str(cache_root() / "venv")]) == 0
    return sorted(folder.iterdir())


def validated(*files: Path) -> subprocess.CompletedProcess[str]:
    python = str(cache_root() / "checks-venv" / "bin" / "python")
    return subprocess.run([python, "-c", VALIDATE, *map(str, files)], capture_output=True, text=True, check=False)


def test_each_image_has_one_and_all_are_valid(made: list[Path], tmp_path: Path) -> None:
    assert [file.name for file in made] == sorted(f"{image}.cdx.json" for image in IMAGES)
    done = validated(*made)
    assert done.returncode == 0, done.stderr
    wrong = tmp_path / "wrong.json"
    wrong.write_text(made[0].read_text().replace('"library"', '"book"', 1))
    assert validated(wrong).returncode != 0, "the check can fail"


@pytest.mark.parametrize("image", IMAGES)
def test_it_lists_exactly_what_the_lock_installs(image: str, made: list[Path]) -> None:
    content = json.loads(next(file for file in made if file.name == f"{image}.cdx.json").read_text())
    listed = {(one["name"], one["version"]) for one in content["components"] if one["type"] == "library"}
    assert listed == {(pin.name, pin.version) for pin in of_image(image)}
    assert all(one["purl"] == f"pkg:pypi/{one['name']}@{one['version']}" for one in content["components"])
    assert any(one["name"] == "viridian" for one in content["components"]) is (image != "mlflow")
    references = [one["ref"] for one in content["dependencies"]]
    assert sorted(references) == sorted(
        {content["metadata"]["component"]["bom-ref"], *content["dependencies"][0]["dependsOn"]}
    )


def test_licences_are_what_the_packages_state(made: list[Path]) -> None:
    content = json.loads(next(file for file in made if file.name == "operator.cdx.json").read_text())
    stated = {one["name"]: one.get("licenses") for one in content["components"]}
    assert stated["viridian"] == [{"license": {"id": "Apache-2.0"}}]
    assert "Apache-2.0" in stated["aiohttp"][0]["expression"]
    assert all(stated.values()), "every package of the operator states one"
    assert licences([]) == {}
    assert "licenses" not in bill("operator", of_image("operator"), {})["components"][1]


def test_the_same_locks_give_the_same_file() -> None:
    assert bill("server", of_image("server"), {}) == bill("server", of_image("server"), {})
    numbers = {bill(image, of_image(image), {})["serialNumber"] for image in IMAGES}
    assert len(numbers) == len(IMAGES)
