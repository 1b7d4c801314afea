"""`advise`: which workflow suits each model, from `spec.context` and from what its status shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Final

import msgspec
import typer

from viridian.api import reasons
from viridian.api.context import Context
from viridian.cli.files import UnusableFile, name_of, read_manifests
from viridian.cli.history_arguments import Objects
from viridian.cli.output_formats import TextFormat, TextOrJson
from viridian.judgement.advice import Advice, ObservedContext, recommend

DESCRIPTION: Final = """\
Advise a workflow for each ModelDeployment that has a spec.context: Linear, Iterative or Agile, with the reasons. With
--count, the ModelDeployments in the files are all models of the team, and their number counts instead of the declared
one. Where the status of an object shows something else than the answers, that is shown as well.
"""
EPILOG: Final = """\
example:
  kubectl get modeldeployments -n ml -o yaml | python -m viridian.cli advise --count -f /dev/stdin
"""
_DRIFT: Final = (reasons.DATA_DRIFT, reasons.PREDICTION_DRIFT, reasons.CONCEPT_DRIFT, reasons.DECAY)


def advise(
    filename: Objects,
    count: Annotated[bool, typer.Option(help="The files hold all models of the team.")] = False,
    output: TextOrJson = TextFormat.TEXT,
) -> str:
    deployments = read_manifests(filename).deployments
    number = len(deployments) if count else None
    found = [(name_of(one), advice) for one in deployments if (advice := _advice(one, number)) is not None]
    if not found:
        raise UnusableFile("no ModelDeployment in the files has answers in spec.context")
    if output is TextFormat.JSON:
        whole = [{"name": name, "advice": advice} for name, advice in found]
        return msgspec.json.format(msgspec.json.encode(whole), indent=2).decode()
    return "\n\n".join("\n".join(_lines(name, advice)) for name, advice in found)


def _advice(manifest: Mapping[str, Any], count: int | None) -> Advice | None:
    spec = manifest.get("spec")
    try:
        context = msgspec.convert(spec.get("context") if isinstance(spec, Mapping) else None, Context | None)
    except msgspec.ValidationError as error:
        raise UnusableFile(f"ModelDeployment {name_of(manifest)}: spec.context: {error}") from error
    return (
        None
        if context is None
        else recommend(context, ObservedContext(models=count, drift_fired=_drift_fired(manifest)))
    )


def _drift_fired(manifest: Mapping[str, Any]) -> bool | None:
    """Whether the conditions say so; None where they say nothing of drift."""
    status = manifest.get("status")
    conditions: Sequence[Any] = (status.get("conditions") or ()) if isinstance(status, Mapping) else ()
    shown = [one.get("status") for one in conditions if isinstance(one, Mapping) and one.get("type") in _DRIFT]
    return "True" in shown if shown else None


def _lines(name: str, advice: Advice) -> Iterator[str]:
    later = f", and grow into {advice.next}" if advice.next is not None else ""
    yield f"{name}: choose workflow: {advice.workflow}{later}"
    yield from (f"  first: {one}" for one in advice.safeguards)
    yield from (f"  {reason}" for reason in advice.reasons)
    yield from (f"  contradicted: {one}" for one in advice.contradictions)
