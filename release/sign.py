"""`python -m release.sign IMAGE@sha256:… …`: sign images and chart, and say what is in them and how they were built.

For each image, by its digest: a signature, its bill of materials and its provenance, all three by cosign, beside the
image in its registry. For the chart: a package and a signature in a file. Nothing is signed where anything is missing.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import shutil
import subprocess
import sys
from typing import Any

from localcluster.baseimage import DIGESTED
from release.chart import DIST, ChartFailed, package
from release.pins import IMAGES, LOCKS, ROOT

_IMAGE = re.compile(r"(?P<repository>[^@\s]+/(?P<name>[a-z]+))@(?P<digest>sha256:[0-9a-f]{64})")
_BUILD_TYPE = "https://viridian.dev/build/make-images/v1"


class NotReady(Exception):
    """Why nothing is signed; the message says what to do."""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m release.sign", description=__doc__)
    parser.add_argument("images", nargs="+", metavar="IMAGE@DIGEST", help="as `make images` prints them")
    parser.add_argument("--base", required=True, metavar="IMAGE@DIGEST", help="the base that they were built from")
    parser.add_argument("--builder", required=True, metavar="URI", help="who built them: the address of a CI job")
    parser.add_argument("--key", default="", help="cosign's key or KMS address; without it, signing is keyless")
    options = parser.parse_args(arguments)
    try:
        commit = _ready(options.images, options.base)
        for image in options.images:
            _sign_image(image, options.key, provenance(image, options.base, options.builder, commit))
        _sign_chart(options.key)
    except NotReady as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def provenance(image: str, base: str, builder: str, commit: str) -> dict[str, Any]:
    """The predicate of SLSA provenance, version 1."""
    name = _parsed(image)["name"]
    lock = LOCKS / f"{name}.txt"
    return {
        "buildDefinition": {
            "buildType": _BUILD_TYPE,
            "externalParameters": {"target": name, "base": base},
            "resolvedDependencies": [
                {"name": "source", "digest": {"gitCommit": commit}},
                {"name": "base", "uri": base, "digest": {"sha256": base.rpartition(":")[2]}},
                {"name": lock.name, "digest": {"sha256": hashlib.sha256(lock.read_bytes()).hexdigest()}},
            ],
        },
        "runDetails": {"builder": {"id": builder}},
    }


def _ready(images: list[str], base: str) -> str:
    """The commit that is released; raises NotReady for everything that would be signed without being known."""
    for image in images:
        if not (DIST / "sbom" / f"{_parsed(image)['name']}.cdx.json").exists():
            raise NotReady(f"there is no bill of materials of {image}: run `make sbom` first")
    if DIGESTED.fullmatch(base) is None:
        raise NotReady(f"the base {base} has no digest: write name@sha256:…, as RELEASE=1 asks for it")
    if shutil.which("cosign") is None:
        raise NotReady("cosign is not on the PATH: install it from the Sigstore project, 2.4 or newer")
    if changed := _said("git", "status", "--porcelain"):
        raise NotReady(f"the checkout has changes that no commit has:\n{changed}")
    return _said("git", "rev-parse", "HEAD")


def _parsed(image: str) -> re.Match[str]:
    found = _IMAGE.fullmatch(image)
    if found is None or found["name"] not in IMAGES:
        raise NotReady(f"{image} is no image of ours by digest: write …/operator@sha256:…, as `make images` prints it")
    return found


def _sign_image(image: str, key: str, predicate: dict[str, Any]) -> None:
    name = _parsed(image)["name"]
    built = DIST / "provenance" / f"{name}.json"
    built.parent.mkdir(parents=True, exist_ok=True)
    built.write_text(json.dumps(predicate, indent=2) + "\n")
    _cosign("sign", key, image)
    _cosign("attest", key, "--type=cyclonedx", f"--predicate={DIST / 'sbom' / f'{name}.cdx.json'}", image)
    _cosign("attest", key, "--type=slsaprovenance1", f"--predicate={built}", image)


def _sign_chart(key: str) -> None:
    try:
        chart = str(package(DIST))
    except ChartFailed as error:
        raise NotReady(str(error)) from error
    _cosign("sign-blob", key, f"--bundle={chart}.sigstore.json", chart)
    print(chart)


def _cosign(verb: str, key: str, *arguments: str) -> None:
    command = ["cosign", verb, "--yes", *([f"--key={key}"] if key else []), *arguments]
    if (code := subprocess.run(command, cwd=ROOT, check=False).returncode) != 0:
        raise NotReady(f"{' '.join(command)} ended with {code}")


def _said(*command: str) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NotReady(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
