"""The volume of a run: what one stage hands to the next, and the checkpoints that a retry finds again."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from viridian.api import cel
from viridian.api.schema import Struct, doc


class AccessMode(StrEnum):
    """From where a volume can be used at the same time, in the words of Kubernetes."""

    ONE_NODE = "ReadWriteOnce"
    ONE_POD = "ReadWriteOncePod"
    MANY_NODES = "ReadWriteMany"


class Storage(Struct, frozen=True, kw_only=True):
    """A PersistentVolumeClaim for each run. It lives as long as the record of the run."""

    size: Annotated[str, doc("How much each run may store, such as 20Gi.", max_length=32, rules=(cel.STORAGE_SIZE,))]
    storage_class_name: Annotated[
        str, doc("StorageClass of the claim. Left out: the default of the cluster.", max_length=253)
    ] = ""
    access_mode: Annotated[
        AccessMode,
        doc("ReadWriteOnce keeps the pods of a run to the node or zone of the volume; ReadWriteMany does not."),
    ] = AccessMode.ONE_NODE
