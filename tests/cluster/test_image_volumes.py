"""A model in an image: the kubelet mounts it, the init step checks it, and a rollout is as ever."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from localcluster import clusters, images, ocilayout
from tests.cluster.conftest import Operator
from tests.support import models
from tests.support.kube import Kube, Object
from tests.support.node.deployment import Deployed

pytestmark = pytest.mark.skipif(
    clusters.KUBECONFIG_VARIABLE in os.environ, reason="nobody can load images into a cluster elsewhere"
)
NOT_ITS_DIGEST = f"sha256:{'0' * 64}"


def loaded(name: str, note: str, folder: Path) -> Object:
    """`spec.model` of a sound model, whose image the node has; another note is another model."""
    payload = models.write_onnx_mlflow(folder / name)
    (payload / "NOTE").write_text(note)
    digest = models.add_manifest(payload)
    files = {path.relative_to(payload).as_posix(): path for path in payload.rglob("*") if path.is_file()}
    reference, layout = images.reference(name), folder / f"{name}.image"
    layout.mkdir()
    ocilayout.write_program_image(layout, reference, files, ["none"])
    clusters.choose().load({name: layout})
    return {"uri": f"oci://{reference}", "digest": digest}


def test_models_in_images_are_served_promoted_and_refused(
    kube: Kube, namespace: str, operator: Operator, tmp_path: Path
) -> None:
    deployed = Deployed(kube, namespace, "by-image")
    first, second = (loaded(f"model-{name}", name, tmp_path) for name in ("first", "second"))
    deployed.apply(model=first)
    deployed.until_condition("Ready", "True")
    assert "name" in deployed.ask("v2")
    (pod,) = deployed.pods()
    (volume,) = [one for one in pod["spec"]["volumes"] if one["name"] == "model"]
    assert f"oci://{volume['image']['reference']}" == first["uri"]

    former = deployed.champion["revision"]
    deployed.apply(model=second)
    promoted = deployed.until(
        lambda status: status["champion"]["revision"] != former and deployed.is_at_rest(status), "the second model"
    )["champion"]
    assert promoted["digest"] == second["digest"]
    assert "name" in deployed.ask("v2")

    deployed.apply(model={**first, "digest": NOT_ITS_DIGEST}, rollout={"progressDeadline": "20s"})
    status = deployed.until(lambda status: status.get("rejected"), "the rejection of bytes that were not promised")
    assert status["rejected"][-1]["reason"] == "ModelTampered"
    assert status["champion"]["revision"] == promoted["revision"]
