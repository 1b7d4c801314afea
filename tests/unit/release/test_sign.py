"""Signing: by digest only, everything or nothing, with the commands that cosign documents."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from release import sign
from release.pins import IMAGES
from release.sign import main, provenance

pytestmark = pytest.mark.needs_programs

DIGEST = "sha256:" + "a" * 64
BASE = "python:3.11-slim@sha256:" + "b" * 64
IMAGE = f"registry.example.com/viridian/operator@{DIGEST}"
BUILDER = ["--builder", "https://ci.example.com/jobs/1"]


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A release that is ready, with programs in the place of cosign and git that note how they are called."""
    programs, log = tmp_path / "bin", tmp_path / "calls"
    programs.mkdir()
    for name, script in {
        "cosign": f'echo "$@" >> {log}; test ! -e {tmp_path}/broken',
        "git": f'test "$1" = status && cat {tmp_path}/changed 2>/dev/null || echo 0123abc',
    }.items():
        (programs / name).write_text(f"#!/bin/sh\n{script}\n")
        (programs / name).chmod(0o755)
    (tmp_path / "changed").write_text("")
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(sign, "DIST", tmp_path / "dist")
    (tmp_path / "dist" / "sbom").mkdir(parents=True)
    for image in IMAGES:
        (tmp_path / "dist" / "sbom" / f"{image}.cdx.json").write_text("{}")
    return log


def test_image_bill_provenance_and_chart_are_signed(calls: Path) -> None:
    assert main([IMAGE, "--base", BASE, *BUILDER, "--key", "k.key"]) == 0
    dist = calls.parent / "dist"
    chart = next(dist.glob("viridian-*.tgz"))
    assert calls.read_text().splitlines() == [
        f"sign --yes --key=k.key {IMAGE}",
        f"attest --yes --key=k.key --type=cyclonedx --predicate={dist}/sbom/operator.cdx.json {IMAGE}",
        f"attest --yes --key=k.key --type=slsaprovenance1 --predicate={dist}/provenance/operator.json {IMAGE}",
        f"sign-blob --yes --key=k.key --bundle={chart}.sigstore.json {chart}",
    ]
    built = json.loads((dist / "provenance" / "operator.json").read_text())
    assert built["buildDefinition"]["externalParameters"] == {"target": "operator", "base": BASE}


def test_without_a_key_it_signs_keyless(calls: Path) -> None:
    assert main([IMAGE, "--base", BASE, *BUILDER]) == 0
    assert "--key" not in calls.read_text()


@pytest.mark.parametrize(
    ("image", "base", "said"),
    [
        ("registry.example.com/viridian/operator:0.1.0", BASE, "no image of ours by digest"),
        (f"registry.example.com/viridian/other@{DIGEST}", BASE, "no image of ours by digest"),
        (IMAGE, "python:3.11-slim", "has no digest"),
    ],
)
def test_what_is_not_named_for_good_is_not_signed(
    image: str, base: str, said: str, calls: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([IMAGE, image, "--base", base, *BUILDER]) == 1
    assert said in capsys.readouterr().err
    assert not calls.exists(), "not even the image before it"


def test_nothing_is_signed_from_a_changed_checkout_or_without_a_bill(
    calls: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (calls.parent / "changed").write_text(" M Makefile\n")
    assert main([IMAGE, "--base", BASE, *BUILDER]) == 1
    assert "changes that no commit has" in capsys.readouterr().err
    (calls.parent / "dist" / "sbom" / "operator.cdx.json").unlink()
    assert main([IMAGE, "--base", BASE, *BUILDER]) == 1
    assert "make sbom" in capsys.readouterr().err
    assert not calls.exists()


def test_a_cosign_that_fails_is_said(calls: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (calls.parent / "broken").touch()
    assert main([IMAGE, "--base", BASE, *BUILDER]) == 1
    assert "cosign sign" in capsys.readouterr().err


def test_where_there_is_no_cosign_it_says_what_to_install(
    calls: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(calls.parent))
    assert main([IMAGE, "--base", BASE, *BUILDER]) == 1
    assert "cosign is not on the PATH" in capsys.readouterr().err


def test_provenance_names_commit_base_and_lock() -> None:
    told = provenance(IMAGE, BASE, "https://ci.example.com/jobs/1", "0123abc")
    by_name = {one["name"]: one for one in told["buildDefinition"]["resolvedDependencies"]}
    assert by_name["source"]["digest"] == {"gitCommit": "0123abc"}
    assert by_name["base"]["digest"] == {"sha256": "b" * 64}
    assert set(by_name) == {"source", "base", "operator.txt"}
