"""The trees of histogram gradient boosting as the attributes of ONNX's operator `TreeEnsemble` (ai.onnx.ml 5)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto
from onnx.helper import make_tensor

_LEQ, _MEMBER = 0, 6
_SUM: Final = 1
FIRST_CODE: Final = 1
"""Categories are numbered from here: onnxruntime tests membership quickest among the numbers from 1 to 64."""


@dataclass(slots=True)
class Ensemble:
    """The attributes of a `TreeEnsemble`, in the words of its specification; a root is an index of a split."""

    roots: list[int] = field(default_factory=list)
    features: list[int] = field(default_factory=list)
    modes: list[int] = field(default_factory=list)
    splits: list[float] = field(default_factory=list)
    true_ids: list[int] = field(default_factory=list)
    true_leaves: list[int] = field(default_factory=list)
    false_ids: list[int] = field(default_factory=list)
    false_leaves: list[int] = field(default_factory=list)
    gaps_go_true: list[int] = field(default_factory=list)
    members: list[float] = field(default_factory=list)
    """The sets of the splits by category, in the order of those; NaN ends each."""
    leaf_targets: list[int] = field(default_factory=list)
    leaf_weights: list[float] = field(default_factory=list)

    def add(self, tree: Any, target: int) -> None:
        """A tree that adds to one target."""
        nodes = tree.nodes
        inner = [index for index, node in enumerate(nodes) if not node["is_leaf"]]
        first_split, first_leaf = len(self.features), len(self.leaf_weights)
        self.roots.append(first_split)
        split_at = {index: first_split + place for place, index in enumerate(inner)}
        leaf_at = {}
        for index, node in enumerate(nodes):
            if node["is_leaf"]:
                leaf_at[index] = len(self.leaf_weights)
                self.leaf_targets.append(target)
                self.leaf_weights.append(float(node["value"]))
        if not inner:
            # A lone leaf stands behind a split whose branches both end there.
            self._split(0, _LEQ, 0.0, (first_leaf, 1), (first_leaf, 1), gaps_go_true=False)
        for index in inner:
            node = nodes[index]
            left, right = (
                (leaf_at[child], 1) if nodes[child]["is_leaf"] else (split_at[child], 0)
                for child in (int(node["left"]), int(node["right"]))
            )
            self._add_split(tree, node, left, right)

    def _add_split(self, tree: Any, node: Any, left: tuple[int, int], right: tuple[int, int]) -> None:
        feature, gaps_go_left = int(node["feature_idx"]), bool(node["missing_go_to_left"])
        if not node["is_categorical"]:
            threshold = float(node["num_threshold"])
            self._split(feature, _LEQ, threshold, left, right, gaps_go_true=gaps_go_left)
            return
        goes_left = _members(tree.raw_left_cat_bitsets[node["bitset_idx"]])
        # A gap goes to the side whose codes are not listed, and so does a value that is not known, which is a gap.
        self.members.extend([*(np.flatnonzero(goes_left != gaps_go_left) + FIRST_CODE), float("nan")])
        branches = (right, left) if gaps_go_left else (left, right)
        self._split(feature, _MEMBER, 0.0, *branches, gaps_go_true=False)

    def _split(
        self, column: int, mode: int, split: float, true: tuple[int, int], false: tuple[int, int], *, gaps_go_true: bool
    ) -> None:
        self.features.append(column)
        self.modes.append(mode)
        self.splits.append(split)
        self.true_ids.append(true[0])
        self.true_leaves.append(true[1])
        self.false_ids.append(false[0])
        self.false_leaves.append(false[1])
        self.gaps_go_true.append(int(gaps_go_true))

    def attributes(self, targets: int) -> dict[str, Any]:
        attributes: dict[str, Any] = {
            "aggregate_function": _SUM,
            "leaf_targetids": self.leaf_targets,
            "leaf_weights": doubles("leaf_weights", self.leaf_weights),
            "n_targets": targets,
            "nodes_falseleafs": self.false_leaves,
            "nodes_falsenodeids": self.false_ids,
            "nodes_featureids": self.features,
            "nodes_missing_value_tracks_true": self.gaps_go_true,
            "nodes_modes": make_tensor("nodes_modes", TensorProto.UINT8, [len(self.modes)], self.modes),
            "nodes_splits": doubles("nodes_splits", self.splits),
            "nodes_trueleafs": self.true_leaves,
            "nodes_truenodeids": self.true_ids,
            "post_transform": 0,
            "tree_roots": self.roots,
        }
        if self.members:
            attributes["membership_values"] = doubles("membership_values", self.members)
        return attributes


def _members(bitset: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """Which of the codes 0 to 255 are in a set that is kept as eight words of 32 bits."""
    return np.unpackbits(np.ascontiguousarray(bitset).view(np.uint8), bitorder="little").astype(bool)


def doubles(name: str, values: Iterable[float]) -> TensorProto:
    listed = [float(value) for value in values]
    return make_tensor(name, TensorProto.DOUBLE, [len(listed)], listed)
