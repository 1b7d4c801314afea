"""`lint`: what the API server would answer to manifests, without one."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer
import yaml

from viridian.api.names import GOVERNANCE_POLICY, GROUP
from viridian.cli.cel_expressions import CelExpressions
from viridian.cli.exit_codes import CommandExit
from viridian.cli.files import file_bytes, files_at, name_of
from viridian.cli.located_yaml import LocatedDocument, located_documents
from viridian.cli.manifest_hints import hints
from viridian.cli.manifest_rules import ManifestRules, dotted
from viridian.cli.output_formats import TextFormat, TextOrJson

DESCRIPTION: Final = """\
Check ModelDeployments, RetrainPolicies and GovernancePolicies without a cluster, by the rules of the API server:
structure, CEL rules, and the demands of all GovernancePolicies in the files. Objects of other kinds are passed over.
"""
EPILOG: Final = """\
examples:
  kubectl viridian lint -f deploy/                          # all YAML and JSON below
  kustomize build . | kubectl viridian lint -f -
  kubectl viridian lint -f churn.yaml -f governance.yaml -o json
"""
_STANDARD_INPUT: Final = "-"


class LintFinding(msgspec.Struct, frozen=True):
    """One thing that the API server would refuse."""

    file: str
    line: int
    """Where it stands, or would have to stand."""
    object: str
    """Kind and name; empty for what is no object."""
    path: str
    message: str

    @property
    def sentence(self) -> str:
        about = ": ".join(part for part in (self.path, self.message) if part)
        return f"{self.file}:{self.line}: {about}"


class LintReport(msgspec.Struct, frozen=True):
    """The result for all files."""

    objects: int
    """Of our kinds."""
    findings: list[LintFinding]
    hints: list[LintFinding]
    """What it would take, and is seldom meant."""


def lint(
    filename: Annotated[
        list[str],
        typer.Option("--filename", "-f", metavar="FILE|DIR|-", help="Manifests; may be repeated. -: standard input."),
    ],
    output: TextOrJson = TextFormat.TEXT,
) -> None:
    """Prints the findings; 3 where there is one."""
    report = lint_report(_sources(filename))
    if output is TextFormat.JSON:
        typer.echo(msgspec.json.format(msgspec.json.encode(report), indent=2).decode())
    else:
        for finding in report.findings:
            typer.echo(finding.sentence)
        for hint in report.hints:
            typer.echo(f"hint: {hint.sentence}")
        counted = f", {len(report.hints)} hints" if report.hints else ""
        typer.echo(f"{report.objects} objects, {len(report.findings)} findings{counted}", err=True)
    raise typer.Exit(CommandExit.BROKEN if report.findings else CommandExit.DONE)


def lint_report(sources: Iterable[tuple[str, bytes]]) -> LintReport:
    """Findings in files, each given by its name and content, in the order of the files."""
    findings: list[LintFinding] = []
    ours: list[tuple[str, LocatedDocument]] = []
    for file, text in sources:
        try:
            found = located_documents(text)
        except (yaml.YAMLError, RecursionError, ValueError) as error:
            findings.append(_no_yaml(file, error))
        else:
            ours += [(file, one) for one in found if _is_ours(one.value)]
    policies = [one.value for _, one in ours if one.value["kind"] == GOVERNANCE_POLICY]
    evaluate = CelExpressions().evaluate
    # A policy that is wrong itself demands nothing: the API server would not have it.
    alone = ManifestRules(evaluate)
    rules = ManifestRules(evaluate, [one for one in policies if not alone.problems(one)])
    right: list[tuple[str, LocatedDocument]] = []
    for file, document in ours:
        problems = list(_findings(file, document, rules))
        findings += problems
        right += [] if problems else [(file, document)]
    return LintReport(len(ours), findings, list(_hints(right)))


def _hints(right: Sequence[tuple[str, LocatedDocument]]) -> Iterator[LintFinding]:
    """About what is right by itself."""
    manifests = [document.value for _, document in right]
    for file, document in right:
        for hint in hints(document.value, manifests):
            about = f"{document.value['kind']} {name_of(document.value)}"
            yield LintFinding(file, document.line(hint.path), about, dotted(hint.path), hint.message)


def _findings(file: str, document: LocatedDocument, rules: ManifestRules) -> Iterator[LintFinding]:
    about = f"{document.value['kind']} {name_of(document.value)}".strip()
    for line, name in document.repeated:
        yield LintFinding(file, line, about, name, "the field is there twice, and only the last one would count")
    for problem in rules.problems(document.value):
        yield LintFinding(file, document.line(problem.path), about, dotted(problem.path), problem.message)


def _is_ours(value: Any) -> bool:
    if not isinstance(value, dict) or not isinstance(value.get("kind"), str):
        return False
    return str(value.get("apiVersion", "")).partition("/")[0] == GROUP


def _no_yaml(file: str, error: Exception) -> LintFinding:
    mark = getattr(error, "problem_mark", None)
    message = "nested too deeply" if isinstance(error, RecursionError) else str(getattr(error, "problem", "") or error)
    return LintFinding(file, mark.line + 1 if mark is not None else 1, "", "", f"no YAML: {' '.join(message.split())}")


def _sources(arguments: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    for argument in arguments:
        if argument == _STANDARD_INPUT:
            yield "standard input", sys.stdin.buffer.read()
        else:
            yield from ((str(path), file_bytes(path)) for path in files_at(Path(argument)))
