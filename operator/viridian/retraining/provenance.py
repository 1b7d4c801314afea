"""Whether the model that a run names is its own: MLflow has to say that this run logged it.

A run names its model in its report, in a tag or in what it logged. All of these are the words of a container, and the
operator registers with rights that the container may not have: what another run made is refused.
"""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from viridian.api.registry import LoggedModel, TrainingRun, logged_model_id

WHAT_TO_DO = "log the model to the MLflow run that MLFLOW_RUN_ID names, and report what was logged there"


def foreign(source: str, run: TrainingRun, logged: LoggedModel | None) -> str:
    """Why the source is not the run's own, for people; empty where it is. `logged`: what it names as `m-…`."""
    scheme = source.partition(":")[0]
    if scheme == "runs":
        named = source.partition(":")[2].lstrip("/").partition("/")[0]
        return "" if named == run.run_id and is_plain(source) else _wrong(source, f"it names the MLflow run {named!r}")
    if (model_id := logged_model_id(source)) is not None:
        return _of_logged(source, model_id, run, logged)
    if scheme == "models":
        return _wrong(source, "it names a registered version, which is no model of this run")
    if run.artifact_uri and is_below(source, run.artifact_uri):
        return ""
    return _wrong(source, f"it does not lie below the artifacts of its MLflow run {run.run_id}")


def _of_logged(source: str, model_id: str, run: TrainingRun, logged: LoggedModel | None) -> str:
    if logged is None or logged.model_id != model_id:
        return _wrong(source, f"MLflow has no logged model {model_id}")
    if logged.run_id != run.run_id:
        whose = f"the MLflow run {logged.run_id!r}" if logged.run_id else "no MLflow run"
        return _wrong(source, f"{model_id} was logged by {whose}, not by {run.run_id}")
    whole = source == f"models:/{model_id}"
    if not whole and not is_below(source, logged.artifact_uri):
        return _wrong(source, f"it does not lie below the artifacts of {model_id}")
    return ""


def is_below(source: str, folder: str) -> bool:
    """Whether the address is the folder or something in it, however it is written."""
    root = folder.rstrip("/")
    return bool(root) and is_plain(source) and (source.rstrip("/") == root or source.startswith(f"{root}/"))


def is_plain(source: str) -> bool:
    """Whether the path of the address leads nowhere but down, and nothing follows it."""
    try:
        parts = urlsplit(source)
    except ValueError:
        return False
    path = unquote(unquote(parts.path))
    return not parts.query and not parts.fragment and "\\" not in path and not {".", ".."} & set(path.split("/"))


def _wrong(source: str, why: str) -> str:
    shown = source.partition("?")[0][:200]
    return f"the run names the model {shown} as its own, but {why}: nothing is registered. {WHAT_TO_DO}"
