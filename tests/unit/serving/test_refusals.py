"""What must never serve, each with its reason, from the files to the ModelDeployment's status."""

from __future__ import annotations

import pickle
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sklearn.ensemble import RandomForestClassifier
from sklearn.naive_bayes import GaussianNB

from tests.support import models
from tests.support.snapshots import NOW, record, revision, slot, snapshot
from viridian.api.names import REVISION_LABEL, Slot
from viridian.api.rejections import ModelRejection, format_termination_message, parse_termination_message
from viridian.api.signing import Subject
from viridian.rollout.decide import decide
from viridian.rollout.slot_state import parse_pod
from viridian.serving import termination
from viridian.serving.errors import ServingError
from viridian.serving.server import load
from viridian.serving.server_settings import parse
from viridian.training.signing import make_key, read, sign


class Homemade(GaussianNB):  # type: ignore[misc]
    """Nobody listed it."""


def a_pickle(directory: Path) -> None:
    (directory / "MLmodel").unlink()
    (directory / "model.onnx").unlink()
    (directory / "model.pkl").write_bytes(pickle.dumps({}))


def a_joblib_file_by_another_name(directory: Path) -> None:
    (directory / "model.onnx").write_bytes(zlib.compress(pickle.dumps({})))


def a_pickle_as_mlflow_logs_it(directory: Path) -> None:
    (directory / "model.bin").write_bytes(pickle.dumps({}))
    flavor = {"pickled_model": "model.bin", "serialization_format": "cloudpickle", "sklearn_version": "1.9.1"}
    models.write_mlmodel(directory, {"sklearn": flavor})


def a_changed_file(directory: Path) -> None:
    models.add_manifest(directory)
    (directory / "MLmodel").write_text("flavors: {}")


def a_type_that_nobody_listed(directory: Path) -> None:
    fitted = Homemade().fit(*models.iris())
    models.write_skops_mlflow(directory, fitted, skops_trusted_types=[f"{__name__}.Homemade"])


def another_scikit_learn(directory: Path) -> None:
    models.write_skops_mlflow(directory, models.logistic(), sklearn_version="1.8.0")


def a_child_out_of_range(directory: Path) -> None:
    forest = RandomForestClassifier(2, random_state=0).fit(*models.iris())
    forest.estimators_[0].tree_.children_left[0] = 10**6
    models.write_skops_mlflow(directory, forest)


