"""`python -m release.sbom FOLDER`: a bill of materials in the CycloneDX format for each image, from its lock.

The same locks give the same files. Licences are those that the packages themselves state, as far as they are installed
in one of the environments that are given.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import sys
import tomllib
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from release.pins import IMAGES, ROOT, Pin, of_image

SPECIFICATION = "1.6"
Licences = Mapping[tuple[str, str], list[dict[str, Any]]]
"""Name and version to what a component says of its licences."""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m release.sbom", description=__doc__)
    parser.add_argument("folder", type=Path, help="where the files go")
    parser.add_argument("--environment", type=Path, action="append", default=[], help="folder of a virtual environment")
    options = parser.parse_args(arguments)
    known = licences([folder for one in options.environment for folder in one.glob("lib/python*/site-packages")])
    options.folder.mkdir(parents=True, exist_ok=True)
    for image in IMAGES:
        file = options.folder / f"{image}.cdx.json"
        file.write_text(json.dumps(bill(image, of_image(image), known), indent=2) + "\n")
        print(file)
    return 0


def bill(image: str, pins: Sequence[Pin], known: Licences) -> dict[str, Any]:
    """The bill of one image: itself, the project where it is in it, and every package."""
    version = str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])
    components = [*(() if image == "mlflow" else (_project(version),)), *(_component(pin, known) for pin in pins)]
    subject = {
        "type": "container",
        "bom-ref": f"viridian/{image}",
        "name": f"viridian/{image}",
        "version": version,
        "licenses": [{"license": {"id": "Apache-2.0"}}],
    }
    content = {
        "metadata": {"component": subject},
        "components": components,
        "dependencies": [
            {"ref": subject["bom-ref"], "dependsOn": [component["bom-ref"] for component in components]},
            *({"ref": component["bom-ref"]} for component in components),
        ],
        # The base image and its packages are not in the locks; a scanner of images adds them.
        "compositions": [{"aggregate": "incomplete", "assemblies": [subject["bom-ref"]]}],
    }
    number = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(content, sort_keys=True))
    return {
        "$schema": f"http://cyclonedx.org/schema/bom-{SPECIFICATION}.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": SPECIFICATION,
        "serialNumber": f"urn:uuid:{number}",
        "version": 1,
        **content,
    }


def _project(version: str) -> dict[str, Any]:
    return {
        "type": "application",
        "bom-ref": f"pkg:pypi/viridian@{version}",
        "name": "viridian",
        "version": version,
        "purl": f"pkg:pypi/viridian@{version}",
        "licenses": [{"license": {"id": "Apache-2.0"}}],
    }


def _component(pin: Pin, known: Licences) -> dict[str, Any]:
    """A lock allows several files of a version and does not say which is installed: their hashes are properties."""
    purl = f"pkg:pypi/{pin.name}@{pin.version.replace('+', '%2B')}"
    licensed = known.get((pin.name, _normal(pin.version)))
    return {
        "type": "library",
        "bom-ref": purl,
        "name": pin.name,
        "version": pin.version,
        "purl": purl,
        **({"licenses": licensed} if licensed else {}),
        "properties": [{"name": "viridian:lock:sha256", "value": value} for value in pin.hashes],
    }


def licences(folders: Iterable[Path]) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """What the packages in these folders state."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for distribution in importlib.metadata.distributions(path=[str(folder) for folder in folders]):
        stated = list(_stated(distribution.metadata))
        if stated:
            key = canonicalize_name(distribution.metadata["Name"]), _normal(distribution.version)
            found.setdefault(key, stated)
    return found


def _stated(metadata: importlib.metadata.PackageMetadata) -> Iterator[dict[str, Any]]:
    """An expression where there is one, else the classifiers, else a short text of its own."""
    for text in (*metadata.get_all("License-Expression", ()), *metadata.get_all("License", ())):
        try:
            yield {"expression": str(canonicalize_license_expression(str(text)))}
        except InvalidLicenseExpression:
            continue
        return
    classifiers = [
        one.rpartition(" :: ")[2] for one in metadata.get_all("Classifier", ()) if one.startswith("License ::")
    ]
    own = " ".join(metadata.get_all("License", ())).strip()
    names = [name for name in classifiers if name != "OSI Approved"] or ([own] if 0 < len(own) <= 80 else [])
    yield from ({"license": {"name": name}} for name in dict.fromkeys(names))


def _normal(version: str) -> str:
    try:
        return str(Version(version))
    except InvalidVersion:
        return version


if __name__ == "__main__":
    sys.exit(main())
