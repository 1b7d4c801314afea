"""Decision trees are arrays of node numbers that compiled code follows without looking: look here, once, at load.

A crafted file could otherwise read out of bounds, or walk in a circle for ever.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor
from sklearn.tree._tree import Tree

from viridian.api.rejections import ModelRejection
from viridian.serving.errors import BundleRefused

_LEAF: Final = -1


def check_trees(estimator: Any) -> None:
    """Every child comes after its parent and inside the tree, and every split uses a feature that exists."""
    for found in parts(estimator):
        if isinstance(found, Tree):
            _check_tree(found)
        elif isinstance(found, TreePredictor):
            _check_predictor(found, estimator)


def _check_tree(tree: Any) -> None:
    left, right, feature = tree.children_left, tree.children_right, tree.feature
    numbers = np.arange(tree.node_count)
    leaf = left == _LEAF
    if not np.array_equal(leaf, right == _LEAF):
        raise _crafted()
    inner = ~leaf
    for child in (left[inner], right[inner]):
        if ((child <= numbers[inner]) | (child >= tree.node_count)).any():
            raise _crafted()
    if ((feature[inner] < 0) | (feature[inner] >= tree.n_features)).any() or tree.node_count == 0:
        raise _crafted()


def _check_predictor(predictor: Any, estimator: Any) -> None:
    nodes = predictor.nodes
    numbers = np.arange(len(nodes))
    inner = nodes["is_leaf"] == 0
    for side in ("left", "right"):
        child = nodes[side][inner]
        if ((child <= numbers[inner]) | (child >= len(nodes))).any():
            raise _crafted()
    width = getattr(estimator, "n_features_in_", None)
    feature = nodes["feature_idx"][inner]
    if not len(nodes) or (feature < 0).any() or (width is not None and (feature >= width).any()):
        raise _crafted()
    categorical = nodes["bitset_idx"][inner & (nodes["is_categorical"] != 0)]
    if (categorical >= len(predictor.raw_left_cat_bitsets)).any():
        raise _crafted()


def _crafted() -> BundleRefused:
    return BundleRefused(
        "the model holds a decision tree whose nodes point outside of it: refused", ModelRejection.MALFORMED
    )


def parts(root: Any) -> Iterator[Any]:
    """Every object that the estimator is made of, each once."""
    seen: set[int] = set()
    waiting = [root]
    while waiting:
        found = waiting.pop()
        if id(found) in seen or isinstance(found, (str, bytes, int, float, type)):
            continue
        seen.add(id(found))
        yield found
        if isinstance(found, dict):
            waiting.extend(found.values())
        elif isinstance(found, (list, tuple, set)) or (isinstance(found, np.ndarray) and found.dtype == object):
            waiting.extend(found.ravel() if isinstance(found, np.ndarray) else found)
        else:
            waiting.extend(vars(found).values() if hasattr(found, "__dict__") else ())
