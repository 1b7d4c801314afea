"""The images of the systems that stand together: one for each, from the lock of its example."""

from __future__ import annotations

from typing import Final

from localcluster.images import Image

FOLDER: Final = "examples/stack/together"
SYSTEMS: Final = ("airflow", "dvc", "evidently", "feast")


def stack_images() -> list[Image]:
    return [
        Image(
            name=f"stack-{system}",
            inputs=(f"examples/stack/{system}", "locks/uv.txt", "operator"),
            dockerfile=f"{FOLDER}/Dockerfile",
            target="system",
            arguments={"SYSTEM": system},
        )
        for system in SYSTEMS
    ]
