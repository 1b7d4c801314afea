"""The scanners, as they are run: pinned, offline, and with every check on that has anything to say about us."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from checks.findings import Finding
from checks.rendered import ROOT
from localcluster.binaries import program
from localcluster.builder import ensure

CODE = ("operator", "localcluster", "demo", "benchmarks", "charts", "docs", "checks", "release")
_CRITICAL_OR_WARNING = 5
# checkov asks an index for newer versions of itself, and its makers for guidelines, unless it is told not to. Where one
# of these words changes its meaning, the proxy that is not there keeps it from calling anybody.
_NOBODY = "http://127.0.0.1:9"
OFFLINE = {
    "CKV_SKIP_PACKAGE_UPDATE_CHECK": "true",
    "BC_SKIP_MAPPING": "TRUE",
    **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"), _NOBODY),
    "NO_PROXY": "",
    "no_proxy": "",
}


class Broken(RuntimeError):
    """A scanner did not do its work: its silence says nothing."""


def kube_score(files: Sequence[Path]) -> list[Finding]:
    ensure(["kube-score"])
    return [finding for file in files for finding in _kube_score(file)]


def _kube_score(file: Path) -> Iterator[Finding]:
    answer = _json(
        program("kube-score"), "score", "--kubernetes-version", "v1.34", "--output-format", "json", str(file)
    )
    if not answer:
        raise Broken(f"kube-score saw nothing in {file.name}")
    for scored in answer:
        where = f"{scored['type_meta']['kind']}/{scored['object_meta']['name']}"
        for check in scored["checks"]:
            if not check["skipped"] and check["grade"] <= _CRITICAL_OR_WARNING:
                said = [comment["summary"] for comment in check["comments"] or ()]
                yield Finding("kube-score", check["check"]["id"], where, "; ".join(dict.fromkeys(said)))


def checkov(files: Sequence[Path], programs: Path, dockerfile: Path = ROOT / "Dockerfile") -> list[Finding]:
    """One run for all files, since it takes seconds to begin."""
    named = [flag for file in (*files, dockerfile) for flag in ("--file", str(file))]
    flags = ["--framework", "kubernetes", "dockerfile", "--skip-download", "--quiet", "--compact", "--output", "json"]
    answer = _json(str(programs / "checkov"), *named, *flags)
    reports = answer if isinstance(answer, list) else [answer]
    kinds = {report.get("check_type") for report in reports if report.get("summary", {}).get("passed")}
    errors = [error for report in reports for error in report["results"].get("parsing_errors") or ()]
    expected = {"kubernetes", "dockerfile"} if files else {"dockerfile"}
    if kinds != expected or errors:
        raise Broken(f"checkov looked at {sorted(map(str, kinds))} and could not read {errors}")
    return [
        _of_checkov(report["check_type"], failed) for report in reports for failed in report["results"]["failed_checks"]
    ]


def _of_checkov(framework: str, failed: dict[str, Any]) -> Finding:
    """An object is `Kind.namespace.name`, and where its pods are meant, their labels follow."""
    kind, _, rest = str(failed["resource"]).partition(".")
    name = rest.partition(".app.kubernetes.io/")[0].rpartition(".")[2]
    where = f"{kind}/{name}" if framework == "kubernetes" else Path(failed["file_path"]).name
    return Finding("checkov", failed["check_id"], where, failed["check_name"])


def bandit(programs: Path, *sources: str) -> list[Finding]:
    answer = _json(str(programs / "bandit"), "--quiet", "--format", "json", "--recursive", *(sources or CODE))
    if answer["errors"] or not answer["metrics"]["_totals"]["loc"]:
        raise Broken(f"bandit could not read {answer['errors'] or sources}")
    return [
        Finding("bandit", one["test_id"], one["filename"].removeprefix("./"), one["issue_text"])
        for one in answer["results"]
    ]


def _json(*command: str) -> Any:
    """What it says, whatever its exit code: that also tells whether there are findings."""
    done = subprocess.run(
        command,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **OFFLINE, "LOG_LEVEL": "ERROR"},
    )
    try:
        return json.loads(done.stdout)
    except json.JSONDecodeError:
        raise Broken(f"{Path(command[0]).name} ended with {done.returncode}: {done.stderr[-2000:]}") from None
