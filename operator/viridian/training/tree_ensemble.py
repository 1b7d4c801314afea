"""Boosted trees of any library as the attributes of ONNX's operator `TreeEnsemble` (ai.onnx.ml 5), in 64 bits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
NO_CODE: Final = 0
"""No category has it: a set must hold something."""


@dataclass(frozen=True, slots=True)
class Leaf:
    value: float


@dataclass(frozen=True, slots=True)
class NumberSplit:
    """Numbers up to the threshold go left, and so does the threshold itself."""

    feature: int
    threshold: float
    left: int
    """Which of the tree's nodes."""
    right: int
    gaps_go_left: bool


@dataclass(frozen=True, slots=True)
class CategorySplit:
    feature: int
    goes_left: NDArray[np.bool_]
    """By the category's place among those of its column. A value that is none of them goes where a gap goes."""
    left: int
    right: int
    gaps_go_left: bool


TreeNode = Leaf | NumberSplit | CategorySplit


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

    def add(self, nodes: Sequence[TreeNode], target: int) -> None:
        """A tree that adds to one target. Its first node is its root."""
        first_split, first_leaf = len(self.features), len(self.leaf_weights)
        self.roots.append(first_split)
        if isinstance(nodes[0], Leaf):
            nodes = nodes[:1]  # what else is there was pruned
        places: list[tuple[int, int]] = []
        """Of each node: where it will stand, and whether it is a leaf."""
        splits, leaves = first_split, first_leaf
        for node in nodes:
            if isinstance(node, Leaf):
                places.append((leaves, 1))
                leaves += 1
            else:
                places.append((splits, 0))
                splits += 1
        if isinstance(nodes[0], Leaf):
            # A lone leaf stands behind a split whose branches both end there.
            self._split(0, _LEQ, 0.0, places[0], places[0], gaps_go_true=False)
        for node in nodes:
            if isinstance(node, Leaf):
                self.leaf_targets.append(target)
                self.leaf_weights.append(node.value)
            else:
                self._add_split(node, places[node.left], places[node.right])

    def _add_split(self, node: NumberSplit | CategorySplit, left: tuple[int, int], right: tuple[int, int]) -> None:
        if isinstance(node, NumberSplit):
            self._split(node.feature, _LEQ, node.threshold, left, right, gaps_go_true=node.gaps_go_left)
            return
        # A gap goes to the side whose codes are not listed, and so does a value that is not known, which is a gap.
        listed = np.flatnonzero(node.goes_left != node.gaps_go_left) + FIRST_CODE
        self.members.extend([*(listed if len(listed) else [NO_CODE]), float("nan")])
        branches = (right, left) if node.gaps_go_left else (left, right)
        self._split(node.feature, _MEMBER, 0.0, *branches, gaps_go_true=False)

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


def doubles(name: str, values: Iterable[float]) -> TensorProto:
    listed = [float(value) for value in values]
    return make_tensor(name, TensorProto.DOUBLE, [len(listed)], listed)