def half_a_file(directory: Path) -> None:
    content = (directory / "model.onnx").read_bytes()
    (directory / "model.onnx").write_bytes(content[: len(content) // 2])


def another_flavor(directory: Path) -> None:
    models.write_mlmodel(directory, {"pytorch": {}})


def an_example_that_does_not_fit(directory: Path) -> None:
    models.write_onnx_mlflow(directory, example={"inputs": [[1]]})


def nothing_more(_: Path) -> None:
    """The version is fine in itself."""


CASES: list[tuple[Callable[[Path], None], str, ModelRejection]] = [
    (a_pickle, "", ModelRejection.PICKLE),
    (a_joblib_file_by_another_name, "", ModelRejection.PICKLE),
    (a_pickle_as_mlflow_logs_it, "", ModelRejection.PICKLE),
    (a_changed_file, "", ModelRejection.TAMPERED),
    (a_type_that_nobody_listed, "", ModelRejection.UNTRUSTED_TYPE),
    (another_scikit_learn, "", ModelRejection.OTHER_SKLEARN),
    (a_child_out_of_range, "", ModelRejection.MALFORMED),
    (half_a_file, "", ModelRejection.MALFORMED),
    (another_flavor, "", ModelRejection.NOT_SERVED),
    (an_example_that_does_not_fit, "", ModelRejection.SMOKE_FAILED),
    (nothing_more, "unsigned", ModelRejection.UNSIGNED),
    (nothing_more, "signed by somebody else", ModelRejection.UNKNOWN_KEY),
    (nothing_more, "signed, then changed", ModelRejection.BAD_SIGNATURE),
]
IDS = [f"{wrong.__name__} {signature}".replace("nothing_more ", "") for wrong, signature, _ in CASES]


def last_words(tmp_path: Path, wrong: Callable[[Path], None], signature: str) -> str:
    """What a server leaves in its termination log for a version with this fault."""
    directory = models.write_onnx_mlflow(tmp_path / "model")
    wrong(directory)
    variables = {"VIRIDIAN_MODEL_DIR": str(directory), "VIRIDIAN_TERMINATION_LOG": str(tmp_path / "log")}
    if signature:
        models.add_manifest(directory)
        private, public = make_key(tmp_path / "pair")
        (tmp_path / "trusted").mkdir()
        public.rename(tmp_path / "trusted" / "key.pem")
        variables |= {"VIRIDIAN_TRUSTED_KEYS": str(tmp_path / "trusted"), "VIRIDIAN_SIGNATURE_REQUIRED": "true"}
        if signature == "signed by somebody else":
            sign(directory, Ed25519PrivateKey.generate(), Subject("churn"))
        elif signature == "signed, then changed":
            sign(directory, read(private), Subject("churn"))
            (directory / "viridian" / "manifest.json").write_bytes(b"{}")
    settings = parse([], variables)
    with pytest.raises(ServingError) as raised:
        load(settings, threads=1)
    termination.explain(settings.termination_log, raised.value)
    return settings.termination_log.read_text()


@pytest.mark.parametrize(("wrong", "signature", "reason"), CASES, ids=IDS)
def test_each_fault_becomes_a_reason_on_the_status(
    tmp_path: Path, wrong: Callable[[Path], None], signature: str, reason: ModelRejection
) -> None:
    message = last_words(tmp_path, wrong, signature)
    found, sentence = parse_termination_message(message)
    assert found is reason
    first = condition(snapshot(slots=[refused(Slot.BLUE, "1", message)], known=[record("1")]), "Stalled")
    assert (first["status"], first["reason"]) == ("True", reason)
    assert sentence[:200] in first["message"]


def test_a_key_of_the_hashes_that_is_missing_is_named_and_waited_for(tmp_path: Path) -> None:
    """No fault of the version: a challenger is not rejected for it."""
    variables = {
        "VIRIDIAN_MODEL_DIR": str(models.write_sealed(tmp_path / "model").directory),
        "VIRIDIAN_COLLECTOR_URL": "http://127.0.0.1:1",
        "VIRIDIAN_FEEDBACK": '{"hash": ["sepal length"]}',
        "VIRIDIAN_FEEDBACK_KEY_FILE": str(tmp_path / "salt"),
        "VIRIDIAN_FEEDBACK_KEY_SECRET": "churn-key",
    }
    with pytest.raises(ServingError) as raised:
        load(parse([], variables), threads=1)
    termination.explain(tmp_path / "log", raised.value)
    message = (tmp_path / "log").read_text()
    assert parse_termination_message(message)[0] is ModelRejection.NO_HASH_KEY
    shown = snapshot(slots=[refused(Slot.BLUE, "1", message)], known=[record("1")])
    first = condition(shown, "Reconciling")
    assert "the Secret 'churn-key', which spec.feedback.hashKeySecretRef names" in first["message"]
    assert "kubectl create secret generic churn-key --from-literal=salt=$(openssl rand -hex 32)" in first["message"]
    status = decide(shown, NOW).status
    assert status is not None
    assert not [one for one in status["conditions"] if one["type"] == "Stalled"]


def refused(at: Slot, version: str, message: str) -> Any:
    """A slot whose only pod ended with these words."""
    ended = {"lastState": {"terminated": {"exitCode": 1, "message": message}}}
    pod = parse_pod(
        {
            "metadata": {"uid": "u", "name": "n", "labels": {REVISION_LABEL: revision(version)}},
            "spec": {},
            "status": {"containerStatuses": [{"name": "server", "state": {}, **ended}]},
        }
    )
    return replace(slot(at, version, ready=0), pods=(pod,))


def condition(shown: Any, kind: str) -> dict[str, Any]:
    status = decide(shown, NOW).status
    assert status is not None
    return next(dict(one) for one in status["conditions"] if one["type"] == kind)


def test_a_word_that_nobody_knows_is_part_of_the_sentence() -> None:
    assert parse_termination_message("NewerWord: something") == (None, "NewerWord: something")
    assert parse_termination_message("no colon") == (None, "no colon")
    for reason in ModelRejection:
        assert parse_termination_message(format_termination_message(reason, "a: b")) == (reason, "a: b")
